"""Index of decisions by identifiers, filled from the journal's bodies.

The rules are those of ``engine.queue.identifier_index`` as of this version, in words of its own: a
later change of them brings a version that fills the table again.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")
AT_ONCE = 500
NEXT = sa.text(
    "SELECT j.seq, b.body FROM journal j JOIN journal_bodies b ON b.seq = j.seq "
    "WHERE j.kind = 'decision' AND j.seq > :after ORDER BY j.seq LIMIT :most"
).columns(seq=INT64, body=sa.LargeBinary)
LOOK_ALIKES = str.maketrans("АВЕКМНОРСТУХІЅЈԚԜ", "ABEKMHOPCTYXISJQW")
PLATES = (2, 3)
ENDINGS = {5: 4, 4: 9}


def upgrade() -> None:
    """Create the table, and add the identifiers of every decision whose body was not erased."""
    table = op.create_table(
        "decision_identifiers",
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("seq", INT64, nullable=False),
        sa.PrimaryKeyConstraint("text", "kind", "seq", name="decision_identifiers_pk"),
    )
    store, after = op.get_bind(), 0
    while found := store.execute(NEXT, {"after": after, "most": AT_ONCE}).all():
        rows = [row for seq, body in found if body is not None for row in _rows(seq, bytes(body))]
        if rows:
            op.bulk_insert(table, rows)
        after = found[-1][0]


def _rows(seq: int, raw: bytes) -> list[dict[str, Any]]:
    body = json.loads(raw)
    texts = dict.fromkeys(
        (ending, kind)
        for kind, value in _identifiers(body)
        if value
        for ending in _endings(kind, _fold(value))
    )
    return [
        {"text": text.encode("utf-8", "surrogatepass"), "kind": kind, "seq": seq}
        for text, kind in texts
    ]


def _identifiers(body: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    crossing = body["arrival"]["crossing"]
    papers = body["arrival"].get("declaration") or {}
    yield 0, body["decision"]["decision_id"]
    yield 1, crossing["crossing_id"]
    yield 2, crossing.get("plate")
    yield 3, crossing.get("trailer_plate")
    yield 4, crossing.get("vin")
    yield from ((5, one) for one in crossing.get("container_numbers") or ())
    yield from ((6, one) for one in crossing.get("seal_numbers") or ())
    yield 7, crossing.get("carrier_id")
    for kind, name in ((8, "declarant_id"), (9, "consignor_id"), (10, "consignee_id")):
        yield kind, papers.get(name)
    for kind, name in ((11, "declaration_id"), (12, "tir_carnet"), (13, "cmr_number")):
        yield kind, papers.get(name)
        yield kind, crossing.get(name)


def _fold(raw: str) -> str:
    text = unicodedata.normalize("NFKC", raw).upper()
    return re.sub(r"[\W_]+", "", text).translate(LOOK_ALIKES)


def _endings(kind: int, text: str) -> Iterator[str]:
    if text:
        yield text
    if kind in PLATES:
        yield from (text[start:] for start in range(1, len(text) - 2))
    elif kind in ENDINGS and len(text) >= ENDINGS[kind] + 3:
        yield text[ENDINGS[kind] :]
