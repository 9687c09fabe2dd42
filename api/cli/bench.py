"""``darvoza bench``: ratios against peers, each in one run."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from api.cli.common import OUT, JsonOption, UnusedHomeOption, emit, say

Bench = Literal[
    "features", "lookup", "serving", "explain", "intake", "quality", "growth", "search", "probing",
    "reasons", "messages",
]  # fmt: skip
MODULES: Mapping[Bench, str] = {
    "features": "experiments.benchmarks.features",
    "lookup": "experiments.benchmarks.online_lookup",
    "serving": "experiments.benchmarks.serving.run",
    "explain": "experiments.benchmarks.explanation",
    "intake": "experiments.benchmarks.intake",
    "quality": "experiments.benchmarks.quality.run",
    "growth": "experiments.benchmarks.growth",
    "search": "experiments.benchmarks.search_orders",
    "probing": "experiments.benchmarks.probing",
    "reasons": "experiments.benchmarks.reasons",
    "messages": "experiments.benchmarks.messages",
}
"""Where each benchmark is; imported when it runs, because most need the training libraries."""


def bench(
    name: Annotated[Bench, typer.Argument(help="Which benchmark.")],
    data: Annotated[Path | None, typer.Option(help="Data to use instead of synthetic.")] = None,
    rows: Annotated[
        tuple[int, int], typer.Option(help="growth: two sizes of the run on one key.")
    ] = (1_000_000, 10_000_000),
    crossings: Annotated[
        tuple[int, int], typer.Option(help="growth: two sizes of that of the whole catalogue.")
    ] = (250_000, 1_000_000),
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Measure against peers; exit status 1 where a ratio does not hold."""
    from experiments.support.benchmark_harness import result

    say(f"bench {name}: contestants take turns, medians of ratios are shown")
    sizes = {"rows": rows, "crossings": crossings} if name == "growth" else {}
    made = result(name, importlib.import_module(MODULES[name]).run(data, **sizes))

    def text() -> None:
        table = Table("what", "unit", "seen", "must", "holds", title=f"bench {name}")
        for found in made["rows"]:
            holds = "[green]yes[/green]" if found["holds"] else "[red]no[/red]"
            cells = (found["name"], found["unit"], f"{found['seen']:,}", found["must"], holds)
            table.add_row(*cells)
        OUT.print(table)

    emit(made, as_json=as_json, text=text)
    if not made["holds"]:
        raise typer.Exit(1)
