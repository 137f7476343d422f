"""The fields that answers get later: a text, an object and a list, in every object of every answer."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

# Values as a later service might send them.
VALUES: dict[str, Any] = {
    "added_text": "later",
    "added_object": {"name": "later", "number": 7},
    "added_list": [{"name": "first", "number": 1}, {"name": "second", "number": 2}],
}
_ADDITION = {"$ref": "#/components/schemas/Addition"}
_SCHEMAS: dict[str, Any] = {
    "added_text": {"type": "string"},
    "added_object": _ADDITION,
    "added_list": {"type": "array", "items": _ADDITION},
}
_ADDITION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Addition",
    "required": ["name", "number"],
    "properties": {"name": {"type": "string"}, "number": {"type": "integer"}},
}


def later_document(document: dict[str, Any]) -> dict[str, Any]:
    """A copy of the document in which each object that an answer may hold has the fields, none of them required."""
    later = deepcopy(document)
    for schema in answer_schemas(later):
        schema["properties"] |= _SCHEMAS
    later["components"]["schemas"]["Addition"] = _ADDITION_SCHEMA
    return later


def later_answer(answer: Any) -> Any:
    """A copy of the answer in which each object has the fields."""
    if isinstance(answer, dict):
        return {name: later_answer(value) for name, value in answer.items()} | VALUES
    if isinstance(answer, list):
        return [later_answer(value) for value in answer]
    return answer


def answer_schemas(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas that answers are made of, as they stand in the document; those of requests are others."""
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    waiting = [operation["responses"] for operation in operations]
    found: set[str] = set()
    while waiting:
        for reference in set(_references(waiting.pop())) - found:
            found.add(reference)
            kind, name = reference.removeprefix("#/components/").split("/")
            waiting.append(document["components"][kind][name])
    schemas = document["components"]["schemas"].items()
    return [schema for name, schema in schemas if f"#/components/schemas/{name}" in found]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            yield from _references(value)
