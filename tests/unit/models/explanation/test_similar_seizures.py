"""Similar seizures: near in reasons, known before the decision, and without a name."""

import io
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.domain.time_units import DAY
from models.bundle import arrays
from models.explanation.similar_seizures import PastSeizures, SimilarSeizure
from models.training.known_seizures import past_seizures
from models.training.trainer import train
from tests.support.small_dataset import QUICK, START, small_world


def past(reasons: list[list[float]], *, known_at: list[int] | None = None) -> PastSeizures:
    n = len(reasons)
    text = np.array(["a"] * n, np.str_)
    return PastSeizures(
        families=np.array(["links", "goods"], np.str_),
        reasons=np.array(reasons, np.float64).reshape(n, 2),
        known_at=np.array(known_at or range(n), np.int64),
        seized_at=np.arange(n, dtype=np.int64) * DAY,
        post=text,
        vehicle_class=text,
        place=text,
        substance_class=text,
    )


def days(found: tuple[SimilarSeizure, ...]) -> list[str]:
    return [one.seized_on for one in found]


def test_the_nearest_in_reasons_comes_first_and_says_what_is_shared() -> None:
    kept = past([[0.0, 2.0], [1.0, -0.5], [1.1, -0.4], [-1.0, 0.5]])
    found = kept.nearest(np.array([1.0, -0.5]), as_of=10)
    assert days(found) == ["1970-01-02", "1970-01-03", "1970-01-04"]
    assert found[0].alike == pytest.approx(1.0)
    assert found[0].shared == ("links", "goods")
    assert found[2].alike == pytest.approx(0.0)
    assert found[2].shared == ()


def test_only_what_was_known_before_the_decision_is_seen() -> None:
    kept = past([[1.0, 0.0]] * 4, known_at=[5, 7, 7, 9])
    assert days(kept.nearest(np.array([1.0, 0.0]), as_of=7)) == ["1970-01-01"]
    assert kept.nearest(np.array([1.0, 0.0]), as_of=5) == ()
    # Of equals the latest known comes first.
    later = kept.nearest(np.array([1.0, 0.0]), as_of=10, count=2)
    assert days(later) == ["1970-01-04", "1970-01-03"]


@given(
    hnp.arrays(np.float64, (6, 2), elements=st.floats(-5, 5)),
    hnp.arrays(np.float64, 2, elements=st.floats(-5, 5)),
    st.integers(0, 7),
)
def test_later_seizures_change_nothing_before_them(
    reasons: np.ndarray, mine: np.ndarray, as_of: int
) -> None:
    every = past(reasons.tolist())
    early = past(reasons[:as_of].tolist())
    found = every.nearest(mine, as_of=as_of)
    assert found == early.nearest(mine, as_of=as_of)
    assert all(0.0 <= one.alike <= 1.0 for one in found)
    assert [one.alike for one in found] == sorted((one.alike for one in found), reverse=True)


def test_nothing_of_a_person_is_kept() -> None:
    kept = {field.name for field in fields(PastSeizures)}
    assert kept == {
        "families", "reasons", "known_at", "seized_at", "post", "vehicle_class", "place",
        "substance_class",
    }  # fmt: skip
    assert not any(word in name for name in kept for word in ("plate_", "driver", "crossing"))


def test_training_remembers_the_last_seizures_with_the_models_own_reasons() -> None:
    data = small_world(3000, seed=31)
    cut = START + 200 * DAY
    trained = train(data, QUICK, cutoff=cut)
    grave = np.flatnonzero(data.seizure == 1)[:30]
    rows: list[dict[str, Any]] = [
        {
            "linked_crossing_id": str(data.crossing_id[at]),
            "known_at": int(data.label_known_at[at]),
            "seized_at": None,
            "place": "chassis.underbody" if at % 2 else None,
            "substance_class": "narcotic",
        }
        for at in grave
    ]
    rows.append(rows[0] | {"place": "cab.seat"})  # of the same crossing, told again
    rows.append(rows[0] | {"linked_crossing_id": None})  # of no crossing
    rows.sort(key=lambda report_progress: int(report_progress["known_at"]))
    late = sum(1 for value in rows[:30] if value["known_at"] >= cut)
    kept = past_seizures(data, pa.Table.from_pylist(rows), trained.model, known_before=cut)

    assert len(kept.known_at) == 30 - late
    assert (kept.known_at < cut).all()
    buffer = io.BytesIO()
    np.savez(buffer, **kept.as_arrays())  # type: ignore[arg-type]
    again = PastSeizures.from_arrays(arrays(buffer.getvalue()))
    found = again.nearest(kept.reasons[-1], as_of=cut)
    assert found == kept.nearest(kept.reasons[-1], as_of=cut)
    assert found[0].alike == pytest.approx(1.0)
    assert found[0].substance_class == "narcotic"
