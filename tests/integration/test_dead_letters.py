"""Dead letters on real servers: listed by what was wrong, shown byte for byte, and their samples retried whole."""

import asyncio
import json
import time

import pytest
from click.testing import CliRunner

from iqstream.cli.main import iqstream
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.kafka import admin_client, transactional_producer
from iqstream.runtime.kafka_protocol import topic_ids
from iqstream.runtime.topics import DEAD_LETTERS, FEATURES, FRAMES
from producer.synthesize import synthesize_sample
from schemas import headers, sample_key
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset
from tests.integration.replays import ends_of, fetch

pytestmark = pytest.mark.stack
TRUNCATED = b"\xc1 this was a frame"


@pytest.fixture(scope="module")
def pipeline(settings, tmp_path_factory):
    pipeline = Pipeline(settings, tmp_path_factory.mktemp("stages") / "stages.log", workers=1)
    with pipeline.running("sink") as running:
        yield running


@pytest.fixture(scope="module")
def spec(settings, pipeline):
    """A complete dataset of four samples: one has an unreadable frame, one an unreadable feature record."""

    async def complete():
        frames = [synthesize_sample(made, index).frames[0] for index in range(2)]
        await send(settings, FRAMES, sample_key(made.dataset_id, 0), TRUNCATED, headers(frames[0]))
        await send(settings, FEATURES, sample_key(made.dataset_id, 1), b"\xc1 features", headers(frames[1]))
        pipeline.start("producer", "extractor")
        row = await wait_for_dataset(settings, made, is_complete)
        assert row["failed"] == 2

    made = small_spec(4)
    asyncio.run(submit_dataset(settings, made))
    asyncio.run(send(settings, FRAMES, b"nobody", b"\xc1 a stranger's", []))
    asyncio.run(complete())
    return made


async def send(settings, topic, key, value, named):
    sender = transactional_producer(settings, f"bad-{topic}-{key.decode().replace(':', '-')}")
    await sender.start()
    try:
        async with sender.transaction():
            await (await sender.send(topic, value, key=key, headers=named))
    finally:
        await sender.stop()


def run(pipeline, *arguments):
    return CliRunner().invoke(iqstream, ["dead-letters", *arguments], env=pipeline.environment(), standalone_mode=False)


def listed(pipeline, spec, *arguments):
    """The letters of the dataset."""
    given = run(pipeline, "list", "--json", *arguments)
    assert given.exception is None, given
    return [
        letter
        for letter in json.loads(given.stdout)["letters"]
        if any(sample["dataset_id"] == spec.dataset_id for sample in letter["samples"])
    ]


async def outcomes(settings, spec):
    rows = await fetch(
        settings,
        "SELECT sample_idx, outcome, figures FROM heimdall.sample_outcomes WHERE dataset_id = $1::uuid "
        "ORDER BY sample_idx",
        spec.dataset_id,
    )
    return [tuple(row) for row in rows]


async def ids_of(settings, *topics):
    async with admin_client(settings) as admin:
        _, ids = await topic_ids(admin, list(topics))
    return [str(ids[topic]) for topic in topics]


def test_letters_are_listed_by_stage_topic_error_and_time(settings, pipeline, spec):
    letters = listed(pipeline, spec)
    assert sorted((one["stage"], one["origin"].split(":")[0], one["error"]) for one in letters) == [
        ("extractor", FRAMES, "Malformed"),
        ("sink", FEATURES, "Malformed"),
    ]
    assert {one["topic_id"] for one in letters} == set(asyncio.run(ids_of(settings, FRAMES, FEATURES)))
    assert [one["stage"] for one in listed(pipeline, spec, "--stage", "sink")] == ["sink"]
    assert [one["stage"] for one in listed(pipeline, spec, "--topic", FRAMES)] == ["extractor"]
    assert listed(pipeline, spec, "--until", "2020-01-01T00:00:00Z") == []
    assert listed(pipeline, spec, "--error", "NoSuchError") == []
    assert "Malformed" in run(pipeline, "list").stdout


def test_a_letter_is_shown_with_its_bytes(pipeline, spec, tmp_path):
    (letter,) = listed(pipeline, spec, "--stage", "extractor")
    raw = tmp_path / "frame.bin"
    shown = run(pipeline, "show", letter["origin"], "--raw", str(raw)).stdout
    assert raw.read_bytes() == TRUNCATED
    assert letter["origin"] in shown
    assert "c1 20 74 68 69 73" in shown
    assert "header   rx_id = giaveno" in shown


def test_a_strangers_letter_cannot_be_retried(pipeline, spec):
    given = json.loads(run(pipeline, "list", "--json").stdout)["letters"]
    stranger = next(letter["origin"] for letter in given if not letter["samples"])
    assert isinstance(run(pipeline, "retry", stranger, "--execute").exception, Failed)
    assert isinstance(run(pipeline, "retry", stranger).exception, Failed)


def test_retried_samples_are_as_if_nothing_had_happened_and_their_letters_say_so(settings, pipeline, spec):
    origins = [letter["origin"] for letter in listed(pipeline, spec)]
    planned = json.loads(run(pipeline, "retry", *origins, "--json").stdout)
    assert (planned["executed"], planned["refused"]) == (False, [])
    assert [(one["letters"], one["samples"]) for one in planned["retries"]] == [(len(origins), 2)]
    assert "add --execute" in run(pipeline, "retry", *origins).stdout
    assert not any(letter["retries"] for letter in listed(pipeline, spec)), "a plan retries nothing"
    done = run(pipeline, "retry", *origins, "--execute", "--json")
    assert done.exception is None, done
    (replay,) = json.loads(done.stdout)["replays"]
    assert (replay["samples"], replay["outcomes"]["failed"]) == (2, 0)
    whole = small_spec(4)
    asyncio.run(submit_dataset(settings, whole))
    asyncio.run(wait_for_dataset(settings, whole, is_complete))
    assert asyncio.run(outcomes(settings, spec)) == asyncio.run(outcomes(settings, whole))
    for letter in listed(pipeline, spec):
        (retry,) = letter["retries"]
        assert retry["generation"] == 1
        assert retry["outcome"] in {"accepted", "rejected"}


def test_removing_letters_is_told_first_and_what_is_kept_again_is_listed(settings, pipeline):
    """Behind a letter that is kept one is only hidden; Kafka drops records from the topic's start."""
    for number in range(3):
        asyncio.run(send(settings, FRAMES, b"purge-%d" % number, b"\xc1 to be removed %d" % number, []))
    wait_for(lambda: len(strangers(pipeline)) == 3)
    first, second, third = strangers(pipeline)
    planned = json.loads(run(pipeline, "purge", second, "--json").stdout)
    assert (planned["executed"], planned["letters"], planned["never_retried"]) == (False, 1, 1)
    assert planned["left_in_kafka"] == 1
    assert "add --execute" in run(pipeline, "purge", second).stdout
    assert strangers(pipeline) == [first, second, third]
    removed = json.loads(run(pipeline, "purge", second, "--execute", "--json").stdout)
    assert (removed["executed"], removed["letters"]) == (True, 1)
    assert strangers(pipeline) == [first, third]
    assert isinstance(run(pipeline, "show", second).exception, UserError)
    run(pipeline, "purge", "--all", "--execute")
    assert json.loads(run(pipeline, "list", "--json").stdout)["letters"] == []
    ends = asyncio.run(ends_of(settings, DEAD_LETTERS))
    assert all(end.log_start > 0 for end in ends.values())
    asyncio.run(send(settings, FRAMES, b"purge-3", b"\xc1 kept afterwards", []))
    wait_for(lambda: len(strangers(pipeline)) == 1)
    run(pipeline, "purge", "--all", "--execute")  # other tests count theirs


def strangers(pipeline):
    """Origins of the letters of this test."""
    letters = json.loads(run(pipeline, "list", "--json").stdout)["letters"]
    keys = [json.loads(run(pipeline, "show", one["origin"], "--json").stdout)["key"] for one in letters]
    return [one["origin"] for one, key in zip(letters, keys, strict=True) if key.startswith("purge-")]


def wait_for(so, deadline_s=60):
    ends_at = time.monotonic() + deadline_s
    while not so():
        assert time.monotonic() < ends_at
        time.sleep(0.3)
