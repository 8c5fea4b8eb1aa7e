"""The state of the stack in one directory: file names, the state file, the lock."""

import contextlib
import fcntl
import os
import secrets
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from iqstream.embedded.processes import ProcessRecord
from iqstream.runtime.errors import UserError

PRIVATE_FILE = 0o600
_PRIVATE_DIR = 0o700
_PASSABLE_DIR = 0o711  # PostgreSQL passes it under another account when we are root; nobody lists it


class StackState(msgspec.Struct, kw_only=True):
    """Kept between runs: identity and credentials of the first start, ports of the last, processes of now."""

    cluster_id: str
    postgres_password: str
    s3_access_key: str
    s3_secret_key: str
    s3_signing_key: str
    ports: dict[str, dict[str, int]] = {}
    processes: dict[str, ProcessRecord] = {}


def _new_cluster_id() -> str:
    """A random id as Kafka writes them; one that began with a dash would be taken for an option."""
    while (identity := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return identity


def new_state() -> StackState:
    """Returns the state of a stack that was never started: new random credentials, a new Kafka cluster id."""
    return StackState(
        cluster_id=_new_cluster_id(),
        postgres_password=secrets.token_urlsafe(24),
        s3_access_key=secrets.token_hex(10).upper(),
        s3_secret_key=secrets.token_urlsafe(30),
        s3_signing_key=secrets.token_urlsafe(30),
    )


def open_state_dir(state_dir: Path) -> Path:
    """Create the directory if need be and return its absolute path.

    Raises:
        UserError: it cannot be created or written, or belongs to somebody else.
    """
    path = state_dir.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        path = path.resolve()
        owner = path.stat().st_uid
        if owner != os.geteuid():
            raise UserError(
                f"{path} belongs to user id {owner}, and we are {os.geteuid()}: run the command as its "
                "owner, or name another directory."
            )
        path.chmod(_PASSABLE_DIR if os.geteuid() == 0 else _PRIVATE_DIR)
        (path / "logs").mkdir(exist_ok=True, mode=_PRIVATE_DIR)
        ignore = path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise UserError(f"cannot use {path} for the embedded servers: {error.strerror or error}") from error
    return path


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the directory's lock: one `up` or `down` at a time; `on_wait` is called once if another has it."""
    descriptor = os.open(path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def load_state(path: Path) -> StackState | None:
    """Returns the stack's state, or None if none was ever started.

    Raises:
        UserError: the file cannot be read as a state.
    """
    file = path / "state.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=StackState)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}. Run the command as its owner.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{file} cannot be read ({error}). It holds the passwords of the data beside it: restore it from "
            f"a copy, or remove {path} to start with an empty stack."
        ) from error


def save_state(path: Path, state: StackState) -> None:
    """Replace the state file atomically: a crash leaves the old one or the new one."""
    write_private(path / "state.json", msgspec.json.format(msgspec.json.encode(state), indent=2))


def write_private(file: Path, content: bytes) -> None:
    """Replace a file atomically; only its owner may read it."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), PRIVATE_FILE)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
