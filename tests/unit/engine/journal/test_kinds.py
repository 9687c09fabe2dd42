"""Every kind of record has one name, in one module."""

import ast
from pathlib import Path

from engine.journal import kinds
from engine.journal.power_records import FREQUENT

ROOT = Path(__file__).parents[4]


REPLAYS = {
    "api/links/node_recompute.py",
    "engine/audit/projection_replay.py",
    "engine/journal/entries.py",
    "engine/links/posts/record_intake.py",
    "experiments/benchmarks/online_lookup.py",
    "experiments/faults/partitions/installations.py",
    "features/online/epoch.py",
}
"""Modules that hand on a record of any kind: to projections again, or as a copy."""


def count_untyped_drafts(text: str) -> int:
    """Return how many drafts are made without the method of a kind."""
    if "Draft(" not in text:  # most modules: to parse them all takes seconds
        return 0
    calls = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return sum(getattr(called, "id", "") == "Draft" for called in calls)


def test_every_frequent_kind_is_a_kind() -> None:
    assert set(FREQUENT) - kinds.KINDS == set()


def test_no_kind_has_two_names() -> None:
    texts = [value for name, value in vars(kinds).items() if name.isupper()]
    names = [value for value in texts if isinstance(value, str)]
    assert len(names) == len(kinds.KINDS)


def test_every_draft_is_made_by_its_kind() -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in ("engine", "features", "models", "experiments", "api")
        for path in (ROOT / package).rglob("*.py")
        if count_untyped_drafts(path.read_text("utf-8"))
    }
    assert found == REPLAYS


def test_a_draft_made_without_its_kind_is_found() -> None:
    """Negative control."""
    bad = 'Draft("tick", "", "", {})\nDraft(TICK, "", "", {})\nTICK.draft("", {})'
    assert count_untyped_drafts(bad) == 2


def test_a_draft_holds_what_it_was_given() -> None:
    """Negative control: the type check refuses each ignored line, and an ignore without need."""
    drafts = [
        kinds.SHIFT_CLOSED.draft("s-1", {"shift": "s-1", "seed": "00"}, post="OYB"),
        kinds.SHIFT_CLOSED.draft("s-1", {"shift": "s-1"}, post="OYB"),  # type: ignore[typeddict-item]
        kinds.SHIFT_CLOSED.draft("s-1", {"shift": "s-1", "seed": b""}),  # type: ignore[typeddict-item]
    ]
    assert [(one.kind, one.subject, one.post) for one in drafts[:1]] == [
        ("shift_closed", "s-1", "OYB")
    ]
