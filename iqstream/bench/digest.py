"""One digest over everything stored of a dataset, so that two runs of a spec can be compared."""

import contextlib
import hashlib
import json

import numpy as np
import numpy.typing as npt

from iqstream.catalogue.connection import connect
from iqstream.catalogue.stored import all_stored
from iqstream.reach import object_store
from iqstream.runtime.settings import Settings

_LEFT_OUT = frozenset({"recording_session_id", "dataset_id", "created_at", "decided_at", "iq_saved_at"})
_PLACES = frozenset({"topic", "partition", "offset"})


async def dataset_digest(settings: Settings, dataset_id: str) -> str:
    """Returns the SHA-256 of rows, outcomes, pairs and objects, without ids, times and frame offsets."""
    connection = await connect(settings.postgres_dsn)
    try:
        rows = await all_stored(connection, dataset_id)
    finally:
        await connection.close()
    digest = hashlib.sha256()
    for row in rows:
        kept = {name: _plain(value) for name, value in row.items() if name not in _LEFT_OUT}
        digest.update(json.dumps(kept, sort_keys=True).encode())
    for name, iq in sorted((await stored_objects(settings, dataset_id)).items()):
        place = name.removeprefix(f"synthetic/{dataset_id}/")
        digest.update(f"{place} {hashlib.sha256(iq.tobytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


async def stored_objects(settings: Settings, dataset_id: str) -> dict[str, npt.NDArray[np.complex64]]:
    """Returns the dataset's recordings by object name, each of shape (n,)."""
    store = object_store(settings)
    try:
        names = await store.list_samples(dataset_id)
        places = [name.removesuffix(".npy").split("/") for name in names]
        return {
            name: await store.get_iq(dataset_id, int(index), rx_id)
            for name, (*_, index, rx_id) in zip(names, places, strict=True)
        }
    finally:
        store.close()


def _plain(value: object) -> object:
    """A column's value in JSON's types, without places of frames."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in _PLACES}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int | float | str | bool | None) else str(value)
