"""Every kind of record has one name, in one module."""

import pytest

from engine.errors import NotAllowedError
from engine.journal import areas, kinds
from engine.journal.areas import list_rules, load_areas
from engine.journal.journal import require_kinds


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
