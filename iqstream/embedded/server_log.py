"""The log files that the servers append to: bounded at each start, quoted when one fails."""

from pathlib import Path

_KEEP_BYTES = 4 * 2**20


def begin_log(path: Path) -> None:
    """Move the log of the last run to `NAME.1`, of which the last 4 MiB are kept, and begin an empty one."""
    if path.exists():
        old = path.with_name(f"{path.name}.1")
        if path.stat().st_size > _KEEP_BYTES:
            with path.open("rb") as stream:
                stream.seek(-_KEEP_BYTES, 2)
                stream.readline()  # the first line is cut
                old.write_bytes(stream.read())
            old.chmod(0o600)
            path.unlink()
        else:
            path.replace(old)
    path.touch(mode=0o600)


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, indented for a message; says so when there are none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 64 * 1024))
            text = stream.read().decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    last = [f"  | {line[:300]}" for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(last) if last else "  | (the log is empty)"
