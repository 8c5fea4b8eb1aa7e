"""The HTTP API: every operation, each a call of the front door."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
from starlette.datastructures import State
from starlette.responses import Response

from iqstream.catalogue.datasets import Dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.dead_letters.letter import DeadLetterFilter
from iqstream.lag.document import lag_document
from iqstream.plot.waterfall import waterfall_png
from iqstream.web.documents import (
    Change,
    DatasetDetail,
    DatasetDocument,
    DatasetPage,
    DatasetQuery,
    DeadLetterPage,
    Deleted,
    Extension,
    LetterQuery,
    ReplayPlanDocument,
    ReplayQuery,
    SampleDetail,
    SamplePageDocument,
    SampleQuery,
    VersionQuery,
    WaterfallQuery,
    dataset_document,
    detail_document,
    letter_document,
    plan_document,
    progress_document,
    sample_detail,
    sample_page_document,
)
from iqstream.web.events import event_response
from iqstream.web.new_dataset import NewDataset
from iqstream.web.operations import Asked, Operation, json_response
from iqstream.web.problems import Refusal

LIST_INTERVAL_S = 2.0


def _state(asked: Asked) -> State:
    state: State = asked.request.app.state
    return state


def _client(asked: Asked) -> AsyncClient:
    client: AsyncClient = _state(asked).client
    return client


def selected(datasets: Sequence[Dataset], query: DatasetQuery) -> list[Dataset]:
    """Returns the datasets that a query is about, in its order, on all pages."""
    wanted = query.q.casefold()
    found = [
        one
        for one in datasets
        if query.status in {"", one.status}
        and (wanted in one.name.casefold() or wanted in one.description.casefold() or one.id.startswith(wanted))
    ]
    match query.sort:
        case "newest":
            return found
        case "oldest":
            return found[::-1]
        case "name":
            return sorted(found, key=lambda one: one.name.casefold())
        case _:
            return sorted(found, key=lambda one: -one.accepted)


async def list_datasets(asked: Asked) -> DatasetPage:
    query: DatasetQuery = asked.query
    found = selected(await _client(asked).datasets(), query)
    page = found[query.offset : query.offset + query.limit]
    return DatasetPage(datasets=[dataset_document(one) for one in page], total=len(found))


async def submit(asked: Asked) -> Response:
    key = asked.request.headers.get("idempotency-key")
    dataset, is_new = await _state(asked).submissions.submit(asked.body, key)
    response = json_response(dataset_document(dataset), status=201 if is_new else 200)
    response.headers["location"] = f"/api/v1/datasets/{dataset.id}"
    return response


async def show_dataset(asked: Asked) -> DatasetDetail:
    return detail_document(await _client(asked).dataset(asked.dataset, version=asked.query.version))


async def change(asked: Asked) -> DatasetDocument:
    client, changes = _client(asked), asked.body
    found = (await client.dataset(asked.dataset)).dataset
    if changes.name is not None and changes.name != found.name:
        await client.rename(found.id, changes.name)
    if changes.description is not None:
        await client.describe(found.id, changes.description)
    return await _after(client, found)


async def cancel(asked: Asked) -> DatasetDocument:
    return await _after(_client(asked), await _client(asked).cancel(asked.dataset, version=asked.query.version))


async def resume(asked: Asked) -> DatasetDocument:
    return await _after(_client(asked), (await _client(asked).resume(asked.dataset)).dataset)


async def end(asked: Asked) -> DatasetDocument:
    return dataset_document(await _client(asked).end(asked.dataset))


async def extend(asked: Asked) -> DatasetDocument:
    return dataset_document((await _client(asked).extend(asked.dataset, to=asked.body.samples)).dataset)


async def delete(asked: Asked) -> Deleted:
    removed = await _client(asked).delete(asked.dataset)
    return Deleted(rows=removed.rows, objects=removed.objects)


async def _after(client: AsyncClient, dataset: Dataset) -> DatasetDocument:
    return dataset_document((await client.dataset(dataset.id, version=dataset.version)).dataset)


async def list_samples(asked: Asked) -> SamplePageDocument:
    query: SampleQuery = asked.query
    page = await _client(asked).samples(
        asked.dataset, version=query.version, outcome=query.outcome or None, after=query.after, limit=query.limit
    )
    return sample_page_document(page)


async def show_sample(asked: Asked) -> SampleDetail:
    return sample_detail(await _client(asked).sample(asked.dataset, asked.sample, version=asked.query.version))


async def waterfall(asked: Asked) -> Response:
    query: WaterfallQuery = asked.query
    rx_id = asked.request.path_params["receiver"]
    found = await _state(asked).recordings.of(asked.dataset, query.version, asked.sample)
    if rx_id not in found.frames:
        raise Refusal(404, f"there is no recording of receiver {rx_id!r}: there are {', '.join(found.frames)}")
    frame = found.frames[rx_id]
    tag = f'"{hashlib.sha256(f"{found.crc32[rx_id]}:{query}".encode()).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in asked.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        picture = await asyncio.to_thread(
            waterfall_png, frame, start_ms=query.start_ms, stop_ms=query.stop_ms, fft_length=query.fft
        )
    except ValueError as error:
        raise Refusal(422, str(error)) from None
    return Response(picture, media_type="image/png", headers=headers)


async def show_lag(asked: Asked) -> dict[str, Any]:
    return lag_document(_state(asked).lag_history.latest())


async def show_lag_history(asked: Asked) -> list[dict[str, Any]]:
    return [lag_document(reading) for reading in _state(asked).lag_history.readings]


async def plan_replay(asked: Asked) -> ReplayPlanDocument:
    query: ReplayQuery = asked.query
    return plan_document(
        await _client(asked).plan_replay(
            asked.dataset, version=query.version, samples=query.samples, as_version=query.as_version
        )
    )


async def list_dead_letters(asked: Asked) -> DeadLetterPage:
    query: LetterQuery = asked.query
    listing = await _client(asked).dead_letters(DeadLetterFilter(stage=query.stage or None, error=query.error or None))
    latest = listing.lines[::-1]
    page = latest[query.offset : query.offset + query.limit]
    return DeadLetterPage(dead_letters=[letter_document(line) for line in page], total=len(latest))


async def follow_datasets(asked: Asked) -> Response:
    client = _client(asked)

    async def readings() -> AsyncGenerator[msgspec.Struct, None]:
        while True:
            found = await client.datasets()
            yield DatasetPage(datasets=[dataset_document(one) for one in found[:50]], total=len(found))
            await asyncio.sleep(LIST_INTERVAL_S)

    return event_response(asked.request, "datasets", readings)


async def follow_dataset(asked: Asked) -> Response:
    client, version = _client(asked), asked.query.version

    async def readings() -> AsyncGenerator[msgspec.Struct, None]:
        async for event in client.watch(asked.dataset, version=version):
            yield progress_document(event)

    await client.plan_delete(asked.dataset)  # an error is an answer here, not an event
    return event_response(asked.request, f"dataset {asked.dataset} {version}", readings)


_ONE = "/datasets/{dataset}"
_SAMPLE = _ONE + "/samples/{sample:int}"
_EVENTS = "text/event-stream"
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="list_datasets", method="GET", path="/datasets", summary="Datasets: search, filter, order, page",
        answer=list_datasets, query=DatasetQuery, result=DatasetPage,
    ),
    Operation(
        name="submit", method="POST", path="/datasets", answer=submit, body=NewDataset, result=DatasetDocument,
        summary="Submit a dataset; with an Idempotency-Key once, however often it is asked for (then 200)",
        status=201, headers=("Idempotency-Key",), problems=(409,),
    ),
    Operation(
        name="follow_datasets", method="GET", path="/datasets/events", answer=follow_datasets, result=_EVENTS,
        summary="The newest datasets as events: `state` (a DatasetPage) now and at every change, `problem`",
    ),
    Operation(
        name="show_dataset", method="GET", path=_ONE, summary="A dataset with settings, outcomes by reason and figures",
        answer=show_dataset, query=VersionQuery, result=DatasetDetail,
    ),
    Operation(
        name="change", method="PATCH", path=_ONE, summary="Rename or describe a dataset", answer=change, body=Change,
        result=DatasetDocument,
    ),
    Operation(
        name="delete", method="DELETE", path=_ONE, summary="Delete a dataset for good, in all versions", answer=delete,
        result=Deleted,
    ),
    Operation(
        name="follow_dataset", method="GET", path=_ONE + "/events", answer=follow_dataset, query=VersionQuery,
        result=_EVENTS,
        summary="Progress as events: `state` (a ProgressDocument) now and at every change, `problem`, and `end`",
    ),
    Operation(
        name="cancel", method="POST", path=_ONE + "/cancel", summary="Cancel a dataset: what is stored stays",
        answer=cancel, query=VersionQuery, result=DatasetDocument,
    ),
    Operation(
        name="resume", method="POST", path=_ONE + "/resume", summary="Submit the rest of an interrupted submission",
        answer=resume, result=DatasetDocument,
    ),
    Operation(
        name="end", method="POST", path=_ONE + "/end", summary="End a dataset that grows", answer=end,
        result=DatasetDocument,
    ),
    Operation(
        name="extend", method="POST", path=_ONE + "/extend", summary="Make a dataset larger", answer=extend,
        body=Extension, result=DatasetDocument,
    ),
    Operation(
        name="list_samples", method="GET", path=_ONE + "/samples", summary="Decided samples by index, a page at a time",
        answer=list_samples, query=SampleQuery, result=SamplePageDocument,
    ),
    Operation(
        name="show_sample", method="GET", path=_SAMPLE, summary="A sample with lineage and features",
        answer=show_sample, query=VersionQuery, result=SampleDetail,
    ),
    Operation(
        name="waterfall", method="GET", path=_SAMPLE + "/receivers/{receiver}/waterfall.png", answer=waterfall,
        query=WaterfallQuery, result="image/png", headers=("If-None-Match",),
        summary="A part of a recording: time to the right, frequency upwards",
    ),
    Operation(
        name="plan_replay", method="GET", path=_ONE + "/replay-plan", answer=plan_replay, query=ReplayQuery,
        result=ReplayPlanDocument, summary="What processing samples again would do; nothing is done",
    ),
    Operation(
        name="show_lag", method="GET", path="/lag", answer=show_lag, result=dict[str, Any],
        summary="How far the stages are behind: as `iqstream lag --json`, read every 5 s",
    ),
    Operation(
        name="show_lag_history", method="GET", path="/lag/history", answer=show_lag_history,
        result=list[dict[str, Any]], summary="The readings of the last hour, the oldest first",
    ),
    Operation(
        name="list_dead_letters", method="GET", path="/dead-letters", answer=list_dead_letters, query=LetterQuery,
        result=DeadLetterPage, summary="Records that could not be processed, the latest first",
    ),
)  # fmt: skip
"""Paths that name something come before those that take anything there."""
