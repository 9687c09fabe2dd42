"""Rows of a list: what is taken, what is faulty and why, and which files are refused as a whole."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria.dual_control import draft_proposal, draft_retirement, read_approval_state
from engine.criteria.list_files import COLUMNS, read_list_file
from engine.criteria.watchlist import (
    MOST_ROWS,
    WatchBatch,
    WatchMatcher,
    WatchRow,
    entry_content,
    list_entry_keys,
    read_entries,
)
from engine.domain.time_units import DAY, moment
from engine.errors import RecordError
from engine.storage.database import Store
from tests.unit.engine.criteria.test_dual_control import (
    approve,
    arrival,
    journal_of,
    list_matches,
    now,
)

FAULTS: dict[str, tuple[str, str, str]] = {
    "a formula": ("plate\n=1+1\n", "plate", "formula"),
    "a formula behind a space": ('plate,note\n01A," @SUM(A1)"\n', "note", "formula"),
    "a missing value": ("plate\nN/A\n", "plate", "placeholder"),
    "zeros": ("container\n0000\n", "container", "placeholder"),
    "a rounded number": ("carrier\n3.01E+08\n", "carrier", "placeholder"),
    "signs alone": ("plate\n()\n", "plate", "placeholder"),
    "letters alone": ("plate\nAB\n", "plate", "not_a_plate"),
    "too long for a plate": (f"trailer\n{'X' * 60}\n", "trailer", "not_a_plate"),
    "too long": (f"plate\n{'A' * 65}\n", "plate", "too_long"),
    "a line within a cell": ('plate\n"01A\n02B"\n', "plate", "control_character"),
    "a flag that is none": ("plate,look_alikes\n01A,yes\n", "look_alikes", "not_a_boolean"),
    "another agency": ("plate,agency\n01A,interior\n", "agency", "other_agency"),
    "no identifier": ("plate,reason\n,tip-off\n", "", "missing_key"),
    "more cells than columns": ("plate\n01A,02B\n", "", "too_long"),
    "another encoding": ("plate\n01\ufffd\n", "plate", "bad_encoding"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_row_names_line_field_and_rule(name: str) -> None:
    text, field, rule = FAULTS[name]
    found = read_list_file(text, agency="customs")
    (fault,) = found.faults
    assert (fault.line, fault.field, fault.rule, found.faulty) == (2, field, rule, 1)
    assert found.rows == ()


REFUSED = {
    "nothing": ("", "missing_key"),
    "a header alone": ("plate\n", "missing_key"),
    "an unknown column": ("plate,colour\n01A,red\n", "unknown_field"),
    "a column twice": ("plate,plate\n01A,02B\n", "duplicate_id"),
    "no column that names anything": ("reason\ntip-off\n", "missing_key"),
    "two separators": ("plate,trailer;vin\n1,2;3\n", "bad_header"),
    "a quote that never ends": ('plate\n"01A\n', "not_csv"),
    "too many rows": (
        "plate\n" + "".join(f"{n}A\n" for n in range(MOST_ROWS + 1)),
        "too_many_rows",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(name: str) -> None:
    text, rule = REFUSED[name]
    with pytest.raises(RecordError) as caught:
        read_list_file(text)
    assert (caught.value.field, caught.value.rule) == ("lines", rule)


def test_a_hundred_thousand_rows_are_read_no_further_than_the_limit() -> None:
    with pytest.raises(RecordError, match="5,000"):
        read_list_file("plate\n" + "01A\n" * 100_000)
    with pytest.raises(RecordError, match="5,000"):
        read_list_file("\n".join(f"{n}A" for n in range(100_000)), kind="plate")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_spreadsheet_writes_is_read(separator: str, begin: str, end: str) -> None:
    lines = [["Plate", "look_alikes", "Reason"], ["01 A 123 BC", "1", ""], ["", "", ""], ["02B"]]
    found = read_list_file(begin + end.join(map(separator.join, lines)))
    assert [(one.plate, one.look_alikes, one.reason) for one in found.rows] == [
        ("01 A 123 BC", True, None),
        ("02B", False, None),
    ]
    assert found.faults == ()


def test_rows_that_add_nothing_are_faulty() -> None:
    """One plate in two alphabets is one plate; O and 0 are one where both are taken by shape."""
    text = (
        "plate,trailer,look_alikes\n01А123ВС,,0\n01 a 123 bc,,0\n01A123BC,T 1,0\nO01,,1\n001,,1\n"
    )
    found = read_list_file(text)
    assert [(one.line, one.rule) for one in found.faults] == [
        (3, "duplicate_id"),
        (6, "duplicate_id"),
    ]
    assert len(found.rows) == 3


def test_pasted_lines_hold_one_identifier_each() -> None:
    found = read_list_file("firm, with a comma\r\n\n firm-2 \nfirm-2\n", kind="party")
    assert [one.party for one in found.rows] == ["firm, with a comma", "firm-2"]
    assert [(one.line, one.rule) for one in found.faults] == [(4, "duplicate_id")]
    with pytest.raises(RecordError):
        read_list_file("x", kind="colour")


@given(st.text(max_size=200), st.sampled_from(["", "plate", "party"]))
def test_any_text_is_read_or_refused_by_name(text: str, kind: str) -> None:
    with suppress(RecordError):
        found = read_list_file(text if kind else f"{','.join(COLUMNS)}\n{text}", kind=kind)
        for row in found.rows:
            assert list(list_entry_keys(row.model_dump(mode="json")))
        assert len({one.line for one in found.faults}) == found.faulty


def put_list(store: Store, entry_id: str, plates: Sequence[str], **terms: Any) -> None:
    at = now(store)
    batch = WatchBatch(
        list="l",
        owner="o",
        reason="x",
        expiry=moment(at + terms.pop("days", 1) * DAY),
        rows=tuple(WatchRow(plate=plate) for plate in plates),
        **terms,
    )
    content = entry_content(batch, now=at)
    journal_of(store).append([draft_proposal("watchlist", entry_id, by="ann", content=content)])
    approve(store, "watchlist", entry_id, "bob")


class CountingEntries(defaultdict[int, Any]):
    """Counts what is looked up."""

    asked = 0

    def get(self, key: int, default: Any = None) -> Any:
        self.asked += 1
        return super().get(key, default)


def test_a_look_up_is_as_long_with_a_long_list_as_with_a_short_one(store: Store) -> None:
    asked = []
    put_list(store, "short", ["A 0"])
    for length in (1, 2_000):
        matcher = WatchMatcher()
        if length > 1:
            put_list(store, "long", [f"A {number}" for number in range(length)])
        list_matches(store, matcher, arrival(plate="none"))
        matcher._entries = CountingEntries(dict, matcher._entries)
        found = list_matches(store, matcher, arrival(plate="a-0"))
        assert len(found[0]) == (1 if length == 1 else 2)
        asked.append(matcher._entries.asked)
    assert asked[0] == asked[1] > 0


def test_a_renewal_takes_the_place_of_its_list_for_good(store: Store) -> None:
    """Also for who reads the records anew, and after the renewal itself has left."""
    matcher = WatchMatcher()
    put_list(store, "first", ["A 1", "A 2"])
    assert [m.code for m in list_matches(store, matcher, arrival(plate="A1"))[0]] == ["first"]
    put_list(store, "second", ["A 1"], instead_of="first", days=9)
    until = now(store) + 2 * DAY
    for reader in (matcher, WatchMatcher()):
        both = list_matches(store, reader, arrival(plate="A1"), arrival(plate="A2"), as_of=until)
        assert [[m.code for m in found] for found in both] == [["second"], []]
    with store.read() as connection:
        state = read_approval_state(connection, "watchlist", "second")
        assert read_entries(connection)["first"].state == "retired"
    journal_of(store).append([draft_retirement("watchlist", state, by="bob", why="")])
    approve(store, "watchlist", "second", "cem")
    for reader in (matcher, WatchMatcher()):
        assert list_matches(store, reader, arrival(plate="A1"), arrival(plate="A2")) == [[], []]
    with store.read() as connection:
        assert read_entries(connection)["first"].state == "retired"
