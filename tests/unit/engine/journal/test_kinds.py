"""Every kind of record has one name, in one module."""

import ast
from pathlib import Path

import pytest

from engine.errors import NotAllowedError
from engine.journal import areas, kinds
from engine.journal.areas import list_rules, load_areas
from engine.journal.journal import require_kinds

ROOT = Path(__file__).parents[4]


REPLAYS = {
    "api/links/node_recompute.py",
    "engine/audit/projection_replay.py",
    "engine/journal/entries.py",
    "engine/links/posts/record_intake.py",
    "experiments/benchmarks/online_lookup.py",
    "experiments/faults/partitions/installations.py",
    "features/online/backfill.py",
}
"""Modules that hand on a record of any kind: to projections again, or as a copy."""


def count_untyped_drafts(text: str) -> int:
    """Return how many drafts are made without the method of a kind."""
    if "Draft(" not in text:  # most modules: to parse them all takes seconds
        return 0
    calls = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return sum(getattr(called, "id", "") == "Draft" for called in calls)


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


def test_no_kind_and_no_table_belongs_to_two_areas() -> None:
    """Negative control: the registry refuses an area that declares them again."""
    assert len(list_rules()) == sum(len(area.records) for area in load_areas())
    with pytest.MonkeyPatch.context() as patched:
        twice = (*load_areas(), load_areas()[-1])
        patched.setattr(areas, "load_areas", lambda: twice)
        with pytest.raises(ValueError, match="two areas declare records of kind"):
            areas.list_rules.__wrapped__()


def test_no_journal_takes_a_record_that_no_area_declares() -> None:
    with pytest.raises(NotAllowedError, match="no area declares records of kind note"):
        require_kinds(["tick", "note"], training=False)
