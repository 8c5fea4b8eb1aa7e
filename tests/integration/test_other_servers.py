"""A setting that leads to another server is wrong, and said so: nobody waits for a server that is not going to come."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from iqstream.catalogue.postgres import NoConnection
from iqstream.reach import object_store, postgres_pool
from iqstream.runtime.errors import UserError
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.postgres_address import parse_dsn

pytestmark = pytest.mark.stack


@pytest.fixture
def places(settings):
    (host,) = parse_dsn(settings.postgres_dsn).hosts
    return {"kafka": settings.kafka_bootstrap, "postgres": str(host), "s3": settings.s3_endpoint}


@pytest.mark.parametrize(("there", "told"), [("postgres", "PostgreSQL"), ("s3", "an HTTP server")])
async def test_another_server_in_kafkas_place_is_named(settings, places, there, told, monkeypatch):
    monkeypatch.setattr("iqstream.runtime.kafka.REQUEST_TIMEOUT_MS", 2000)
    wrong = replace(settings, kafka_bootstrap=places[there])
    with pytest.raises(UserError, match=f"{told}.* answers at {places[there]}; check IQSTREAM_KAFKA_BOOTSTRAP"):
        async with admin_client(wrong):
            pass


async def test_a_broker_without_tls_where_tls_was_expected_is_told(settings, places):
    wrong = replace(settings, kafka_security_protocol="SSL")
    with pytest.raises(UserError, match="IQSTREAM_KAFKA_SECURITY_PROTOCOL"):
        async with admin_client(wrong):
            pass


@pytest.mark.parametrize(("there", "told"), [("kafka", "Kafka"), ("s3", "an HTTP server")])
async def test_another_server_in_postgresqls_place_is_named(settings, places, there, told):
    wrong = replace(settings, postgres_dsn=f"postgresql://u:p@{places[there]}/heimdall?connect_timeout=1")
    async with AsyncExitStack() as stack:
        with pytest.raises((UserError, NoConnection), match=f"{told}.* answers at {places[there]}, not PostgreSQL"):
            await stack.enter_async_context(postgres_pool(wrong))


@pytest.mark.parametrize("there", ["kafka", "postgres"])
async def test_another_server_in_the_object_stores_place_is_named(settings, places, there):
    store = object_store(replace(settings, s3_endpoint=places[there]))
    try:
        with pytest.raises(UserError, match=f"answers at {places[there]}, no object store. Check IQSTREAM_S3_ENDPOINT"):
            await store.ensure_bucket()
    finally:
        store.close()
