"""``darvoza demo``: from nothing to a ranked queue, on synthetic data.

A demonstration begins with eight weeks of work at one line (:mod:`api.demonstration.weeks`), then
loads history, trains a model and lets three shifts pass (:mod:`api.demonstration.shifts`). It puts
profiles, a watch list and a measurement of drift on the analysts' desk. One lorry shows what is
impossible across the line, and what a late record of the opposite post does.

Everything goes through the service, by the steps that people take; what it shows is synthetic.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.common import (
    HomeOption,
    JsonOption,
    ReportProgress,
    emit,
    open_accounts,
    open_home,
    print_table,
    progress,
    say,
)
from engine.domain.rights import Role
from engine.domain.time_units import DAY, HOUR, SystemClock, moment
from engine.errors import HomeError
from engine.storage.home import DATABASE_VARIABLE, Home

if TYPE_CHECKING:
    from api.client import Client
    from api.decisions.answers import SupervisorView
    from api.demonstration.links import LinksStory
    from api.demonstration.shifts import ShowCase
    from experiments.support.deployment import HeldOutShift


IN_FORCE: dict[str, Any] = {
    "code": "HEAVY-1",
    "title": "Over two tonnes more than the papers and the empty vehicle",
    "expression": "features.undeclared_mass_kg > 2000 && !crossing.is_empty",
    "channel": "red",
    "percentage": 50.0,
}
PROPOSED: dict[str, Any] = {
    "code": "HEAVY-2",
    "title": "Over one tonne more than the papers and the empty vehicle, not here for a month",
    "expression": (
        "features.undeclared_mass_kg > 1000 && !crossing.is_empty"
        " && features.plate_crossings_30d == 0"
    ),
    "channel": "red",
    "percentage": 100.0,
    "instead_of": "HEAVY-1",
}
LISTED: dict[str, Any] = {
    "trailer": "01 4567 AA",
    "look_alikes": True,
    "reason": "magnets under the frame (synthetic)",
}
VALID_DAYS = 60


def furnish(analyst: "Client", supervisor: "Client") -> None:
    """Propose and approve, as two people do; what cannot be tried now stays proposed."""
    from api.client import RefusedError
    from api.drift import DriftAnswer
    from api.http.answers import AcknowledgedStep
    from api.profiles.answers import AcknowledgedProfile
    from api.quality import QualityAnswer
    from engine.criteria.match import FACTS
    from engine.criteria.profiles.profile import read_template

    until = (moment(SystemClock().now()) + timedelta(days=VALID_DAYS)).isoformat()
    profiles, watchlist = "/v1/profiles", "/v1/watchlist"
    analyst.post(AcknowledgedProfile, profiles, IN_FORCE | {"valid_until": until})
    with suppress(RefusedError):  # no backtest, no approval
        supervisor.post(AcknowledgedStep, f"{profiles}/{IN_FORCE['code']}/approvals", {})
    analyst.post(AcknowledgedProfile, profiles, PROPOSED | {"valid_until": until})
    for name in FACTS:  # as of the history that was loaded since they came into force
        code = read_template(name)["code"]
        with suppress(RefusedError):
            analyst.post(AcknowledgedProfile, f"{profiles}/{code}/backtests", {})
    listed = analyst.post(AcknowledgedStep, watchlist, LISTED | {"expiry": until})
    with suppress(RefusedError):
        supervisor.post(AcknowledgedStep, f"{watchlist}/{listed.id}/approvals", {})
        supervisor.post(DriftAnswer, "/v1/drift")
    with suppress(RefusedError):
        analyst.post(QualityAnswer, "/v1/quality/assessments")


def lodge_ahead(client: "Client", post: str) -> None:
    """Let a declarant lodge what arrives in the next hours, some of it with gaps."""
    from api.declarations import AcknowledgedDeclaration

    now = moment(SystemClock().now())
    for number in range(9):
        item = {"item_no": 1, "hs_code": ("080620", "520812", "8703")[number % 3], "packages": 90}
        papers = {"declaration_id": f"26UZ-{7_130_011 * (number + 1) % 10**7:07d}"}
        body: dict[str, Any] = {
            "declaration": papers | {"procedure": "import", "items": [item]},
            "post": post,
            "direction": "entry",
        }
        if number % 4:
            came = now + timedelta(hours=number - 1, minutes=37 * number % 60)
            body["arrives_from"] = came.isoformat()
        plate = f"01S{211 * (number + 1) % 1000:03d}YN"
        body["vehicles"] = [{"vehicle_class": "truck", "plate": plate}] if number % 3 else []
        client.post(AcknowledgedDeclaration, "/v1/declarations", body)


CROSSINGS, DAYS, SEED = 96_000, 58, 7
LIVED = 36 * HOUR
"""How long the shifts take on whose vehicles the model decides, up to the present."""
DAYS_AFTER = 13
"""How far the synthetic network goes on after the present. Traffic thins out towards its end, as
trips that would come back later are not in it, and a thin day has minutes for every vehicle."""
MARK = "demo"
"""Marks a home that a demonstration made and may empty again."""
ANALYST, SUPERVISORS = "demo-analyst", ("dilnoza", "rustam")
"""Who trains and proposes, and who approves; the keys of the demonstration are theirs."""
OYBEK = "UZ-OYB"
"""The post of the officer whose password is printed, and of the tour."""
ON_SCREEN = 10
"""Posts that the terminal shows, the busiest; pages and JSON have all."""
WEEKS_LOG = "weeks.log"
COLOURS = {"red": "bold red", "yellow": "yellow"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the demonstration made for people and machines."""

    supervisor: str
    analyst: str
    declarant: str
    checkpoints: Mapping[str, str]
    """A key for each post."""
    people: Mapping[str, str]
    """Passwords by name."""
    roles: Mapping[str, str]
    """Role and post of each of them, in words."""


def demo(
    home: HomeOption,
    once: Annotated[bool, typer.Option("--once", help="Stop after the print.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    *,
    links: Annotated[
        bool,
        typer.Option("--links", help="A post, its centre and the administration opposite."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """From nothing to a ranked queue: synthetic history, a model, the service, three shifts."""
    from experiments.support.processes import find_free_port, run_service

    os.environ.pop(DATABASE_VARIABLE, None)  # a demonstration never writes to another store
    # A signal that stops the demonstration stops its service too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    started = time.monotonic()
    found = _empty_home(home)
    say("everything in this demonstration is SYNTHETIC: no person, vehicle or find is real")
    if links:
        _show_links(found, once=once, as_json=as_json)
        return
    with progress() as report_progress:
        case, version, credentials = _live(found, report_progress)
        port = port or find_free_port()
        say(f"starting the service on port {port}")
        with run_service(found.root, port):
            differing = _tell_late(case, credentials, port)
            queues = _queues(credentials, port)
            seconds = time.monotonic() - started
            result = _result(queues, seconds=seconds, version=version)
            result |= {"differing": differing, "credentials": asdict(credentials)}
            if not once:
                result["address"] = _address(port)
            show = partial(_show, queues, seconds=seconds, version=version)
            emit(result, as_json=as_json, text=show)
            if once and not as_json:
                _say_people(credentials)
            elif not once:
                sys.stdout.flush()  # a reader of the pipe waits for it now
                _furnish(credentials, port)
                _stay(_address(port), credentials, differing, is_said=as_json)


def _live(home: Home, report_progress: ReportProgress) -> tuple["ShowCase", str, Credentials]:
    """Let the weeks and the last shifts pass; return the show case, the model's version, the keys.

    History, model and keys are made as these shifts begin, under the clock by which they pass.
    """
    from api.demonstration.shifts import insert_show_case, live_shifts, make_show_case
    from api.demonstration.weeks import SimulatedClock, read_truth
    from api.service.structured_logging import configure
    from experiments.support.processes import LOG

    now = SystemClock().now()
    with _begin_weeks(home, until=now) as lived:
        shift = _synthesise(home, report_progress, now=now)
        people = _read_people(lived)
    clock = SimulatedClock(now - LIVED)
    with clock.install():
        _load(home, shift, report_progress)
        version = _model(home, people, report_progress)
        credentials = _credentials(home, shift, people)
    case = make_show_case(until=now)
    with (home.root / LOG).open("a") as log:
        configure(log)
        live_shifts(
            home,
            insert_show_case(shift.arrivals, case),
            credentials.checkpoints,
            clock=clock,
            truth=read_truth(home.root / "synthetic" / "all"),
            until=now,
            progress=partial(report_progress, "three shifts' arrivals"),
        )
    configure()
    return case, version, credentials


def _show_links(home: Home, *, once: bool, as_json: bool) -> None:
    """Run three installations on this machine, send a shift through, and print what came of it."""
    from api.demonstration.links import run_linked_homes, run_story

    say("three installations: a border post, its centre, and the administration opposite")
    with run_linked_homes(home.root) as homes:
        story = run_story(homes, say)
        addresses = {one.name: _address(one.port) for one in homes.installations}
        result: dict[str, Any] = {"synthetic": True, **story.figures}
        if not once:
            result["addresses"] = addresses
        emit(result, as_json=as_json, text=partial(_show_story, story))
        if not once:
            sys.stdout.flush()
            for name, address in addresses.items():
                typer.echo(f"{name}: {address}/", err=True)
            _wait_for_stop()


def _show_story(story: "LinksStory") -> None:
    """Print what each side knew after each step."""
    from rich.table import Table

    table = Table(
        title="SYNTHETIC: a shift over two links",
        caption=f"{story.figures['seconds']:.0f} s on this machine · requests are no orders",
        expand=True,
    )
    for name in ("", "Oybek, the post", "Tashkent, its centre", "Fotehobod, the other side"):
        table.add_column(name, ratio=1)
    for row in story.rows:
        table.add_row(*row, end_section=True)
    print_table(table)


def _empty_home(home: Path) -> Home:
    """Return an empty home; one that holds anything but an earlier demonstration is refused."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARK).exists():
            raise HomeError(str(home), "holds data already: name an empty directory with --home")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text("made by darvoza demo; emptied when it runs again\n", "utf-8")
    return Home(home).prepare()


@contextmanager
def _begin_weeks(home: Home, *, until: int) -> Iterator["subprocess.Popen[str]"]:
    """Let eight weeks of work at one line be lived in the home, while its history is made.

    They end early enough before an instant (UTC microseconds) for the last shifts to follow.
    """
    from api.demonstration.weeks import ENDS_BEFORE

    end = str(until - ENDS_BEFORE)
    command = [sys.executable, "-m", "api.demonstration.weeks", str(home.root), end]
    with (home.root / WEEKS_LOG).open("ab") as log:
        lived = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield lived
    finally:
        lived.terminate()
        lived.wait(30)


def _read_people(lived: "subprocess.Popen[str]") -> dict[str, str]:
    """Wait until the weeks are over, and return the passwords of their people."""
    text, _ = lived.communicate()
    if lived.returncode:
        raise HomeError(WEEKS_LOG, "the weeks before could not be lived; this log says why")
    found = json.loads(text)
    counts = found["counts"]
    say(
        f"eight weeks at one line: {counts['decisions']} decisions, {counts['acts']} acts, "
        f"{counts.get('seizures', 0)} seizures, {counts['reviews']} verdicts"
    )
    people: dict[str, str] = found["passwords"]
    return people


def _synthesise(home: Home, report_progress: ReportProgress, *, now: int) -> "HeldOutShift":
    """Write a synthetic network, and cut off its last shifts before the present."""
    from api.demonstration.weeks import ENTRIES
    from experiments.support.deployment import cut_shift
    from experiments.synthetic.folder import write
    from experiments.synthetic.posts import network_toml

    folder = home.root / "synthetic"
    write(
        folder / "all",
        crossings=CROSSINGS,
        seed=SEED,
        end=moment(now + DAYS_AFTER * DAY),
        days=DAYS,
        progress=lambda done, of: report_progress("synthetic border network", done, of),
    )
    (folder / "all" / "network.toml").write_text(network_toml(entries=ENTRIES), "utf-8")
    return cut_shift(folder / "all", folder / "history", opens_at=now - LIVED, passes_until=now)


def _load(home: Home, shift: "HeldOutShift", report_progress: ReportProgress) -> None:
    """Load what came before the shift, after the weeks that stand in the journal already."""
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from features.intake.load import load
    from features.online.backfill import open_epoch

    loaded = load(
        home, shift.history, progress=lambda _, done, of: report_progress("loading", done, of)
    )
    with open_home(home.root) as (_, store):
        open_epoch(home, store, Plan(CATALOGUE), about=loaded.as_body(), report=say)


def _model(home: Home, people: Mapping[str, str], report_progress: ReportProgress) -> str:
    """Train a model and let two people, who did not train it, put it into force."""
    from api.auth.accounts import Accounts
    from api.models.steps import ModelSteps
    from engine.audit.file_anchors import open_network
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from models.config import TrainConfig
    from models.training.candidates import make_candidate

    with open_home(home.root) as (_, store):
        accounts = Accounts(store, open_network(home, store))
        made = make_candidate(
            home, store, Plan(CATALOGUE), TrainConfig(), by=ANALYST, progress=report_progress
        )
        for name in SUPERVISORS:
            accounts.sign_in(name, people[name])
            ModelSteps(home, store, name).approve(made.version)
    say(f"model {made.version}: evaluated, approved by {' and '.join(SUPERVISORS)}, in force")
    return made.version


def _credentials(home: Home, shift: "HeldOutShift", people: Mapping[str, str]) -> Credentials:
    from api.auth.credentials import open_pepper
    from api.demonstration.weeks import PEOPLE

    posts = sorted({arrival["crossing"]["post"] for arrival in shift.arrivals})
    pepper = open_pepper(home)
    with open_accounts(home.root) as (_, accounts):
        checkpoints = {
            post: accounts.create_key(
                Role.CHECKPOINT, post, pepper=pepper, label=f"sender of {post}"
            ).secret
            for post in posts
        }
        supervisor, analyst = (
            accounts.create_key(role, None, pepper=pepper, owner=owner).secret
            for role, owner in ((Role.SUPERVISOR, SUPERVISORS[0]), (Role.ANALYST, ANALYST))
        )
        declarant = accounts.create_key(
            Role.DECLARANT, None, pepper=pepper, label="declarations ahead"
        ).secret
    roles = {
        name: ", ".join([role.value, post or "every post", *([agency] if agency else ())])
        for name, (role, post, agency) in PEOPLE.items()
    }
    return Credentials(supervisor, analyst, declarant, checkpoints, people, roles)


def _tell_late(case: "ShowCase", credentials: Credentials, port: int) -> str:
    """Let Fotehobod report the lorry of the show case late; return the decision made after it."""
    from api.client import Client
    from api.decisions.answers import Decisions
    from api.http.answers import Acknowledged
    from experiments.support.processes import HOST

    address, there = f"http://{HOST}:{port}", case.told["crossing"]["post"]
    with Client(address, credentials.checkpoints[there]) as client:
        client.post(Acknowledged, "/v1/crossings", case.told)
    crossing = case.came["crossing"]
    with Client(address, credentials.supervisor) as client:
        found = client.get(Decisions, "/v1/decisions", post=crossing["post"])
    return next(
        one.decision_id for one in found.decisions if one.crossing_id == crossing["crossing_id"]
    )


def _furnish(credentials: Credentials, port: int) -> None:
    """Put something on the analysts' desk."""
    from api.client import Client
    from api.service.executors import BACKTESTS
    from experiments.support.processes import HOST

    say("an analyst proposes two profiles and an entry; drift and the quality of data are measured")
    patience = BACKTESTS.seconds + 30.0  # a backtest that takes longer is left out, and said to be
    connect = partial(Client, f"http://{HOST}:{port}", timeout=patience)
    with connect(credentials.analyst) as analyst, connect(credentials.supervisor) as supervisor:
        furnish(analyst, supervisor)
    with connect(credentials.declarant) as declarant:
        lodge_ahead(declarant, OYBEK)


def _queues(credentials: Credentials, port: int) -> dict[str, list["SupervisorView"]]:
    """Return what waits at each post where anything does, as a supervisor sees it."""
    from api.client import Client
    from api.decisions.answers import SupervisorView
    from api.queue import Queue
    from experiments.support.processes import HOST

    with Client(f"http://{HOST}:{port}", credentials.supervisor) as client:
        queues = {
            post: client.get(Queue, "/v1/posts/{post}/queue", post=post).waiting
            for post in credentials.checkpoints
        }
    return {
        post: [one for one in waiting if isinstance(one, SupervisorView)]
        for post, waiting in queues.items()
        if waiting
    }


def _result(
    queues: Mapping[str, Sequence["SupervisorView"]], *, seconds: float, version: str
) -> dict[str, Any]:
    """Return what waits as JSON has it, each vehicle as a supervisor's queue does."""
    from pydantic_core import to_jsonable_python

    return {
        "synthetic": True,
        "model_version": version,
        "seconds": round(seconds, 1),
        "queues": to_jsonable_python(queues),
    }


def _show(
    queues: Mapping[str, Sequence["SupervisorView"]], *, seconds: float, version: str
) -> None:
    """Print the first vehicle of each of the busiest posts: all of them are on the pages."""
    waiting = sum(map(len, queues.values()))
    from rich.table import Table

    table = Table(
        title=f"SYNTHETIC: {waiting} vehicles wait for officers at {len(queues)} posts",
        caption=f"model {version} · {seconds:.0f} s from nothing · it advises, people decide",
        expand=True,
    )
    table.add_column("post")
    table.add_column("wait", justify="right")
    table.add_column("first", no_wrap=True)
    table.add_column("channel")
    table.add_column("first reason", ratio=1)
    busiest = sorted(queues.items(), key=lambda pair: (pair[0] != OYBEK, -len(pair[1])))
    for post, vehicles in busiest[:ON_SCREEN]:
        one = vehicles[0]
        table.add_row(
            post,
            str(len(vehicles)),
            one.facts[0].text.partition(",")[0],  # the first fact begins with the plate
            f"[{COLOURS[one.channel]}]{one.channel}[/]",
            one.reasons[0].text,
        )
    print_table(table)


def _address(port: int) -> str:
    from experiments.support.processes import HOST

    return f"http://{HOST}:{port}"


def _stay(here: str, credentials: Credentials, differing: str, *, is_said: bool) -> None:
    """Say where the service is and with what to call it, then leave it up until stopped."""
    if not is_said:
        _say_how(here, credentials, differing)
    _wait_for_stop()


def _wait_for_stop() -> None:
    typer.echo("stop with Ctrl-C", err=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        say("stopping")


def _say_how(here: str, credentials: Credentials, differing: str) -> None:
    post, key = OYBEK, credentials.checkpoints[OYBEK]
    typer.echo(f"Pages: {here}/ (a tour: docs/pages.md), document: {here}/openapi.json")
    who = f"sign in as {SUPERVISORS[0]}"
    typer.echo(f"Impossible across the line ({who}): {here}/decisions/{differing}")
    _say_people(credentials)
    asked = f"curl -H 'Authorization: Bearer {key}' {here}/v1/posts/{post}/queue"
    typer.echo(f"  {asked}")


def _say_people(credentials: Credentials) -> None:
    """Say with what to sign in; these passwords and keys stay valid in the home."""
    for name, password in credentials.people.items():
        typer.echo(f"  {name:<14}{password}  {credentials.roles[name]}")
    typer.echo(f"  supervisor key            {credentials.supervisor}")
    typer.echo(f"  analyst key               {credentials.analyst}")
    typer.echo(f"  checkpoint key of {OYBEK:<8}{credentials.checkpoints[OYBEK]}")
