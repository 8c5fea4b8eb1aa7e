"""Submitting a dataset once, however often a client asks for the same."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID, uuid5

import msgspec

from iqstream.catalogue.datasets import Dataset, generated_spec
from iqstream.client.asynchronous import AsyncClient
from iqstream.client.results import Submission
from iqstream.runtime.errors import NotFound, UserError
from iqstream.submit.spec import make_spec, require_ground
from iqstream.web.problems import Refusal
from schemas import DatasetSpec

log = logging.getLogger(__name__)
_KEYS = UUID("6f5d9f1c-6c1e-4a7c-9c0b-0f5f1c1d0e88")
MAX_KEY_LENGTH = 200
BEGUN_AFTER_S = 2.0


class Submissions:
    """Submissions by their keys.

    A key determines the dataset's id, so that the catalogue itself remembers it: over restarts, and of two servers.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._one = asyncio.Lock()
        self._under_way: set[asyncio.Task[Submission]] = set()

    async def submit(self, new: Any, key: str | None) -> tuple[Dataset, bool]:  # noqa: ANN401  # a NewDataset
        """Submits a `NewDataset`, or goes on with the dataset of the same key; returns it, and whether it is new.

        Raises:
            Refusal: the key is too long, was used for another dataset, or a field is wrong.
            UserError, Unreachable: as `AsyncClient.submit`.
        """
        if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
            raise Refusal(422, f"Idempotency-Key: 1 to {MAX_KEY_LENGTH} characters")
        description, reuse_name = new.description, new.reuse_name
        spec = spec_of(new, **({} if key is None else {"dataset_id": str(uuid5(_KEYS, key))}))
        async with self._one:
            earlier = None if key is None else await self._earlier(spec.dataset_id)
            if earlier is None:
                task = asyncio.create_task(self._client.submit(spec, reuse_name=reuse_name, description=description))
                self._under_way.add(task)
                task.add_done_callback(self._done)
                return await self._begun(task, spec.dataset_id), True
        _require_same(earlier, spec, seed_given=new.seed is not None)
        await self._client.resume(spec.dataset_id) if earlier.status == "submitting" else None
        return (await self._client.versions(spec.dataset_id)).dataset, False

    def _done(self, task: asyncio.Task[Submission]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a submission ended early: %s; `resume` submits the rest", error)

    async def close(self) -> None:
        """Leaves what is not submitted yet to `resume`."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _begun(self, task: asyncio.Task[Submission], dataset_id: str) -> Dataset:
        """Returns a dataset that is submitted, or that has its row and is submitted on: a large one takes minutes."""
        while True:
            await asyncio.wait({task}, timeout=BEGUN_AFTER_S)
            if task.done():
                task.result()
                return (await self._client.versions(dataset_id)).dataset
            if (found := await self._earlier(dataset_id)) is not None:
                return found

    async def _earlier(self, dataset_id: str) -> Dataset | None:
        try:
            return (await self._client.versions(dataset_id)).dataset
        except NotFound:
            return None


def spec_of(new: Any, **more: Any) -> DatasetSpec:  # noqa: ANN401  # a NewDataset, and values
    """Returns the spec that a `NewDataset` says, with more fields of it.

    Raises:
        Refusal: a field is out of its range, or a receiver stands beside the tiles; names the field.
    """
    fields = {name: getattr(new, name) for name in new.__struct_fields__ if name not in {"description", "reuse_name"}}
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    try:
        spec = make_spec(**given, **more)
        require_ground(spec)
    except UserError as error:
        raise Refusal(422, str(error)) from None
    return spec


def _require_same(earlier: Dataset, spec: DatasetSpec, *, seed_given: bool) -> None:
    """Raises Refusal unless a dataset is what is asked for again. It may have been renamed or extended since."""
    asked = spec if seed_given else msgspec.structs.replace(spec, seed=generated_spec(earlier).seed)
    if asked.content_sha256() != earlier.spec.content_sha256() or asked.samples > earlier.spec.samples:
        raise Refusal(409, f"Idempotency-Key: was used for another dataset, {earlier.name!r}: take a new key")
