"""Log lines that people and machines read."""

import json
import logging

from iqstream.runtime.logs import JsonLines, TextLines


def record(**extra):
    made = logging.makeLogRecord({"name": "stage", "levelno": 30, "levelname": "WARNING", "msg": "it is %s"})
    made.args = ("late",)
    made.__dict__.update(extra)
    return made


def test_a_json_line_is_one_object_with_the_extra_fields():
    event = json.loads(JsonLines().format(record(partition=3)))
    assert (event["message"], event["level"], event["partition"]) == ("it is late", "WARNING", 3)


def test_a_text_line_ends_with_the_extra_fields():
    assert TextLines().format(record(partition=3)).endswith("stage: it is late partition=3")
