"""What a dataset will cost and give, before it is submitted; one estimate at a time, so their cost is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from iqstream.client.asynchronous import AsyncClient
from iqstream.submit.estimate import Estimate
from iqstream.web.documents import Document
from iqstream.web.submitting import spec_of
from schemas import Receiver, Terrain


class EstimateDocument(Document, frozen=True, kw_only=True):
    """What a dataset will cost and give."""

    samples: int
    accepted: int | None
    """Expected; null: the terrain's tiles are not here."""
    accepted_low: int | None
    """With `accepted_high`: the 95 % interval."""
    accepted_high: int | None
    budgets: int | None
    """Link budgets that it rests on."""
    frames_bytes: int
    """Of Kafka's disk at most."""
    iq_bytes: int
    """Of the object store at most."""
    rows_bytes: int
    """Of PostgreSQL and of Kafka's features, about."""
    seconds: float | None
    """Until it is complete; null: no such samples were made here yet."""


def estimate_document(estimate: Estimate) -> EstimateDocument:
    """Returns an estimate as the API shows it."""
    acceptance = estimate.acceptance
    expected, low, high = (None, None, None) if acceptance is None else acceptance.samples(estimate.samples)
    return EstimateDocument(
        samples=estimate.samples,
        accepted=expected,
        accepted_low=low,
        accepted_high=high,
        budgets=None if acceptance is None else acceptance.budgets,
        frames_bytes=estimate.frames_bytes,
        iq_bytes=estimate.iq_bytes,
        rows_bytes=estimate.rows_bytes,
        seconds=estimate.seconds,
    )


class Estimates:
    """One at a time."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._one = asyncio.Lock()

    async def of(self, new: Any) -> Estimate:  # noqa: ANN401  # a NewDataset
        """Returns what a `NewDataset` will cost and give.

        Raises:
            Refusal: a field is wrong; names it.
            Unreachable: as `AsyncClient.estimate`.
        """
        spec = spec_of(new)
        async with self._one:
            return await self._client.estimate(spec)

    async def terrain(self, receivers: Sequence[Receiver], margin_deg: float) -> Terrain:
        """Returns the ground that this server's tiles give around receivers.

        Raises:
            UserError: as `AsyncClient.terrain`.
        """
        async with self._one:
            return await self._client.terrain(receivers, margin_deg)
