"""How much disk a dataset is refused for."""

from dataclasses import replace

import msgspec

from iqstream.runtime.settings import Settings
from iqstream.submit.room import PAIR_BYTES, needed_bytes
from iqstream.submit.spec import first_hour
from schemas.dataset import MAX_SAMPLES
from tests.integration.pipeline import small_spec

SETTINGS = Settings(kafka_bootstrap="", postgres_dsn="", s3_endpoint="", s3_access_key="", s3_secret_key="")


def test_a_growing_dataset_needs_room_for_an_hour_of_its_rate_and_not_for_the_most_it_may_become():
    most = small_spec(MAX_SAMPLES)
    hour = msgspec.structs.replace(most, samples=18_000)
    assert needed_bytes(first_hour(most, 5.0), SETTINGS) == needed_bytes(hour, SETTINGS)
    assert needed_bytes(hour, SETTINGS) < needed_bytes(most, SETTINGS) / 10


def test_one_that_may_become_less_than_an_hour_of_its_rate_needs_room_for_that():
    assert first_hour(small_spec(100), 5.0).samples == 100


def test_time_differences_need_room_by_the_pair_in_the_database_and_in_the_topic():
    plain = small_spec(1000)
    pairs = msgspec.structs.replace(plain, pairs=True)
    receivers = len(plain.receivers)
    assert needed_bytes(pairs) - needed_bytes(plain) == 2 * 1000 * receivers * (receivers - 1) // 2 * PAIR_BYTES


def test_features_alone_need_no_room_for_frames_and_what_is_kept_of_them_is_bounded_by_a_setting():
    frames = small_spec(100_000, iq_samples=0)
    features = msgspec.structs.replace(frames, publish="features")
    kept = replace(SETTINGS, features_retention_bytes=1024 * 1024)
    assert needed_bytes(features) < needed_bytes(frames)
    assert needed_bytes(features, SETTINGS) - needed_bytes(features, kept) > 10**9
