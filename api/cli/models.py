"""Commands about models that were trained: shadow, trial, rollback, drift."""

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.common import (
    HomeOption,
    JsonOption,
    PoliteOption,
    emit,
    opened_existing,
    signed_in,
    step_back,
)
from engine.domain.time_units import RECENT_DAYS
from engine.storage.home import Home

WEEK_DAYS = 7
"""Decisions spread over less say nothing yet of hours, days of the week and short rates."""

if TYPE_CHECKING:
    from engine.journal.entries import Draft
    from engine.journal.journal import Journal
    from engine.journal.payloads import TrialFigures
    from engine.storage.database import Store
    from features.online.online_features import OnlineFeatures
    from models.bundle.bundle import BundleDocuments


def shadow(
    home: HomeOption,
    version: Annotated[
        str, typer.Argument(help="Model version; without one, whatever is in the shadow.")
    ] = "",
    by: Annotated[str, typer.Option("--as", help="Who puts a candidate there.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Let a candidate score in the shadow; again, or without a version, score the days since."""
    from api.models.lifecycle import ModelSteps
    from models.lifecycle.projection import read_state

    with opened_existing(home) as (found, store):
        with store.read() as connection:
            models = read_state(connection).models
        in_shadow = [each for each, model in models.items() if model.role == "shadow"]
        if version and version not in in_shadow:
            if not by:
                why = "name who puts the candidate into the shadow"
                raise typer.BadParameter(why, param_hint="--as")
            ModelSteps(found, store, by, signed_in(found, store, by)).shadow(version)
        wanted = [version] if version else in_shadow
        drafts = [draft for each in wanted for draft in _score_days(found, store, each)]
    days = [
        {"version": draft.subject, "post": draft.post}
        | {name: draft.body[name] for name in ("day", "decisions", "left_out")}
        for draft in drafts
    ]
    text = f"in the shadow: {', '.join(wanted) or 'no model'}; {len(days)} days more were scored"
    emit({"versions": wanted, "days": days}, as_json=as_json, text=text)


def trial(
    home: HomeOption,
    version: Annotated[
        str, typer.Argument(help="Model version; without one, measure the trial that runs.")
    ] = "",
    by: Annotated[str, typer.Option("--as", help="Who approves, ends or measures.")] = "",
    *,
    end: Annotated[bool, typer.Option("--end", help="End the trial that runs.")] = False,
    why: Annotated[str, typer.Option(help="Why it ends, for the journal.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Put a model on trial against the one in force, by two people; alone, measure it."""
    if (version or end) and not by:
        raise typer.BadParameter("name who approves or ends the trial", param_hint="--as")
    if end and (version or not why):
        raise typer.BadParameter("one ends with --why, and names no version", param_hint="--end")
    with opened_existing(home) as (found, store):
        if version or end:
            result = _step_trial(found, store, version, by=by, why=why)
            challenger, approved = result["challenger"] or "none", ", ".join(result["approved"])
            text = f"in force: {result['in_force']}; on trial against it: {challenger}"
            text += f"\ntrial approved by {approved}" if approved else ""
            emit(result, as_json=as_json, text=text)
            return
        figures = _measure_trial(store, by=by or getpass.getuser())
    emit({"measured": figures}, as_json=as_json, text=lambda: _print_trial(figures))


def _step_trial(home: Home, store: "Store", version: str, *, by: str, why: str) -> dict[str, Any]:
    """Approve a trial, or end the one that runs where no version is named."""
    from api.models.lifecycle import ModelSteps

    steps = ModelSteps(home, store, by, signed_in(home, store, by))
    now = steps.approve(version, is_trial=True) if version else steps.end_trial(why)
    given = list(now.models[version].challenges) if version else []
    challenger = None if now.challenger is None else now.challenger.version
    return {"in_force": now.in_force, "challenger": challenger, "approved": given}


def _measure_trial(store: "Store", *, by: str) -> "TrialFigures | None":
    """Measure the trial that runs, and record it; None where none does."""
    from engine.journal.areas import list_projections
    from engine.journal.journal import Journal
    from models.lifecycle.projection import on_trial
    from models.monitoring.trial_results import measure_trial, measurement

    journal = Journal(store, list_projections())
    with store.read() as connection:
        running = on_trial(connection)
        if running is None:
            return None
        now = journal.now(connection)
        figures = measure_trial(connection, running, now=now)
    journal.append([measurement(figures, by=by)])
    return figures


def _print_trial(figures: "TrialFigures | None") -> None:
    if figures is None:
        typer.echo("no model is on trial")
        return
    weeks = len(figures["weeks"])
    typer.echo(f"{weeks} weeks over since {figures['since']}; what one side alone wanted, and led:")
    for side, version in (("champion", figures["champion"]), ("challenger", figures["challenger"])):
        found = figures["sides"][side]
        typer.echo(
            f"  {side} {version}: {found['sent']:,} sent, {found['searched']:,} searched, "
            f"{found['found']:,} found"
        )
    typer.echo(
        f"the challenger finds more with a chance of {figures['better']:.0%}; it leads "
        f"{figures['share']:.0%} of arrivals; winner: {figures['winner'] or 'not yet decided'}"
    )


def rollback(
    home: HomeOption,
    by: Annotated[str, typer.Option("--as", help="Who rolls back.")],
    why: Annotated[str, typer.Option(help="Why, for the journal.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Put the model before the present one back into force, with your password."""
    from api.models.lifecycle import ModelSteps

    with opened_existing(home) as (found, store):
        now = ModelSteps(found, store, by, signed_in(found, store, by)).roll_back(why)
    result = {"in_force": now.in_force}
    emit(result, as_json=as_json, text=f"{now.in_force} is in force again")


def drift(
    home: HomeOption,
    days: Annotated[
        int, typer.Option(min=1, max=366, help="Of features and scores.")
    ] = RECENT_DAYS,
    by: Annotated[str, typer.Option("--as", help="Who asks.")] = "",
    *,
    polite: PoliteOption = False,
    unrecorded: Annotated[bool, typer.Option("--unrecorded", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how far traffic has moved from what the model in force learnt, and record it.

    Without a model in force there is nothing to measure, which is no failure.
    """
    from engine.errors import NoModelError
    from engine.journal.areas import list_projections
    from engine.journal.journal import Journal
    from models.bundle.bundle import read_documents, read_verify_key
    from models.lifecycle.projection import measurement, read_state

    step_back(if_polite=polite)
    with opened_existing(home) as (found, store):
        with store.read() as connection:
            version = read_state(connection).in_force
        if version is None:
            if unrecorded:
                raise NoModelError("in force")  # who asked waits for figures
            emit({"version": None}, as_json=as_json, text="no model is in force")
            return
        kept = read_documents(found.bundles / version, read_verify_key(found, version))
        figures = _measure_drift(found, store, kept, version, days=days)
        if not unrecorded:
            draft = measurement(version, by=by or getpass.getuser(), figures=figures)
            Journal(store, list_projections()).append([draft])
    emit(figures, as_json=as_json, text=lambda: _print_drift(figures))


def _measure_drift(
    home: Home, store: "Store", kept: "BundleDocuments", version: str, *, days: int
) -> dict[str, Any]:
    from models.monitoring.drift_monitor import measure_drift

    journal, features = _open_features(home, store)
    with store.read() as connection:
        now = journal.now(connection)
        return measure_drift(
            connection,
            journal,
            features=features,
            papers=kept,
            version=version,
            now=now,
            days=days,
        )


def _open_features(home: Home, store: "Store") -> "tuple[Journal, OnlineFeatures]":
    from api.service.assembly import open_network
    from engine.journal.journal import Journal
    from features.catalogue.plan import current_plan
    from features.online.online_features import OnlineFeatures

    return Journal(store, []), OnlineFeatures(current_plan(), open_network(home))


def _print_drift(figures: dict[str, Any]) -> None:
    every = figures["all"]
    typer.echo(
        f"{figures['decisions']:,} decisions of {figures['version']}, {every['rows']:,} read"
    )
    if every["knowable"] and figures["span_days"] < WEEK_DAYS:
        typer.echo(
            f"the decisions spread over {figures['span_days']:.1f} days: in less than a week, "
            "hours, days of the week and short rates move by themselves; measure again later"
        )
    if every["knowable"]:
        typer.echo(f"{every['moved']} of {every['of']} features moved beyond chance")
        for one in every["families"]:
            mark = "moved" if one["is_moved"] else "still"
            typer.echo(f"  {one['family']}: PSI {one['psi']:.2f}, {mark} ({one['farthest']})")
    else:
        typer.echo("whether features moved is not yet knowable: too few decisions")
    if every["picked"]["alarmed"]:
        typer.echo("ALARM: searches find less than was stated")
        typer.echo(
            "train a challenger of what came since (last_days in its configuration), and put it on "
            "trial against this model: darvoza trial VERSION --as NAME"
        )
    if every["random"]["alarmed"]:
        typer.echo("ALARM: random checks find more than was stated: something new goes unseen")


def _score_days(home: Home, store: "Store", version: str) -> "list[Draft]":
    """Score and record the finished days."""
    from models.bundle.bundle import read_verify_key
    from models.bundle.scorer import Scorer
    from models.monitoring.shadow_scoring import shadow_scores

    scorer = Scorer.load(home.bundles / version, key=read_verify_key(home, version))
    journal, features = _open_features(home, store)
    with store.read() as connection:
        now = journal.now(connection)
        drafts = list(shadow_scores(connection, journal, features=features, scorer=scorer, now=now))
    if drafts:
        journal.append(drafts)
    return drafts
