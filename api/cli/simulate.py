"""``darvoza simulate``: policies side by side over a synthetic year, in closed loop."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from api.cli.common import OUT, JsonOption, UnusedHomeOption, emit, progress, say


class PolicyName(StrEnum):
    """The policies there are."""

    RANDOM = "random"
    PROFILES = "profiles"
    OFFICER = "officer"
    EXPLOIT = "exploit"
    OURS = "ours"


def simulate(
    policies: Annotated[
        list[PolicyName] | None, typer.Argument(metavar="[POLICY]...", help="Default: all.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Worlds; each policy lives through all.")] = 1,
    crossings: Annotated[int, typer.Option(min=500, help="Crossings a year.")] = 50_000,
    capacity: Annotated[
        float, typer.Option(min=0.04, max=0.5, help="Searches the roster allows, of all entries.")
    ] = 0.10,
    jobs: Annotated[int, typer.Option(min=1, help="Worlds at a time.")] = 2,
    out: Annotated[Path | None, typer.Option(help="SVG file for a plot.")] = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Compare ways of choosing over a synthetic year: what is searched decides what is learnt."""
    from experiments.simulation.run import NOTICE, POLICIES
    from experiments.simulation.run import simulate as run
    from experiments.simulation.world_setup import Span

    say(NOTICE)
    with progress() as report_progress:
        made = run(
            [str(name) for name in policies or POLICIES],
            seeds=seeds,
            span=Span(crossings=crossings, capacity=capacity),
            jobs=jobs,
            progress=lambda done, of: report_progress("worlds", done, of),
        )
    if out is not None:
        from experiments.simulation.plots import draw

        draw(made, out)
    emit(made, as_json=as_json, text=lambda: _show(made))


def _show(made: dict[str, Any]) -> None:
    table = Table(
        "policy",
        "hits",
        "seized",
        "hits/h",
        "lift",
        "hours",
        "kg",
        "lawful/hit",
        "missed, %",
        title=f"{made['seeds']} synthetic years",
        caption=made["notice"],
    )
    for one in made["policies"]:
        rate = one["miss_rate"]
        table.add_row(
            one["name"],
            f"{one['hits']:,}",
            f"{one['seizures']:,}",
            f"{one['hits_per_hour']:.3f}",
            "" if one["lift"] is None else f"{one['lift']:.2f}",
            f"{one['minutes'] / 60:,.0f}",
            f"{one['kilograms']:,.0f}",
            "" if one["lawful_per_hit"] is None else f"{one['lawful_per_hit']:.1f}",
            "unknown" if rate is None else f"{100 * rate[0]:.1f}-{100 * rate[1]:.1f}",
        )
    OUT.print(table)
    for one in made["policies"]:
        if one["miss_rate"] is not None:
            text = "covers" if one["covered"] else "does not cover"
            truth = f"{100 * one['miss_rate_truth']:.1f} %"
            OUT.print(f"{one['name']}: what it misses {text} the truth, {truth}", highlight=False)
    for pair in made["paired"]:
        OUT.print(
            f"{pair['policy']} over {pair['over']}: {pair['difference']:+.3f} hits/h "
            f"({pair['low']:+.3f} to {pair['high']:+.3f})",
            highlight=False,
        )
