"""Every table of version 0.1.0, and which journal this is.

The layers declare the same tables, and ``tests/unit/api/migrations`` compares both. Until version
0.1.0 is tagged this file is edited in place. Afterwards it never changes: a change of a table is a
migration of its own (CONTRIBUTING.md, section Release a version).
"""

import secrets
import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SMALL = sa.SmallInteger()
REAL = sa.Float(53)
TEXT = sa.String()
BYTES = sa.LargeBinary()
FLAG = sa.Boolean()
TABLES = sa.MetaData(
    naming_convention={"pk": "%(table_name)s_pk", "uq": "%(table_name)s_%(column_0_N_name)s_uq"}
)
FREQUENT = (
    "crossing", "decision", "declaration_lodged", "inspection", "link_received", "link_receipted",
    "link_sent", "post_record", "profile_failed", "queue_expired", "release", "sensitive_read",
    "tick", "vehicle_taken",
)  # fmt: skip
RARE = " AND ".join(f"kind <> '{kind}'" for kind in FREQUENT)


def upgrade() -> None:
    """Create the tables, empty, and give the journal its identity."""
    TABLES.create_all(op.get_bind())
    identity = {"journal_id": secrets.token_hex(16), "created": time.time_ns() // 1000}
    op.bulk_insert(TABLES.tables["journal_identity"], [identity])


def _columns(kind: Any, *names: str, key: bool = False, null: bool = False) -> list[sa.Column[Any]]:
    return [
        sa.Column(name, kind, primary_key=key, nullable=null, autoincrement=False) for name in names
    ]


def _index(name: str, *columns: str, where: str | None = None, unique: bool = False) -> sa.Index:
    condition = None if where is None else sa.text(where)
    return sa.Index(
        name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition
    )


# Journal.

sa.Table(
    "journal",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(INT64, "known_at"),
    *_columns(TEXT, "kind", "subject", "post", "origin"),
    *_columns(INT64, "origin_seq", null=True),
    *_columns(BYTES, "leaf", "chain"),
    sa.UniqueConstraint("known_at"),
    _index(
        "journal_origin_ix", "origin", "origin_seq", where="origin_seq IS NOT NULL", unique=True
    ),
    _index("journal_power_ix", "kind", "seq", where=RARE),
    _index("journal_power_subject_ix", "subject", "seq", where=RARE),
)
sa.Table(
    "journal_bodies",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(BYTES, "salt", "body"),
)
sa.Table(
    "journal_identity",
    TABLES,
    *_columns(TEXT, "journal_id", key=True),
    *_columns(INT64, "created"),
)
sa.Table(
    "clock_anchors",
    TABLES,
    *_columns(TEXT, "boot_id", key=True),
    *_columns(INT64, "since_boot", "held_at"),
)
sa.Table(
    "answers",
    TABLES,
    *_columns(TEXT, "name", key=True),
    *_columns(TEXT, "post", "kind"),
    *_columns(BYTES, "fingerprint"),
    *_columns(INT64, "seq"),
)

# Decisions and the queue.

sa.Table(
    "decisions",
    TABLES,
    *_columns(TEXT, "decision_id", key=True),
    *_columns(INT64, "seq"),
    *_columns(TEXT, "crossing_id", "post"),
    *_columns(INT64, "known_at"),
    *_columns(SMALL, "channel"),
    *_columns(INT64, "place"),
    *_columns(REAL, "p_seizure", "p_discrepancy", null=True),
    *_columns(TEXT, "basis", null=True),
    *_columns(REAL, "minutes"),
    *_columns(TEXT, "model_version", null=True),
    *_columns(FLAG, "waiting"),
    *_columns(INT64, "act_seq", null=True),
    *_columns(SMALL, "answered"),
    *_columns(TEXT, "vehicle_class"),
    *_columns(TEXT, "amends", null=True),
    *_columns(TEXT, "plate"),
    *_columns(FLAG, "left"),
    *_columns(SMALL, "sent"),
    *_columns(INT64, "arrived_at"),
    *_columns(TEXT, "corridor"),
    *_columns(FLAG, "is_lawful"),
    *_columns(INT64, "released_at", null=True),
    sa.UniqueConstraint("seq"),
    _index("decisions_audits_ix", "post", "known_at", where="channel = 1 AND act_seq IS NULL"),
    _index("decisions_crossing_id_ix", "crossing_id"),
    _index("decisions_plate_ix", "post", "plate", "known_at"),
    _index("decisions_recent_ix", "post", "known_at", "channel", "basis", "minutes"),
    _index(
        "decisions_scored_ix",
        "post",
        "channel",
        "vehicle_class",
        "model_version",
        "known_at",
        where="basis = 'score'",
    ),
    _index("decisions_waiting_ix", "post", "place", "known_at", where="waiting"),
)
sa.Table(
    "record_identifiers",
    TABLES,
    *_columns(BYTES, "text", key=True),
    *_columns(SMALL, "sort", "kind", key=True),
    *_columns(INT64, "seq", key=True),
    sqlite_with_rowid=False,
)
sa.Table(
    "reviews",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "decision_id", "post"),
    *_columns(INT64, "known_at"),
    *_columns(TEXT, "person", "verdict"),
    *_columns(SMALL, "channel"),
    *_columns(TEXT, "reason_code"),
    _index("reviews_decision_id_ix", "decision_id"),
    _index("reviews_post_ix", "post", "known_at"),
)
sa.Table(
    "reason_verdicts",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "decision_id", "post", "code", "person", "verdict"),
    _index("reason_verdicts_decision_id_ix", "decision_id"),
)
sa.Table(
    "acts",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "post", "crossing_id"),
    *_columns(TEXT, "agency", null=True),
    *_columns(FLAG, "is_evidence", "is_hit"),
    *_columns(REAL, "minutes", "duty", null=True),
    *_columns(TEXT, "currency", null=True),
    *_columns(TEXT, "outcome", "basis", "methods", "places", "kinds"),
    _index("acts_crossing_ix", "crossing_id"),
    _index("acts_post_ix", "post", "seq"),
    _index("acts_currency_ix", "currency", "seq"),
)
sa.Table(
    "seized_goods",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "crossing_id"),
    *_columns(TEXT, "agency", null=True),
    *_columns(TEXT, "substance_class"),
    *_columns(TEXT, "substance", null=True),
    *_columns(REAL, "quantity_g", null=True),
    *_columns(TEXT, "goods_class", null=True),
    *_columns(REAL, "amount", null=True),
    *_columns(TEXT, "unit", "place", null=True),
    _index("seized_goods_crossing_ix", "crossing_id"),
)
sa.Table(
    "act_minutes",
    TABLES,
    *_columns(TEXT, "vehicle_class", key=True),
    *_columns(FLAG, "is_physical", key=True),
    *_columns(INT64, "acts"),
    *_columns(REAL, "minutes"),
)
sa.Table(
    "corrections",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(INT64, "of"),
    _index("corrections_of_ix", "of"),
)
sa.Table(
    "takings",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "crossing_id", "post"),
    *_columns(TEXT, "person", "team", "given_by", null=True),
    *_columns(INT64, "taken_at", "until"),
    _index("takings_crossing_ix", "crossing_id"),
    _index("takings_person_ix", "person", "until"),
    _index("takings_post_ix", "post", "until"),
)
sa.Table(
    "pending_finds",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "post", "crossing_id"),
    *_columns(INT64, "known_at"),
    *_columns(INT64, "confirmed_seq", null=True),
)
sa.Table(
    "documents_asked",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "crossing_id", "post"),
    *_columns(INT64, "due_at"),
    *_columns(INT64, "came_seq", "act_seq", null=True),
    _index("documents_asked_crossing_ix", "crossing_id"),
    _index("documents_asked_open_ix", "due_at", where="act_seq IS NULL"),
)
sa.Table(
    "mirror_alerts",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "decision_id", key=True),
    *_columns(TEXT, "post"),
    *_columns(INT64, "known_at"),
    *_columns(TEXT, "code", key=True),
    *_columns(TEXT, "decided", "told"),
    *_columns(REAL, "mass_ratio", null=True),
    *_columns(TEXT, "matched"),
    _index("mirror_alerts_decision_ix", "decision_id"),
)
sa.Table(
    "mirror_keys",
    TABLES,
    *_columns(TEXT, "post", "kind", "value", key=True),
    *_columns(INT64, "known_at", key=True),
    *_columns(TEXT, "decision_id"),
)

# Shifts.

sa.Table(
    "shifts",
    TABLES,
    *_columns(TEXT, "shift_id", key=True),
    *_columns(TEXT, "post"),
    *_columns(INT64, "closes_at"),
    *_columns(BYTES, "seed"),
    *_columns(INT64, "opened_seq"),
    *_columns(INT64, "closed_seq", null=True),
    _index("shifts_post_ix", "post", "closes_at"),
)
sa.Table(
    "percentile_tables",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "shift_id", "model_version"),
    sa.UniqueConstraint("shift_id", "model_version"),
)
sa.Table(
    "rosters",
    TABLES,
    *_columns(TEXT, "post", "method", key=True),
    *_columns(REAL, "minutes"),
    *_columns(INT64, "seq"),
    *_columns(TEXT, "teams", "equipment"),
)

# People and keys.

sa.Table(
    "access_keys",
    TABLES,
    *_columns(TEXT, "key_id", key=True),
    *_columns(BYTES, "digest"),
    *_columns(TEXT, "role"),
    *_columns(TEXT, "post", null=True),
    *_columns(INT64, "created_at"),
    *_columns(INT64, "revoked_at", null=True),
    *_columns(TEXT, "owner", "agency", null=True),
    sa.UniqueConstraint("digest"),
)
sa.Table(
    "key_uses",
    TABLES,
    *_columns(TEXT, "key_id", "reason", key=True),
    *_columns(INT64, "day", "calls", "used_at"),
)
sa.Table(
    "users",
    TABLES,
    *_columns(TEXT, "name", key=True),
    *_columns(TEXT, "password", "role"),
    *_columns(TEXT, "post", null=True),
    *_columns(INT64, "created_at"),
    *_columns(TEXT, "agency", null=True),
)
sa.Table(
    "sessions",
    TABLES,
    *_columns(BYTES, "digest", key=True),
    *_columns(TEXT, "name"),
    *_columns(INT64, "signed_in_at", "until"),
    *_columns(INT64, "ended_at", null=True),
)

sa.Table(
    "session_uses",
    TABLES,
    *_columns(BYTES, "digest", key=True),
    *_columns(INT64, "used_at"),
)

# Profiles and the watch list.

sa.Table(
    "profile_matches",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "code", key=True),
    *_columns(TEXT, "crossing_id"),
    *_columns(FLAG, "selected", "inspected", "hit"),
    *_columns(REAL, "minutes"),
    _index("profile_matches_code_ix", "code"),
    _index("profile_matches_crossing_ix", "crossing_id"),
)
sa.Table(
    "profile_counts",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "code", key=True),
    *_columns(INT64, "arrivals", "matches"),
)
# Declarations ahead.

sa.Table(
    "advance_declarations",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "declaration_id"),
    *_columns(SMALL, "version"),
    *_columns(INT64, "known_at"),
    *_columns(TEXT, "post", "lodged_by", "state"),
    *_columns(INT64, "due_at", "expires_at"),
    *_columns(SMALL, "vehicles"),
    *_columns(FLAG, "is_current"),
    sa.UniqueConstraint("declaration_id", "version"),
    _index("advance_declarations_due_ix", "due_at", "seq", where="is_current"),
    _index("advance_declarations_known_ix", "known_at"),
)
sa.Table(
    "advance_keys",
    TABLES,
    *_columns(INT64, "key", "seq", key=True),
    *_columns(SMALL, "vehicle", key=True),
)
sa.Table(
    "advance_uses",
    TABLES,
    *_columns(TEXT, "declaration_id", key=True),
    *_columns(SMALL, "vehicle", key=True),
    *_columns(INT64, "seq", "known_at"),
    *_columns(SMALL, "version"),
    *_columns(TEXT, "decision_id", "crossing_id", "matched_by"),
    *_columns(INT64, "decision_seq"),
    _index("advance_uses_crossing_ix", "crossing_id"),
)
sa.Table(
    "advance_alerts",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "decision_id", key=True),
    *_columns(INT64, "known_at"),
    *_columns(TEXT, "code", "declaration_id", "matched_by"),
    *_columns(SMALL, "version"),
    *_columns(INT64, "decision_seq"),
    _index("advance_alerts_decision_ix", "decision_id"),
)
sa.Table(
    "decided_keys",
    TABLES,
    *_columns(INT64, "key", "seq", key=True),
    sqlite_with_rowid=False,
)

# Cases.

sa.Table(
    "cases",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "case_id", "post", "agency", "custody", "owner", "state"),
    *_columns(INT64, "opened_at", "changed_at"),
    *_columns(INT64, "deadline", null=True),
    sa.UniqueConstraint("case_id"),
    _index("cases_state_ix", "state", "opened_at"),
)
sa.Table(
    "case_events",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "case_id", "kind"),
    _index("case_events_case_ix", "case_id"),
)
sa.Table(
    "circulars",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "circular_id"),
    *_columns(INT64, "known_at", "until"),
    *_columns(INT64, "ended_at", null=True),
    sa.UniqueConstraint("circular_id"),
    _index("circulars_until_ix", "until"),
)
sa.Table(
    "circular_steps",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "circular_id", "kind", "person", "post"),
    *_columns(INT64, "known_at"),
    _index("circular_steps_circular_ix", "circular_id", "kind", "person"),
)
sa.Table(
    "vehicle_files",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "crossing_id", "digest"),
    *_columns(INT64, "size_bytes"),
    _index("vehicle_files_crossing_ix", "crossing_id"),
)
sa.Table(
    "vehicle_marks",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "crossing_id"),
    *_columns(INT64, "of"),
    _index("vehicle_marks_crossing_ix", "crossing_id"),
)

# Complaints.

sa.Table(
    "complaints",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "decision_id", "post"),
    *_columns(INT64, "known_at"),
    *_columns(TEXT, "agency", null=True),
    *_columns(TEXT, "ground"),
    *_columns(INT64, "answered_seq", null=True),
    *_columns(TEXT, "verdict", null=True),
    _index("complaints_decision_ix", "decision_id"),
    _index("complaints_post_ix", "post", "known_at"),
)

# Counters.

sa.Table(
    "counters",
    TABLES,
    *_columns(sa.Integer, "grp", key=True),
    *_columns(INT64, "entity", "known_at", key=True),
    *_columns(BYTES, "state"),
    sqlite_with_rowid=False,
)
sa.Table(
    "counter_log",
    TABLES,
    *_columns(INT64, "known_at", key=True),
    *_columns(BYTES, "rows"),
)
sa.Table(
    "counter_merge",
    TABLES,
    *_columns(SMALL, "one", key=True),
    *_columns(INT64, "generation", "merged", "frozen", "grp", "entity", "reached"),
)
sa.Table(
    "counter_epoch",
    TABLES,
    *_columns(SMALL, "one", key=True),
    *_columns(TEXT, "epoch", "definitions"),
)
sa.Table(
    "passages",
    TABLES,
    *_columns(TEXT, "crossing_id", key=True),
    *_columns(TEXT, "post"),
    *_columns(INT64, "plate_key"),
    *_columns(FLAG, "is_entry"),
    *_columns(INT64, "arrived_at", "known_at"),
    *_columns(BYTES, "entity_keys"),
    *_columns(SMALL, "inspected", "hit", "seizure", "taught"),
    *_columns(TEXT, "vehicle"),
    _index("passages_plate_ix", "plate_key", "arrived_at"),
    _index("passages_post_ix", "post", "arrived_at"),
)
sa.Table(
    "links",
    TABLES,
    *_columns(sa.Integer, "way", key=True),
    *_columns(INT64, "via", "known_at", "other", key=True),
    sqlite_with_rowid=False,
)
sa.Table(
    "loaded_parties",
    TABLES,
    *_columns(INT64, "entity", "last", key=True),
    *_columns(SMALL, "role"),
    *_columns(BYTES, "text"),
    *_columns(TEXT, "name"),
    *_columns(INT64, "total"),
    *_columns(sa.Text, "crossings"),
    _index("loaded_parties_text_ix", "text", "role"),
)
sa.Table(
    "loaded_reports",
    TABLES,
    *_columns(TEXT, "name", key=True),
)
sa.Table(
    "searched_places",
    TABLES,
    *_columns(TEXT, "crossing_id", key=True),
    *_columns(sa.Text, "searched", "found"),
)
sa.Table(
    "place_counts",
    TABLES,
    *_columns(INT64, "entity", key=True),
    *_columns(sa.Text, "counts"),
)
sa.Table(
    "spread_crossings",
    TABLES,
    *_columns(INT64, "known_at", key=True),
    *_columns(TEXT, "crossing_id", key=True),
    *_columns(BYTES, "entities"),
    sqlite_with_rowid=False,
)
sa.Table(
    "spread_finds",
    TABLES,
    *_columns(INT64, "known_at", key=True),
    *_columns(TEXT, "crossing_id", key=True),
    *_columns(SMALL, "step", key=True),
    *_columns(FLAG, "is_elsewhere"),
    *_columns(SMALL, "found", "seized"),
    *_columns(BYTES, "entities"),
)
sa.Table(
    "spread_head",
    TABLES,
    *_columns(SMALL, "one", key=True),
    *_columns(INT64, "cut"),
)

# Links.

sa.Table(
    "link_envelopes",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "link", "direction", "kind", "digest", "status", "rule"),
    *_columns(INT64, "number", "known_at", "sent_at", "settled_at", "receipt_seq", "answered_at"),
    _index("link_envelopes_kind_ix", "link", "kind", "seq"),
    _index("link_envelopes_number_ix", "link", "direction", "number"),
    _index("link_envelopes_waiting_ix", "link", "number", where="status = 'waiting'"),
)
sa.Table(
    "link_movements",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "link", "direction", "kind", "movement", "crossing_id", "post"),
    *_columns(INT64, "about_seq", "passed_at", "known_at"),
    _index("link_movements_about_ix", "link", "direction", "about_seq"),
    _index("link_movements_crossing_ix", "crossing_id"),
    _index("link_movements_movement_ix", "movement"),
)
sa.Table(
    "link_movement_keys",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "kind", key=True),
    *_columns(TEXT, "post", "value"),
    *_columns(INT64, "passed_at"),
    _index("link_movement_keys_ix", "post", "kind", "value", "passed_at"),
)
sa.Table(
    "request_steps",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "link", "name", "step", "direction"),
    *_columns(INT64, "at", "answer_by", "until"),
    _index("request_steps_name_ix", "name"),
    _index("request_steps_opened_ix", "seq", where="step IN ('attention', 'case')"),
)
sa.Table(
    "copied_records",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "origin"),
    *_columns(INT64, "number", "recorded_at", "known_at"),
    *_columns(BYTES, "chain"),
    _index("copied_records_number_ix", "origin", "number", unique=True),
)

# Webhooks.

sa.Table(
    "webhooks",
    TABLES,
    *_columns(TEXT, "webhook_id", key=True),
    *_columns(INT64, "seq"),
    *_columns(INT64, "ended_seq", null=True),
)
sa.Table(
    "webhook_events",
    TABLES,
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "type", key=True),
    *_columns(INT64, "subject_key", "known_at"),
)
sa.Table(
    "webhook_cursors",
    TABLES,
    *_columns(TEXT, "webhook_id", key=True),
    *_columns(INT64, "seq"),
    *_columns(TEXT, "holder"),
    *_columns(INT64, "leased_until", "failing_since"),
)
sa.Table(
    "webhook_deliveries",
    TABLES,
    *_columns(TEXT, "webhook_id", key=True),
    *_columns(INT64, "seq", key=True),
    *_columns(TEXT, "type", key=True),
    *_columns(INT64, "subject_key", "known_at"),
    *_columns(SMALL, "attempts"),
    *_columns(INT64, "next_at", null=True),
    *_columns(TEXT, "result"),
    _index("webhook_deliveries_due_ix", "webhook_id", "next_at"),
    _index("webhook_deliveries_subject_ix", "webhook_id", "subject_key", "seq"),
)
