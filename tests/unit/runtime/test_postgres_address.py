"""PostgreSQL's address: what libpq's users write is read or refused by name, and no refusal holds a password."""

import string
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iqstream.catalogue.connection import no_connection
from iqstream.runtime.errors import UserError
from iqstream.runtime.postgres_address import Host, parse_dsn
from iqstream.runtime.settings import load_settings

MARK = "GEHEIM"
SETTINGS = {
    "IQSTREAM_KAFKA_BOOTSTRAP": "kafka:9092",
    "IQSTREAM_S3_ENDPOINT": "s3:9000",
    "IQSTREAM_S3_ACCESS_KEY": "access",
    "IQSTREAM_S3_SECRET_KEY": "s3-secret-key",
}


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:p@db/iq", "db:5432/iq"),
        ("postgres://u:p@db:6432/iq", "db:6432/iq"),
        ("postgresql://u:p@[::1]:5433/iq", "[::1]:5433/iq"),
        ("postgresql://u:p@a:1,b:2,[fe80::1]/iq?target_session_attrs=any", "a:1,b:2,[fe80::1]:5432/iq"),
        ("postgresql:///iq?host=/run/postgresql", "/run/postgresql:5432/iq"),
        ("postgresql://%2Frun%2Fpostgresql/iq", "/run/postgresql:5432/iq"),
        ("postgresql://u@/iq?host=a,b&port=1,2", "a:1,b:2/iq"),
        ("postgresql://u:p@db", "db:5432/"),
        ("postgresql:///iq", "the local socket/iq"),
        ("postgresql://u:p@bücher.example/iq", "bücher.example:5432/iq"),
    ],
)
def test_every_form_of_an_address_is_read(dsn, shown):
    assert str(parse_dsn(dsn)) == shown


@pytest.mark.parametrize(
    "password", ["p#s", "p/s", "p@s", "p?s", "p%s", "p s", "p:s", "p&s=1", "пароль", "a%23b", "🔑"]
)
def test_a_password_is_read_as_it_was_before_it_was_encoded(password):
    for dsn in (
        f"postgresql://u:{quote(password, safe='')}@db/iq",
        f"postgresql://u@db/iq?password={quote(password, safe='')}",
    ):
        address = parse_dsn(dsn)
        assert (address.password, address.user, address.hosts) == (password, "u", (Host(name="db"),))
        assert password not in repr(address)


@pytest.mark.parametrize(
    ("password", "right"), [("a#b", "%23"), ("a/b", "%2F"), ("a@b", "%40"), ("a?b", "%3F"), ("100%", "%25")]
)
def test_a_password_that_is_not_encoded_is_refused_with_the_right_form(password, right):
    with pytest.raises(ValueError, match=right):
        parse_dsn(f"postgresql://u:{password}@db/iq")


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("host=db user=u password=GEHEIM dbname=iq", "form postgresql://"),
        ("postgresql+asyncpg://u:GEHEIM@db/iq", "form postgresql://"),
        ("postgresql://u:GEHEIM@db:0/iq", "from 1 to 65535"),
        ("postgresql://u:GEHEIM@db:65536/iq", "from 1 to 65535"),
        ("postgresql://u:GEHEIM@db:x/iq", "from 1 to 65535"),
        ("postgresql://u:GEHEIM@::1/iq", "brackets"),
        ("postgresql://u:GEHEIM@[::1/iq", "IPV6"),
        ("postgresql://u:GEHEIM@[nonsense]/iq", "IPv6"),
        ("postgresql://u:GEHEIM@a,,b/iq", "host 2 of 3"),
        ("postgresql://u:GEHEIM@db/iq?host=a,b&port=1,2,3", "twice"),
        ("postgresql://u:GEHEIM@/iq?host=a,b&port=1,2,3", "3 ports do not fit 2 hosts"),
        ("postgresql://u:GEHEIM@db/iq?password=other", "password is given twice"),
        ("postgresql://u:GEHEIM@db/iq?sslmode", "NAME=VALUE"),
        ("postgresql://u:GEHEIM@db/iq?sslmode=on", "disable, allow, prefer, require, verify-ca, verify-full"),
        ("postgresql://u:GEHEIM@db/iq?sslmode=require&sslmode=require", "sslmode is given twice"),
        ("postgresql://u:GEHEIM@db/iq?ssl_mode=require", "is sslmode meant"),
        ("postgresql://u:GEHEIM@db/iq?channel_binding=require", "channel_binding"),
        ("postgresql://u:GEHEIM@db/iq?service=prod", "option service cannot be used"),
        ("postgresql://u:GEHEIM@db/iq?pgbouncer=true", "option pgbouncer cannot be used"),
        ("postgresql://u:GEHEIM@db/iq?connect_timeout=soon", "connect_timeout is not a whole number"),
        ("postgresql://u:GEHEIM@db/iq?connect_timeout=86401", "connect_timeout is too large: at most 86400"),
        ("postgresql://u:GEHEIM@db/iq?keepalives_idle=32768", "keepalives_idle is too large: at most 32767"),
        ("postgresql://u:GEHEIM@db/iq?keepalives_interval=32768", "keepalives_interval is too large: at most 32767"),
        ("postgresql://u:GEHEIM@db/iq?keepalives_count=128", "keepalives_count is too large: at most 127"),
        ("postgresql://u:GEHEIM@db/iq?tcp_user_timeout=2147483648", "tcp_user_timeout is too large"),
        ("postgresql://u:GEHEIM@db/iq?keepalives_idle=" + "9" * 5000, "keepalives_idle is too large"),
        ("postgresql://u:GEHEIM@db/iq?sslrootcert=system", "verify-full"),
        ("postgresql://u@db/iq?password=GE&HEIM=1", "an option cannot be used"),
        ("postgresql://u:GEH%00EIM@db/iq", "null character"),
        ("postgresql://u:GEHEIM%ff@db/iq", "UTF-8"),
        (f"postgresql://u:GEHEIM@{'a' * 64}/iq", "not a host name"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_without_the_password(dsn, said):
    with pytest.raises(UserError) as caught:
        load_settings(SETTINGS | {"IQSTREAM_POSTGRES_DSN": dsn, "IQSTREAM_STATE_DIR": "/absent"})
    told = str(caught.value)
    assert said in told
    assert "IQSTREAM_POSTGRES_DSN: " in told
    assert MARK not in told
    assert "HEIM" not in told


def test_options_of_hosted_servers_are_understood():
    dsn = (
        "postgresql://u:p@db/iq?sslmode=verify-full&sslrootcert=system&channel_binding=prefer&connect_timeout=7"
        "&keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=5&tcp_user_timeout=20000"
        "&application_name=mine&options=-c%20search_path%3Dx&gssencmode=disable&client_encoding=utf8"
    )
    address = parse_dsn(dsn)
    assert address.connect_timeout_s == 7
    assert address.keepalive == {
        "keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 5,
        "tcp_user_timeout": 20000,
    }  # fmt: skip
    assert address.startup == {"application_name": "mine", "options": "-c search_path=x"}
    assert address.tls == {"sslmode": "verify-full", "sslrootcert": "system"}


def test_of_several_hosts_one_that_can_be_written_to_is_meant_unless_the_dsn_says_more():
    assert parse_dsn("postgresql://a,b/iq").target_session_attrs == "read-write"
    assert parse_dsn("postgresql://a,b/iq?target_session_attrs=any").target_session_attrs == "any"
    assert parse_dsn("postgresql://a/iq").target_session_attrs == "any"


_TEXT = st.text(st.sampled_from(string.ascii_letters + string.digits + "@/#?%:&=,[]+ äß"), max_size=8)


@given(before=_TEXT, after=_TEXT, encoded=st.booleans(), form=st.sampled_from(
    [
        "postgresql://u:{}@db.example:5432/iq",
        "postgresql://u:{}@a:1,b:2/iq?target_session_attrs=primary",
        "postgresql://u:{}@[::1]:5432/iq?sslmode=require",
        "postgresql://u:{}@db/iq?nosuch=1",
        "postgresql://u:{}@db:99999/iq",
        "postgresql://u:{}@/iq?host=/run",
        "postgresql://u@db/iq?password={}",
        "postgresql://u@db/iq?sslpassword={}&sslmode=require",
        "postgresql://u@db/iq?password={}&nosuch=1",
        "mysql://u:{}@db/iq",
        "host=db password={}",
    ]
))  # fmt: skip
@example(before="", after="", encoded=False, form="postgresql://u:{}@db/iq?nosuch=1")
@example(before="1?", after="=x", encoded=False, form="postgresql://u:{}@db.example:5432/iq")
@example(before="1/", after="", encoded=False, form="postgresql://u:{}@db.example:5432/iq")
def test_whatever_the_password_no_message_holds_it(before, after, encoded, form):
    password = f"{before}{MARK}{after}"
    dsn = form.format(quote(password, safe="") if encoded else password)
    environ = SETTINGS | {"IQSTREAM_POSTGRES_DSN": dsn, "IQSTREAM_STATE_DIR": "/absent"}
    told = []
    try:
        settings = load_settings(environ)
    except UserError as refused:
        told.append(str(refused))
    else:
        told += [repr(settings), str(parse_dsn(dsn)), repr(parse_dsn(dsn))]
        errors = (ConnectionError(f"no answer from {dsn}"), ValueError(f"bad password {password}"), OSError(dsn))
        told += [str(no_connection(error, settings.postgres_dsn)) for error in errors]
    assert not any(MARK in text for text in told)
