"""Outcomes tell a partner the class of goods, so that it learns the label that was learnt here."""

from typing import Any

import pytest

from engine.domain.records import Inspection, Seizure
from features.history.record_rows import to_row
from features.partners.movements import to_act, to_outcome

AT = 1_772_360_000_000_000
ACT: dict[str, Any] = {
    "inspection_id": "i-1",
    "crossing_id": "c-1",
    "basis": "score",
    "recorded_at": "2026-03-01T10:12:00Z",
    "methods": ["physical"],
    "outcome": "seizure",
}
FIND: dict[str, Any] = {
    "seizure_id": "s-1",
    "inspection_id": "i-1",
    "crossing_id": "c-1",
    "recorded_at": "2026-03-01T10:15:00Z",
}
TOBACCO = {"substance_class": "other", "goods_class": "tobacco", "amount": 200.0, "unit": "pieces"}


def tell(**goods: Any) -> Any:
    """Return what a partner is told of an act and a find."""
    act = to_row(Inspection.model_validate(ACT, strict=False))
    find = to_row(Seizure.model_validate(FIND | goods, strict=False))
    return to_outcome(act, find, movement="m-1", post="OYB", at=AT)


@pytest.mark.parametrize(
    ("goods", "code"),
    [
        (TOBACCO, "tobacco"),
        ({"substance_class": "narcotic", "quantity_g": 5.0}, None),
        (
            {"substance_class": "narcotic", "goods_class": "narcotics", "quantity_g": 5.0},
            "narcotics",
        ),
    ],
)
def test_the_class_of_a_find_crosses_the_line(goods: dict[str, Any], code: str | None) -> None:
    told = tell(**goods)
    assert told.goods_class == code
    _, find = to_act(told, crossing="c-9", name="n", known_at=AT)
    assert find is not None and find["goods_class"] == code
    read = {name: find[name] for name in ("seizure_id", "substance_class", "goods_class")}
    read |= {"crossing_id": "c-9", "recorded_at": FIND["recorded_at"]}
    assert Seizure.model_validate(read, strict=False).goods_class == code


def test_a_class_that_contradicts_the_substance_is_left_out() -> None:
    told = tell(**TOBACCO).model_copy(update={"substance_class": "narcotic"})
    _, find = to_act(told, crossing="c-9", name="n", known_at=AT)
    assert find is not None and find["goods_class"] is None
