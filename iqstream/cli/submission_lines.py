"""What `generate` says of a submission."""

from collections.abc import Sequence

import msgspec

from iqstream.catalogue.datasets import Dataset
from iqstream.cli.console import say, say_json
from iqstream.client.results import Submission
from schemas import DatasetSpec


class SubmissionLines:
    """What is said of a submission: what it is called, its seed, and which datasets hold the same recordings."""

    def __init__(self, spec: DatasetSpec, *, as_json: bool) -> None:
        self._spec = spec
        self._as_json = as_json

    def submitted(self, submission: Submission) -> None:
        """Of a dataset that is submitted whole."""
        spec = self._spec
        if self._as_json:
            same = [twin.id for twin in submission.same_recordings if twin.status != "deleted"]
            document = {"dataset_id": spec.dataset_id, "spec": msgspec.to_builtins(spec), "same_recordings_as": same}
            say_json(document)
        else:
            say(f"Submitted {spec.name!r}: {spec.samples} samples, seed {spec.seed}, dataset {spec.dataset_id}")
        self._say_twins(submission.same_recordings)

    def begun(self, submission: Submission) -> None:
        """Of a dataset that begins to grow, whose lines follow."""
        if not self._as_json:
            say(f"Growing {self._spec.name!r}: seed {self._spec.seed}, dataset {self._spec.dataset_id}")
        self._say_twins(submission.same_recordings)

    def _say_twins(self, twins: Sequence[Dataset]) -> None:
        for twin in twins:
            if twin.status != "deleted":
                say(
                    f"Its recordings are the same recordings as dataset {twin.id} ({twin.name!r}): seed "
                    f"{self._spec.seed} with the same settings. Another --seed makes others.",
                    err=True,
                )
