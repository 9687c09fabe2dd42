"""Commands that run experiments: bench, simulate, faults.

What they run is imported when it runs, because most of it needs the training libraries.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from api.cli.common import (
    OUT,
    JsonOption,
    UnusedHomeOption,
    emit,
    progress,
    require_folder_of,
    say,
)

if TYPE_CHECKING:
    from experiments.faults.ledger_check import Counts
    from experiments.faults.service_process import Forker

Bench = Literal[
    "features", "lookup", "serving", "explain", "intake", "quality", "growth", "search", "probing",
    "reasons", "messages", "scale", "pages", "links",
    "views", "soak",
]  # fmt: skip
_OTHER_MODULES: Mapping[Bench, str] = {
    "lookup": "online_lookup",
    "serving": "serving.run",
    "explain": "explanation",
    "quality": "quality.run",
    "scale": "scale.run",
    "search": "search_orders",
    "views": "quality.views",
}
"""Of the benchmarks whose module has another name than they."""


class Network(StrEnum):
    """Makes of synthetic networks, as experiments.benchmarks.quality.mechanisms has them."""

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


def find_module(name: Bench) -> ModuleType:
    """Import a benchmark."""
    return importlib.import_module(f"experiments.benchmarks.{_OTHER_MODULES.get(name, name)}")


def bench(
    name: Annotated[Bench, typer.Argument(help="Which benchmark.")],
    data: Annotated[Path | None, typer.Option(help="Data to use instead of synthetic.")] = None,
    rows: Annotated[
        tuple[int, int], typer.Option(help="growth: two sizes of the run on one key.")
    ] = (1_000_000, 10_000_000),
    crossings: Annotated[
        list[int] | None,
        typer.Option(
            help="growth, scale, quality with --network: sizes of networks; again, or more numbers."
        ),
    ] = None,
    network: Annotated[
        list[Network] | None,
        typer.Option(help="quality, views: on synthetic networks of these makes; again for more."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="With --network: its seed; of views the first of three.")
    ] = 1,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="quality with --network: also without features named like this; again for more.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="scale: an SVG of the costs by size.")
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="scale: a model without skill, and no training.")
    ] = False,
    more: Annotated[list[int] | None, typer.Argument(hidden=True)] = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Measure against peers; exit status 1 where a ratio does not hold."""
    from experiments.support.benchmark_harness import result

    say(f"bench {name}: contestants take turns, medians of ratios are shown")
    if network and data is not None:
        raise typer.BadParameter("a network is drawn, not read", param_hint="--network")
    sizes = _sizes(name, rows, crossings, more, network=network, seed=seed, without=without)
    if picture is not None:
        if name != "scale":
            raise typer.BadParameter(f"bench {name} draws nothing", param_hint="--picture")
        sizes["picture"] = picture
    if untrained:
        if name != "scale":
            raise typer.BadParameter(f"bench {name} trains as it is", param_hint="--untrained")
        sizes["untrained"] = True
    made = result(name, find_module(name).run(data, **sizes))

    def text() -> None:
        table = Table("what", "unit", "seen", "must", "holds", title=f"bench {name}")
        for found in made["rows"]:
            holds = "[green]yes[/green]" if found["holds"] else "[red]no[/red]"
            cells = (found["name"], found["unit"], f"{found['seen']:,}", found["must"], holds)
            table.add_row(*cells)
        OUT.print(table)

    emit(made, as_json=as_json, text=text, ok=made["holds"])


def _sizes(
    name: Bench,
    rows: tuple[int, int],
    crossings: list[int] | None,
    more: list[int] | None,
    *,
    network: Sequence[Network] | None = None,
    seed: int = 1,
    without: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the sizes, and the networks, that a benchmark was asked for."""
    asked = (*(crossings or ()), *(more or ()))
    if network:
        return _list_networks(name, network, asked, seed=seed, without=without)
    if without:
        raise typer.BadParameter("features are left out on networks alone", param_hint="--without")
    if name not in ("growth", "scale"):
        if asked:
            raise typer.BadParameter(f"bench {name} has no sizes", param_hint="--crossings")
        return {}
    if name == "growth" and asked and len(asked) != 2:
        raise typer.BadParameter("growth compares two sizes", param_hint="--crossings")
    if any(size < 1_000 for size in asked):
        raise typer.BadParameter("a network has at least 1,000", param_hint="--crossings")
    sizes: dict[str, Any] = {"crossings": asked} if asked else {}
    return sizes | ({"rows": rows} if name == "growth" else {})


def _list_networks(
    name: Bench,
    networks: Sequence[Network],
    asked: Sequence[int],
    *,
    seed: int,
    without: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the networks that a benchmark was asked for; the options that it lacks are refused."""
    if name not in ("quality", "views") or len(asked) > 1:
        why = "quality and views alone have networks, of one size"
        raise typer.BadParameter(why, param_hint="--network")
    if name == "views" and without:
        raise typer.BadParameter("views have all features", param_hint="--without")
    chosen = {"networks": [str(one) for one in networks], "seed": seed, "without": without}
    chosen |= {"crossings": asked[0] if asked else None}
    return {option: value for option, value in chosen.items() if value is not None}


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
    """Compare selection policies over a synthetic year: each learns from what it searched."""
    from experiments.simulation.capacity import Span
    from experiments.simulation.comparison import NOTICE, POLICIES
    from experiments.simulation.comparison import simulate as run

    if out is not None:
        require_folder_of(out)
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
        from experiments.simulation.comparison import draw_plots

        draw_plots(made, out)
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


Fault = Literal[
    "kill", "duplicate", "disk-full", "store-restart", "swap", "bundle", "memory", "strangers",
    "flood", "partition",
]  # fmt: skip


def faults(
    fault: Annotated[Fault, typer.Argument(help="What is done to the service.")],
    trials: Annotated[
        int | None, typer.Option(min=1, help="How often; as often as it is worth by default.")
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Of partition: the trial of this number alone.")
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
    has_bug = planted
    if trial is not None and (fault != "partition" or trials is not None):
        raise typer.BadParameter("repeats one trial of partition, alone", param_hint="--trial")
    if fault == "partition":
        counts = _partition(trials, trial, has_bug=has_bug)
    else:
        from api.harness.fault_runner import TRIALS, FaultRun, run

        number = trials or TRIALS[fault]
        if fault == "disk-full":
            more = ["--planted"] * has_bug + ["--json"] * as_json + ["--rules-only"] * rules_only
            _on_a_small_disk(["--trials", str(number), *more])
        say("a SYNTHETIC network in a scratch home")
        with progress() as bar, forker() as forks:
            result = partial(bar, f"fault {fault}")
            order = FaultRun(fault, number, has_bug, result, is_modelled=not rules_only)
            counts = run(order, forks)
    _emit_counts(counts, as_json=as_json)


def _partition(trials: int | None, trial: int | None, *, has_bug: bool) -> "Counts":
    from api.harness.partition_runner import TRIALS, run_partitions

    say("SYNTHETIC installations in a scratch folder")
    with progress() as bar:
        report = partial(bar, "fault partition")
        numbers = range(trials or TRIALS) if trial is None else [trial]
        return run_partitions(numbers, has_bug=has_bug, report_progress=report)


def _emit_counts(counts: "Counts", *, as_json: bool) -> None:
    def text() -> None:
        for name, value in counts.as_dict().items():
            if name != "failed_trials":
                typer.echo(f"{name:>24}  {value}")

    for what, times in counts.why.items():
        if times:
            say(f"{times} of {what}")
    _name_failed_trials(counts)
    emit(counts.as_dict(), as_json=as_json, text=text, ok=counts.holds)


def _name_failed_trials(counts: "Counts") -> None:
    """Say how each failed trial is repeated, and what happened in it where it is the only one."""
    for one in counts.failed_trials:
        broken = ", ".join(f"{times} of {what}" for what, times in one.broken.items())
        say(f"trial {one.trial} failed: {one.lost} lost, {one.doubled} doubled; {broken}")
        say(f"repeat it: darvoza faults {counts.fault} --trial {one.trial}")
        if len(counts.failed_trials) == 1:
            for step in one.plan:
                say(f"  {step}")


def forker() -> "Forker":
    """Return a process that starts services, to be closed."""
    from experiments.faults.service_process import Forker

    return Forker([sys.executable, "-m", "api.harness.fork_server"])


def _on_a_small_disk(options: Sequence[str]) -> None:
    """Do all of it in a namespace with a small disk, unless this is it or there is none."""
    from experiments.faults.store_outage import on_a_small_disk, small_disk

    if small_disk() is not None:
        return
    status = on_a_small_disk([sys.executable, "-m", "api", "faults", "disk-full", *options])
    if status is not None:
        raise typer.Exit(status)
    say("no namespace is to be had here: the service's files are kept from growing instead")
