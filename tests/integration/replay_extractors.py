"""Extractors for replays, as functions of a module: a replay's worker processes import them by name."""

import os
from pathlib import Path

import msgspec

from extractor.record import feature_record
from schemas import FEATURE_NAMES, STATISTICS

MARK_VARIABLE = "REPLAY_TEST_DEATH_MARK"


def raised_rssi(frame, lineage):
    """The next version of the extractor: every RSSI one dB higher."""
    record = feature_record(frame, lineage)
    values = list(record.values)
    start = FEATURE_NAMES.index("rssi_dbm") * len(STATISTICS)
    for place in (start, start + 2, start + 3):  # mean, min, max
        values[place] += 1.0
    return msgspec.structs.replace(record, values=tuple(values), extractor_version="test-raised")


def dies_once(frame, lineage):
    """Ends its process without a word at the first frame of a sample that is named in a file, once."""
    mark = Path(os.environ[MARK_VARIABLE])
    if mark.exists() and frame.sample_idx == int(mark.read_text()):
        mark.unlink()
        os._exit(9)
    return feature_record(frame, lineage)


def cannot_hear_the_first_receiver(frame, lineage):
    if frame.receiver.rx_id == "giaveno":
        raise ValueError("this extractor is broken")
    return feature_record(frame, lineage)
