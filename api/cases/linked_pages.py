"""Addresses of what a case is about, as far as its reader may open them."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sqlalchemy import Connection, select

from api.web.visitor import Visitor
from engine.errors import ConflictError, NotFoundError
from engine.queue.queue import DECISIONS
from engine.targeting.corrections import read_stated_act, read_stated_seizure

Link = Mapping[str, str]


def find_pages(
    connection: Connection, visitor: Visitor, links: Sequence[Link]
) -> dict[tuple[str, str], str]:
    """Return the address of each linked thing that has a page this visitor may open."""
    found = {}
    for one in links:
        address = _find_page(connection, visitor, one["of"], one["id"])
        if address is not None:
            found[one["of"], one["id"]] = address
    return found


def _find_page(connection: Connection, visitor: Visitor, kind: str, name: str) -> str | None:
    if kind in ("vehicle", "declaration"):
        is_open = visitor.may("GET", "/v1/search")
        return f"/search?q={quote(name, safe='')}" if is_open else None
    if kind == "attention":
        is_open = visitor.may("GET", "/v1/attentions")
        return f"/attentions#{quote(name, safe='')}" if is_open else None
    return _find_decision(connection, visitor, kind, name)


def _find_decision(connection: Connection, visitor: Visitor, kind: str, name: str) -> str | None:
    """Return the page of the last decision on the crossing of an act or a seizure."""
    try:
        if kind == "act":
            crossing = read_stated_act(connection, name).body["inspection"]["crossing_id"]
        else:
            crossing = read_stated_seizure(connection, name).body["linked_crossing_id"]
    except (NotFoundError, ConflictError):  # erased, withdrawn or not confirmed
        return None
    column = DECISIONS.c
    query = select(column.decision_id, column.post).where(column.crossing_id == crossing)
    row = connection.execute(query.order_by(column.seq.desc()).limit(1)).one_or_none()
    if row is None or not visitor.caller.sees_post(row.post):
        return None
    return f"/decisions/{quote(row.decision_id, safe='')}"
