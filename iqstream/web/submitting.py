"""Submitting a dataset once, however often a client asks for the same."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid5

import msgspec

from iqstream.catalogue.datasets import Dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.runtime.errors import NotFound, UserError
from iqstream.submit.spec import make_spec
from iqstream.web.problems import Refusal
from schemas import DatasetSpec

_KEYS = UUID("6f5d9f1c-6c1e-4a7c-9c0b-0f5f1c1d0e88")
MAX_KEY_LENGTH = 200


class Submissions:
    """Submissions by their keys.

    A key determines the dataset's id, so that the catalogue itself remembers it: over restarts, and of two servers.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._one = asyncio.Lock()

    async def submit(self, new: Any, key: str | None) -> tuple[Dataset, bool]:  # noqa: ANN401  # a NewDataset
        """Submits a `NewDataset`, or goes on with the dataset of the same key; returns it, and whether it is new.

        Raises:
            Refusal: the key is too long, was used for another dataset, or a field is wrong.
            UserError, Unreachable: as `AsyncClient.submit`.
        """
        if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
            raise Refusal(422, f"Idempotency-Key: 1 to {MAX_KEY_LENGTH} characters")
        fields = {name: getattr(new, name) for name in new.__struct_fields__}
        description, reuse_name = fields.pop("description"), fields.pop("reuse_name")
        if key is not None:
            fields["dataset_id"] = str(uuid5(_KEYS, key))
        spec = checked_spec({name: value for name, value in fields.items() if value is not None})
        async with self._one:
            earlier = None if key is None else await self._earlier(spec.dataset_id)
            if earlier is None:
                await self._client.submit(spec, reuse_name=reuse_name, description=description)
                return (await self._client.dataset(spec.dataset_id)).dataset, True
        _require_same(earlier, spec, seed_given=new.seed is not None)
        await self._client.resume(spec.dataset_id) if earlier.status == "submitting" else None
        return (await self._client.dataset(spec.dataset_id)).dataset, False

    async def _earlier(self, dataset_id: str) -> Dataset | None:
        try:
            return (await self._client.dataset(dataset_id)).dataset
        except NotFound:
            return None


def checked_spec(fields: dict[str, object]) -> DatasetSpec:
    """Returns the spec of some fields.

    Raises:
        Refusal: a field is out of its range; names it.
    """
    try:
        return make_spec(**fields)
    except UserError as error:
        raise Refusal(422, str(error)) from None


def _require_same(earlier: Dataset, spec: DatasetSpec, *, seed_given: bool) -> None:
    """Raises Refusal unless a dataset is what is asked for again. It may have been renamed or extended since."""
    asked = spec if seed_given else msgspec.structs.replace(spec, seed=earlier.spec.seed)
    if asked.content_sha256() != earlier.spec.content_sha256() or asked.samples > earlier.spec.samples:
        raise Refusal(409, f"Idempotency-Key: was used for another dataset, {earlier.name!r}: take a new key")
