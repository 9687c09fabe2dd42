"""Records: faults of a body, arrivals that are not plausible, and the weight of a find."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.domain.records import Arrival, Declaration
from engine.domain.time_units import DAY, micros, rfc3339
from engine.domain.validation import LARGEST_LEAD, MonotonicClock, check_plausible, list_faults
from engine.errors import RecordError

ITEM = {"item_no": 1, "hs_code": "080620"}


@pytest.mark.parametrize(
    ("items", "fault"),
    [
        ([], (("items",), "too_short", "too few: at least 1")),
        ([ITEM | {"hs_code": "8A"}],
         (("items", 0, "hs_code"), "malformed_hs_code", "2 to 10 digits")),
        ([ITEM] * 1000, (("items",), "too_long", "too many: at most 999")),
    ],
)  # fmt: skip
def test_a_list_has_one_fault(items: list[dict[str, Any]], fault: tuple[Any, ...]) -> None:
    body = {"declaration_id": "d-1", "procedure": "import", "items": items}
    with pytest.raises(ValidationError) as refused:
        Declaration.model_validate_json(json.dumps(body))
    assert list_faults(refused.value) == [fault]


NOW = 1_790_000_000_000_000


def arrival(at: int, *, named: str | None = None, declared: str | None = None) -> Arrival:
    crossing = {
        "crossing_id": "c",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": rfc3339(at),
        "vehicle_class": "truck",
        "declaration_id": named,
    }
    item = {"item_no": 1, "hs_code": "0806"}
    declaration = {"declaration_id": declared, "procedure": "import", "items": [item]}
    fields = {"crossing": crossing, "declaration": declaration if declared else None}
    return Arrival.model_validate(fields, strict=False)


@given(st.integers(-400 * DAY, 400 * DAY))
def test_five_minutes_ahead_is_the_most(ahead: int) -> None:
    result = arrival(NOW + ahead)
    late = micros(result.crossing.arrived_at) - NOW > LARGEST_LEAD
    if late:
        with pytest.raises(RecordError, match="arrived_at") as found:
            check_plausible(result, now=NOW)
        assert found.value.rule == "in_the_future"
    else:
        check_plausible(result, now=NOW)


@pytest.mark.parametrize(("named", "declared"), [(None, "e"), ("e", None), ("e", "e")])
def test_one_declaration_is_not_two(named: str | None, declared: str | None) -> None:
    check_plausible(arrival(NOW, named=named, declared=declared), now=NOW)


def test_two_declarations_are_a_contradiction() -> None:
    with pytest.raises(RecordError, match="declaration_id") as found:
        check_plausible(arrival(NOW, named="e-1", declared="e-2"), now=NOW)
    assert found.value.fields[0]["at"] == "declaration.declaration_id"
    assert "e-1" not in str(found.value) and "e-2" not in str(found.value)


@given(st.lists(st.tuples(st.integers(0, DAY), st.integers(-2 * DAY, 2 * DAY)), max_size=20))
def test_the_present_never_goes_back(steps: list[tuple[int, int]]) -> None:
    """``steps``: how long passes, and how far the clock is off meanwhile, microseconds."""
    clock = monotonic = NOW
    present = MonotonicClock(now=lambda: clock, passed=lambda: monotonic * 1000)
    for passed, jump in steps:
        monotonic += passed
        clock = monotonic + jump
        check_plausible(arrival(monotonic), now=present.now())
        assert present.now() >= monotonic


def test_a_service_that_starts_with_a_clock_set_back_goes_by_its_journal() -> None:
    present = MonotonicClock(now=lambda: NOW - 2 * DAY, passed=lambda: 0, head=NOW)
    check_plausible(arrival(NOW), now=present.now())
    with pytest.raises(RecordError):
        check_plausible(arrival(NOW), now=MonotonicClock(now=lambda: NOW - 2 * DAY).now())
