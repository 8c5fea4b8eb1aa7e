"""The example of the Python front door, run as it stands on real servers."""

import re
import subprocess
import sys

import pytest

from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.stack


def test_the_example_submits_watches_replays_streams_exports_verifies_and_deletes_a_dataset(settings, tmp_path):
    pipeline = Pipeline(settings, tmp_path / "log", workers=1)
    pipeline.start()
    try:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "examples/front_door.py"],
            env=pipeline.environment(), capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
    finally:
        pipeline.stop()
    assert ended.returncode == 0, ended.stderr
    told = ended.stdout
    print(told)
    assert re.search(r"^Submission\(dataset_id='[0-9a-f-]{36}', name='Front door \w{6}', samples=4, ", told)
    decided = re.search(
        r"^Dataset\(.*status='complete', requested=4, accepted=(\d), rejected=(\d), failed=0", told, re.MULTILINE
    )
    assert int(decided[1]) + int(decided[2]) == 4
    assert "\nReplayPlan(" in told
    assert re.search(r"^Replayed\(.*samples=0-1", told, re.MULTILINE)
    assert "\n0 dead letters\n" in told
    streamed = re.findall(r"^(\d) (accepted|rejected) \[", told, re.MULTILINE)
    assert sorted(int(index) for index, _ in streamed) == [0, 1, 2, 3]
    assert re.search(rf"^{int(decided[1]) * 7} rows exported$", told, re.MULTILINE)
    assert len(re.findall(r"^Check\(.*problems=\[\]\)$", told, re.MULTILINE)) == 5
    assert "\nFalse\nRemoved(rows=" in told
