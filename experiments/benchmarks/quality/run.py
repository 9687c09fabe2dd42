"""Benchmark of ranking against peers; ``--data`` names a folder of KCS files.

Without data: synthetic networks, whose truth is known, or networks of several makes that
``--network`` names, also without the features that ``--without`` names; or with ``--orders``, the
order in which a vehicle is searched. Each peer is fitted in the same run on the same rows; what
depends on luck is shown with the low end of a paired interval.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from engine.errors import InputError
from experiments.benchmarks.quality import groups, kcs, networks, search_orders
from experiments.benchmarks.runner import Bench, Row
from experiments.synthetic.hidden_risks import KINDS


def measure(
    data: Path | None = None,
    network: Sequence[networks.Make] = (),
    crossings: Sequence[int] = (),
    seed: Sequence[int] = networks.SEEDS,
    without: Sequence[str] = (),
    *,
    orders: bool = False,
) -> list[Row]:
    """Return the rows of ``bench quality``; each network is drawn once with each seed.

    Kinds with groups that are never caught are judged together, unless ``without`` asks what some
    features are worth on each. Raises ``InputError`` for options that do not go together.
    """
    if (crossings or without) and not network:
        raise InputError("--network", "a size and features to leave out are those of networks")
    if len(crossings) > 1:
        raise InputError("--crossings", "networks are of one size")
    if network and data is not None:
        raise InputError("--network", "a network is drawn, not read")
    size = crossings[0] if crossings else networks.CROSSINGS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers remark on names and versions; nothing of ours does
        if orders:
            return search_orders.measure(data)
        if network:
            kinds = [] if without else [one for one in KINDS if one in network]
            others = [one for one in dict.fromkeys(network) if one not in kinds]
            seeds = tuple(dict.fromkeys(seed))
            rows = groups.run(kinds, crossings=size, seeds=seeds) if kinds else []
            return rows + networks.run(others, crossings=size, seeds=seeds, without=without)
        return networks.compare_peers() if data is None else kcs.run(data)


BENCH = Bench(
    "quality",
    measure,
    frozenset({"data", "network", "crossings", "seed", "without", "orders"}),
)
