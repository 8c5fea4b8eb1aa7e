"""The API, asked whatever its own document allows: no answer is our mistake, and each is as the document says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iqstream.web import security
from tests.unit.web.test_api import DOCUMENT, require_documented, submit

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
ENDLESS = {"follow_datasets", "follow_dataset"}
"""Event streams, which have tests of their own."""
OPERATIONS = [
    operation
    for operation in (found.ok() for found in SCHEMA.get_all_operations())
    if operation.definition.raw["operationId"] not in ENDLESS
]
EXAMPLES = 12


@pytest.fixture(autouse=True)
def no_limit_of_rate(monkeypatch):
    """Before the application is made: how many changes are taken at once has a test of its own."""
    monkeypatch.setattr(security, "CHANGES_AT_ONCE", 10**9)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.definition.raw["operationId"])
def test_whatever_the_document_allows_is_answered_as_it_says(writer, door, operation):
    door.goes_on.set()
    cases = operation.as_strategy()

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases, known=st.booleans())
    def ask(case, known):
        made = next(iter(door.made), None) or submit(writer).json()["id"]
        if not door.outcomes.get(made):
            door.decide(made, 30)
        if known:
            real = {"dataset": made, "sample": 3, "receiver": "torino", "stage": "extractor"}
            case.path_parameters = {name: real.get(name, value) for name, value in case.path_parameters.items()}
        asked = case.as_transport_kwargs(base_url=str(writer.base_url))
        headers = {name: value for name, value in asked["headers"].items() if name.lower() != "user-agent"}
        answer = writer.request(
            asked["method"], asked["url"], params=asked.get("params"), headers=headers,
            **{name: asked[name] for name in ("json", "data") if asked.get(name) is not None},
        )  # fmt: skip
        assert answer.status_code < 500, answer.text
        require_documented(operation.definition.raw["operationId"], answer)

    ask()
