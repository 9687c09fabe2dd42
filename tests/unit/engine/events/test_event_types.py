"""Which records are events, and that no journal of the code forgets them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cases.area import CASE_EVENT, CASE_OPENED
from engine.journal import kinds
from engine.journal.areas import EVENT_TYPES, list_events

ROOT = Path(__file__).parents[4]
MATCH = {"source": "watchlist", "code": "watch-1"}
DRAFTS = re.compile(r"draft_(proposal|approval)\(|transitions\.")


def decision(**inputs: Any) -> dict[str, Any]:
    return {"crossing_id": "c-1", "inputs": {"amends": None, "matches": []} | inputs}


def review(verdict: str, **more: Any) -> dict[str, Any]:
    return {"crossing_id": "c-1", "review": {"verdict": verdict, "channel": "red"}} | more


@pytest.mark.parametrize(
    ("kind", "body", "types"),
    [
        (kinds.DECISION, decision(), []),
        (kinds.DECISION, decision(amends=None, matches=[{"source": "profile"}]), []),
        (kinds.DECISION, decision(amends="d-1"), ["decision.changed"]),
        (kinds.DECISION, decision(matches=[MATCH]), ["watchlist.hit"]),
        (
            kinds.DECISION,
            decision(amends="d-1", matches=[MATCH]),
            ["decision.changed", "watchlist.hit"],
        ),
        (kinds.RELEASE, {"crossing_id": "c-1"}, ["decision.changed"]),
        (kinds.REVIEW, review("uphold"), []),
        (kinds.REVIEW, review("override"), ["decision.overridden"]),
        (kinds.REVIEW, review("override", needs_second_person=True), ["approval.waiting"]),
        (kinds.SEIZURE, {"linked_crossing_id": "c-1"}, []),
        (kinds.SEIZURE, {"pending_crossing_id": "c-1"}, ["approval.waiting"]),
        (kinds.DRIFT_MEASURED, {"figures": {"all": {"picked": {"alarmed": False}}}}, []),
        (kinds.DRIFT_MEASURED, {"figures": {}}, []),
        (
            kinds.DRIFT_MEASURED,
            {"figures": {"all": {"picked": {}, "random": {"alarmed": True}}}},
            ["alarm.raised"],
        ),
        (CASE_OPENED, {"opening": {}}, ["case.changed"]),
        (CASE_EVENT, {"event": {"kind": "note"}}, ["case.changed"]),
        (
            CASE_EVENT,
            {"event": {"kind": "custody"}},
            ["case.changed", "approval.waiting"],
        ),
        (kinds.TICK, {}, []),
        *(
            (kind, body, ["alarm.raised"] if "on_machine" in body else [])
            for kind in (
                kinds.USER_CREATED,
                kinds.USER_LEFT,
                kinds.PASSWORD_CHANGED,
                kinds.KEY_CREATED,
            )
            for body in ({"on_machine": True}, {"by": "ann"}, {"grant": "account-1"})
        ),
    ],
)
def test_a_record_is_the_events_that_it_states(kind: str, body: Any, types: list[str]) -> None:
    found = list_events(kind, "s-1", body)
    assert [one.type for one in found] == types and set(types) <= set(EVENT_TYPES)
    assert all(0 <= one.subject_key < 1 << 63 for one in found)


def test_all_events_of_a_vehicle_have_one_subject() -> None:
    records = [
        (kinds.DECISION, decision(amends="d-1", matches=[MATCH])),
        (kinds.RELEASE, {"crossing_id": "c-1"}),
        (kinds.REVIEW, review("override")),
    ]
    events = [one for kind, body in records for one in list_events(kind, "s", body)]
    assert len({one.subject_key for one in events}) == 1


def partial_journals(source: str) -> Iterator[str]:
    """Yield the journals without events of a module that drafts what waits for a second person."""
    if not DRAFTS.search(source):  # to parse all modules takes seconds
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Journal":
            text = ast.unparse(node)
            if len(node.args) > 1 and "list_projections()" not in text:
                yield text


def test_every_journal_that_records_proposals_keeps_their_events() -> None:
    """Commands write with journals of their own: one without events would lose them for ever."""
    found = {
        str(path.relative_to(ROOT)): list(partial_journals(path.read_text("utf-8")))
        for path in (ROOT / "api").rglob("*.py")
    }
    assert {path: lists for path, lists in found.items() if lists} == {}
    assert list(partial_journals("draft_approval(x)\nJournal(store, [project_accounts])"))
