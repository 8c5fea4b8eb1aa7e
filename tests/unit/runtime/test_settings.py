"""Settings: one object, every problem at once, secrets never shown."""

import pytest

from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import load_settings

COMPLETE = {
    "IQSTREAM_KAFKA_BOOTSTRAP": "kafka:9092",
    "IQSTREAM_POSTGRES_DSN": "postgresql://u:geheim@db/iq",
    "IQSTREAM_S3_ENDPOINT": "s3:9000",
    "IQSTREAM_S3_ACCESS_KEY": "access",
    "IQSTREAM_S3_SECRET_KEY": "verysecret",
}


def test_the_environment_gives_all_settings(tmp_path):
    settings = load_settings(COMPLETE | {"IQSTREAM_PARTITIONS": "6", "IQSTREAM_S3_SECURE": "true"}, tmp_path)
    assert (settings.kafka_bootstrap, settings.partitions, settings.s3_secure) == ("kafka:9092", 6, True)


def test_every_problem_is_reported_at_once_by_variable(tmp_path):
    wrong = {"IQSTREAM_PARTITIONS": "0", "IQSTREAM_S3_SECURE": "maybe", "IQSTREAM_TYPO": "x"}
    with pytest.raises(UserError) as caught:
        load_settings(wrong, tmp_path)
    for expected in ("KAFKA_BOOTSTRAP is not set", "POSTGRES_DSN is not set", "PARTITIONS: '0'", "S3_SECURE: 'maybe'",
                     "IQSTREAM_TYPO is not a setting"):  # fmt: skip
        assert expected in str(caught.value)


def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / "env").write_text("# made by up\nIQSTREAM_KAFKA_BOOTSTRAP=file:1\nIQSTREAM_S3_ENDPOINT=file:2\n")
    given = {k: v for k, v in COMPLETE.items() if k != "IQSTREAM_S3_ENDPOINT"}
    settings = load_settings(given, tmp_path)
    assert (settings.kafka_bootstrap, settings.s3_endpoint) == ("kafka:9092", "file:2")


def test_a_secret_is_read_from_a_file_and_shown_nowhere(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("from-the-file\n")
    given = {k: v for k, v in COMPLETE.items() if k != "IQSTREAM_S3_SECRET_KEY"}
    settings = load_settings(given | {"IQSTREAM_S3_SECRET_KEY_FILE": str(secret)}, tmp_path)
    assert settings.s3_secret_key == "from-the-file"
    assert "from-the-file" not in repr(settings)
    assert "geheim" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named(tmp_path):
    given = COMPLETE | {"IQSTREAM_S3_SECRET_KEY_FILE": str(tmp_path / "absent")}
    with pytest.raises(UserError, match="absent"):
        load_settings(given, tmp_path)
