"""Validates deploy/k8s against its committed schema, and that every resource is in the kustomization (`make check`)."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import yaml

FOLDER = Path(__file__).parent / "k8s"


def problems(folder: Path = FOLDER) -> Iterator[str]:
    """Returns what is wrong, a line each."""
    validator = jsonschema.Draft202012Validator(json.loads((folder / "schema.json").read_text(encoding="utf-8")))
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    for name in sorted(there ^ set(listed)):
        yield f"{name}: {'not in kustomization.yaml' if name in there else 'in kustomization.yaml, but not there'}"
    for name in sorted(there):
        for document in yaml.safe_load_all((folder / name).read_text(encoding="utf-8")):
            for error in validator.iter_errors(document):
                place = "/".join(map(str, error.absolute_path))
                yield f"{name}: {document.get('kind')} {document['metadata']['name']}: {place}: {error.message}"


if __name__ == "__main__":
    found = list(problems())
    for problem in found:
        print(f"deploy/k8s/{problem}", file=sys.stderr)  # a command's output
    sys.exit(1 if found else 0)
