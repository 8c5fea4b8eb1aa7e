"""A running Prometheus, asked over its HTTP API."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request


class Prometheus:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def query(self, expression: str) -> list[dict[str, object]]:
        """The instant vector of an expression. Fails with the server's own words where it is refused."""
        try:
            with urllib.request.urlopen(f"{self._url}/query?{urllib.parse.urlencode({'query': expression})}") as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None

    def wait_for(self, expression: str, *, deadline_s: float = 90) -> list[dict[str, object]]:
        """The first result that is not empty."""
        ends_at = time.monotonic() + deadline_s
        while not (found := self.query(expression)):
            assert time.monotonic() < ends_at, f"nothing for {expression}; up: {self.query('up')}"
            time.sleep(0.5)
        return found
