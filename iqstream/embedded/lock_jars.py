"""Writes `kafka_jars.txt` again: `python -m iqstream.embedded.lock_jars` (needs a network).

Resolves Kafka, its command line tools and a logging binding with jgo, downloads every jar, and records its
coordinate, size and sha256. Look at the difference before committing it.
"""

import sys
import tempfile
from pathlib import Path

from iqstream.embedded.jars import KAFKA_VERSION, LOCK_FILE, sha256_of

_HEADER = "# Written by `python -m iqstream.embedded.lock_jars`: coordinate, size in bytes, sha256.\n"
_ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
# The tools (performance tests, console clients) drag in Kafka Connect with a web server: not used here.
_TOOLS = f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}"
_WITHOUT = ("connect-runtime", "connect-api", "connect-json", "connect-transforms")


def resolve() -> str:
    """The lock file's text, sorted by coordinate."""
    from jgo.maven import MavenContext, PythonResolver

    with tempfile.TemporaryDirectory() as temporary:
        resolver = PythonResolver()
        context = MavenContext(resolver=resolver, repo_cache=Path(temporary), timeout=30)
        roots = [context.create_dependency(coordinate) for coordinate in _ROOTS]
        without = [context.project("org.apache.kafka", name) for name in _WITHOUT]
        roots.append(context.create_dependency(_TOOLS, without))
        lines = []
        for dependency in (found for part in resolver.resolve(roots) for found in part):
            artifact = dependency.artifact
            jar = artifact.resolve()
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            lines.append(f"{coordinate} {jar.stat().st_size} {sha256_of(jar)}\n")
        return _HEADER + "".join(sorted(lines))


if __name__ == "__main__":
    LOCK_FILE.write_text(resolve())
    sys.stdout.write(f"{LOCK_FILE}\n")
