"""What the SigMF specification (1.2.5) demands of files, written from its text. `python -m tests.sigmf_rules FOLDER`.

Independent of the code that writes and reads SigMF here: it knows the files only. `faults_in` names every rule that a
folder of recordings and collections breaks.
"""

import hashlib
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from uuid import UUID

MOST = 2**63 - 1
NUMBER, INTEGER, TEXT, FLAG = (int, float), int, str, bool
DATATYPE = re.compile(r"[rc](?:[fiu]32_[lb]e|f64_[lb]e|[iu]16_[lb]e|[iu]8)")
DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
GLOBAL = {
    "datatype": TEXT, "version": TEXT, "sample_rate": NUMBER, "author": TEXT, "collection": TEXT, "dataset": TEXT,
    "data_doi": TEXT, "description": TEXT, "hw": TEXT, "license": TEXT, "metadata_only": FLAG, "meta_doi": TEXT,
    "num_channels": INTEGER, "offset": INTEGER, "recorder": TEXT, "sha512": TEXT, "trailing_bytes": INTEGER,
    "geolocation": dict, "extensions": list,
}  # fmt: skip
CAPTURE = {
    "sample_start": INTEGER, "datetime": TEXT, "frequency": NUMBER, "global_index": INTEGER, "header_bytes": INTEGER,
    "geolocation": dict,
}  # fmt: skip
ANNOTATION = {
    "sample_start": INTEGER, "sample_count": INTEGER, "freq_lower_edge": NUMBER, "freq_upper_edge": NUMBER,
    "label": TEXT, "comment": TEXT, "generator": TEXT, "uuid": TEXT,
}  # fmt: skip
COLLECTION = {
    "version": TEXT, "description": TEXT, "author": TEXT, "collection_doi": TEXT, "license": TEXT, "extensions": list,
    "streams": list,
}  # fmt: skip


class Faults(list):
    """Sentences, each with the place that it is about."""

    def check(self, holds, place, what):
        if not holds:
            self.append(f"{place}: {what}")
        return bool(holds)

    def fields(self, values, known, place, needed, namespaces):
        """A JSON object: what has to be there, the types of the core's fields, and whose the other fields are."""
        if not self.check(isinstance(values, dict), place, "is no object"):
            return {}
        for name in needed:
            self.check(f"core:{name}" in values, place, f"has no core:{name}")
        good = {}
        for key, value in values.items():
            namespace, colon, name = key.partition(":")
            if not self.check(colon and name, place, f"{key!r} is in no namespace"):
                continue
            if namespace != "core":
                self.check(
                    namespace in namespaces, place, f"{key} is of an extension that core:extensions does not name"
                )
                continue
            if not self.check(name in known, place, f"core has no field {name}"):
                continue
            right = isinstance(value, known[name]) and not (isinstance(value, bool) and known[name] is not FLAG)
            if self.check(right, place, f"core:{name} is of the wrong type"):
                good[name] = value
        self.ranges(good, place)
        return good

    def ranges(self, good, place):
        """Of the core's fields, those that are bounded."""
        for name in ("sample_start", "sample_count", "global_index", "header_bytes", "offset", "trailing_bytes"):
            self.check(0 <= good.get(name, 0) <= MOST, place, f"core:{name} is out of range")
        for name in ("frequency", "freq_lower_edge", "freq_upper_edge"):
            self.check(abs(good.get(name, 0)) <= 1e12, place, f"core:{name} is out of range")
        if "geolocation" in good:
            self.point(good["geolocation"], place)

    def point(self, value, place):
        """A GeoJSON point (RFC 7946): longitude first."""
        coordinates = value.get("coordinates")
        numbers = isinstance(coordinates, list) and all(type(one) in NUMBER for one in coordinates)
        if self.check(value.get("type") == "Point" and numbers and len(coordinates) in (2, 3), place, "is no Point"):
            self.check(abs(coordinates[0]) <= 180 and abs(coordinates[1]) <= 90, place, "is no place on earth")

    def extensions(self, values, place):
        """The names of the extensions that are declared."""
        names = {"core"}
        for number, one in enumerate(values or []):
            whole = isinstance(one, dict) and set(one) == {"name", "version", "optional"}
            if self.check(whole, f"{place}, extension {number}", "is not name, version and optional"):
                types = (
                    isinstance(one["name"], str) and isinstance(one["version"], str) and type(one["optional"]) is bool
                )
                self.check(types, f"{place}, extension {number}", "has a field of the wrong type")
                names.add(one["name"])
        return names


def faults_in(folder):
    """Sentences; empty where every recording and collection in a folder is as the specification has it."""
    faults = Faults()
    metas = sorted(folder.glob("*.sigmf-meta"))
    faults.check(metas, folder, "holds no recording")
    for data in folder.glob("*.sigmf-data"):
        faults.check(data.with_suffix(".sigmf-meta").exists(), data.name, "has no metadata")
    for meta in metas:
        _recording(meta, faults)
    for collection in sorted(folder.glob("*.sigmf-collection")):
        _collection(collection, faults)
    return faults


def _read(path, faults):
    try:
        return json.loads(
            path.read_bytes().decode("utf-8"), parse_constant=lambda name: faults.append(f"{path}: {name}")
        )
    except ValueError as error:
        faults.append(f"{path.name}: no JSON in UTF-8: {error}")
        return None


def _recording(path, faults):
    name, meta = path.name, _read(path, faults)
    if not faults.check(isinstance(meta, dict), name, "is no object"):
        return
    faults.check(set(meta) == {"global", "captures", "annotations"}, name, "is not global, captures and annotations")
    given = meta.get("global")
    declared = given.get("core:extensions") if isinstance(given, dict) else None
    namespaces = faults.extensions(declared, name)
    facts = faults.fields(given, GLOBAL, f"{name}, global", ("datatype", "version"), namespaces)
    faults.check(re.fullmatch(r"\d+\.\d+\.\d+", facts.get("version", "")), name, "core:version is not X.Y.Z")
    faults.check(1 <= facts.get("sample_rate", 1) <= 1e12, name, "core:sample_rate is out of range")
    faults.check(facts.get("num_channels", 1) >= 1, name, "core:num_channels is below 1")
    datatype = facts.get("datatype", "")
    if not faults.check(DATATYPE.fullmatch(datatype), name, f"datatype {datatype!r} is none"):
        return
    data = path.with_suffix(".sigmf-data")
    if not faults.check(data.is_file(), name, "has no data file of its name"):
        return
    size = (
        int(re.search(r"8|16|32|64", datatype)[0])
        // 8
        * (2 if datatype[0] == "c" else 1)
        * facts.get("num_channels", 1)
    )
    content = data.read_bytes()
    faults.check(len(content) % size == 0, data.name, "is no whole number of samples")
    if "sha512" in facts:
        faults.check(
            facts["sha512"].lower() == hashlib.sha512(content).hexdigest(), name, "core:sha512 is of other data"
        )
    if "collection" in facts:
        faults.check(
            path.with_name(facts["collection"] + ".sigmf-collection").is_file(), name, "its collection is not there"
        )
    _segments(meta, len(content) // size, faults, name, namespaces)


def _segments(meta, samples, faults, name, namespaces):
    captures, annotations = ([], [])
    for kind, known, found in (("captures", CAPTURE, captures), ("annotations", ANNOTATION, annotations)):
        if faults.check(isinstance(meta.get(kind), list), f"{name}, {kind}", "is no array"):
            found += [
                faults.fields(one, known, f"{name}, {kind} {number}", ("sample_start",), namespaces)
                for number, one in enumerate(meta[kind])
            ]
        starts = [one.get("sample_start", 0) for one in found]
        faults.check(starts == sorted(starts), f"{name}, {kind}", "are not in order of core:sample_start")
        faults.check(all(start < samples for start in starts), f"{name}, {kind}", "begin behind the last sample")
    for number, one in enumerate(captures):
        text = one.get("datetime", "1970-01-01T00:00:00Z")
        right = DATETIME.fullmatch(text)
        if right:
            try:
                datetime.fromisoformat(text[:19])
            except ValueError:
                right = None
        faults.check(right, f"{name}, captures {number}", f"core:datetime {text!r} is no time in UTC by RFC 3339")
    for number, one in enumerate(annotations):
        place = f"{name}, annotations {number}"
        end = one.get("sample_start", 0) + one.get("sample_count", 0)
        faults.check(end <= samples, place, "ends behind the last sample")
        edges = [edge for edge in ("freq_lower_edge", "freq_upper_edge") if edge in one]
        if faults.check(len(edges) != 1, place, "has one edge in frequency without the other") and edges:
            faults.check(one[edges[0]] <= one[edges[1]], place, "has its edges in frequency the wrong way round")
        if "uuid" in one:
            try:
                UUID(one["uuid"])
            except ValueError:
                faults.append(f"{place}: core:uuid is none")


def _collection(path, faults):
    name, whole = path.name, _read(path, faults)
    if not faults.check(isinstance(whole, dict) and set(whole) == {"collection"}, name, "is not one `collection`"):
        return
    given = whole["collection"]
    declared = given.get("core:extensions") if isinstance(given, dict) else None
    namespaces = faults.extensions(declared, name)
    facts = faults.fields(given, COLLECTION, name, ("version",), namespaces)
    for number, stream in enumerate(facts.get("streams", [])):
        place = f"{name}, stream {number}"
        whole = isinstance(stream, dict) and {"name", "hash"} <= set(stream)
        if not faults.check(whole, place, "is not name and hash"):
            continue
        meta = path.with_name(str(stream["name"]) + ".sigmf-meta")
        if faults.check(meta.is_file(), place, f"{stream['name']} is not beside the collection"):
            same = hashlib.sha512(meta.read_bytes()).hexdigest() == str(stream["hash"]).lower()
            faults.check(same, place, "its hash is of other metadata")


def main():
    folder = Path(sys.argv[1])
    faults = faults_in(folder)
    print(*faults, sep="\n", end="\n" if faults else "")
    recordings, collections = len(list(folder.glob("*.sigmf-meta"))), len(list(folder.glob("*.sigmf-collection")))
    print(f"{recordings} recordings and {collections} collections, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
