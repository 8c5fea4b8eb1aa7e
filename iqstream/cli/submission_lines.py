"""What `generate` says of a submission."""

from collections.abc import Sequence

import msgspec

from iqstream.catalogue.datasets import Dataset
from iqstream.cli.console import say, say_json
from iqstream.cli.tables import readable_bytes
from iqstream.client.results import Submission
from iqstream.submit.estimate import Estimate
from schemas import DatasetSpec


def estimate_lines(estimate: Estimate) -> list[str]:
    """What a dataset will cost and give, a line each."""
    lines = []
    if estimate.acceptance is not None:
        expected, low, high = estimate.acceptance.samples(estimate.samples)
        lines.append(
            f"Estimate: about {expected} of {estimate.samples} samples accepted ({low} to {high}; from "
            f"{estimate.acceptance.budgets} link budgets)"
        )
    disk = (
        f"disk at most {readable_bytes(estimate.frames_bytes)} for frames, {readable_bytes(estimate.iq_bytes)} for IQ"
    )
    when = "time not known yet: this stack has made no such recordings"
    if estimate.seconds is not None:
        when = f"about {_duration(estimate.seconds)} at this stack's rate"
    return [*lines, f"Estimate: {disk}; {when}"]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class SubmissionLines:
    """What is said of a submission: what it is called, its seed, and which datasets hold the same recordings."""

    def __init__(self, spec: DatasetSpec, *, as_json: bool) -> None:
        self._spec = spec
        self._as_json = as_json
        self._estimate: Estimate | None = None

    def estimated(self, estimate: Estimate) -> None:
        """What it will cost and give, before anything is submitted."""
        self._estimate = estimate
        if not self._as_json:
            say(*estimate_lines(estimate))

    def submitted(self, submission: Submission) -> None:
        """Of a dataset that is submitted whole."""
        spec = self._spec
        if self._as_json:
            same = [twin.id for twin in submission.same_recordings if twin.status != "deleted"]
            document = {"dataset_id": spec.dataset_id, "spec": msgspec.to_builtins(spec), "same_recordings_as": same}
            say_json(document | {"estimate": msgspec.to_builtins(self._estimate)})
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
