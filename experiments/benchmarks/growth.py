"""Growth of bulk features: processor time a crossing, peak memory against input and output.

Two runs, each of two sizes, each size in a process of its own. One key: nine reads of the compiled
kernel on drawn columns, so that ten million rows fit anywhere. Whole catalogue: all that ``darvoza
features`` does, from the files of a synthetic network to the written matrix. Time is that of the
processor from data at hand (files, columns) to the end, so that neighbours on the machine do not
matter. Peak is all that the process ever held, the interpreter and its libraries included.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from experiments.support.benchmark_harness import Row, peak_bytes, row

DAYS = (7, 30, 365)
ROUNDS = 3
MOST_TIME, MOST_PEAK = "<= 1.15", "<= 1.5"
Measurement = dict[str, Any]
Sizes = tuple[int, int]


def run(
    data: Path | None,
    *,
    rows: Sizes = (1_000_000, 10_000_000),
    crossings: Sizes = (250_000, 1_000_000),
) -> list[Row]:
    """Return the rows of ``bench growth``; synthetic data of its own, ``data`` is unused."""
    del data
    with TemporaryDirectory(prefix="bench-growth-") as name:
        return _one_key(Path(name), rows) + _whole_catalogue(Path(name), crossings)


def _one_key(scratch: Path, sizes: Sizes) -> list[Row]:
    for size in sizes:
        np.save(scratch / f"{size}.npy", columns(size))
    rounds = [
        [measure("one_key", scratch / f"{size}.npy") for size in sizes] for _ in range(ROUNDS)
    ]
    growth = statistics.median(_growth(*each) for each in rounds)
    peaks = " and ".join(f"{_peak(seen):.2f}" for seen in rounds[0])
    what = (
        f"one key, 9 reads, {sizes[0]:,} to {sizes[1]:,} crossings (peak {peaks} times its arrays)"
    )
    return [row(f"{what}: time a crossing", "times as long", growth, MOST_TIME)]


def _whole_catalogue(scratch: Path, sizes: Sizes) -> list[Row]:
    from experiments.synthetic.folder import write

    seen = []
    for size in sizes:
        write(scratch / f"network-{size}", crossings=size, seed=1)
        seen.append(measure("whole_catalogue", scratch / f"network-{size}"))
    what = f"{seen[1]['features']} features"
    grown = f"{what}, {sizes[0]:,} to {sizes[1]:,} crossings: time a crossing"
    megabytes = [seen[1][name] >> 20 for name in ("peak", "input", "output")]
    sums = "peak {:,} MB over input {:,} MB + output {:,} MB".format(*megabytes)
    return [
        row(grown, "times as long", _growth(*seen), MOST_TIME),
        row(f"{what}, {sizes[1]:,} crossings: {sums}", "times as much", _peak(seen[1]), MOST_PEAK),
    ]


def _growth(small: Measurement, large: Measurement) -> float:
    return float((large["seconds"] / large["rows"]) / (small["seconds"] / small["rows"]))


def _peak(seen: Measurement) -> float:
    return float(seen["peak"] / (seen["input"] + seen["output"]))


def columns(rows: int) -> NDArray[np.int64]:
    """Draw a year of crossings, shape (5, n): time, key, one, kilograms, empty."""
    rng = np.random.default_rng(1)
    vehicles = max(rows * 2 // 5, 1)
    weight = rng.lognormal(0.0, 1.3, vehicles)
    return np.array(
        [
            np.cumsum(rng.integers(1, 2 * 365 * DAY // rows, rows)),
            rng.integers(1, 2**62, vehicles)[rng.choice(vehicles, rows, p=weight / weight.sum())],
            np.ones(rows, np.int64),
            rng.integers(0, 400_000, rows),
            rng.integers(0, 2, rows),
        ]
    )


def measure(what: str, source: Path) -> Measurement:
    """Return what one run, in a process of its own, says of itself."""
    command = [sys.executable, "-m", "experiments.benchmarks.growth", what, str(source)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: Measurement = json.loads(done.stdout)
    return found


def one_key(source: Path) -> Measurement:
    """Read one key's group on the columns of a file."""
    from features.offline.kernel import group_reads

    pairs = np.array([(m, w) for w in range(len(DAYS)) for m in range(3)], np.int64).T.copy()

    def reads(table: NDArray[np.int64]) -> NDArray[np.int64]:
        t, key, spans = table[0], table[1], np.array(DAYS, np.int64) * DAY
        return group_reads(key, t, table[2:], key, t, spans, *pairs, last=False)

    reads(columns(10))  # compiled before it is timed
    table = np.load(source)
    # Once untimed: memory that a virtual machine hands out for the first time costs twenty times as
    # much to touch, and the larger run needs more of it.
    reads(table)
    started = time.process_time()
    found = reads(table)
    seconds = time.process_time() - started
    return _measurement(table.shape[1], seconds, given=table.nbytes, made=found.nbytes)


def whole_catalogue(source: Path) -> Measurement:
    """Write the matrix of a bulk folder, as the command does."""
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from features.intake.load import read_folder
    from features.offline.feature_matrix import export

    started = time.process_time()
    made = export(lambda: read_folder(source).tables, Plan(CATALOGUE), source / "matrix.parquet")
    seconds = time.process_time() - started
    seen = _measurement(made.rows, seconds, given=made.input_bytes, made=made.output_bytes)
    return seen | {"features": made.features}


def _measurement(rows: int, seconds: float, *, given: int, made: int) -> Measurement:
    return {
        "rows": rows, "seconds": seconds, "peak": peak_bytes(), "input": given, "output": made
    }  # fmt: skip


RUNS: Mapping[str, Callable[[Path], Measurement]] = MappingProxyType(
    {"one_key": one_key, "whole_catalogue": whole_catalogue}
)


def main(arguments: list[str]) -> None:
    """Measure one run in this process and print it as one JSON object."""
    sys.stdout.write(json.dumps(RUNS[arguments[0]](Path(arguments[1]))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
