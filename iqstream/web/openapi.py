"""The OpenAPI 3.1 document of the HTTP API, out of its table of operations and the types that they name."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from iqstream import __version__
from iqstream.web.api import OPERATIONS
from iqstream.web.documents import Problem
from iqstream.web.operations import PREFIX, Operation
from iqstream.web.problems import MEDIA_TYPE, TITLES

_PARAMETER = re.compile(r"\{(\w+)(?::(int))?\}")
_REFERENCE = "#/components/schemas/{name}"
_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "The dashboard's token; a page has it in a cookie."}
}


def openapi_document() -> dict[str, Any]:
    """Returns the document, JSON values only."""
    types = [
        kind
        for operation in OPERATIONS
        for kind in (operation.result, operation.body, operation.query)
        if kind is not None and not isinstance(kind, str)
    ]
    schemas, components = msgspec.json.schema_components((*types, Problem), ref_template=_REFERENCE)
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=False)}
    problem = schemas[-1]
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        path = PREFIX + _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _described(operation, schema_of, components, problem)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "iqstream",
            "version": __version__,
            "summary": "Submit datasets, watch them, look at their samples, and see how far the stages are behind.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return plain


def _described(
    operation: Operation, schema_of: dict[int, Any], components: dict[str, Any], problem: dict[str, Any]
) -> dict[str, Any]:
    if isinstance(operation.result, str):
        content: dict[str, Any] = {operation.result: {}}
    else:
        content = {"application/json": {"schema": schema_of[id(operation.result)]}}
    changes = operation.method != "GET"
    statuses = {400, 401, 404, 409, 421, 422, 500, 503} | ({403, 413, 415, 429} if changes else set())
    statuses |= set(operation.problems)
    answered = {str(operation.status): {"description": "Done", "content": content}}
    if "Idempotency-Key" in operation.headers:
        answered["200"] = {"description": "Done before, under the same key", "content": content}
    if "If-None-Match" in operation.headers:
        answered["304"] = {"description": "As it was"}
    answered |= {
        str(status): {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": problem}}}
        for status in sorted(statuses)
    }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, components), *_headers(operation)],
        "responses": answered,
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[id(operation.body)]}},
        }
    if changes:
        described["security"] = [{"token": []}]
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0} if kind else {"type": "string"},
        }
        for name, kind in _PARAMETER.findall(operation.path)
    ]


def _query_parameters(operation: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    properties = components[operation.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in operation.headers]
