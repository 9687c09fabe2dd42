"""Commands about models: train, evaluate and promote them, shadow, trial, rollback, drift."""

import getpass
import json
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.cli.common import (
    HomeOption,
    IgnoreOption,
    JsonOption,
    PoliteOption,
    emit,
    instant,
    names,
    open_desk,
    opened_existing,
    opened_to_read,
    progress,
    say,
    signed_in,
    step_back,
)
from api.cli.data import FormatOption, taken_in
from engine.domain.time_units import DAY, RECENT_DAYS
from engine.errors import HomeError, InputError
from engine.storage.home import Home, escape_cells

if TYPE_CHECKING:
    from engine.journal.entries import Draft
    from engine.journal.journal import Journal
    from engine.journal.kinds import TrialFigures
    from engine.storage.database import Store
    from features.online.online_features import OnlineFeatures
    from models.bundle import BundleDocuments
    from models.config import TrainConfig
    from models.training.backtest import Backtest

InstantOption = Annotated[
    int, typer.Option(metavar="T", parser=instant, help="A date or time; UTC.")
]


def backtest(
    folder: Annotated[
        Path, typer.Argument(help="Bulk folder, or its features by Spark; only this is read.")
    ],
    train_until: InstantOption,
    test_from: InstantOption,
    out: Annotated[Path, typer.Option(help="Folder for scores.csv and report.json.")],
    test_until: Annotated[
        int | None, typer.Option(metavar="T", parser=instant, help="Default: the end.")
    ] = None,
    labels: Annotated[
        Literal["frozen", "streaming"],
        typer.Option(help="Those recorded before the test alone, or each as it comes."),
    ] = "frozen",
    label_delay_days: Annotated[
        float,
        typer.Option(min=0, help="From a label's record until a streaming backtest knows it."),
    ] = 0.0,
    refit_days: Annotated[
        float, typer.Option(min=0, help="How often to fit again, on streaming labels; 0: never.")
    ] = 0.0,
    config: Annotated[Path | None, typer.Option(help="Training configuration, TOML.")] = None,
    ignore_columns: IgnoreOption = None,
    view: Annotated[
        Literal["isolated", "linked", "pooled"],
        typer.Option(help="Administrations alone, linked by messages, or in one database."),
    ] = "pooled",
    *,
    home: HomeOption,
    record: Annotated[
        bool, typer.Option("--record", help="Keep the report as a run in the home's MLflow store.")
    ] = False,
    format: FormatOption = "contract",  # noqa: A002 - the option's name
    as_json: JsonOption = False,
) -> None:
    """Score every crossing of a test period with what was known then; reads no home."""
    from engine.domain.time_units import NEVER
    from experiments.analysis.view_backtest import backtest_view
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from features.offline.feature_matrix import MANIFEST, MonthlyFeatures
    from models.config import TrainConfig
    from models.training.backtest import Period

    if not folder.is_dir():
        raise InputError(str(folder), "no such folder")
    try:
        period = Period(
            train_until,
            test_from,
            NEVER if test_until is None else test_until,
            labels,
            round(label_delay_days * DAY),
            round(refit_days * DAY),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    settings = TrainConfig() if config is None else TrainConfig.from_toml(config)
    if record:
        with opened_existing(home):
            pass  # refused before the work begins
    with progress() as report_progress:
        plan, features = Plan(CATALOGUE), None
        if (folder / MANIFEST).is_file():
            features = MonthlyFeatures.open(folder, plan)
            tables = features.history()
        else:
            tables = taken_in(
                folder, format, ignored=names(ignore_columns), report_progress=report_progress
            )
        made = backtest_view(
            tables, plan, settings, period, view=view, features=features, progress=report_progress
        )
    out.mkdir(parents=True, exist_ok=True)
    _write_scores(made, out / "scores.csv")
    (out / "report.json").write_text(json.dumps(made.report, indent=1), "utf-8")
    if record:
        from models.training.mlflow_tracking import record_backtest

        choices = {"folder": folder.name, "view": view, "period": asdict(period)}
        record_backtest(Home(home), made.report, choices | {"config": settings.as_dict()})
    emit(made.report, as_json=as_json, text=lambda: _print_report(made.report))


def train(
    home: HomeOption,
    config: Annotated[Path | None, typer.Argument(help="Configuration, TOML.")] = None,
    by: Annotated[
        str,
        typer.Option("--as", help="Who trains, with their password; may not approve the model."),
    ] = "",
    estimator: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="Your estimator, in place of our trees."),
    ] = None,
    target: Annotated[
        Literal["discrepancy", "seizure"], typer.Option(help="Whose trees it takes the place of.")
    ] = "discrepancy",
    job: Annotated[str, typer.Option("--job", hidden=True)] = "",
    features: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Folder that `features --engine spark` wrote."),
    ] = None,
    *,
    weekly: Annotated[
        bool, typer.Option("--weekly", help="As the weekly timer does: propose what was judged.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a candidate from the home's history, with its evaluation report."""
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from models.config import TrainConfig
    from models.training.candidates import make_candidate

    settings = TrainConfig() if config is None else TrainConfig.from_toml(config)
    if weekly:
        if by or estimator is not None or features is not None:
            why = "takes no --as, --estimator or --features"
            raise typer.BadParameter(why, param_hint="--weekly")
        _train_weekly(home, settings, as_json=as_json)
        return
    if estimator is not None:
        from models.learning.own_estimators import load_estimator

        load_estimator(estimator)  # refused before the work begins
        settings = replace(settings, estimators=((target, estimator),))
    with opened_existing(home) as (found, store):
        who = _find_asker(store, job) if job else _trainer(found, store, by)
        with progress() as report_progress:
            made = make_candidate(
                found,
                store,
                Plan(CATALOGUE),
                settings,
                by=who,
                features=features,
                progress=report_progress,
            )

    def text() -> None:
        typer.echo(f"candidate {made.version}, trained by {who}")
        _print_report(dict(made.report))

    emit({"version": made.version, "metrics": dict(made.report)}, as_json=as_json, text=text)


def _train_weekly(home: Path, settings: "TrainConfig", *, as_json: bool) -> None:
    """Train as the weekly timer does; two people are needed as for any candidate."""
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from models.lifecycle.states import WEEKLY_TIMER
    from models.training.candidates import propose_weekly

    with opened_existing(home) as (found, store), progress() as report_progress:
        made = propose_weekly(found, store, Plan(CATALOGUE), settings, progress=report_progress)
    version, report = made.candidate.version, dict(made.candidate.report)

    def text() -> None:
        proposed = f"not proposed: {made.why_not}" if made.why_not else "proposed, in the shadow"
        typer.echo(f"candidate {version}, trained by {WEEKLY_TIMER}; {proposed}")
        _print_report(report)

    result = {"version": version, "proposed": not made.why_not, "why_not": made.why_not}
    emit(result | {"metrics": report}, as_json=as_json, text=text)


def _find_asker(store: "Store", job: str) -> str:
    """Return who asked the service for this training, by its record; raises ``InputError``."""
    from engine.analysis.jobs import read_jobs

    with store.read() as connection:
        for one in read_jobs(connection, most=1):
            if one.name == job and one.sort == "train" and one.ended is None:
                return one.by
    raise InputError("--job", "no training of this name was asked for and goes on")


def _trainer(home: Home, store: "Store", by: str) -> str:
    """Return under whose name a model is trained: a person's, with their password.

    A home without people has no name that could be taken: there it is this machine's account, which
    approves nothing.
    """
    from api.auth.accounts import Accounts
    from engine.audit.file_anchors import open_network

    if Accounts(store, open_network(home, store)).has_people():
        if not by:
            raise typer.BadParameter("name who trains the model", param_hint="--as")
        signed_in(home, store, by)
        return by
    if by:
        why = "this home has no people yet: make them first, or leave this out"
        raise typer.BadParameter(why, param_hint="--as")
    return f"account:{getpass.getuser()}"


def evaluate(
    home: HomeOption,
    version: Annotated[str, typer.Argument(help="Model version.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the stored report of a model, and write report.html next to the home's bundles."""
    from models.bundle import load_bundle, read_verify_key
    from models.evaluation.report_html import render_report

    with opened_to_read(home) as (found, _):
        key = read_verify_key(found, version)
        report = dict(load_bundle(found.bundles / version, key).report)
    page = found.reports / version / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render_report(report, title=f"Evaluation of {version}"), "utf-8")

    def text() -> None:
        _print_report(report)
        typer.echo(f"with plots: {page}")

    emit(report | {"version": version, "report_html": str(page)}, as_json=as_json, text=text)


def repeat(
    home: HomeOption,
    version: Annotated[str, typer.Argument(help="Model version.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Train a model again from its record and compare it, to the bit; nothing is changed."""
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from models.training.candidates import reproduce_model as again

    with opened_to_read(home) as (found, store), progress() as report_progress:
        made = again(found, store, Plan(CATALOGUE), version=version, progress=report_progress)

    def text() -> None:
        typer.echo(f"{version} {'reproduced bit for bit' if made.is_identical else 'differs'}")
        if not made.same_data:
            typer.echo("the data it was fitted on are no longer what they were")
        if not made.same_report:
            typer.echo("differs: report.json")
        for name, same in made.files.items():
            if not same:
                typer.echo(f"differs: {name}")
        for name, (then, now) in made.changed.items():
            typer.echo(f"{name} was {then} then, and is {now} now")

    emit(made.as_dict(), as_json=as_json, text=text, ok=made.is_identical)


def promote(
    home: HomeOption,
    version: Annotated[str, typer.Argument(help="Model version.")],
    by: Annotated[str, typer.Option("--as", help="Who approves.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Approve a model, with your password; two people put it into force."""
    from api.models.steps import MODEL
    from api.proposals.matters import Approval

    with open_desk(home, by) as desk:
        done = asdict(desk.approve(MODEL, version, Approval()))
        _set_aliases(desk.service.home, desk.service.store)
    stage, approvals = done["role"], done["approvals"]
    result = {"version": version, "role": stage, "approvals": approvals}
    text = f"{version} is {stage.replace('_', ' ')}\napproved by {', '.join(approvals)}"
    emit(result, as_json=as_json, text=text)


def _set_aliases(home: Home, store: "Store") -> None:
    """Let MLflow's aliases follow the journal, where a home has runs and MLflow is installed."""
    from models.lifecycle.states import read_state

    if _has_runs(home):
        from models.training.mlflow_tracking import set_aliases

        with store.read() as connection:
            set_aliases(home, read_state(connection))


def _has_runs(home: Home) -> bool:
    return (home.tracking / "mlflow.db").is_file() and find_spec("mlflow") is not None


def mlflow(home: HomeOption, port: Annotated[int, typer.Option(min=1, max=65535)] = 5000) -> None:
    """Show the analysts' MLflow pages, on this machine only, behind a key of this start."""
    import secrets

    from models.training.mlflow_pages import USER
    from models.training.mlflow_tracking import serve_pages

    with opened_to_read(home) as (found, store):
        if not (found.tracking / "mlflow.db").is_file():
            raise HomeError(str(home), "no training was recorded in it yet")
        _set_aliases(found, store)  # steps on the pages are not followed at once
    key = secrets.token_urlsafe(24)
    say(f"MLflow on http://127.0.0.1:{port} for {USER}, password {key}: keep it to yourself")
    serve_pages(found, port=port, key=key)


def _write_scores(made: "Backtest", path: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv

    columns: dict[str, Any] = {"crossing_id": escape_cells(made.crossing_id)}
    columns |= {"p_seizure": made.p_seizure, "p_discrepancy": made.p_discrepancy}
    columns |= {
        "risk": made.p_seizure,
        "discrepancy_risk": made.p_discrepancy,
    }  # what lists rank by
    with path.open("wb") as file:  # the header by hand: pyarrow would put its names in quotes
        file.write((",".join(columns) + "\n").encode())
        plain = pyarrow.csv.WriteOptions(include_header=False)
        pyarrow.csv.write_csv(pa.table(columns), file, plain)


def _print_report(report: dict[str, Any]) -> None:
    from models.evaluation.report_text import page

    typer.echo(page(report))


WEEK_DAYS = 7
"""Decisions spread over less say nothing yet of hours, days of the week and short rates."""


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
    from api.models.steps import take_by_command
    from models.lifecycle.states import read_state

    with opened_existing(home) as (found, store):
        with store.read() as connection:
            models = read_state(connection).models
        in_shadow = [each for each, model in models.items() if model.role == "shadow"]
        if version and version not in in_shadow:
            if not by:
                why = "name who puts the candidate into the shadow"
                raise typer.BadParameter(why, param_hint="--as")
            with open_desk(home, by) as desk:
                take_by_command(desk, "{version}/shadow").shadow(version)
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
    if version or end:
        result = _step_trial(home, version, by=by, why=why)
        challenger, approved = result["challenger"] or "none", ", ".join(result["approved"])
        text = f"in force: {result['in_force']}; on trial against it: {challenger}"
        text += f"\ntrial approved by {approved}" if approved else ""
        emit(result, as_json=as_json, text=text)
        return
    with opened_existing(home) as (_, store):
        figures = _measure_trial(store, by=by or getpass.getuser())
    emit({"measured": figures}, as_json=as_json, text=lambda: _print_trial(figures))


def _step_trial(home: Path, version: str, *, by: str, why: str) -> dict[str, Any]:
    """Approve a trial, or end the one that runs where no version is named."""
    from api.models.steps import take_by_command

    with open_desk(home, by) as desk:
        steps = take_by_command(desk, "{version}/challenges" if version else "end-trial")
        now = steps.approve(version, is_trial=True) if version else steps.end_trial(why)
        _set_aliases(desk.service.home, desk.service.store)
    given = list(now.models[version].challenges) if version else []
    challenger = None if now.challenger is None else now.challenger.version
    return {"in_force": now.in_force, "challenger": challenger, "approved": given}


def _measure_trial(store: "Store", *, by: str) -> "TrialFigures | None":
    """Measure the trial that runs, and record it; None where none does."""
    from engine.journal.areas import list_projections
    from engine.journal.journal import Journal
    from models.lifecycle.states import find_trial
    from models.monitoring.trials import measure_trial, measurement

    journal = Journal(store, list_projections())
    with store.read() as connection:
        running = find_trial(connection)
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
    from api.models.steps import take_by_command

    with open_desk(home, by) as desk:
        now = take_by_command(desk, "rollback").roll_back(why)
        _set_aliases(desk.service.home, desk.service.store)
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
    from models.bundle import read_documents, read_verify_key
    from models.lifecycle.states import measurement, read_state

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
            if _has_runs(found):
                from models.training.mlflow_tracking import record_drift

                record_drift(found, figures)
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
    from engine.audit.file_anchors import open_network
    from engine.journal.journal import Journal
    from features.catalogue.plan import current_plan
    from features.online.online_features import OnlineFeatures

    return Journal(store, []), OnlineFeatures(current_plan(), open_network(home, store))


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
    for channel, one in figures["largest_party"].items():
        if one["kind"] is not None:
            typer.echo(
                f"{channel}: of {one['picks']:,} that the score picked, {one['share']:.0%} are of "
                f"one {one['kind']}; more than half in {one['beyond']} of {one['shifts']} shifts"
            )
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
    from models.bundle import Scorer, read_verify_key
    from models.monitoring.shadow_scoring import shadow_scores

    scorer = Scorer.load(home.bundles / version, key=read_verify_key(home, version))
    journal, features = _open_features(home, store)
    with store.read() as connection:
        now = journal.now(connection)
        drafts = list(shadow_scores(connection, journal, features=features, scorer=scorer, now=now))
    if drafts:
        journal.append(drafts)
    return drafts
