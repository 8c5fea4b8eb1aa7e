"""Tables for Arrow: the schema with units, and batches. pyarrow is an extra, asked for when it is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from iqstream.export.table import Column, Table
from iqstream.runtime.errors import UserError


def arrow(module: str = "pyarrow") -> Any:  # noqa: ANN401  # pyarrow carries no types
    """Returns pyarrow, or one of its modules.

    Raises:
        UserError: it is not installed; says how to get it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"this format needs pyarrow ({error}): install the extra `arrow` (pip install 'iqstream[arrow]')"
        ) from None


def arrow_schema(columns: Sequence[Column], metadata: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Returns the schema: each field with its unit, role and meaning; `metadata` as JSON under the key `iqstream`."""
    pa = arrow()
    kinds = {"f8": pa.float64(), "i8": pa.int64(), "i4": pa.int32(), "i2": pa.int16(), "i1": pa.int8(), "?": pa.bool_()}
    fields = [
        pa.field(
            column.name,
            kinds.get(column.dtype, pa.string()),
            metadata={key: getattr(column, key) for key in ("unit", "role", "meaning") if getattr(column, key)},
        )
        for column in columns
    ]
    return pa.schema(fields, metadata={"iqstream": json.dumps(metadata)})


def arrow_batch(table: Table, schema: Any) -> Any:  # noqa: ANN401
    """Returns a record batch; NaN becomes null, since it means that there is no value."""
    pa = arrow()
    arrays = []
    for field in schema:
        values = table[field.name]
        missing = np.isnan(values) if values.dtype.kind == "f" else None
        arrays.append(pa.array(values.tolist() if values.dtype.kind == "U" else values, field.type, mask=missing))
    return pa.record_batch(arrays, schema=schema)
