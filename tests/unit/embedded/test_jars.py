"""Jars: pinned, whole, checked before every use."""

import hashlib
import threading
from pathlib import Path

import pytest

from iqstream.embedded.jars import LOCK_FILE, Jar, cache_dir, ensure_jars, read_lock
from iqstream.embedded.report import Report
from iqstream.runtime.errors import Unreachable, UserError


class Heard(Report):
    def __init__(self) -> None:
        self.progress: list[tuple[int, int]] = []

    def step(self, message: str) -> None:
        pass

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        self.progress.append((done_bytes, total_bytes))


def jar(name: str, content: bytes) -> Jar:
    digest = hashlib.sha256(content).hexdigest()
    return Jar(coordinate=f"org.example:{name}:1", size_bytes=len(content), sha256=digest)


class Repository:
    """Serves what it holds and counts."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content
        self.served: list[str] = []

    def fetch(self, wanted: Jar, folder: Path) -> Path:
        self.served.append(wanted.coordinate)
        file = folder / "download.jar"
        file.write_bytes(self.content[wanted.coordinate])
        return file


def no_network(wanted: Jar, folder: Path) -> Path:
    raise Unreachable(wanted.coordinate)


def test_the_committed_list_pins_every_jar_once_with_a_sha256() -> None:
    jars = read_lock(LOCK_FILE.read_text())
    names = [entry.coordinate.rsplit(":", 1)[0] for entry in jars]
    assert len(set(names)) == len(names) > 40
    assert all(len(bytes.fromhex(entry.sha256)) == 32 and entry.size_bytes > 0 for entry in jars)
    assert {"org.apache.kafka:kafka_2.13", "org.apache.kafka:kafka-tools", "org.slf4j:slf4j-simple"} <= set(names)


def test_a_second_use_needs_no_network(tmp_path: Path) -> None:
    jars = [jar("a", b"aaaa"), jar("b", b"bb")]
    repository = Repository({jars[0].coordinate: b"aaaa", jars[1].coordinate: b"bb"})
    first = ensure_jars(tmp_path, jars, Heard(), repository.fetch)
    assert [path.read_bytes() for path in first] == [b"aaaa", b"bb"]
    assert ensure_jars(tmp_path, jars, Heard(), no_network) == first


def test_only_missing_and_damaged_jars_are_downloaded(tmp_path: Path) -> None:
    content = {"a": b"aaaa", "b": b"bb", "c": b"c"}
    jars = [jar(name, data) for name, data in content.items()]
    repository = Repository({entry.coordinate: data for entry, data in zip(jars, content.values(), strict=True)})
    paths = ensure_jars(tmp_path, jars, Heard(), repository.fetch)
    repository.served.clear()
    paths[0].write_bytes(b"aaaX")
    paths[2].unlink()
    ensure_jars(tmp_path, jars, Heard(), repository.fetch)
    assert sorted(repository.served) == [jars[0].coordinate, jars[2].coordinate]
    assert [path.read_bytes() for path in paths] == [b"aaaa", b"bb", b"c"]


def test_a_jar_that_is_not_the_pinned_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    wanted = jar("a", b"good")
    with pytest.raises(UserError, match="is pinned"):
        ensure_jars(tmp_path, [wanted], Heard(), Repository({wanted.coordinate: b"evil"}).fetch)
    assert [path.name for path in (tmp_path / "jars").iterdir()] == [".lock"]


def test_an_interrupted_download_leaves_nothing_that_looks_like_a_jar(tmp_path: Path) -> None:
    def half(wanted: Jar, folder: Path) -> Path:
        (folder / "download.jar").write_bytes(b"go")
        raise Unreachable(wanted.coordinate)

    wanted = jar("a", b"good")
    with pytest.raises(Unreachable):
        ensure_jars(tmp_path, [wanted], Heard(), half)
    assert list((tmp_path / "jars").rglob("*.jar")) == []


def test_what_a_killed_download_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / "jars" / "tmp-killed"
    left.mkdir(parents=True)
    wanted = jar("a", b"good")
    ensure_jars(tmp_path, [wanted], Heard(), Repository({wanted.coordinate: b"good"}).fetch)
    assert not left.exists()


def test_progress_ends_with_all_bytes(tmp_path: Path) -> None:
    jars = [jar(str(number), bytes(number)) for number in range(1, 9)]
    repository = Repository({entry.coordinate: bytes(entry.size_bytes) for entry in jars})
    heard = Heard()
    ensure_jars(tmp_path, jars, heard, repository.fetch)
    assert [done for done, _ in heard.progress] == sorted(done for done, _ in heard.progress)
    assert heard.progress[-1] == (36, 36)


def test_two_that_need_the_same_jar_at_once_download_it_once(tmp_path: Path) -> None:
    wanted = jar("a", b"good")
    both_asked = threading.Barrier(2)
    repository = Repository({wanted.coordinate: b"good"})

    def use() -> None:
        both_asked.wait(10)
        ensure_jars(tmp_path, [wanted], Heard(), repository.fetch)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(repository.served) == 1


def test_a_cache_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="IQSTREAM_CACHE_DIR"):
        ensure_jars(blocked, [jar("a", b"a")], Heard(), no_network)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("IQSTREAM_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "iqstream"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "iqstream"
    monkeypatch.setenv("IQSTREAM_CACHE_DIR", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
