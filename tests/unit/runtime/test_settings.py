"""Settings: one object, every problem at once, secrets never shown."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import PREFIX, Settings, load_settings, only_embedded, setting_of

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
        "IQSTREAM_TERRAIN_DIR": "nowhere",
    }
    with pytest.raises(UserError) as caught:
        load(tmp_path, wrong)
    for expected in ("KAFKA_BOOTSTRAP is not set", "POSTGRES_DSN is not set", "PARTITIONS: '0'", "S3_SECURE: 'maybe'",
                     "TERRAIN_DIR: 'nowhere' is not a directory"):  # fmt: skip
        assert expected in str(caught.value)


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t \r\n"])
@pytest.mark.parametrize("name", [item.name for item in fields(Settings)])
def test_a_blank_setting_is_none_in_the_environment_as_in_the_file(tmp_path, name, blank):
    """An empty secret of an orchestrator is a line end; what must be set is named, of the rest the default counts."""
    variable = f"{PREFIX}{name.upper()}"
    unset = COMPLETE.keys() - {variable}
    without = {one: COMPLETE[one] for one in unset}
    for one in (variable, f"{variable}_FILE"):
        if variable in COMPLETE:
            with pytest.raises(UserError, match=f"{variable} is not set"):
                load(tmp_path, without | {one: blank})
        else:
            assert load(tmp_path, without | {one: blank}) == load(tmp_path, without)
    (tmp_path / "env").write_text(f"{variable}=\n" + "".join(f"{one}={COMPLETE[one]}\n" for one in unset))
    if variable in COMPLETE:
        with pytest.raises(UserError, match=f"{variable} is not set"):
            load(tmp_path, {})


@pytest.mark.parametrize("name", [item.name for item in fields(Settings)])
def test_an_address_with_a_password_in_the_place_of_a_files_path_is_not_shown(tmp_path, name):
    variable = f"{PREFIX}{name.upper()}"
    given = {one: text for one, text in COMPLETE.items() if one != variable}
    with pytest.raises(UserError, match=f"{variable}_FILE: its file") as caught:
        load(tmp_path, given | {f"{variable}_FILE": "https://u:geheim@s3.example/"})
    assert "geheim" not in str(caught.value)


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


@pytest.mark.parametrize("text", ["geheim", "postgresql://user:geheim@db/iq", "/geheim@db"])
def test_a_secret_in_the_place_of_its_files_path_is_not_shown(tmp_path, text):
    given = {k: v for k, v in COMPLETE.items() if k != "IQSTREAM_POSTGRES_DSN"}
    with pytest.raises(UserError, match="IQSTREAM_POSTGRES_DSN_FILE: its file cannot be read") as caught:
        load(tmp_path, given | {"IQSTREAM_POSTGRES_DSN_FILE": text})
    assert "geheim" not in str(caught.value)


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


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("KAFKA_BOOTSTRAP", "a:1, b:2,c", "a:1,b:2,c:9092"),
        ("KAFKA_BOOTSTRAP", "[::1]:9092", "[::1]:9092"),
        ("KAFKA_SECURITY_PROTOCOL", "ssl", "SSL"),
        ("S3_ENDPOINT", "https://s3.example.org", "s3.example.org"),
        ("S3_ENDPOINT", "http://127.0.0.1:9000/", "127.0.0.1:9000"),
        ("LOG_LEVEL", "DEBUG", "debug"),
        ("METRICS_HOST", "::", "::"),
        ("PARTITIONS", "", 12),
    ],
)
def test_a_setting_is_read_in_the_forms_that_people_write(tmp_path, variable, text, value):
    settings = load(tmp_path, COMPLETE | {PREFIX + variable: text})
    assert getattr(settings, variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("KAFKA_BOOTSTRAP", "SASL_SSL://kafka:9092", "HOST:PORT,HOST:PORT"),
        ("KAFKA_BOOTSTRAP", "kafka:9092,", "HOST:PORT,HOST:PORT"),
        ("KAFKA_BOOTSTRAP", "kafka:70000", "65535"),
        ("KAFKA_BOOTSTRAP", "::1:9092", "HOST:PORT"),
        ("KAFKA_BOOTSTRAP", "user:geheim@kafka:9092", "HOST:PORT"),
        ("KAFKA_BOOTSTRAP", "user:ge,heim:geheim,x@kafka:9092", "IQSTREAM_KAFKA_SASL_USERNAME"),
        ("KAFKA_BOOTSTRAP", "host=kafka password=geheim", "HOST:PORT"),
        ("KAFKA_BOOTSTRAP", "user:geheim", "65535"),
        ("S3_REGION", "postgresql://user:geheim@db/iq", "eu-central-1"),
        ("S3_BUCKET", "https://access:geheim@s3:9000", "lower-case"),
        ("HOST_NAME", "postgresql://user:geheim@db/iq", "letters"),
        ("LOG_LEVEL", "host=db password=geheim", "debug"),
        ("MAX_INVALID_SHARE", "postgresql://user:geheim@db/iq", "above 0"),
        ("TERRAIN_DIR", "postgresql://user:geheim@db/iq", "directory"),
        ("S3_ENDPOINT", "s3://bucket", "http nor https"),
        ("S3_ENDPOINT", "http://s3:9000/bucket", "HOST:PORT"),
        ("S3_ENDPOINT", "https://access:geheim@s3:9000", "HOST:PORT"),
        ("S3_ENDPOINT", "s3:", "HOST:PORT"),
        ("POSTGRES_DSN", "postgresql://u:ge#heim@db/iq", "%23"),
        ("PARTITIONS", "9" * 5000, "whole number"),
        ("PARTITIONS", "٣", "whole number"),
        ("PARTITIONS", "10001", "whole number"),
        ("FRAMES_SEGMENT_BYTES", "4294967296", "whole number"),
        ("MAX_INVALID_SHARE", "nan", "above 0"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("METRICS_HOST", "0.0.0.0:9400", "no port"),
        ("S3_SECRET_KEY", "geheim\nmore", "one line"),
        ("S3_SECRET_KEY", "geheim\udcff", "UTF-8"),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "IQSTREAM_KAFKA_SASL_PASSWORD is not set"),
        ("S3_SECRET_KEY_FILE", "/proc/self/environ", "both set"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_the_right_form_and_no_secret(tmp_path, variable, text, said):
    with pytest.raises(UserError) as caught:
        load(tmp_path, COMPLETE | {PREFIX + variable: text})
    told = str(caught.value)
    assert said in told
    assert PREFIX + variable.removesuffix("_FILE") in told
    assert "geheim" not in told
    told.encode("utf-8")  # it can be printed


def test_the_scheme_of_the_object_store_says_whether_to_speak_tls_and_must_agree(tmp_path):
    for text, secure in (("https://s3:9000", True), ("http://s3:9000", False), ("s3:9000", False)):
        assert load(tmp_path, COMPLETE | {"IQSTREAM_S3_ENDPOINT": text}).s3_secure is secure
    agreeing = {"IQSTREAM_S3_ENDPOINT": "https://s3:9000", "IQSTREAM_S3_SECURE": "true"}
    assert load(tmp_path, COMPLETE | agreeing).s3_secure is True
    for text, other in (("https://s3:9000", "false"), ("http://s3:9000", "true")):
        with pytest.raises(UserError, match="IQSTREAM_S3_SECURE says the opposite"):
            load(tmp_path, COMPLETE | {"IQSTREAM_S3_ENDPOINT": text, "IQSTREAM_S3_SECURE": other})


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", b"caf\xe9\n", bytes(range(256))])
def test_a_file_that_is_not_text_is_named_and_not_shown(tmp_path, content):
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(
        UserError, match=re.escape(f"IQSTREAM_S3_SECRET_KEY_FILE: '{tmp_path / 'secret'}' is not UTF-8")
    ):
        load(tmp_path, {k: v for k, v in COMPLETE.items() if "SECRET" not in k}
             | {"IQSTREAM_S3_SECRET_KEY_FILE": str(tmp_path / "secret")})  # fmt: skip
    (tmp_path / "env").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"settings file {tmp_path / 'env'} is not UTF-8")):
        load(tmp_path, COMPLETE)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/urandom"])
def test_a_device_that_never_ends_is_refused_and_not_read_to_its_end(tmp_path, device):
    with pytest.raises(UserError, match=f"IQSTREAM_S3_SECRET_KEY_FILE: '{device}' holds more than 1024 KiB"):
        load(tmp_path, {k: v for k, v in COMPLETE.items() if "SECRET" not in k}
             | {"IQSTREAM_S3_SECRET_KEY_FILE": device})  # fmt: skip
    (tmp_path / "env").symlink_to(device)
    with pytest.raises(UserError, match=re.escape(f"settings file {tmp_path / 'env'} holds more than 1024 KiB")):
        load(tmp_path, COMPLETE)


def test_a_file_with_a_byte_order_mark_is_read_and_an_empty_one_refused(tmp_path):
    (tmp_path / "env").write_bytes(b"\xef\xbb\xbfIQSTREAM_PARTITIONS=3\r\n")
    assert load(tmp_path, COMPLETE).partitions == 3
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(UserError, match="is empty"):
        load(tmp_path, COMPLETE | {"IQSTREAM_KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "empty")})


def test_the_environment_wins_over_the_file_in_either_form(tmp_path):
    (tmp_path / "env").write_text("IQSTREAM_S3_SECRET_KEY_FILE=/absent\nIQSTREAM_S3_ACCESS_KEY=file\n")
    (tmp_path / "access").write_text("environment")
    given = {k: v for k, v in COMPLETE.items() if "ACCESS" not in k}
    settings = load(tmp_path, given | {"IQSTREAM_S3_ACCESS_KEY_FILE": str(tmp_path / "access")})
    assert (settings.s3_secret_key, settings.s3_access_key) == ("verysecret", "environment")


SERVICE_LINKS = {
    "IQSTREAM_KAFKA_PORT": "tcp://10.0.0.1:9092",
    "IQSTREAM_KAFKA_SERVICE_HOST": "10.0.0.1",
    "IQSTREAM_KAFKA_SERVICE_PORT": "9092",
    "IQSTREAM_KAFKA_SERVICE_PORT_TCP_CLIENTS": "9092",
    "IQSTREAM_KAFKA_PORT_9092_TCP": "tcp://10.0.0.1:9092",
    "IQSTREAM_KAFKA_PORT_9092_TCP_PROTO": "tcp",
    "IQSTREAM_KAFKA_PORT_9092_TCP_PORT": "9092",
    "IQSTREAM_KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
    "IQSTREAM_KAFKA_BOOTSTRAP_SERVICE_HOST": "10.0.0.2",
    "IQSTREAM_S3_ENDPOINT_PORT": "tcp://10.0.0.3:9000",
}


def of_compose():
    files = (Path("docker-compose.yml"), Path("docker-compose.grafana.yml"))
    return {name for file in files for name in re.findall(r"\$\{(IQSTREAM_\w+)", file.read_text())}


def test_variables_that_are_no_settings_end_no_command_and_are_not_told_of(tmp_path, caplog):
    others = dict.fromkeys(of_compose() - {f"{PREFIX}{item.name.upper()}" for item in fields(Settings)}, "x")
    assert "IQSTREAM_TAG" in others
    load(tmp_path, COMPLETE | SERVICE_LINKS | others | {"IQSTREAM_CACHE_DIR": "/c", "IQSTREAM_TYPO": "x"})
    assert caplog.records == []


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("IQSTREAM_KAFKA_BOOTSTRAP_SERVERS", "IQSTREAM_KAFKA_BOOTSTRAP"),
        ("IQSTREAM_POSTGRES_DNS", "IQSTREAM_POSTGRES_DSN"),
        ("IQSTREAM_PARTITION", "IQSTREAM_PARTITIONS"),
        ("IQSTREAM_LOGLEVEL", "IQSTREAM_LOG_LEVEL"),
        ("IQSTREAM_KAFKA_PASSWORD_FILE", "IQSTREAM_KAFKA_SASL_PASSWORD"),
    ],
)
def test_a_near_miss_is_warned_of_with_what_may_be_meant_and_not_its_value(tmp_path, caplog, variable, meant):
    load(tmp_path, COMPLETE | {variable: "geheim"})
    assert [record.getMessage() for record in caplog.records] == [
        f"{variable} is not a setting of iqstream: is {meant} meant?"
    ]
    caplog.clear()
    load_settings(COMPLETE | {variable: "x", "IQSTREAM_STATE_DIR": str(tmp_path)}, warn=False)
    assert caplog.records == []


def test_every_setting_has_a_meaning_and_its_default_is_a_value_that_it_can_have():
    for item in fields(Settings):
        setting = setting_of(item.name)
        assert len(setting.meaning) > 10
        if isinstance(item.default, (str, int, float)) and item.default != "":
            assert setting.parse(str(item.default)) == item.default
