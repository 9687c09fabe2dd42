"""Features that say nothing alone are left out, and only where enough is known to tell."""

import numpy as np

from models.learning.fit_tasks import screen_features

DRAW = np.random.default_rng(5)
VALUES = DRAW.normal(size=(8000, 12)).astype(np.float32)
VALUES[DRAW.random(VALUES.shape) < 0.1] = np.nan
VALUES[:, 11] = np.nan
LOGIT = 1.2 * np.nan_to_num(VALUES[:, 2]) + np.isnan(VALUES[:, 7]) - 1.5
LABEL = (DRAW.random(8000) < 1 / (1 + np.exp(-LOGIT))).astype(np.int8)


def test_what_foretells_later_finds_is_kept_and_noise_is_not() -> None:
    kept = screen_features(VALUES, LABEL)
    assert {2, 7} <= set(kept.tolist()), "by its value, and by being unknown"
    assert len(kept) <= 4


def test_what_held_once_but_not_later_does_not_speak() -> None:
    values = VALUES.copy()
    values[:4000, 5] += 2 * LABEL[:4000]
    assert 5 not in screen_features(values, LABEL)
    values[4000:, 5] += 2 * LABEL[4000:]
    assert 5 in screen_features(values, LABEL)
