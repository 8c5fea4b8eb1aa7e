"""Settings: one object, every problem at once, secrets never shown."""

import pytest

from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import load_settings, only_embedded

COMPLETE = {
    "IQSTREAM_KAFKA_BOOTSTRAP": "kafka:9092",
    "IQSTREAM_POSTGRES_DSN": "postgresql://u:geheim@db/iq",
    "IQSTREAM_S3_ENDPOINT": "s3:9000",
    "IQSTREAM_S3_ACCESS_KEY": "access",
    "IQSTREAM_S3_SECRET_KEY": "verysecret",
}


def load(state_dir, environ):
    return load_settings(environ | {"IQSTREAM_STATE_DIR": str(state_dir)})


def test_the_environment_gives_all_settings(tmp_path):
    settings = load(tmp_path, COMPLETE | {"IQSTREAM_PARTITIONS": "6", "IQSTREAM_S3_SECURE": "true"})
    assert (settings.kafka_bootstrap, settings.partitions, settings.s3_secure) == ("kafka:9092", 6, True)


def test_every_problem_is_reported_at_once_by_variable(tmp_path):
    wrong = {
        "IQSTREAM_PARTITIONS": "0",
        "IQSTREAM_S3_SECURE": "maybe",
        "IQSTREAM_TYPO": "x",
        "IQSTREAM_TERRAIN_DIR": "nowhere",
    }
    with pytest.raises(UserError) as caught:
        load(tmp_path, wrong)
    for expected in ("KAFKA_BOOTSTRAP is not set", "POSTGRES_DSN is not set", "PARTITIONS: '0'", "S3_SECURE: 'maybe'",
                     "TERRAIN_DIR: 'nowhere' is not a directory", "IQSTREAM_TYPO is not a setting"):  # fmt: skip
        assert expected in str(caught.value)


def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / "env").write_text("# made by up\nIQSTREAM_KAFKA_BOOTSTRAP=file:1\nIQSTREAM_S3_ENDPOINT=file:2\n")
    given = {k: v for k, v in COMPLETE.items() if k != "IQSTREAM_S3_ENDPOINT"}
    settings = load(tmp_path, given)
    assert (settings.kafka_bootstrap, settings.s3_endpoint) == ("kafka:9092", "file:2")


def test_a_secret_is_read_from_a_file_and_shown_nowhere(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("from-the-file\n")
    given = {k: v for k, v in COMPLETE.items() if k != "IQSTREAM_S3_SECRET_KEY"}
    settings = load(tmp_path, given | {"IQSTREAM_S3_SECRET_KEY_FILE": str(secret)})
    assert settings.s3_secret_key == "from-the-file"
    assert "from-the-file" not in repr(settings)
    assert "geheim" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named(tmp_path):
    given = COMPLETE | {"IQSTREAM_S3_SECRET_KEY_FILE": str(tmp_path / "absent")}
    with pytest.raises(UserError, match="absent"):
        load(tmp_path, given)


def test_the_embedded_servers_win_over_others_where_only_they_are_wanted(tmp_path):
    (tmp_path / "env").write_text("IQSTREAM_KAFKA_BOOTSTRAP=127.0.0.1:1\nIQSTREAM_S3_SECRET_KEY=k\n")
    elsewhere = {
        "IQSTREAM_KAFKA_BOOTSTRAP": "far:9092",
        "IQSTREAM_S3_SECRET_KEY_FILE": "/far",
        "IQSTREAM_PARTITIONS": "6",
        "HOME": "/h",
    }
    assert only_embedded(tmp_path, elsewhere) == {
        "IQSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "IQSTREAM_S3_SECRET_KEY": "k",
        "IQSTREAM_PARTITIONS": "6",
        "IQSTREAM_STATE_DIR": str(tmp_path),
        "HOME": "/h",
    }


def test_region_and_bucket_of_the_object_store_are_settings_with_the_defaults_as_they_were(tmp_path):
    assert (load(tmp_path, COMPLETE).s3_region, load(tmp_path, COMPLETE).s3_bucket) == ("", "heimdall-synthetic-iq")
    named = COMPLETE | {"IQSTREAM_S3_REGION": "eu-central-1", "IQSTREAM_S3_BUCKET": "iq.of-mine"}
    assert (load(tmp_path, named).s3_region, load(tmp_path, named).s3_bucket) == ("eu-central-1", "iq.of-mine")


@pytest.mark.parametrize("bucket", ["ab", "a" * 64, "Mine", "a_b", "-ab", "ab.", "a..b", "a.-b", "192.168.1.1", "a/b"])
def test_a_bucket_that_no_server_takes_is_named(tmp_path, bucket):
    with pytest.raises(UserError, match=r"IQSTREAM_S3_BUCKET: .* is not a bucket"):
        load(tmp_path, COMPLETE | {"IQSTREAM_S3_BUCKET": bucket})


def test_a_region_that_is_none_is_named(tmp_path):
    with pytest.raises(UserError, match=r"IQSTREAM_S3_REGION: .* is not a region"):
        load(tmp_path, COMPLETE | {"IQSTREAM_S3_REGION": "eu central"})
