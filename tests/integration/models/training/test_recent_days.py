"""What is usual, how features fell and where risks lie: of late entries, however late they came."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.domain.time_units import DAY, NEVER
from experiments.synthetic.folder import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import read_folder
from models.data.build_dataset import assemble
from models.data.dataset import Dataset, Fold
from models.explanation.contributions import ALL, compute_usual_values
from models.learning.fit import fit
from models.learning.fit_tasks import plan_fit_tasks
from models.statistics.drift import Reference, reference, shifts
from models.training.trainer import TrainingResult, risk_tables, train
from tests.integration.models.learning.test_fit import SMALL
from tests.support.small_dataset import QUICK, START, small_world

CUT = START + 200 * DAY


def two_ways(n: int = 5000, *, seed: int = 31) -> Dataset:
    """Return a stationary world in which exits are other traffic: f6 says which, f7 differs."""
    data = small_world(n, seed=seed)
    entry = data.direction == "entry"
    data.values[:, 6] = entry
    data.values[~entry, 7] = np.nan_to_num(data.values[~entry, 7]) + 3.0
    return data


def late(data: Dataset, row: int, *, days: int) -> Dataset:
    """Return it with one record that came so many days after its arrival, in its place."""
    arrived = data.arrived_at.copy()
    arrived[row] -= days * DAY
    return replace(data, arrived_at=arrived)


@pytest.fixture(scope="module")
def training_result() -> TrainingResult:
    return train(two_ways(), QUICK, cutoff=CUT)


def test_entries_of_a_stationary_network_have_not_moved(training_result: TrainingResult) -> None:
    data = two_ways()
    since = data.take((data.arrived_at >= CUT) & (data.direction == "entry"))
    known = Reference.from_dict(training_result.reference.as_dict())
    assert known == training_result.reference and known.of_entries
    assert not any(one.has_moved for one in shifts(known, since.values))


def test_a_network_of_exits_alone_is_held_against_exits() -> None:
    data = replace(two_ways(3000), direction=np.full(3000, "exit", object))
    made = train(data, QUICK, cutoff=CUT)
    assert not made.reference.of_entries
    assert made.reference.rows > 500
    assert set(made.tables) == {"*", "OYB", "FOT"}


def by_the_die(data: Dataset) -> Dataset:
    """Return it with one crossing in eight searched, and one search in five a find."""
    draw = np.random.default_rng(4)
    seen = draw.random(len(data)) < 1 / 8
    found = np.where(seen, draw.random(len(data)) < 1 / 5, -1).astype(np.int8)
    return replace(
        data,
        discrepancy=found,
        seizure=np.minimum(found, 0).astype(np.int8),
        label_known_at=np.where(seen, data.as_of + 1, NEVER),
        basis=np.where(seen, "score", np.array(None, object)),
        is_full=seen,
    )


def test_of_a_synthetic_network_the_direction_has_not_moved(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("network")
    write(folder, crossings=7_000, seed=1)
    data = by_the_die(assemble(read_folder(folder).tables, Plan(CATALOGUE)))
    cut = int(data.arrived_at.max()) - 28 * DAY
    since = data.take((data.arrived_at >= cut) & (data.direction == "entry"))
    made = train(data, QUICK, cutoff=cut)
    before = data.take((data.arrived_at < cut) & (data.arrived_at >= cut - 90 * DAY))

    def list_moved_features(known: Reference) -> set[str]:
        return {one.name for one in shifts(known, since.values) if one.has_moved}

    honest, mixed = (
        list_moved_features(made.reference),
        list_moved_features(reference(before.values, before.names)),
    )
    assert "is_entry" in mixed and "is_entry" not in honest
    assert len(honest) < 0.6 * len(mixed), "what is left is rates, which follow the network's"


def test_the_usual_is_that_of_entries() -> None:
    data = two_ways()
    found = compute_usual_values(data)
    recent = data.take(data.arrived_at >= data.arrived_at.max() - 180 * DAY)
    entry = recent.direction == "entry"
    assert found[ALL][7] == pytest.approx(float(np.nanmedian(recent.values[entry, 7])))
    assert found[ALL][7] != pytest.approx(float(np.nanmedian(recent.values[:, 7])), abs=0.1)
    assert found[ALL][6] == 1.0
    exits = compute_usual_values(data.take(data.direction == "exit"))
    assert exits[ALL][6] == 0.0, "where there is no entry, exits are what there is"


@pytest.mark.parametrize("days", [20, 150])
def test_a_record_that_came_late_does_not_move_what_is_lately(days: int) -> None:
    """What is older than the window differs: taken in, it would show."""
    model, last = fit(two_ways(), QUICK, until=CUT, known_before=CUT), 4999

    def lately(window: int, made: Callable[[Dataset], dict[str, NDArray[np.float64]]]) -> None:
        data = two_ways()
        data.values[data.arrived_at < data.arrived_at.max() - window * DAY, 0] = 4.0
        list_moved_features, without = (
            made(late(data, last, days=days)),
            made(data.take(np.arange(last))),
        )
        assert set(list_moved_features) == set(without)
        for name, row in list_moved_features.items():
            assert row == pytest.approx(without[name], abs=0.03), name

    def measure(data: Dataset) -> dict[str, NDArray[np.float64]]:
        return {post: np.array(one.seizure) for post, one in risk_tables(data, model).items()}

    lately(28, measure)
    lately(180, compute_usual_values)


def taught(data: Dataset, rows: NDArray[np.intp]) -> set[int]:
    """Return the released rows with a find that teach seizures, of a fold of these rows."""
    fold = Fold(fit=rows, later=np.empty(0, np.intp), cut=NEVER)
    (grave,) = (
        one
        for one in plan_fit_tasks(data, fold, config=SMALL, is_rich=False)
        if one.part == "seizure"
    )
    return set(grave.rows[data.is_linked[grave.rows]].tolist())


def test_a_late_record_does_not_hide_the_finds_linked_back() -> None:
    data = two_ways()
    rows = np.flatnonzero(data.evidence("discrepancy"))
    known = taught(data, rows)
    assert len(known) > 10
    assert taught(late(data, int(rows[-1]), days=200), rows) == known


def test_a_first_record_that_came_late_does_not_lengthen_the_test() -> None:
    data = two_ways()
    data = data.take(data.arrived_at >= CUT - 90 * DAY)
    judged, again = (train(one, QUICK, cutoff=CUT).report for one in (data, late(data, 0, days=80)))
    assert again["fitted_until"] == judged["fitted_until"]
