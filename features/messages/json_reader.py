"""JSON messages as the tree that XML ones are read into."""

from typing import Any

import orjson

from features.messages.tree import DocumentRefusedError, Node, collapse_space
from features.messages.xml_reader import MAX_DEPTH, Document

MAX_BYTES = 4 << 20
"""Consignment notes in JSON are small, and take more memory a byte than XML."""
MAX_VALUES = 100_000
_ENVELOPES = ("eCMR", "ecmrConsignment")


def read_json(data: bytes) -> Document:
    """Return the tree of a JSON document; raises ``DocumentRefusedError``."""
    if len(data) > MAX_BYTES:
        raise DocumentRefusedError("too_large")
    if data.count(b",") + data.count(b":") > MAX_VALUES:
        raise DocumentRefusedError("too_many_elements")
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DocumentRefusedError("not_well_formed", line=error.lineno) from None
    if not isinstance(found, dict):
        raise DocumentRefusedError("unsupported_message", detail="not a JSON object")
    for name in _ENVELOPES:
        if isinstance(found.get(name), dict):
            return Document("json", name, {}, *_build(found[name]))
    raise DocumentRefusedError("unsupported_message", detail="a JSON object without a known root")


def _build(found: dict[str, Any]) -> tuple[Node, list[Node]]:
    top = Node("", "")
    leaves: list[Node] = []
    waiting: list[tuple[Node, Any, int]] = [(top, found, 1)]
    while waiting:
        node, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise DocumentRefusedError("too_deep")
        for name, inner in value.items():
            for each in inner if isinstance(inner, list) else (inner,):
                if isinstance(each, dict):
                    waiting.append((node.add(name, ""), each, depth + 1))
                elif each is not None and (text := _as_text(each)):
                    leaves.append(node.add(name, text))
    return top, leaves


def _as_text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else collapse_space(str(value))
