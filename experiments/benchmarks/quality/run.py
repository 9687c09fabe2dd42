"""Benchmark of ranking against peers; ``--data`` names a folder of KCS files.

Without data: the synthetic network, whose truth is known, or networks of several makes that
``--network`` names, also without the features that ``--without`` names. Each peer is fitted in the
same run on the same rows; what depends on luck is shown with the low end of a paired interval.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from experiments.benchmarks.quality import kcs, mechanisms, synthetic
from experiments.support.benchmark_harness import Row


def run(
    data: Path | None,
    *,
    networks: Sequence[mechanisms.Make] = (),
    crossings: int = mechanisms.CROSSINGS,
    seed: int = mechanisms.SEED,
    without: Sequence[str] = (),
) -> list[Row]:
    """Return the rows of ``bench quality``; ``networks`` are of one size and seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers remark on names and versions; nothing of ours does
        if networks:
            return mechanisms.run(networks, crossings=crossings, seed=seed, without=without)
        return synthetic.run() if data is None else kcs.run(data)
