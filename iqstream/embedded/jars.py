"""Kafka's jars: pinned with checksums, downloaded once into a cache, checked before every use."""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import msgspec

from iqstream.embedded.report import LogReport, Report
from iqstream.runtime.errors import Unreachable, UserError

LOCK_FILE = Path(__file__).with_name("kafka_jars.txt")
KAFKA_VERSION = "4.3.1"

_DOWNLOADS_AT_ONCE = 4


class Jar(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the lock file."""

    coordinate: str  # group:artifact:version
    size_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Group included: two groups may have an artifact of the same name."""
        return f"{self.coordinate.replace(':', '_')}.jar"


Fetch = Callable[[Jar, Path], Path]  # (jar, an empty directory) -> the downloaded file in it


def read_lock(text: str) -> list[Jar]:
    """Parse `group:artifact:version size sha256` lines; `#` begins a comment."""
    jars = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            coordinate, size, digest = line.split()
            jars.append(Jar(coordinate=coordinate, size_bytes=int(size), sha256=digest))
    return jars


def cache_dir() -> Path:
    """`IQSTREAM_CACHE_DIR`, or `iqstream` under `XDG_CACHE_HOME`, or `~/.cache/iqstream`."""
    own = os.environ.get("IQSTREAM_CACHE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache").absolute() / "iqstream"
    except RuntimeError as error:
        raise UserError("no home directory is known: set IQSTREAM_CACHE_DIR to a writable directory.") from error


def ensure_jars(cache: Path, jars: Sequence[Jar], report: Report, fetch: Fetch) -> list[Path]:
    """Returns the jars' paths, in order, each verified just now; missing or damaged ones are downloaded first.

    A file gets its name in the cache only once it is whole and its sha256 is right, so an interruption leaves
    nothing that looks like a jar.

    Raises:
        Unreachable: a jar is missing and could not be downloaded.
        UserError: the cache cannot be used, or what was downloaded is not what was pinned.
    """
    folder = cache / "jars"
    wanted = [(jar, folder / jar.file_name) for jar in jars]
    try:
        if any(not _is_intact(path, jar) for jar, path in wanted):
            folder.mkdir(parents=True, exist_ok=True)
            with _exclusive(folder / ".lock", report):
                # another process may have been faster while we waited
                missing = [(jar, path) for jar, path in wanted if not _is_intact(path, jar)]
                if missing:
                    _download(folder, missing, report, fetch)
    except OSError as error:
        raise UserError(
            f"cannot use the cache {folder}: {error.strerror or error}. "
            "Set IQSTREAM_CACHE_DIR to a directory that you can write to."
        ) from error
    return [path for _, path in wanted]


def fetch_with_jgo(jar: Jar, folder: Path) -> Path:
    """Download one jar at its pinned version (jgo's resolver in pure Python, no Maven) into the folder.

    Raises:
        Unreachable: no repository had it or answered.
    """
    import requests
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver()
    context = MavenContext(resolver=resolver, repo_cache=folder, timeout=30)
    artifact = context.create_dependency(jar.coordinate).artifact
    try:
        return Path(str(resolver.download(artifact)))
    except (RuntimeError, requests.RequestException) as error:
        raise Unreachable(
            f"Kafka's jar {jar.coordinate} is not in the cache and could not be downloaded: {error}. "
            "The first start needs a network; later ones do not."
        ) from error


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_intact(path: Path, jar: Jar) -> bool:
    try:
        return path.stat().st_size == jar.size_bytes and sha256_of(path) == jar.sha256
    except FileNotFoundError:
        return False


def _download(folder: Path, missing: Sequence[tuple[Jar, Path]], report: Report, fetch: Fetch) -> None:
    for stale in folder.glob("tmp-*"):  # of a download that was killed; we hold the lock, so nobody uses it
        shutil.rmtree(stale, ignore_errors=True)
    total = sum(jar.size_bytes for jar, _ in missing)
    report.step(f"downloading Kafka {KAFKA_VERSION}: {len(missing)} jars, {total / 1e6:.0f} MB, once")
    done = 0
    counting = Lock()

    def obtain(jar: Jar, path: Path) -> None:
        nonlocal done
        with tempfile.TemporaryDirectory(dir=folder, prefix="tmp-") as temporary:
            file = fetch(jar, Path(temporary))
            if not _is_intact(file, jar):
                raise UserError(
                    f"{jar.coordinate} as downloaded has sha256 {sha256_of(file)} and {jar.sha256} is pinned: "
                    "it was modified, and is not used."
                )
            file.replace(path)
        with counting:
            done += jar.size_bytes
            report.downloaded(done, total)

    pool = ThreadPoolExecutor(_DOWNLOADS_AT_ONCE, thread_name_prefix="jars")
    try:
        for result in [pool.submit(obtain, jar, path) for jar, path in missing]:
            result.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _exclusive(path: Path, report: Report) -> Iterator[None]:
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.step("another process is downloading Kafka's jars: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":  # `make setup` has them ready for a start without a network
    logging.basicConfig(level=logging.INFO, format="  %(message)s")
    ensure_jars(cache_dir(), read_lock(LOCK_FILE.read_text()), LogReport(), fetch_with_jgo)
