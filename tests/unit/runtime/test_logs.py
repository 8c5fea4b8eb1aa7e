"""Log lines that people and machines read."""

import asyncio
import gc
import io
import json
import logging
from urllib.parse import urlsplit

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, ProducerFenced

from iqstream.runtime.logs import HIDDEN, JsonLines, TextLines, configure_logs
from iqstream.runtime.settings import Settings, secrets_of


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


SETTINGS = Settings(
    kafka_bootstrap="kafka:9092",
    postgres_dsn="postgresql://iqstream:top%20sec%22ret@db:5432/iqstream",
    s3_endpoint="s3:9000",
    s3_access_key="the-access-key",
    s3_secret_key='the"secret\\key',
    kafka_sasl_password="sasl-password",
)


@pytest.fixture
def logged():
    """Writes through the logging that a worker has, and gives back what came out."""
    before = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()

    def start(log_format):
        configure_logs(log_format, stream=stream, secrets=secrets_of(SETTINGS))
        return logging.getLogger("stage"), stream

    yield start
    logging.root.handlers[:], logging.root.level = before


def refuse(message):
    raise ValueError(message)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_comes_out_of_any_line(logged, log_format):
    log, stream = logged(log_format)
    log.warning("connecting to %s", SETTINGS.postgres_dsn)
    log.warning("settings", extra={"keys": [SETTINGS.s3_access_key, SETTINGS.s3_secret_key]})
    try:
        refuse(f"refused: {SETTINGS.kafka_sasl_password}, {urlsplit(SETTINGS.postgres_dsn).password}")
    except ValueError:
        log.exception("failed")
    told = stream.getvalue()
    for secret in secrets_of(SETTINGS):
        assert secret not in told
        assert json.dumps(secret)[1:-1] not in told
    assert told.count(HIDDEN) >= 5
    assert "refused" in told


def test_the_password_of_an_address_that_nobody_declared_is_hidden(logged):
    log, stream = logged("text")
    log.warning("another database: postgresql://reader:hunter22@elsewhere:5432/x")
    assert f"postgresql://reader:{HIDDEN}@elsewhere:5432/x" in stream.getvalue()


def test_debug_shows_our_details_and_not_those_of_libraries(logged):
    _log, stream = logged("text")
    configure_logs("text", level="debug", stream=stream)
    logging.getLogger("iqstream.runtime.shell").debug("a detail of ours")
    logging.getLogger("matplotlib.font_manager").debug("a detail of theirs")
    configure_logs("text", stream=stream)
    logging.getLogger("iqstream.runtime.shell").debug("a detail of ours at info")
    told = stream.getvalue()
    assert "a detail of ours" in told
    assert "theirs" not in told
    assert "at info" not in told


def test_at_warning_nothing_less_is_told(logged):
    _log, stream = logged("text")
    configure_logs("text", level="warning", stream=stream)
    for name in ("sink.saver", "anything"):
        logging.getLogger(name).info("news")
        logging.getLogger(name).warning("trouble")
    assert "news" not in stream.getvalue()
    assert stream.getvalue().count("trouble") == 2


def test_a_json_line_stays_json_when_something_is_hidden(logged):
    log, stream = logged("json")
    log.warning("key %s", SETTINGS.s3_secret_key)
    assert json.loads(stream.getvalue())["message"] == f"key {HIDDEN}"


def test_matplotlib_does_not_tell_of_its_start_and_tells_of_errors(logged):
    _, stream = logged("text")
    log = logging.getLogger("matplotlib.font_manager")
    log.info("generated new fontManager")
    log.warning("Matplotlib is building the font cache; this may take a moment.")
    assert stream.getvalue() == ""
    log.error("no font at all")
    assert "no font at all" in stream.getvalue()


async def test_a_future_that_a_fenced_client_leaves_behind_is_not_told_and_one_of_ours_is(capsys):
    configure_logs("text")
    for error in (ProducerFenced(), ValueError("ours")):
        future = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        del future, error
    gc.collect()
    told = capsys.readouterr().err
    assert "ours" in told
    assert "ProducerFenced" not in told


async def test_a_request_that_a_client_leaves_to_itself_is_not_told_and_a_task_of_ours_is(capsys):
    configure_logs("text")

    async def of_ours():
        raise KafkaConnectionError("ours")

    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    for coroutine in (of_ours(), client.bootstrap()):
        task = asyncio.create_task(coroutine)
        await asyncio.wait({task})
        del task, coroutine
    await client.close()
    gc.collect()
    told = capsys.readouterr().err
    assert "KafkaConnectionError: ours" in told
    assert "Unable to bootstrap" not in told
