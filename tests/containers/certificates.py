"""A certificate authority for one test, and what it signs: made with openssl, kept in the test's folder."""

import shutil
import subprocess
from pathlib import Path

import pytest


class Authority:
    """A CA; `ca_file` is what clients are given."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        if shutil.which("openssl") is None:
            pytest.fail("openssl is not on the PATH: the certificates of this test are made with it")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca_file = folder / f"{name}.crt"
        self._key_file = folder / f"{name}.key"
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", self._key_file, "-out", self.ca_file,
        )  # fmt: skip

    def server(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and localhost, and its key."""
        key, request, certificate = (self._folder / f"{name}.{suffix}" for suffix in ("key", "csr", "crt"))
        extensions = self._folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", self._key_file, "-CAcreateserial",
            "-days", "1", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    def _openssl(self, *arguments: object) -> None:
        ended = subprocess.run(
            ["openssl", *map(str, arguments)], cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
