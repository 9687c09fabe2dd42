"""Commands for a history that exceeds one machine: encode here, read on a cluster, finish here.

Three steps, each a command of its own, since they run on different machines; the last one writes
the same file as ``darvoza features HOME``. See "A national history" in docs/analysis.md.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.journal_history import read_event_log
from features.offline.export import write
from features.offline.sql.assemble import finish, read_manifest
from features.offline.sql.relations import encode


def main(arguments: Sequence[str]) -> None:
    """Run one step and print what it did, as one JSON object."""
    given = _parser().parse_args(arguments)
    plan = Plan(CATALOGUE)
    if given.step == "encode":
        done = {"crossings": _encode(given.home, given.relations, plan, rows=given.rows)}
    elif given.step == "answer":
        done = {"hot": _answer(given.relations, given.answers, plan, above=given.hot)}
    else:
        done = {"crossings": _finish(given.relations, given.answers, plan, out=given.out)}
    sys.stdout.write(json.dumps(done | {"definitions": plan.digest}) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="national", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("encode", help="all that a home knows, as Parquet")
    step.add_argument("home", type=Path)
    step.add_argument("relations", type=Path)
    step.add_argument("--rows", type=int, default=1_000_000, help="crossings in one part")
    step = steps.add_parser("answer", help="every read of the catalogue, on Spark")
    step.add_argument("relations", help="where Spark finds what was encoded")
    step.add_argument("answers", help="where Spark puts its answers")
    step.add_argument(
        "--hot", type=int, default=5_000, help="events and cuts that make an entity hot"
    )
    step = steps.add_parser("finish", help="the feature matrix")
    step.add_argument("relations", type=Path)
    step.add_argument("answers", type=Path)
    step.add_argument("out", type=Path)
    return parser


def _encode(home: Path, relations: Path, plan: Plan, *, rows: int) -> int:
    found = Home(home)
    with Store(found.database_url) as store, store.read() as connection:
        tables = read_event_log(found, connection)
    return encode(tables, plan, relations, rows=rows)


def _answer(relations: str, answers: str, plan: Plan, *, above: int) -> int:
    from features.offline.sql.spark_engine import answer, session  # the other steps need no Spark

    spark = session("darvoza: a national history")
    try:
        return answer(spark, relations, plan, answers, above=above, progress=_report_progress)
    finally:
        spark.stop()


def _report_progress(done: int, of: int) -> None:
    sys.stderr.write(f"{done} of {of} questions answered\n")


def _finish(relations: Path, answers: Path, plan: Plan, *, out: Path) -> int:
    about = read_manifest(relations)
    metadata = {name: about[name] for name in ("history", "synthetic")}
    write(finish(relations, answers, plan), plan, out, metadata)
    return int(about["crossings"])


if __name__ == "__main__":
    main(sys.argv[1:])
