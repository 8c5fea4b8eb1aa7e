"""The HTTP API: every operation, each a call of the front door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from iqstream.catalogue.datasets import OPEN, Dataset
from iqstream.client.asynchronous import AsyncClient
from iqstream.lag.document import lag_document
from iqstream.lag.exporter import exposition
from iqstream.web.api_again import (
    list_dead_letters,
    list_tasks,
    plan_purge,
    plan_replay,
    plan_retry,
    purge,
    replay,
    retry,
    show_dead_letter,
    show_task,
)
from iqstream.web.api_samples import (
    download_npy,
    download_sigmf,
    hillshade,
    list_samples,
    show_links,
    show_sample,
    show_truth,
    waterfall,
)
from iqstream.web.documents import (
    AccuracyDocument,
    Change,
    DatasetDetail,
    DatasetDocument,
    DatasetPage,
    DatasetQuery,
    DeadLetterDetail,
    DeadLetterPage,
    Deleted,
    DistanceBandDocument,
    DistributionDocument,
    DistributionQuery,
    Extension,
    LetterQuery,
    LinkDocument,
    LinkQuery,
    PartQuery,
    PurgeOrder,
    RemovalDocument,
    ReplayPlanDocument,
    ReplayQuery,
    RetryOrder,
    RetryPlanDocument,
    SampleDetail,
    SamplePageDocument,
    SampleQuery,
    SampleTruthDocument,
    VersionQuery,
    WaterfallQuery,
    accuracy_document,
    band_document,
    dataset_document,
    detail_document,
    distribution_document,
    listed_document,
    progress_document,
)
from iqstream.web.estimates import EstimateDocument, estimate_document
from iqstream.web.events import event_response
from iqstream.web.exports import ExportOrder, begin_export, download_file
from iqstream.web.lag_history import LagHistory
from iqstream.web.listed import Listed
from iqstream.web.moves import MoveOrder, MovePlanDocument, MoveQuery, move, plan_move
from iqstream.web.new_dataset import NewDataset
from iqstream.web.operations import Asked, Operation, json_response
from iqstream.web.tasks import TaskDocument, TaskPage

LIST_INTERVAL_S = 2.0
METRICS = "text/plain"


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
    found = selected(await asked.state.listed.datasets(), query)
    page = found[query.offset : query.offset + query.limit]
    return _page_of(asked.state.listed, page, len(found))


def _page_of(listed: Listed, shown: Sequence[Dataset], total: int) -> DatasetPage:
    return DatasetPage(datasets=[listed_document(one, listed.speed(one)) for one in shown], total=total)


async def submit(asked: Asked) -> Response:
    key = asked.request.headers.get("idempotency-key")
    dataset, is_new = await asked.state.submissions.submit(asked.body, key)
    response = json_response(dataset_document(dataset), status=201 if is_new else 200)
    response.headers["location"] = f"/api/v1/datasets/{dataset.id}"
    return response


async def estimate(asked: Asked) -> EstimateDocument:
    return estimate_document(await asked.state.estimates.of(asked.body))


async def show_by_distance(asked: Asked) -> list[DistanceBandDocument]:
    bands = await asked.client.outcomes_by_distance(asked.dataset, version=asked.query.version)
    return [band_document(one) for one in bands]


async def show_distribution(asked: Asked) -> DistributionDocument:
    query: DistributionQuery = asked.query
    found = await asked.client.distribution(asked.dataset, query.feature, query.statistic, version=query.version)
    return distribution_document(found)


async def show_accuracy(asked: Asked) -> list[AccuracyDocument]:
    async with asked.state.reading:
        found = await asked.client.accuracy(asked.dataset, version=asked.query.version)
    return [accuracy_document(one) for one in found]


async def show_dataset(asked: Asked) -> DatasetDetail:
    found = await asked.client.versions(asked.dataset, version=asked.query.version)
    return detail_document(found, await asked.state.reports.of(found.dataset))


async def change(asked: Asked) -> DatasetDocument:
    client, changes = asked.client, asked.body
    found = (await client.versions(asked.dataset)).dataset
    if changes.name is not None and changes.name != found.name:
        await client.rename(found.id, changes.name)
    if changes.description is not None:
        await client.describe(found.id, changes.description)
    return await _after(client, found)


async def cancel(asked: Asked) -> DatasetDocument:
    return await _after(asked.client, await asked.client.cancel(asked.dataset, version=asked.query.version))


async def resume(asked: Asked) -> DatasetDocument:
    return await _after(asked.client, (await asked.client.resume(asked.dataset)).dataset)


async def end(asked: Asked) -> DatasetDocument:
    return dataset_document(await asked.client.end(asked.dataset))


async def extend(asked: Asked) -> DatasetDocument:
    return dataset_document((await asked.client.extend(asked.dataset, to=asked.body.samples)).dataset)


async def delete(asked: Asked) -> Deleted:
    removed = await asked.client.delete(asked.dataset)
    return Deleted(rows=removed.rows, objects=removed.objects)


async def _after(client: AsyncClient, dataset: Dataset) -> DatasetDocument:
    return dataset_document((await client.versions(dataset.id, version=dataset.version)).dataset)


async def show_lag(asked: Asked) -> dict[str, Any]:
    return lag_document(asked.state.lag_history.latest())


async def show_metrics(asked: Asked) -> Response:
    history: LagHistory = asked.state.lag_history
    reading = history.latest() if history.problem is None else None
    return Response(exposition(reading), media_type=METRICS)


async def show_lag_history(asked: Asked) -> list[dict[str, Any]]:
    return [lag_document(reading) for reading in asked.state.lag_history.readings]


async def follow_datasets(asked: Asked) -> Response:
    listed: Listed = asked.state.listed

    async def readings() -> AsyncGenerator[msgspec.Struct | None, None]:
        seen = None
        while True:
            found = await listed.datasets()
            if found is not seen or any(one.status in OPEN for one in found[:50]):  # its speed may have changed
                seen = found
                yield _page_of(listed, found[:50], len(found))
            else:
                yield None
            await asyncio.sleep(LIST_INTERVAL_S)

    return event_response(asked.request, "datasets", readings)


async def follow_dataset(asked: Asked) -> Response:
    client, version = asked.client, asked.query.version

    async def readings() -> AsyncGenerator[msgspec.Struct, None]:
        async for event in client.watch(asked.dataset, version=version):
            yield progress_document(event)

    await client.plan_delete(asked.dataset)  # an error is an answer here, not an event
    return event_response(asked.request, f"dataset {asked.dataset} {version}", readings)


_ONE = "/datasets/{dataset}"
_SAMPLE = _ONE + "/samples/{sample:int}"
_RECORDING = _SAMPLE + "/receivers/{receiver}"
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
        name="estimate", method="POST", path="/datasets/estimate", answer=estimate, body=NewDataset,
        result=EstimateDocument, summary="What a dataset will cost and give; nothing is submitted",
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
        name="show_truth", method="GET", path=_SAMPLE + "/truth", answer=show_truth, query=VersionQuery,
        result=SampleTruthDocument, summary="What the generator put in: transmitter, losses and ground of each path",
    ),
    Operation(
        name="waterfall", method="GET", path=_RECORDING + "/waterfall.png", answer=waterfall,
        query=WaterfallQuery, result="image/png", headers=("If-None-Match",),
        summary="A part of a recording: time to the right, frequency upwards",
    ),
    Operation(
        name="download_npy", method="GET", path=_RECORDING + "/iq.npy", answer=download_npy, query=PartQuery,
        result="application/octet-stream", headers=("If-None-Match",),
        summary="A part of a recording as .npy: complex64 in sqrt(mW)",
    ),
    Operation(
        name="download_sigmf", method="GET", path=_RECORDING + "/iq.sigmf", answer=download_sigmf, query=PartQuery,
        result="application/x-tar", headers=("If-None-Match",), summary="A part of a recording as a SigMF archive",
    ),
    Operation(
        name="show_links", method="GET", path=_ONE + "/links", answer=show_links, query=LinkQuery,
        result=list[LinkDocument], summary="How strong accepted samples were received, a page of samples at a time",
    ),
    Operation(
        name="hillshade", method="GET", path=_ONE + "/hillshade.png", answer=hillshade, result="image/png",
        headers=("If-None-Match",),
        summary="The ground of the region in which transmitters may stand, lit from the north-west",
    ),
    Operation(
        name="show_by_distance", method="GET", path=_ONE + "/outcomes-by-distance", answer=show_by_distance,
        query=VersionQuery, result=list[DistanceBandDocument],
        summary="How the first 2,000 samples ended, by the transmitter's distance to its nearest receiver",
    ),
    Operation(
        name="show_distribution", method="GET", path=_ONE + "/distribution", answer=show_distribution,
        query=DistributionQuery, result=DistributionDocument, summary="A feature's values by receiver",
    ),
    Operation(
        name="show_accuracy", method="GET", path=_ONE + "/accuracy", answer=show_accuracy, query=VersionQuery,
        result=list[AccuracyDocument],
        summary="How far features are from what was put in, by SNR: of 2,000 recordings, as far as Kafka keeps them",
    ),
    Operation(
        name="plan_replay", method="GET", path=_ONE + "/replay-plan", answer=plan_replay, query=ReplayQuery,
        result=ReplayPlanDocument, summary="What processing samples again would do; nothing is done",
    ),
    Operation(
        name="replay", method="POST", path=_ONE + "/replay", answer=replay, body=ReplayQuery, result=TaskDocument,
        status=202, summary="Process samples again, as a task in the background; one at a time",
    ),
    Operation(
        name="export", method="POST", path=_ONE + "/export", answer=begin_export, body=ExportOrder,
        result=TaskDocument, status=202,
        summary="Write a dataset's rows to files that can be downloaded, as a task in the background",
    ),
    Operation(
        name="show_lag", method="GET", path="/lag", answer=show_lag, result=dict[str, Any],
        summary="How far the stages are behind: as `iqstream lag --json`, read every 5 s",
    ),
    Operation(
        name="show_metrics", method="GET", path="/metrics", answer=show_metrics, result=METRICS,
        summary="The lag as Prometheus reads it: the metrics of `iqstream lag --serve`",
    ),
    Operation(
        name="show_lag_history", method="GET", path="/lag/history", answer=show_lag_history,
        result=list[dict[str, Any]], summary="The readings of the last hour, the oldest first",
    ),
    Operation(
        name="plan_move", method="GET", path="/stages/{stage}/move-plan", answer=plan_move, query=MoveQuery,
        result=MovePlanDocument, summary="What moving a stage to another position means; nothing is done",
    ),
    Operation(
        name="move", method="POST", path="/stages/{stage}/move", answer=move, body=MoveOrder, result=MovePlanDocument,
        summary="Move a stage to another position; one that runs only by force",
    ),
    Operation(
        name="list_dead_letters", method="GET", path="/dead-letters", answer=list_dead_letters, query=LetterQuery,
        result=DeadLetterPage, summary="Records that could not be processed, the latest first",
    ),
    Operation(
        name="plan_retry", method="POST", path="/dead-letters/retry-plan", answer=plan_retry, body=RetryOrder,
        result=RetryPlanDocument, summary="Which samples a retry would process again; nothing is done",
    ),
    Operation(
        name="retry", method="POST", path="/dead-letters/retry", answer=retry, body=RetryOrder, result=TaskDocument,
        status=202, summary="Process the samples of dead letters again, as a task in the background; one at a time",
    ),
    Operation(
        name="plan_purge", method="POST", path="/dead-letters/purge-plan", answer=plan_purge, body=PurgeOrder,
        result=RemovalDocument, summary="What removing dead letters means; nothing is done",
    ),
    Operation(
        name="purge", method="POST", path="/dead-letters/purge", answer=purge, body=PurgeOrder, result=RemovalDocument,
        summary="Remove dead letters for good",
    ),
    Operation(
        name="show_dead_letter", method="GET", path="/dead-letters/{origin}", answer=show_dead_letter,
        result=DeadLetterDetail, summary="A dead letter with its headers and its fields",
    ),
    Operation(
        name="list_tasks", method="GET", path="/tasks", answer=list_tasks, result=TaskPage,
        summary="Replays, retries and exports of this server, the latest first",
    ),
    Operation(
        name="show_task", method="GET", path="/tasks/{number:int}", answer=show_task, result=TaskDocument,
        summary="How far a task is, and how it ended",
    ),
    Operation(
        name="download_file", method="GET", path="/tasks/{number:int}/files/{file}", answer=download_file,
        result="application/octet-stream", summary="A file that an export wrote",
    ),
)  # fmt: skip
"""Paths that name something come before those that take anything there."""
