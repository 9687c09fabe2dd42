"""Steps of requests between partners, filled from the envelopes that the journal holds."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NAMES = {
    "attention": "attention",
    "case": "case",
    "answer": "about",
    "withdraw": "attention",
    "outcome": "outcome_of",
}
STEPS = {"accepted": "accept", "declined": "decline", "returned": "return"}
HELD = sa.text(
    "SELECT j.seq, j.subject, j.kind, b.body FROM journal j JOIN journal_bodies b ON b.seq = j.seq "
    "JOIN link_envelopes e ON e.seq = j.seq "
    "WHERE e.kind IN ('attention', 'case', 'answer', 'withdraw', 'outcome') "
    "AND j.kind IN ('link_sent', 'link_received') AND b.body IS NOT NULL ORDER BY j.seq"
).columns(seq=INT64, body=sa.LargeBinary)


def upgrade() -> None:
    """Create the table and fill it."""
    steps = op.create_table(
        "request_steps",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("link", "name", "step", "direction")
        ),
        *(sa.Column(name, INT64, nullable=False) for name in ("at", "answer_by", "until")),
        sa.PrimaryKeyConstraint("seq", name="request_steps_pk"),
    )
    op.create_index("request_steps_name_ix", "request_steps", ["name"])
    is_opened = sa.text("step IN ('attention', 'case')")
    op.create_index(
        "request_steps_opened_ix",
        "request_steps",
        ["seq"],
        sqlite_where=is_opened,
        postgresql_where=is_opened,
    )
    held = op.get_bind().execute(HELD).all()
    rows = [_row(seq, link, kind, json.loads(bytes(body))) for seq, link, kind, body in held]
    if rows:
        op.bulk_insert(steps, rows)


def _row(seq: int, link: str, kind: str, record: dict[str, Any]) -> dict[str, Any]:
    message, body = record["message"], record["body"]
    step = STEPS[body["answer"]] if message == "answer" else message
    is_sent = kind == "link_sent"
    return {
        "seq": seq,
        "link": link,
        "name": body[NAMES[message]],
        "step": "report" if message == "outcome" else step,
        "direction": "sent" if is_sent else "received",
        "at": json.loads(record["envelope"])["sent_at"] if is_sent else record["sent_at"],
        "answer_by": _micros(body.get("answer_by")),
        "until": _micros(body.get("until", body.get("answer_by"))),
    }


def _micros(value: str | None) -> int:
    if value is None:
        return 0
    return round(datetime.fromisoformat(value).timestamp() * 1_000_000)
