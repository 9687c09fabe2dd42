"""Speed of intake, from the bytes of a bulk folder to validated Parquet on disk.

Stands on processor time, that of every thread: what one core would need. All rows of all files
count; a KCS row counts as the four records it is. The first, small load is not timed: it pays for
the imports.
"""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.storage.home import Home
from experiments.support.benchmark_harness import Row, row
from experiments.synthetic.folder import open_network, write
from features.intake.load import Format, load

CROSSINGS = 100_000
REPEATS = 5
MUST = 50_000


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench intake``; without ``data`` on a synthetic network of its own."""
    with (
        TemporaryDirectory(prefix="bench-intake-") as name,
        open_network(data, crossings=CROSSINGS) as folder,
    ):
        scratch = Path(name)
        write(scratch / "small", crossings=500, seed=2)
        load(Home(scratch / "warm"), scratch / "small")
        rates = [_rate(folder, Home(scratch / f"home-{n}")) for n in range(REPEATS)]
    what = "bulk intake, all files counted, full validation, to Parquet on disk"
    seen = statistics.median(rates)
    return [row(what, "rows per second of one core", seen, f">= {MUST}")]


def _rate(folder: Path, home: Home) -> float:
    is_contract = any((folder / f"crossings.{kind}").exists() for kind in ("csv", "parquet"))
    kind: Format = "contract" if is_contract else "kcs"
    started = time.process_time()
    loaded = load(home, folder, format=kind)
    seconds = time.process_time() - started
    return (sum(loaded.rows.values()) + sum(loaded.quarantined.values())) / seconds
