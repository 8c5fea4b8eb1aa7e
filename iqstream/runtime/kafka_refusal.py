"""Why no broker lets us in: the client logs the reason and raises a general error; a person needs the reason."""

import asyncio
import ssl
from typing import Any

from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from iqstream.runtime.aiokafka_internals import collect_hosts, connect_once
from iqstream.runtime.other_server import Server, server_at

ATTEMPT_TIMEOUT_S = 5.0


async def refusal(bootstrap: str, security: dict[str, Any]) -> str | None:
    """Tries each address once more; what is wrong with TLS, with who we are or where we are, None where nothing is.

    Args:
        bootstrap: `host:port`, comma-separated.
        security: the client's arguments for TLS and SASL.
    """
    for host, port, _family in collect_hosts(bootstrap, randomize=False):
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                await connect_once(host, port, security)
        except (OSError, TimeoutError, KafkaError) as error:
            if (reason := _in_words(error, security)) is not None:
                return reason
        if (reason := await _another_server(host, port, security)) is not None:
            return reason
    return None


async def _another_server(host: str, port: int, security: dict[str, Any]) -> str | None:
    expected = Server.TLS if security.get("ssl_context") is not None else Server.KAFKA
    match await server_at(host, port):
        case None:
            return None
        case found if found == expected:
            return None
        case Server.TLS | Server.KAFKA as found:
            return f"{found} answers at {host}:{port}; check IQSTREAM_KAFKA_SECURITY_PROTOCOL"
        case found:
            return f"{found} answers at {host}:{port}; check IQSTREAM_KAFKA_BOOTSTRAP"


def _in_words(error: Exception, security: dict[str, Any]) -> str | None:  # noqa: PLR0911  # one line a class of errors
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}; check IQSTREAM_KAFKA_SSL_CAFILE"
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ssl.SSLSyscallError():
            return None  # it went away in the middle
        case ssl.SSLError():
            return f"no TLS connection: {error.reason or error}; check IQSTREAM_KAFKA_SECURITY_PROTOCOL"
        case SaslAuthenticationFailed():
            user = security.get("sasl_plain_username")
            return (
                f"it rejected the login of user {user!r}; "
                "check IQSTREAM_KAFKA_SASL_USERNAME and IQSTREAM_KAFKA_SASL_PASSWORD"
            )
        case UnsupportedSaslMechanismError():
            return f"{error}; check IQSTREAM_KAFKA_SASL_MECHANISM"
        case IllegalSaslStateError():
            return "it asks for no login; check IQSTREAM_KAFKA_SECURITY_PROTOCOL"
    return None
