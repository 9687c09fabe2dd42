"""Commands about risk profiles: what one would have done, and those that ship switched off."""

import json
from typing import Annotated, Any, Literal

import typer

from api.cli.common import (
    HomeOption,
    JsonOption,
    PoliteOption,
    UnusedHomeOption,
    emit,
    opened_to_read,
    step_back,
)

profiles = typer.Typer(help="Risk profiles.", no_args_is_help=True)


@profiles.command()
def backtest(
    home: HomeOption,
    expression: Annotated[str, typer.Argument(help="What the profile asks; see docs/profiles.md.")],
    channel: Annotated[Literal["blue", "yellow", "red"], typer.Option()] = "red",
    percentage: Annotated[float, typer.Option(min=0.001, max=100, help="Of what fits.")] = 100.0,
    post: Annotated[str, typer.Option(help="One post; default: all.")] = "",
    days: Annotated[int, typer.Option(min=1, max=366)] = 90,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="What the name tolerance stands for.")
    ] = None,
    tolerance_at: Annotated[
        list[str] | None, typer.Option(help="The same at one post: POST=NUMBER; may be repeated.")
    ] = None,
    *,
    polite: PoliteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a profile would have done in the last days of what the home knows."""
    from engine.criteria.profiles.profile import BacktestSubject
    from features.history.tables import read_event_log
    from models.data.propensity_log import read_sent
    from models.evaluation.profile_backtest import profile_backtest

    step_back(if_polite=polite)
    others = dict(map(_read_tolerance, tolerance_at or ()))
    trial = BacktestSubject(expression, channel, percentage, post or None, tolerance, others)
    with opened_to_read(home) as (found, store), store.read() as connection:
        tables, sent = read_event_log(found, connection), read_sent(connection)
    result = profile_backtest(tables, trial, days=days, sent=sent)
    emit(result, as_json=as_json, text=lambda: _print_backtest(result))


@profiles.command()
def templates(
    name: Annotated[str, typer.Argument(help="One template; default: all.")] = "",
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Print the profiles that ship switched off, as POST /v1/profiles takes them."""
    from engine.criteria.profiles.profile import read_template, read_templates

    result = dict(read_template(name) if name else read_templates())
    emit(result, as_json=as_json, text=lambda: typer.echo(json.dumps(result, indent=2)))


def _read_tolerance(text: str) -> tuple[str, float]:
    post, sign, number = text.rpartition("=")
    try:
        return (post, float(number)) if post and sign else ("", float(""))
    except ValueError:
        raise typer.BadParameter(f"--tolerance-at {text}: POST=NUMBER") from None


def _print_backtest(result: dict[str, Any]) -> None:
    typer.echo(f"{result['arrivals']:,} arrivals from {result['since']} to {result['until']}")
    typer.echo(
        f"{result['matches']:,} match: {result['matches_per_day']:.2f} a day, "
        f"{result['matches_per_1000']:.2f} of 1,000 arrivals"
    )
    typer.echo(
        f"{result['cleared_per_1000']:.2f} of 1,000 arrivals match, were inspected, and nothing "
        "was found: false alarms are at least these, and at most all that match"
    )
    for one in result["conditions"]:
        counts = f"{one['alone']:,} alone, {one['together']:,} with those above"
        typer.echo(f"  {one['condition']}: {counts}")
    typer.echo(
        f"selected {result['selected_per_day']:.2f} a day, "
        f"{result['minutes_per_day']:.0f} inspection minutes a day"
    )
    typer.echo(f"{result['inspected']:,} of the matches were inspected, {result['hits']:,} hits")
    random = result["random"]
    for name, estimate in (
        ("hit rate of the matches inspected", result["hit_rate"]),
        ("hit rate of matches in random checks", random["hit_rate"]),
        ("hit rate of all random checks", result["base_rate"]),
        ("share of random checks that match", random["share_matched"]),
    ):
        typer.echo(f"{name}: {_estimate(estimate)}")
    value = result["had_it_chosen"]
    typer.echo(f"hit rate had it chosen, by all draws: {_estimate(value['self_normalised'])}")
    typer.echo(f"finds had it chosen: {_estimate(value['hits'])}")
    typer.echo(f"finds an hour of search: {_estimate(value['hits_per_hour'])}")
    typer.echo(_stands_on(value["diagnostics"]))
    if result["proxies"]:
        typer.echo(f"could stand for a person's origin: {', '.join(result['proxies'])}")
    if result["synthetic"]:
        typer.echo("SYNTHETIC data: nothing in them is real")


def _stands_on(log: dict[str, Any]) -> str:
    return (
        f"by {log['drawn']:,} draws, worth {log['effective']:,.0f} even ones; the heaviest bears "
        f"{log['largest_weight']:.1%} of the weight, {log['not_carried_out']:.1%} were not "
        "carried out"
    )


def _estimate(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return f"not yet knowable ({estimate['why']})"
    text = f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"
    return text if estimate["knowable"] else f"{text}, not yet knowable ({estimate['why']})"
