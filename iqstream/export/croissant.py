"""The description of an exported dataset in MLCommons Croissant 1.1: files with digests, columns with their meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iqstream.export.table import Column

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {"f": "sc:Float", "i": "sc:Integer", "U": "sc:Text", "?": "sc:Boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedFile:
    """A Parquet file of the export."""

    path: str
    """Within the folder."""
    sha256: str
    """In hex."""
    columns: Sequence[Column]


def croissant_of(metadata: Mapping[str, Any], files: Sequence[DescribedFile]) -> dict[str, Any]:
    """Returns the JSON-LD."""
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": metadata["name"],
        "description": (
            "Features of radio transmissions as a network of receivers recorded them, a row per sample and receiver, "
            "with the transmitter's position"
        ),
        "version": f"{metadata['dataset_version']}.0.0",
        "identifier": metadata["dataset_id"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file.path,
                "name": file.path,
                "contentUrl": file.path,
                "encodingFormat": "application/x-parquet",
                "sha256": file.sha256,
            }
            for file in files
        ],
        "recordSet": [_record_set(file.path, file.columns) for file in files],
    }


def _record_set(path: str, columns: Sequence[Column]) -> dict[str, Any]:
    """The rows of one file."""
    name = path.removeprefix("data/").removesuffix(".parquet").replace("/", "-")
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column.name}",
                "name": column.name,
                "description": ", ".join(
                    filter(None, (f"role {column.role}", column.unit and f"unit {column.unit}", column.meaning))
                ),
                "dataType": TYPES[column.dtype[0]],
                "source": {"fileObject": {"@id": path}, "extract": {"column": column.name}},
            }
            for column in columns
        ],
    }
