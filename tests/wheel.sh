#!/bin/sh
# Builds the wheel, installs it with its `embedded` extra into an empty environment, and runs the demo from there, in an
# empty directory: what the sources have and the wheel lacks is missed here. Arguments: uv, and the Python to install into.
set -eu
uv=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
sources=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
chmod 755 "$folder" # the servers of root run as another user
trap 'rm -rf "$folder"' EXIT
"$uv" build --quiet --wheel --out-dir "$folder/dist" "$sources"
"$uv" venv --quiet --python "$2" "$folder/venv"
"$uv" export --quiet --locked --no-dev --extra embedded --no-emit-project --project "$sources" --output-file "$folder/locked.txt"
"$uv" pip install --quiet --python "$folder/venv/bin/python" --require-hashes -r "$folder/locked.txt"
"$uv" pip install --quiet --python "$folder/venv/bin/python" --no-deps "$folder"/dist/iqstream-*.whl
mkdir "$folder/empty"
cd "$folder/empty"
"$folder/venv/bin/iqstream" spec --preset city-noise >spec.yaml
"$folder/venv/bin/iqstream" spec --spec spec.yaml >again.yaml
cmp spec.yaml again.yaml
"$folder/venv/bin/iqstream" demo --samples 20 --capture-ms 200
