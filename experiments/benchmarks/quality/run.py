"""Benchmark of ranking against peers; ``--data`` names a folder of KCS files.

Without data: the synthetic network, whose truth is known. Each peer is fitted in the same run on
the same rows; what depends on luck is shown with the low end of a paired interval.
"""

import warnings
from pathlib import Path

from experiments.benchmarks.quality import kcs, synthetic
from experiments.support.benchmark_harness import Row


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench quality``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers remark on names and versions; nothing of ours does
        return synthetic.run() if data is None else kcs.run(data)
