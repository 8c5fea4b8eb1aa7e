"""The formats that rows are exported in."""

from collections.abc import Mapping

from iqstream.export.huggingface import HuggingFaceWriter
from iqstream.export.writers import WRITERS, Writer

FORMATS: Mapping[str, type[Writer]] = {**WRITERS, "huggingface": HuggingFaceWriter}
"""Each by its name: a file, which has the name for its ending, or a folder."""
