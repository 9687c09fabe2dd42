"""Commands that run experiments: bench, simulate, faults.

What they run is imported when it runs, because most of it needs the training libraries.
"""

import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.cli.common import (
    JsonOption,
    UnusedHomeOption,
    emit,
    print_table,
    progress,
    require_folder_of,
    say,
)

if TYPE_CHECKING:
    from experiments.faults.senders import Counts
    from experiments.support.processes import Forker

Bench = Literal[
    "features", "lookup", "serving", "explain", "messages", "scale", "quality", "soak",
]  # fmt: skip


class Network(StrEnum):
    """Makes of synthetic networks, as experiments.benchmarks.quality.networks has them."""

    SYNTH = "synth"
    LATENT = "latent"
    RINGS = "rings"
    SIGNS = "signs"
    REPEAT = "repeat"
    CIRCLES = "circles"
    PLATES = "plates"
    DRIVERS = "drivers"
    IMPORTER = "importer"
    NEWCOMERS = "newcomers"
    FRONTS = "fronts"


def bench(
    name: Annotated[Bench, typer.Argument(help="Which benchmark.")],
    data: Annotated[Path | None, typer.Option(help="Data to use instead of synthetic.")] = None,
    crossings: Annotated[
        list[int] | None,
        typer.Option(
            min=1_000, help="scale, quality with --network: sizes of networks; again for more."
        ),
    ] = None,
    network: Annotated[
        list[Network] | None,
        typer.Option(help="quality: on synthetic networks of these makes; again for more."),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="quality with --network: again for more. Default: 1 to 4."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="quality with --network: also without features named like this; again for more.",
        ),
    ] = None,
    workers: Annotated[
        list[int] | None,
        typer.Option(min=1, help="serving: so many workers on a PostgreSQL; again for more."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="scale: an SVG of the costs by size.")
    ] = None,
    *,
    orders: Annotated[
        bool, typer.Option("--orders", help="quality: the orders in which vehicles are searched.")
    ] = False,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="scale: a model without skill, and no training.")
    ] = False,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Measure against peers; exit status 1 where a ratio does not hold."""
    from experiments.benchmarks.runner import find_bench

    asked: dict[str, Any] = {
        "data": data,
        "crossings": crossings,
        "network": network and [str(make) for make in network],
        "seed": seed,
        "without": without,
        "workers": workers,
        "picture": picture,
        "orders": orders,
        "untrained": untrained,
    }
    given = {option: one for option, one in asked.items() if one is not None and one is not False}
    chosen = find_bench(name)
    for option in sorted(given.keys() - chosen.options):
        raise typer.BadParameter(f"bench {name} has no such option", param_hint=f"--{option}")
    say(f"bench {name}: contestants take turns, medians of ratios are shown")
    made = chosen.run(**given)

    def text() -> None:
        from rich.table import Table

        table = Table("what", "unit", "seen", "must", "holds", title=f"bench {name}")
        for found in made["rows"]:
            holds = "[green]yes[/green]" if found["holds"] else "[red]no[/red]"
            seen = f"{found['seen']:,}"
            if "between" in found:
                seen += " ({:,} to {:,})".format(*found["between"])
            table.add_row(found["name"], found["unit"], seen, found["must"], holds)
        print_table(table)

    emit(made, as_json=as_json, text=text, ok=made["holds"])


class PolicyName(StrEnum):
    """The policies there are."""

    RANDOM = "random"
    PROFILES = "profiles"
    OFFICER = "officer"
    EXPLOIT = "exploit"
    ONE_RANK = "one_rank"
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
    insider: Annotated[
        bool, typer.Option("--insider", help="Play an insider against each defence of the product.")
    ] = False,
    lane: Annotated[
        bool, typer.Option("--lane", help="Play known lawful trade, with a trader that is bought.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="SVG file for a plot.")] = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Compare selection policies over a synthetic year: each learns from what it searched."""
    from experiments.simulation.capacity import Span
    from experiments.simulation.comparison import NOTICE, POLICIES
    from experiments.simulation.comparison import simulate as run
    from experiments.simulation.defences import compare_defences

    for is_asked, hint in ((insider, "--insider"), (lane, "--lane")):
        if is_asked and (policies or out or (insider and lane)):
            raise typer.BadParameter("takes neither policies nor --out", param_hint=hint)
    if lane:
        from experiments.simulation.lawful_lane import compare_lane

        played = compare_lane(seeds)
        emit(played, as_json=as_json, text=lambda: _show_lane(played))
        return
    if out is not None:
        require_folder_of(out)
    say(NOTICE)
    asked: dict[str, Any] = {
        "seeds": seeds,
        "span": Span(crossings=crossings, capacity=capacity),
        "jobs": jobs,
    }
    with progress() as report_progress:
        asked["progress"] = lambda done, of: report_progress("worlds", done, of)
        if insider:
            made = compare_defences(**asked)
        else:
            made = run([str(name) for name in policies or POLICIES], **asked)
    if insider:
        emit(made, as_json=as_json, text=lambda: _show_defences(made))
        return
    if out is not None:
        from experiments.simulation.comparison import draw_plots

        draw_plots(made, out)
    emit(made, as_json=as_json, text=lambda: _show(made))


def _show(made: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(
        "policy",
        "hits/h, all",
        "loads/h of search",
        "wrong papers/h of papers",
        "hits",
        "loads",
        "hours",
        "kg",
        "lawful/hit",
        "missed, %",
        title=f"{made['seeds']} synthetic years",
        caption=made["notice"],
    )
    for one in made["policies"]:
        rate, aims = one["miss_rate"], one["aims"]
        table.add_row(
            one["name"],
            *(
                f"{aim['hits_per_hour']:.3f} ({aim['low']:.3f} to {aim['high']:.3f})"
                for aim in aims.values()
            ),
            f"{one['hits']:,}",
            f"{aims['loads']['hits']:,}",
            f"{one['minutes'] / 60:,.0f}",
            f"{one['kilograms']:,.0f}",
            "" if one["lawful_per_hit"] is None else f"{one['lawful_per_hit']:.1f}",
            "unknown" if rate is None else f"{100 * rate[0]:.1f}-{100 * rate[1]:.1f}",
        )
    print_table(table)
    for one in made["policies"]:
        if one["miss_rate"] is not None:
            text = "covers" if one["covered"] else "does not cover"
            truth = f"{100 * one['miss_rate_truth']:.1f} %"
            typer.echo(f"{one['name']}: what it misses {text} the truth, {truth}")
    for pair in made["paired"]:
        typer.echo(
            f"{pair['policy']} over {pair['over']}, {pair['aim']}: "
            f"{pair['difference']:+.4f} an hour ({pair['low']:+.4f} to {pair['high']:+.4f})",
        )


def _show_lane(made: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(
        "minutes to release", "mean", "median", "90 %", "95 %", title=made["notice"], caption=""
    )
    for name, one in made["release"].items():
        table.add_row(name.replace("_", " "), *(f"{minutes:.1f}" for minutes in one.values()))
    print_table(table)
    loads, bought = made["loads"], made["bought"]
    for line in (
        f"loads sent {loads['sent']:,}, not found {loads['through']:,}; "
        f"without a lane {loads['through_without_lane']:,}",
        f"interval of the lane covers the truth in {made['covered']} of {made['seeds']} years",
        f"bought trader suspended in {bought['suspended']} of {made['seeds']} years, after days: "
        f"median {bought['median_days']}, 95 % {bought['most_days']}",
        f"honest traders suspended: {100 * made['honest_suspended']:.1f} % a year",
    ):
        typer.echo(line)


def _show_defences(made: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(
        "left out",
        "insider",
        "loads sent",
        "passed, %",
        "more than with all, points",
        "kg passed",
        "spent, runs",
        "passed per 100 spent",
        title=f"{made['seeds']} synthetic worlds",
        caption=made["notice"],
    )
    for one in made["campaigns"]:
        share, more = (
            [100 * part for part in one[name]] for name in ("share_passed", "more_than_defended")
        )
        table.add_row(
            one["without"] or "nothing",
            "yes" if one["insider"] else "no",
            f"{one['sent']:,.0f}",
            "{:.1f} ({:.1f} to {:.1f})".format(*share),
            "{:+.1f} ({:+.1f} to {:+.1f})".format(*more),
            f"{one['kilograms_passed']:,.0f}",
            f"{one['spent']:,.0f}",
            f"{one['passed_per_100_spent']:.0f}",
        )
    print_table(table)
    for one in made["ways"]:
        typer.echo(
            f"{one['way']}: {one['tried']} vehicles, {100 * one['searched']:.1f} % searched, "
            f"{one['passed']:.0f} of {one['sent']:.0f} loads passed",
        )


Fault = Literal[
    "kill", "duplicate", "disk-full", "store-restart", "swap", "bundle", "memory", "strangers",
    "flood", "partition",
]  # fmt: skip


TOLD = 50
"""Histories between two words about progress."""


def faults(
    fault: Annotated[Fault, typer.Argument(help="What is done to the service.")],
    trials: Annotated[
        int | None, typer.Option(min=1, help="How often; as often as it is worth by default.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of partition: draws other histories than 0.")
    ] = None,
    *,
    planted: Annotated[
        bool,
        typer.Option(
            "--planted", help="Run the negative control: a seeded bug that must be caught."
        ),
    ] = False,
    rules_only: Annotated[
        bool, typer.Option("--rules-only", help="Without a model in force.")
    ] = False,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Inject faults into a running service; exit status 1 where a promise was broken."""
    if fault == "partition":
        counts = _partition(trials, seed or 0, has_bug=planted)
    else:
        from experiments.faults.runner import TRIALS, FaultRun, run

        if seed is not None:
            raise typer.BadParameter(f"{fault} draws no histories", param_hint="--seed")
        number = trials or TRIALS[fault]
        if fault == "disk-full":
            more = ["--planted"] * planted + ["--json"] * as_json + ["--rules-only"] * rules_only
            _on_a_small_disk(["--trials", str(number), *more])
        say("a SYNTHETIC network in a scratch home")
        with progress() as bar, forker() as forks:
            result = partial(bar, f"fault {fault}")
            order = FaultRun(fault, number, planted, result, is_modelled=not rules_only)
            counts = run(order, forks)
    _emit_counts(counts, as_json=as_json)


def _partition(trials: int | None, seed: int, *, has_bug: bool) -> "Counts":
    """Draw histories without a progress bar: its thread must not be forked for a kill."""
    from api.links.exchanges import exchange_all
    from experiments.faults.partitions import TRIALS, run_partitions

    number = trials or TRIALS
    say("SYNTHETIC installations in a scratch folder")
    return run_partitions(
        number,
        number=seed,
        exchange_all=exchange_all,
        has_bug=has_bug,
        report_progress=lambda done: None if done % TOLD else say(f"{done} of {number} histories"),
    )


def _emit_counts(counts: "Counts", *, as_json: bool) -> None:
    def text() -> None:
        for name, value in counts.as_dict().items():
            if name != "failed_history":
                typer.echo(f"{name:>24}  {value}")

    for what, times in counts.why.items():
        if times:
            say(f"{times} of {what}")
    if counts.plan:
        say("the shortest history that fails:")
        for step in counts.plan:
            say(f"  {step}")
    emit(counts.as_dict(), as_json=as_json, text=text, ok=counts.holds)


def forker() -> "Forker":
    """Return a process that starts services, to be closed."""
    from experiments.support.processes import Forker

    return Forker([sys.executable, "-m", "api.cli.fork_server"])


def _on_a_small_disk(options: Sequence[str]) -> None:
    """Do all of it in a namespace with a small disk, unless this is it or there is none."""
    from experiments.faults.service_trials import on_a_small_disk, small_disk

    if small_disk() is not None:
        return
    status = on_a_small_disk([sys.executable, "-m", "api", "faults", "disk-full", *options])
    if status is not None:
        raise typer.Exit(status)
    say("no namespace is to be had here: the service's files are kept from growing instead")
