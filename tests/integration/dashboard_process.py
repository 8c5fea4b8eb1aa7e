"""`iqstream dashboard` as a real process, on the servers of a pipeline."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from iqstream.catalogue.roles import grant_dashboard
from iqstream.runtime.settings import Settings
from tests.integration.pipeline import Pipeline

ROLE = "iqstream_dashboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One that answers."""

    address: str
    """Without a slash at its end."""
    token: str
    process: subprocess.Popen[str]


async def with_dashboard_role(settings: Settings) -> Settings:
    """The settings for a dashboard with no rights but those of its own role, which is made if it is not there."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        with contextlib.suppress(asyncpg.DuplicateObjectError):
            await connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        await grant_dashboard(connection, ROLE)
    finally:
        await connection.close()
    return replace(settings, postgres_dsn=re.sub(r"//[^@/]+@", f"//{ROLE}:{ROLE}@", settings.postgres_dsn))


@contextlib.contextmanager
def dashboard(pipeline: Pipeline, folder: Path, *, port: int = 0) -> Iterator[Dashboard]:
    """Runs one until the context ends; it has ended then, too."""
    place = folder / "dashboard-token"
    command = [sys.executable, "-m", "iqstream", "dashboard", "--port", str(port), "--token-file", str(place)]
    with (
        pipeline.log.open("ab") as log,
        subprocess.Popen(command, env=pipeline.environment(), stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            told = process.stdout.readline() + process.stdout.readline()
            found = re.search(r"(http://[0-9.:]+)/", told)
            assert found, f"the dashboard said {told!r}"
            yield Dashboard(address=found[1], token=place.read_text().strip(), process=process)
        finally:
            process.terminate()
            process.wait(timeout=20)
