"""What goes by stage goes by the one table of stages."""

import importlib.util
import re
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner

from iqstream.bench.faults import KINDS
from iqstream.cli.main import iqstream
from iqstream.lag.advise import ADVISED_STAGES
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import GROUP_OF_TOPIC, STAGES
from iqstream.runtime.topics import topic_specs

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("stage", STAGES.values(), ids=list(STAGES))
def test_a_stage_of_the_table_has_its_worker_its_command_and_its_faults(stage):
    assert importlib.util.find_spec(f"{stage.name}.__main__") is not None
    told = CliRunner().invoke(iqstream, [stage.name, "--help"])
    assert (told.exit_code, stage.work.split(":")[0] in told.output) == (0, True)
    assert any(kind.startswith(f"{stage.name} ") for kind in KINDS)
    for command in (["replay"], ["dead-letters", "list"], ["dead-letters", "purge"]):
        assert stage.name in CliRunner().invoke(iqstream, [*command, "--help"]).output


def test_every_topic_that_a_stage_reads_or_writes_is_made_and_is_written_before_it_is_read():
    settings = Settings(kafka_bootstrap="", postgres_dsn="", s3_endpoint="", s3_access_key="", s3_secret_key="")
    made = {spec.name for spec in topic_specs(settings)}
    written = set(chain.from_iterable(stage.outputs for stage in STAGES.values()))
    assert written | GROUP_OF_TOPIC.keys() == made
    assert len(GROUP_OF_TOPIC) == len({stage.group for stage in STAGES.values()}) == len(STAGES)
    seen = {next(iter(STAGES.values())).topic}
    for stage in STAGES.values():
        assert stage.topic in seen
        seen |= set(stage.outputs)


def test_advice_is_given_for_every_stage():
    assert tuple(STAGES.values()) == ADVISED_STAGES


def test_no_other_list_names_all_the_stages():
    """In the code: three names in a row are a list that somebody keeps by hand."""
    names = "|".join(STAGES)
    by_hand = re.compile(rf'"({names})"[^"\n]*"({names})"[^"\n]*"({names})"')
    found = []
    for package in ("iqstream", "producer", "extractor", "sink", "schemas"):
        found += [path for path in (ROOT / package).rglob("*.py") if by_hand.search(path.read_text())]
    assert found == []
