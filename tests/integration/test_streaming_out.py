"""A dataset out of the running pipeline: streamed, exported, trained on, and growing while somebody follows it."""

import asyncio
import csv
import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import numpy as np
import psutil
import pyarrow.ipc
import pyarrow.parquet
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

import iqstream
from extractor.extract import extract_features
from iqstream.catalogue.datasets import split_salt
from iqstream.dataset import FeatureStream, IQStream
from iqstream.dataset.splits import SPLITS, random_split
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import UserError
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.topics import FRAMES
from producer.synthesize import synthesize_sample
from schemas import FEATURE_NAMES, FEATURE_TABLE, STATISTICS, Limits
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset
from tests.sigmf_rules import faults_in
from tests.unit.export.test_export import read_pairs

pytestmark = pytest.mark.stack
SAMPLES = 60
EXAMPLES = Path(__file__).parents[2] / "examples"
LIMITS = Limits(max_gdop=3.0)
"""Some are rejected."""


@pytest.fixture(scope="module")
def pipeline(settings, tmp_path_factory):
    with Pipeline(settings, tmp_path_factory.mktemp("stages") / "stages.log", workers=1).running() as running:
        yield running


@pytest.fixture(scope="module")
def spec(settings, pipeline):
    spec = small_spec(SAMPLES, limits=LIMITS, pairs=True)

    async def make():
        await submit_dataset(settings, spec)
        await wait_for_dataset(settings, spec, is_complete)

    asyncio.run(make())
    return spec


@pytest.fixture(scope="module")
def stored(settings, spec):
    """The accepted rows by sample."""

    async def read():
        connection = await asyncpg.connect(settings.postgres_dsn)
        try:
            return await connection.fetch(
                "SELECT * FROM heimdall.measurement_features WHERE dataset_id = $1::uuid", spec.dataset_id
            )
        finally:
            await connection.close()

    return {row["sample_idx"]: row for row in asyncio.run(read())}


@pytest.fixture
def run(pipeline, tmp_path):
    def run_command(*arguments, shell=None):
        words = [sys.executable, "-m", "iqstream", *arguments]
        return subprocess.run(
            ["sh", "-c", shell, "sh", *words] if shell else words,
            env=pipeline.environment(), cwd=tmp_path, capture_output=True, timeout=240, check=False,
        )  # fmt: skip

    return run_command


def test_the_stream_has_the_samples_figures_and_values_of_the_rows(settings, spec, stored):
    samples = {meta["sample_idx"]: (x, y, meta) for x, y, meta in FeatureStream(spec.dataset_id, settings=settings)}
    assert samples.keys() == stored.keys()
    assert 0 < len(samples) < SAMPLES
    for index, (x, y, meta) in samples.items():
        row = stored[index]
        assert y.tolist() == [row["tx_latitude"], row["tx_longitude"], row["tx_altitude_m"]]
        assert meta["gdop"] == pytest.approx(row["gdop"], rel=1e-9)
        assert meta["mean_snr_db"] == pytest.approx(row["mean_snr_db"], rel=1e-9)
        assert meta["num_receivers_detected"] == row["num_receivers_detected"]
        receivers = {one["rx_id"]: one for one in map(json.loads, row["receiver_features"])}
        for rx_id, values in zip(meta["rx_ids"], x["features"].tolist(), strict=True):
            by_name = receivers[rx_id]
            assert values == [by_name[name][statistic] for name in FEATURE_NAMES for statistic in STATISTICS]


def test_the_random_split_of_the_stream_is_that_of_the_datasets_salt(settings, spec, stored):
    salt = asyncio.run(read_salt(settings, spec))
    indices = sorted(stored)
    expected = dict(zip(indices, np.array(SPLITS)[random_split(salt, indices)].tolist(), strict=True))
    told = {meta["sample_idx"]: meta["split"] for _, _, meta in FeatureStream(spec.dataset_id, settings=settings)}
    judged = FeatureStream(spec.dataset_id, split="train", limits=LIMITS, settings=settings)
    assert told == expected
    assert {meta["sample_idx"] for _, _, meta in judged} == {i for i, split in expected.items() if split == "train"}


async def read_salt(settings, spec):
    async with postgres_pool(settings) as pool:
        return await split_salt(pool, spec.dataset_id)


def test_held_out_receivers_appear_in_their_split_alone(settings, spec):
    seen = {}
    for split in ("train", "validation", "test"):
        stream = FeatureStream(spec.dataset_id, split=split, split_by="receiver-holdout", settings=settings)
        x, _, meta = next(iter(stream))
        seen[split] = {rx_id for rx_id, there in zip(meta["rx_ids"], x["present"], strict=True) if there}
        assert np.isnan(x["features"][~x["present"]]).all()
    assert sorted(rx_id for rx_ids in seen.values() for rx_id in rx_ids) == sorted(r.rx_id for r in spec.receivers)


def test_ndjson_and_arrow_carry_the_same_samples(run, spec, stored):
    lines = [json.loads(line) for line in run("stream", "--dataset", spec.dataset_id).stdout.splitlines()]
    assert {line["sample_idx"] for line in lines} == stored.keys()
    table = pyarrow.ipc.open_stream(run("stream", "--dataset", spec.dataset_id, "--format", "arrow").stdout).read_all()
    assert table.num_rows == len(stored) * len(spec.receivers)
    first = table.slice(0, 1).to_pylist()[0]
    line = next(line for line in lines if line["sample_idx"] == first["sample_idx"])
    receiver = next(one for one in line["receivers"] if one["rx_id"] == first["rx_id"])
    assert first["snr_db_mean"] == receiver["features"]["snr_db"]["mean"]
    limited = run("stream", "--dataset", spec.dataset_id, "--include-rejected", "--limit", "7")
    assert len(limited.stdout.splitlines()) == 7


def test_a_reader_that_has_had_enough_is_no_error(run, spec):
    ended = run("stream", "--dataset", spec.dataset_id, shell='"$@" | head -n 1')
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == b""


@pytest.mark.parametrize("file_format", ["parquet", "npz", "csv"])
def test_an_export_has_every_row_with_units_splits_and_a_card(settings, run, tmp_path, spec, stored, file_format):
    path = tmp_path / f"set.{file_format}"
    asked = ("datasets", "export", spec.dataset_id, "--format", file_format, "--output", str(path))
    ended = run(*asked, "--include-rejected", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["accepted"], told["rejected"]) == (len(stored), SAMPLES - len(stored))
    rows, metadata = read_export(path)
    assert len(rows) == told["rows"] == SAMPLES * len(spec.receivers)
    assert metadata["spec_sha256"] == spec.content_sha256()
    streamed = {meta["sample_idx"]: meta["split"] for _, _, meta in stream_of(spec, run)}
    salt = asyncio.run(read_salt(settings, spec))
    for row in rows:
        index = int(row["sample_idx"])
        assert (row["outcome"] == "accepted") == (index in stored)
        if index in stored:
            receivers = {one["rx_id"]: one for one in map(json.loads, stored[index]["receiver_features"])}
            assert float(row["snr_db_mean"]) == receivers[row["rx_id"]]["snr_db"]["mean"]
            assert row["split_spatial"] == streamed[index]
            assert row["split_random"] == SPLITS[random_split(salt, index)]
        else:
            assert row["snr_db_mean"] in {None, ""} or np.isnan(row["snr_db_mean"])
            assert float(row["weight"]) == 0
    card = path.with_name(f"{path.name}.md").read_text()
    assert f"{len(stored)} accepted samples" in card
    assert spec.content_sha256() in card
    refused = run(*asked)
    assert refused.returncode == 2
    assert b"--force" in refused.stderr


@pytest.mark.parametrize("file_format", ["parquet", "npz", "csv"])
def test_the_time_differences_of_an_export_are_those_that_are_streamed(run, tmp_path, spec, stored, file_format):
    asked = ("datasets", "export", spec.dataset_id, "--format", file_format, "--output", f"set.{file_format}")
    told = json.loads(run(*asked, "--json").stdout)
    assert told["pairs"] == f"set-pairs.{file_format}"
    found = {
        (row["sample_idx"], row["receiver_a"], row["receiver_b"]): row for row in read_pairs(tmp_path / told["pairs"])
    }
    lines = run("stream", "--dataset", spec.dataset_id, "--pairs").stdout.splitlines()
    streamed = {
        (line["sample_idx"], pair["receiver_a"], pair["receiver_b"]): pair
        for line in map(json.loads, lines)
        for pair in line["pairs"]
    }
    assert found.keys() == streamed.keys()
    assert len(found) == len(stored) * len(spec.receivers) * (len(spec.receivers) - 1) // 2
    for place, pair in streamed.items():
        assert {name: found[place][name] for name in pair} == pair


def stream_of(spec, run):
    lines = run("stream", "--dataset", spec.dataset_id, "--split-by", "spatial").stdout.splitlines()
    return [(None, None, json.loads(line)) for line in lines]


def read_export(path):
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
        assert table.schema.field("gdop").metadata[b"role"] == b"quality"
        meaning = f"mean over the chunks of: {FEATURE_TABLE['snr_db'].definition}".encode()
        told = {b"unit": b"dB", b"role": b"input", b"meaning": meaning}
        assert table.schema.field("snr_db_mean").metadata == told
        return table.to_pylist(), json.loads(table.schema.metadata[b"iqstream"])
    if path.suffix == ".csv":
        described = json.loads(path.with_name(f"{path.name}-metadata.json").read_text())
        with path.open(newline="") as file:
            return list(csv.DictReader(file)), described["iqstream"]
    with np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    names, values = columns.pop("feature_names").tolist(), columns.pop("features")
    metadata = json.loads(columns.pop("metadata").item())
    columns |= {name: values[:, at] for at, name in enumerate(names)}
    return [{name: column[at] for name, column in columns.items()} for at in range(len(values))], metadata


def test_the_example_exports_iq_that_gives_the_stored_values_again(run, example, tmp_path, spec, stored):
    accepted = sorted(stored)[:2]
    chosen = ",".join(map(str, accepted))
    for options in ((), ("--integers",)):
        told = json.loads(example("export_iq.py", spec.name, chosen, str(tmp_path / "sigmf"), "--json", *options))
        assert told["recordings"] == 2 * len(spec.receivers)
        assert told["values_compared"] == told["values_equal"] == told["recordings"] * 72
        assert faults_in(tmp_path / "sigmf") == []
    asked = ("datasets", "export", spec.dataset_id, "--iq", "--format", "npy", "--output", "arrays", "--json")
    ended = run(*asked, "--samples", chosen)
    assert json.loads(ended.stdout)["recordings"] == 2 * len(spec.receivers), ended.stderr
    assert len(list((tmp_path / "arrays").glob("*.npy"))) == 2 * len(spec.receivers)
    for words, said in ((asked, b"which samples"), ((*asked, "--samples", "9-3"), b"ends before it begins")):
        refused = run(*words)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr


def test_iq_is_that_of_the_frames_and_once_they_have_expired_that_of_synthesis(settings, spec, stored):
    """Nothing of it need be stored. Last of the tests that read frames."""
    options = {"split": "train", "shuffle": True, "settings": settings}
    streamed = [meta["sample_idx"] for _, _, meta in FeatureStream(spec.dataset_id, **options)]
    asyncio.run(forget_frames(settings, {partition_of(stored[streamed[0]])}))
    seen, synthesized = [], 0
    for x, y, meta in IQStream(spec.dataset_id, **options):
        index = meta["sample_idx"]
        seen.append(index)
        made = {frame.receiver.rx_id: frame for frame in synthesize_sample(spec, index).frames}
        assert x["iq"].shape == (len(spec.receivers), spec.capture.samples)
        for rx_id, iq, values in zip(meta["rx_ids"], x["iq"], x["features"], strict=True):
            np.testing.assert_array_equal(iq, made[rx_id].samples())
            again = extract_features(iq, meta["sample_rate_hz"], chunk_s=spec.capture.chunk_ms / 1000)
            np.testing.assert_array_equal(values, again.ravel())
        assert y[0] == stored[index]["tx_latitude"]
        synthesized += any(meta["synthesized"])
    assert seen == streamed
    assert (
        synthesized == sum(partition_of(stored[index]) == partition_of(stored[seen[0]]) for index in seen) < len(seen)
    )


def partition_of(row):
    """Of `iq.frames`, where all of a sample are."""
    (partition,) = {place["partition"] for place in json.loads(row["extraction_metadata"])["lineage"].values()}
    return partition


async def forget_frames(settings, partitions):
    async with admin_client(settings) as admin:
        await admin.delete_records({TopicPartition(FRAMES, partition): RecordsToDelete(-1) for partition in partitions})


def test_pictures_are_drawn_and_a_file_that_is_there_stays(run, example, tmp_path, spec, stored):
    accepted, rejected = min(stored), min(set(range(SAMPLES)) - stored.keys())
    told = example("look_at_a_dataset.py", spec.name, str(rejected), str(tmp_path))
    assert [line.split()[0] for line in told.splitlines()] == sorted(receiver.rx_id for receiver in spec.receivers)
    drawn = run("iq", "show", spec.name, str(accepted), "--output", "iq.png")
    assert drawn.stdout == b"iq.png: drawn\n", drawn.stderr
    for name in ("dataset.png", f"sample-{rejected}.png", "iq.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    refused = run("datasets", "plot", spec.dataset_id, "--output", "iq.png")
    assert refused.returncode == 2
    assert b"--force" in refused.stderr


def test_a_folder_for_the_hub_has_the_truth_of_every_row(run, example, tmp_path, spec, stored):
    told = example("export_for_the_hub.py", spec.name, str(tmp_path / "hub"))
    assert f"{len(stored)} samples" in told
    rows = [pyarrow.parquet.read_table(shard).to_pylist() for shard in (tmp_path / "hub" / "data").iterdir()]
    frames = {idx: synthesize_sample(spec, idx).frames for idx in list(stored)[:2]}
    true = {(idx, frame.receiver.rx_id): frame.truth.link for idx in frames for frame in frames[idx]}
    seen = {(row["sample_idx"], row["rx_id"]): row for row in itertools.chain(*rows)}
    assert {idx for idx, _ in seen} == set(stored)
    for place, link in true.items():
        assert seen[place]["truth_path_loss_db"] == link.path_loss_db
        assert seen[place]["truth_arrival_delay_us"] == link.arrival_delay_us
    refused = run("datasets", "export", spec.dataset_id, "--format", "huggingface", "--output", "hub", "--force")
    assert refused.returncode == 2
    assert b"hub exists: choose another --output" in refused.stderr


async def test_a_sample_that_is_not_there_is_named(settings, spec):
    async with iqstream.aconnect(settings) as client:
        with pytest.raises(UserError, match=f"is not one of its samples: it has the samples 0-{SAMPLES - 1}"):
            await client.iq(spec.dataset_id, SAMPLES)


@pytest.fixture
def example(pipeline):
    def run_example(name, *arguments):
        ended = subprocess.run(
            [sys.executable, str(EXAMPLES / name), *arguments],
            env=pipeline.environment() | {"PYTHONPATH": str(EXAMPLES.parent)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run_example


def test_the_example_that_trains_on_iq_beats_the_mean(example, spec):
    told = json.loads(example("train_on_iq.py", spec.dataset_id, "--json"))
    assert told["from_kafka"] + told["synthesized"] == told["train_recordings"]
    assert told["model_rms_db"] < 0.7 * told["mean_rms_db"]


async def test_continuous_generation_feeds_a_follower_with_bounded_memory_and_lag(settings, pipeline, tmp_path):
    name = f"continuous {tmp_path.name}"
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "iqstream", "generate", "--name", name, "--continuous", "--rate", "4/s",
        "--capture-ms", "50", "--iq-samples", "0", "--json", env=pipeline.environment(), stdout=subprocess.PIPE,
    )  # fmt: skip
    told = json.loads(await asyncio.wait_for(service.stdout.readline(), 60))
    stream = FeatureStream(told["dataset_id"], end=None, include_rejected=True, settings=settings)
    seen, memory = [], []
    samples = aiter(stream)
    async with asyncio.timeout(120):
        while len(seen) < 60:
            seen.append((await anext(samples)).meta["sample_idx"])
            memory.append(psutil.Process().memory_info().rss)
    service.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(service.wait(), 60) == 0
    assert len(seen) == len(set(seen))
    assert memory[-1] - memory[10] < 32 * 1024 * 1024
    spec = small_spec(1, dataset_id=told["dataset_id"])
    row = await wait_for_dataset(settings, spec, is_complete)
    assert row["requested"] == row["accepted"] + row["rejected"] + row["failed"]
    async with asyncio.timeout(60):
        while len(seen) < row["requested"]:
            seen.append((await anext(samples)).meta["sample_idx"])
    await samples.aclose()
    assert sorted(seen) == list(range(row["requested"]))
