"""Labels turned at one post are found by what the others teach, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import PromotionRefusedError
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.evaluation.report_html import render_report
from models.evaluation.report_text import paragraph
from models.lifecycle import transitions
from models.lifecycle.states import ModelEvent, compute_states
from models.training import label_flip_test
from models.training.label_flip_test import doubts
from models.training.trainer import train
from tests.support.sizes import PROOF
from tests.support.small_dataset import small_world

CONFIG = TrainConfig()
SEEDS = range(20 if PROOF else 2)
POSTS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ")


def posts(seed: int) -> Dataset:
    """Return a world of ten posts of unlike sizes, whose own levels differ as posts do."""
    data = small_world(9000, seed=seed)
    draw = np.random.default_rng(seed)
    size = draw.dirichlet(np.full(len(POSTS), 6.0))
    post = draw.choice(len(POSTS), len(data), p=size)
    more = draw.normal(0.0, 0.4, len(POSTS))[post]  # finds added, or gone unseen, at each post
    finds = data.discrepancy.copy()
    finds[(finds == 0) & (draw.random(len(data)) < np.clip(more, 0, None) * 0.03)] = 1
    finds[(finds == 1) & (draw.random(len(data)) < np.clip(-more, 0, None) * 0.4)] = 0
    return replace(data, post=np.array(POSTS, object)[post], discrepancy=finds)


def flip_labels(data: Dataset, *, seed: int) -> tuple[Dataset, str]:
    """Turn a twentieth of all labels, all of them at one post that has so many."""
    labelled = data.evidence("discrepancy")
    needed = round(0.05 * labelled.sum())
    large = [name for name in POSTS if (labelled & (data.post == name)).sum() >= needed]
    draw = np.random.default_rng(seed)
    post = str(draw.choice(large))
    rows = draw.permutation(np.flatnonzero(labelled & (data.post == post)))[:needed]
    label = data.discrepancy.copy()
    label[rows] = 1 - label[rows]
    return replace(data, discrepancy=label), post


def list_doubted_posts(data: Dataset) -> list[str]:
    return [one.post for one in label_flip_test.test_label_flips(data, CONFIG) if one.is_refused]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_twentieth_turned_at_one_post_is_found_there_and_nowhere_else(seed: int) -> None:
    data = posts(seed)
    bad, post = flip_labels(data, seed=seed)
    assert list_doubted_posts(data) == []
    assert list_doubted_posts(bad) == [post]


def test_a_gate_that_learns_from_the_post_itself_lets_turned_labels_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: every post judged by its own labels agrees with itself."""
    bad, _ = flip_labels(posts(1), seed=1)
    label = bad.discrepancy[bad.evidence("discrepancy")]

    class Credulous:
        def decision_function(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
            rows = bad.values[bad.evidence("discrepancy")]
            known = {row.tobytes(): value for row, value in zip(rows, label, strict=True)}
            return np.array([4.0 if known[row.tobytes()] else -4.0 for row in values])

    monkeypatch.setattr(label_flip_test, "grow", lambda *_, **__: Credulous())
    assert list_doubted_posts(bad) == []


def test_a_model_with_doubts_says_so_and_cannot_be_approved() -> None:
    data = posts(2)
    bad, post = flip_labels(data, seed=2)
    small = replace(CONFIG.discrepancy, iterations=2, seeds=1)
    config = replace(CONFIG, folds=2, discrepancy=small, seizure=small)
    bad = bad.take(bad.evidence("discrepancy") | (np.arange(len(bad)) % 8 == 0))
    report = train(bad, config, cutoff=int(bad.arrived_at[-1]) + 1).report
    assert post in paragraph(report)
    assert "contradict what the other posts teach" in render_report(report)
    known = compute_states([ModelEvent("model_registered", "m1", "ana", "m", "e", "c")])
    with pytest.raises(PromotionRefusedError, match=post):
        transitions.approve(known, "m1", by="ben", manifest="m", doubts=report["doubts"])

    without = doubts(label_flip_test.test_label_flips(bad.drop_labels([post]), config))
    assert without == []
    assert transitions.approve(known, "m1", by="ben", manifest="m", doubts=without)
