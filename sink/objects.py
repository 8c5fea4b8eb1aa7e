"""IQ in object storage: one NumPy file per recording, under a name that follows from what it holds."""

import asyncio
import io
import re
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, S3Error, ServerError

from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.other_server import Server, server_at
from iqstream.runtime.settings import DEFAULT_BUCKET

P = ParamSpec("P")
T = TypeVar("T")

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 10.0
"""A store that restarts may keep a request for 20 s or for ever, and serve the next one at once."""
_THREADS = 16
"""The recordings of two samples at once."""
_SAFE_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def object_name(dataset_id: str, sample_idx: int, rx_id: str) -> str:
    """`synthetic/{dataset_id}/{sample_idx}/{rx_id}.npy`.

    Raises:
        ValueError: a part that would change the path.
    """
    for part in (dataset_id, rx_id):
        if not _SAFE_PART.fullmatch(part):
            raise ValueError(f"{part!r} cannot be part of an object's name")
    return f"synthetic/{dataset_id}/{sample_idx}/{rx_id}.npy"


def npy_bytes(samples: npt.NDArray[np.complex64]) -> bytes:
    """A complex64 recording, shape (n,), as the bytes of a `.npy` file: equal recordings, equal bytes."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(samples, dtype=np.complex64), allow_pickle=False)
    return buffer.getvalue()


def _check_authorities(ca_file: str) -> None:
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is one
        raise UserError(f"IQSTREAM_S3_CAFILE: {ca_file} holds no certificates: {error}") from None


class ObjectStore:
    """An S3 server. The client blocks, so every call runs in a thread; several may run at once.

    The threads are its own: a server that hangs must not take those that others compute in.

    Every operation may raise `Unreachable` (no answer), `Failed` (the server refuses) or `UserError` (wrong settings:
    what answers is not trusted, or no object store).
    """

    def __init__(
        self,
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        secure: bool = False,
        region: str = "",
        bucket: str = DEFAULT_BUCKET,
        ca_file: str = "",
    ) -> None:
        """Connects to nothing yet.

        Args:
            endpoint: host:port.
            access_key: for the bucket.
            secret_key: likewise.
            secure: whether the server speaks TLS.
            region: of the bucket; empty: the server is asked.
            bucket: where the objects are.
            ca_file: authorities that the server's certificate is checked against; empty: the system's.
        """
        if ca_file:
            _check_authorities(ca_file)
        http = urllib3.PoolManager(
            ca_certs=ca_file or None,  # the system's where there is none
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=_READ_TIMEOUT_S),
            maxsize=16,
            retries=urllib3.Retry(total=3, read=0, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")
        self._http = http
        self._endpoint = endpoint
        self._secure = secure
        self._bucket = bucket
        try:
            self._client = Minio(
                endpoint,
                access_key=access_key,
                secret_key=secret_key,
                secure=secure,
                region=region or None,
                http_client=http,
            )
        except ValueError as error:
            raise UserError(f"IQSTREAM_S3_ENDPOINT: {endpoint!r} cannot be used: {error}") from None

    async def ensure_bucket(self) -> bool:
        """Makes the bucket if it is not there; whether it did."""
        return await self._call(self._ensure_bucket)

    def _ensure_bucket(self) -> bool:
        if self._client.bucket_exists(self._bucket):
            return False
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise
            return False  # somebody was faster
        return True

    async def put_iq(self, dataset_id: str, sample_idx: int, rx_id: str, samples: npt.NDArray[np.complex64]) -> None:
        """Writes a recording, whole or not at all; the same one again writes the same bytes."""
        name = object_name(dataset_id, sample_idx, rx_id)
        await self._call(self._put, name, samples)

    def _put(self, name: str, samples: npt.NDArray[np.complex64]) -> None:
        data = npy_bytes(samples)
        self._client.put_object(
            self._bucket, name, io.BytesIO(data), len(data), content_type="application/octet-stream"
        )

    async def get_iq(self, dataset_id: str, sample_idx: int, rx_id: str) -> npt.NDArray[np.complex64]:
        """Reads a recording, shape (n,).

        Raises:
            FileNotFoundError: there is none.
        """
        name = object_name(dataset_id, sample_idx, rx_id)
        data = await self._call(self._get, name)
        samples: npt.NDArray[np.complex64] = np.load(io.BytesIO(data), allow_pickle=False)
        return samples

    def _get(self, name: str) -> bytes:
        response = self._client.get_object(self._bucket, name)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    async def list_samples(self, dataset_id: str) -> list[str]:
        """The names of all objects of a dataset, in order."""
        return await self._call(lambda: list(self._names(f"synthetic/{dataset_id}/")))

    async def remove_sample(self, dataset_id: str, sample_idx: int) -> int:
        """Removes a sample's objects; how many there were."""
        return await self._call(self._remove, f"synthetic/{dataset_id}/{sample_idx}/")

    async def remove_dataset(self, dataset_id: str) -> int:
        """Removes all objects of a dataset; how many there were."""
        return await self._call(self._remove, f"synthetic/{dataset_id}/")

    def close(self) -> None:
        """Closes idle connections; a call under way ends by itself."""
        self._threads.shutdown(wait=False)
        self._http.clear()

    async def _call(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs an operation in a thread and says in our words what went wrong."""
        try:
            call = partial(operation, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise FileNotFoundError(f"object {error.object_name} is not in {self._bucket}") from None
            if error.code == "NoSuchBucket":
                raise Failed(
                    f"object store at {self._endpoint} has no bucket {self._bucket}: run `iqstream init`, which makes "
                    "it, or set IQSTREAM_S3_BUCKET"
                ) from None
            raise Failed(
                f"object store at {self._endpoint} rejected the request: {error.code} {error.message}"
            ) from None
        except (InvalidResponseError, UnicodeDecodeError):  # the client takes every answer for text
            raise UserError(
                f"what answers at {self._endpoint} does not speak S3. "
                "Check IQSTREAM_S3_ENDPOINT and IQSTREAM_S3_SECURE."
            ) from None
        except ServerError as error:
            raise Unreachable(f"object store at {self._endpoint} is not available now: {error}") from None
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None)
            if isinstance(reason, urllib3.exceptions.SSLError) and "EOF" not in str(reason):  # then it went away
                raise UserError(
                    f"object store at {self._endpoint}: no TLS connection ({reason}). "
                    "Check IQSTREAM_S3_CAFILE, and IQSTREAM_S3_SECURE if it does not speak TLS."
                ) from None
            if isinstance(reason, urllib3.exceptions.ResponseError):
                raise Unreachable(f"object store at {self._endpoint} is not available now: {reason}") from None
            host, _, port = self._endpoint.rpartition(":")
            found = await server_at(host.strip("[]"), int(port)) if host and port.isdecimal() else None
            if found in {Server.POSTGRES, Server.KAFKA} or (found == Server.TLS and not self._secure):
                setting = "IQSTREAM_S3_SECURE" if found == Server.TLS else "IQSTREAM_S3_ENDPOINT"
                raise UserError(f"{found} answers at {self._endpoint}, no object store. Check {setting}.") from None
            raise Unreachable(
                f"object store at {self._endpoint} does not answer ({type(error).__name__}). "
                "Start it with `iqstream up`, or set IQSTREAM_S3_ENDPOINT."
            ) from None

    def _names(self, prefix: str) -> Iterable[str]:
        for found in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
            yield found.object_name

    def _remove(self, prefix: str) -> int:
        names = list(self._names(prefix))
        errors = list(self._client.remove_objects(self._bucket, (DeleteObject(name) for name in names)))
        if errors:
            raise Failed(f"{len(errors)} of {len(names)} objects under {prefix} remain: {errors[0]}")
        return len(names)
