"""Benchmark of ranking against peers; ``--data`` names a folder of KCS files.

Without data: the synthetic network, whose truth is known, or networks of several makes that
``--network`` names, also without the features that ``--without`` names. Each peer is fitted in the
same run on the same rows; what depends on luck is shown with the low end of a paired interval.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from experiments.benchmarks.quality import groups, kcs, mechanisms, synthetic
from experiments.support.benchmark_harness import Row
from experiments.synthetic.mechanisms.hidden_risks import KINDS


def run(
    data: Path | None,
    *,
    networks: Sequence[mechanisms.Make] = (),
    crossings: int = mechanisms.CROSSINGS,
    seed: int = mechanisms.SEED,
    without: Sequence[str] = (),
) -> list[Row]:
    """Return the rows of ``bench quality``; ``networks`` are of one size and seed.

    Those with groups that are never caught are judged together, unless ``without`` asks what some
    features are worth on each.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers remark on names and versions; nothing of ours does
        if networks:
            kinds = [] if without else [one for one in KINDS if one in networks]
            others = [one for one in networks if one not in kinds]
            rows = groups.run(kinds, crossings=crossings, seed=seed) if kinds else []
            return rows + mechanisms.run(others, crossings=crossings, seed=seed, without=without)
        return synthetic.run() if data is None else kcs.run(data)
