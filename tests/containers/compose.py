"""The project's own compose file, brought up as a person would, under a name, ports and secrets of its own."""

import json
import os
import subprocess
from pathlib import Path
from uuid import uuid4

from iqstream.embedded.ports import choose_ports
from iqstream.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
SERVERS = ("kafka", "postgres", "minio")


class Compose:
    """One stack: `docker compose ...` in the project's folder."""

    def __init__(self, folder: Path) -> None:
        self.project = f"iqstream-test-{uuid4().hex[:8]}"
        self.secrets = folder / "secrets"
        self.ports = choose_ports(("KAFKA", "POSTGRES", "S3", "DASHBOARD", "PROMETHEUS"))
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("IQSTREAM_", "COMPOSE_"))}
        self.environment = clean | {
            "COMPOSE_PROJECT_NAME": self.project,
            "IQSTREAM_SECRETS": str(self.secrets),
            "IQSTREAM_TAG": "test",
            **{f"IQSTREAM_{name}_PORT": str(port) for name, port in self.ports.items()},
        }
        subprocess.run([ROOT / "deploy/make-secrets", self.secrets], check=True, capture_output=True)

    def run(self, *arguments: str, timeout_s: float = 300) -> str:
        """`docker compose ...`; its output. Fails with everything that it said."""
        ended = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"{arguments}:\n{ended.stdout}\n{ended.stderr}\n{self.last_words()}"
        return ended.stdout

    def last_words(self) -> str:
        """The ends of all logs: what a failure is explained by."""
        return subprocess.run(
            ["docker", "compose", "--profile", "*", "logs", "--tail", "30"],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        ).stdout  # fmt: skip

    def containers(self, service: str) -> list[dict[str, object]]:
        """The containers of a service, as compose tells of them."""
        told = self.run("--profile", "*", "ps", "--all", "--format", "json", service)
        return [json.loads(line) for line in told.splitlines()]

    def down(self) -> None:
        """Everything goes, data included."""
        self.run("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "60")

    def settings(self) -> Settings:
        """For a client on this machine, through the published ports; with the owner's rights."""
        password = self.secret("postgres_owner_password")
        return Settings(
            kafka_bootstrap=f"127.0.0.1:{self.ports['KAFKA']}",
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_mechanism="PLAIN",
            kafka_sasl_username="iqstream",
            kafka_sasl_password=self.secret("kafka_password"),
            postgres_dsn=f"postgresql://iqstream:{password}@127.0.0.1:{self.ports['POSTGRES']}/iqstream",
            s3_endpoint=f"127.0.0.1:{self.ports['S3']}",
            s3_access_key=self.secret("s3_access_key"),
            s3_secret_key=self.secret("s3_secret_key"),
        )

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text(encoding="utf-8")
