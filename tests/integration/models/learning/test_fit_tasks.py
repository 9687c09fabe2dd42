"""Every part is fitted on a sample of the clear rows, and knows which share of them it is."""

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.time_units import NEVER
from models.config import BinsBy, TrainConfig
from models.data.dataset import Dataset, Fold
from models.learning import fit
from models.learning.base_learners import RATES, precedents, straight_part
from models.learning.fit_tasks import FitTask, plan_fit_tasks, select_features
from models.learning.scikit_trees import SharedBins
from models.scoring import PRECEDENTS, SEEN_BY, UNSEEN_TREES
from tests.support.small_dataset import QUICK, small_world

MOST = 200
RICH = replace(QUICK, many_unseen=10)


def list_tasks(data: Dataset, config: TrainConfig) -> dict[str, FitTask]:
    rows = np.flatnonzero(data.evidence("discrepancy"))
    fold = Fold(fit=rows, later=np.empty(0, np.intp), cut=NEVER)
    return {task.part: task for task in plan_fit_tasks(data, fold, config=config, is_rich=True)}


def half_unseen() -> Dataset:
    data = replace(small_world(2_000, seed=5), names=(*(f"f{n}" for n in range(7)), SEEN_BY))
    data.values[:, 7] = np.arange(len(data.values)) % 2
    return data


def count_clear(task: FitTask) -> int:
    return int((task.label == 0).sum())


def test_every_part_knows_the_share_of_clear_rows_that_it_is_fitted_on() -> None:
    data = half_unseen()
    whole = list_tasks(data, RICH)
    sampled = list_tasks(data, replace(RICH, most_clear=MOST))
    assert set(sampled) == set(whole) == {"discrepancy", UNSEEN_TREES, "seizure"}
    for part, task in sampled.items():
        assert whole[part].kept == 1.0
        assert task.label.sum() == whole[part].label.sum()
        assert count_clear(task) < count_clear(whole[part])
        # Half of all rows are first ones: their share is that of the sample, but for chance.
        share = count_clear(task) / count_clear(whole[part])
        assert task.kept == pytest.approx(share, abs=0.05 if part == UNSEEN_TREES else 1e-12)
    assert count_clear(sampled["discrepancy"]) == count_clear(sampled["seizure"]) == MOST


def test_seizures_line_reads_what_is_not_left_out() -> None:
    names = ("post_hit_rate", "night", *(f"f{n}" for n in range(6)))
    data = replace(small_world(2_000, seed=5), names=names)
    tasks = list_tasks(data, QUICK)
    assert tasks["discrepancy"].line_among is None
    among = tasks["seizure"].line_among
    assert among is not None
    assert among.tolist() == list(range(1, 8))
    (fitted,) = fit._run(data, [tasks["seizure"]], QUICK)
    line = fitted.lines["seizure_line"]
    assert line.weight[0] == 0.0
    assert all(line.weight[1:] != 0.0)
    own = straight_part(
        data.values[tasks["seizure"].rows][:, 1:],
        tasks["seizure"].label,
        strength=QUICK.line,
        weight=fit._recency(data.arrived_at[tasks["seizure"].rows], QUICK.line_half_life_days),
    )
    assert line.margin(data.values) == pytest.approx(own.margin(data.values[:, 1:]), abs=1e-12)
    # Negative control: a configuration that leaves nothing out reads that column, too.
    whole = list_tasks(data, replace(QUICK, seizure_line_leaves_out=()))["seizure"]
    (fitted,) = fit._run(data, [whole], QUICK)
    assert whole.line_among is None
    assert fitted.lines["seizure_line"].weight[0] != 0.0
    assert select_features(names, left_out=("*",)) is None, "no feature left: all are read"


def test_an_estimator_of_an_analysts_own_gets_all_rows() -> None:
    data = half_unseen()
    own = replace(RICH, most_clear=MOST, estimators=(("discrepancy", "mine:make"),))
    tasks, whole = list_tasks(data, own), list_tasks(data, RICH)
    for part in ("discrepancy", UNSEEN_TREES):
        assert tasks[part].kept == 1.0
        assert tasks[part].rows.tolist() == whole[part].rows.tolist()
    assert count_clear(tasks["seizure"]) == MOST


def test_precedents_of_a_sample_start_at_the_base_rate_of_all_rows() -> None:
    data = replace(small_world(2_000, seed=5), names=(RATES[0], *(f"f{n}" for n in range(7))))
    task = list_tasks(data, replace(RICH, most_clear=MOST))["seizure"]
    (fitted,) = fit._run(data, [task], QUICK)
    rows, shares = data.values[task.rows], {"kept": task.kept, "forgotten": 1.0}
    made = {
        name: precedents(rows, task.label, names=data.names, kept=share)
        for name, share in shares.items()
    }
    bases = {name: one.base for name, one in made.items() if one is not None}
    assert fitted.lines[PRECEDENTS].base == bases["kept"]
    assert bases["kept"] < bases["forgotten"] - 0.5


@pytest.mark.parametrize(("bins", "by_weight"), [("rows", False), ("weighted", True)])
def test_trees_are_grown_on_the_bins_that_the_configuration_names(
    bins: BinsBy, by_weight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def make_bins(*, by_weight: bool) -> SharedBins:
        asked.append(by_weight)
        return SharedBins(by_weight=by_weight)

    monkeypatch.setattr(fit, "SharedBins", make_bins)
    data = half_unseen()
    task = list_tasks(data, RICH)["seizure"]
    fit._run(data, [task], replace(QUICK, bins=bins))
    assert asked == [by_weight]
