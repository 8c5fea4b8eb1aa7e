"""The API's operations on decided samples: pages of them, one with its truth, its recordings as pictures and files."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace

from starlette.responses import Response

from iqstream.dataset.part import part_of
from iqstream.dataset.sample_iq import SampleIQ
from iqstream.export.one import npy_file, sigmf_archive
from iqstream.plot.waterfall import waterfall_png
from iqstream.web.documents import (
    LinkDocument,
    LinkQuery,
    SampleDetail,
    SamplePageDocument,
    SampleQuery,
    SampleTruthDocument,
    WaterfallQuery,
    link_document,
    sample_detail,
    sample_page_document,
    truth_document,
)
from iqstream.web.operations import Asked
from iqstream.web.problems import Refusal


async def list_samples(asked: Asked) -> SamplePageDocument:
    query: SampleQuery = asked.query
    page = await asked.client.samples(
        asked.dataset, version=query.version, outcome=query.outcome or None, after=query.after, limit=query.limit
    )
    return sample_page_document(page)


async def show_sample(asked: Asked) -> SampleDetail:
    return sample_detail(await asked.client.sample(asked.dataset, asked.sample, version=asked.query.version))


async def show_truth(asked: Asked) -> SampleTruthDocument:
    return truth_document(await asked.client.truth(asked.dataset, asked.sample, version=asked.query.version))


async def show_links(asked: Asked) -> list[LinkDocument]:
    query: LinkQuery = asked.query
    page = await asked.client.samples(
        asked.dataset, version=query.version, outcome="accepted", after=query.after, limit=query.limit
    )
    indices = [one.sample_idx for one in page.samples]
    return [
        link_document(one) for one in await asked.client.links(asked.dataset, indices, version=page.dataset.version)
    ]


async def hillshade(asked: Asked) -> Response:
    picture = await asked.state.hillshades.of(asked.dataset)
    tag = f'"{hashlib.sha256(picture).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in asked.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(picture, media_type="image/png", headers=headers)


async def waterfall(asked: Asked) -> Response:
    query: WaterfallQuery = asked.query

    def draw(part: SampleIQ, rx_id: str) -> bytes:
        return waterfall_png(part.frames[rx_id], fft_length=query.fft)

    return await _of_recording(asked, draw, "image/png")


async def download_npy(asked: Asked) -> Response:
    def written(part: SampleIQ, rx_id: str) -> bytes:
        return npy_file(part.frames[rx_id])

    return await _of_recording(asked, written, "application/octet-stream", ending="npy")


async def download_sigmf(asked: Asked) -> Response:
    return await _of_recording(asked, sigmf_archive, "application/x-tar", ending="sigmf")


async def _of_recording(
    asked: Asked, make: Callable[[SampleIQ, str], bytes], media_type: str, *, ending: str | None = None
) -> Response:
    """What is made of a part of a receiver's recording, with a tag that follows from the recording and the query."""
    rx_id, query = asked.request.path_params["receiver"], asked.query
    found: SampleIQ = await asked.state.recordings.of(asked.dataset, asked.query.version, asked.sample)
    if rx_id not in found.frames:
        raise Refusal(404, f"there is no recording of receiver {rx_id!r}: there are {', '.join(found.frames)}")
    tag = f'"{hashlib.sha256(f"{found.crc32[rx_id]}:{asked.query}".encode()).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in asked.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if ending is not None:
        headers["content-disposition"] = f'attachment; filename="sample-{asked.sample}-{rx_id}.{ending}"'

    def make_of_part() -> bytes:
        part = part_of(
            found.frames[rx_id], start_ms=query.start_ms, stop_ms=query.stop_ms,
            low_khz=query.low_khz, high_khz=query.high_khz,
        )  # fmt: skip
        return make(replace(found, frames={rx_id: part}), rx_id)

    try:
        async with asked.state.making:
            content = await asyncio.to_thread(make_of_part)
    except ValueError as error:
        raise Refusal(422, str(error)) from None
    return Response(content, media_type=media_type, headers=headers)
