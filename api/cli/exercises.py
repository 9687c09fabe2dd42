"""Commands that train officers on shifts whose truth is known: ``darvoza training``."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.common import (
    ByOption,
    HomeOption,
    JsonOption,
    UnusedHomeOption,
    emit,
    progress,
    say,
    signed_in,
)
from engine.domain.rights import Role
from engine.errors import InputError

if TYPE_CHECKING:
    from api.exercises.desk import ExerciseDesk
    from experiments.exercises import Pick

TruthOption = Annotated[
    Path | None, typer.Option(help="Folder of the solutions; HOME.truth where none is named.")
]
ExerciseArgument = Annotated[str, typer.Argument(help="Which exercise, as list names it.")]
OutOption = Annotated[Path, typer.Option(help="A file to write.")]

exercises = typer.Typer(
    name="training",
    help="Officers train on synthetic shifts whose truth is known.",
    no_args_is_help=True,
)


@contextmanager
def open_desk(home: Path, truth: Path | None, by: str) -> Iterator["ExerciseDesk"]:
    """Open the desk of a training home for a person who knows their password."""
    from api.exercises.desk import ExerciseDesk, default_truth, open_exercise_home

    with open_exercise_home(home) as (found, store):
        signed_in(found, store, by)
        yield ExerciseDesk(found, store, truth or default_truth(home.absolute()))


@exercises.command("make")
def make(
    home: HomeOption,
    truth: TruthOption = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    vehicles: Annotated[int, typer.Option(help="Vehicles of each exercise, 20 or more.")] = 150,
    levels: Annotated[str, typer.Option(help="The level of each exercise, 1 to 3.")] = "1,2,3",
    crossings: Annotated[int, typer.Option(min=500, help="Size of the network.")] = 40_000,
    days: Annotated[int, typer.Option(min=7, help="Span of the network.")] = 30,
    *,
    rules_only: Annotated[
        bool, typer.Option("--rules-only", help="Let the engine decide without a model.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a training home from a synthetic network, and its solutions in a folder apart."""
    from api.exercises.desk import default_truth
    from api.exercises.maker import HomeOrder, make_home
    from engine.storage.home import Home
    from experiments.exercises import Course

    course = Course(vehicles, _levels(levels))
    order = HomeOrder(seed, crossings, days, course, is_modelled=not rules_only)
    kept = truth or default_truth(home.absolute())
    say("everything in a training home is SYNTHETIC: no person, vehicle or find is real")
    with progress() as report:
        made = make_home(Home(home.absolute()), kept, order, report)
    listed = [_about(one.exercise_id, one.level, one.minutes, len(one.cases)) for one in made]
    result = {"synthetic": True, "home": str(home), "truth": str(kept), "exercises": listed}
    emit(result, as_json=as_json, text=f"{len(made)} exercises in {home}; solutions in {kept}")


@exercises.command("enrol")
def enrol(
    home: HomeOption,
    name: Annotated[str, typer.Argument(help="How the trainee signs in.")],
    *,
    leader: Annotated[
        bool, typer.Option("--leader", help="For who runs the programme: sees all figures.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an account of a trainee and print its password; it is not shown again."""
    from api.auth.accounts import Accounts
    from api.exercises.desk import open_exercise_home
    from engine.audit.file_anchors import open_network

    with open_exercise_home(home) as (found, store):
        role = Role.ADMINISTRATOR if leader else Role.SUPERVISOR
        made = Accounts(store, open_network(found, store)).create_user(name, role)
    emit({"name": made.name, "password": made.secret}, as_json=as_json, text=made.secret)


@exercises.command("list")
def list_course(
    home: HomeOption, by: ByOption, truth: TruthOption = None, *, as_json: JsonOption = False
) -> None:
    """Show the course: its exercises, and which of them you have closed."""
    with open_desk(home, truth, by) as desk:
        listed = [
            _about(name, body["level"], body["minutes"], body["vehicles"])
            | {"closed": desk.read_attempt(name, by).is_closed}
            for name, body in desk.list_exercises()
        ]
    result = {"synthetic": True, "exercises": listed}
    emit(result, as_json=as_json, text="\n".join(_line(one) for one in listed))


@exercises.command("show")
def show(
    home: HomeOption,
    exercise: ExerciseArgument,
    by: ByOption,
    out: OutOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write an exercise as JSON: each vehicle as an officer sees it, places with their minutes."""
    from experiments.exercises import encode_exercise

    with open_desk(home, None, by) as desk:
        found = desk.read_exercise(exercise)
    out.write_bytes(encode_exercise(found))
    result = _about(exercise, found.level, found.minutes, len(found.cases)) | {"file": str(out)}
    emit(result, as_json=as_json, text=f"{len(found.cases)} vehicles in {out}")


@exercises.command("pick")
def pick(
    home: HomeOption,
    exercise: ExerciseArgument,
    file: Annotated[Path, typer.Argument(help="Picks as JSON.")],
    by: ByOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """Record picks: vehicles, and for each its places in order with minutes. A pick is final."""
    picks = read_picks(file)
    with open_desk(home, None, by) as desk:
        attempt = desk.record_picks(exercise, by, picks)
        left = desk.read_exercise(exercise).minutes - sum(one.minutes for one in attempt.picks)
    result = {"exercise": exercise, "picked": len(attempt.picks), "minutes_left": left}
    emit(result, as_json=as_json, text=f"{len(attempt.picks)} picked, {left:g} minutes left")


@exercises.command("close")
def close(
    home: HomeOption,
    exercise: ExerciseArgument,
    by: ByOption,
    truth: TruthOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """End an exercise, and show how it went."""
    with open_desk(home, truth, by) as desk:
        desk.close(exercise, by)
        result = desk.debrief(exercise, by)
    emit(result, as_json=as_json, text=lambda: _print_debriefing(result))


@exercises.command("report")
def report(
    home: HomeOption,
    by: ByOption,
    exercise: Annotated[
        str | None, typer.Argument(help="One exercise; without one your skill over all.")
    ] = None,
    truth: TruthOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show a debriefing of an exercise that you closed, or your skill over all of them."""
    with open_desk(home, truth, by) as desk:
        result = desk.measure(by) if exercise is None else desk.debrief(exercise, by)
    emit(result, as_json=as_json, text=lambda: _print_debriefing(result))


@exercises.command("figures")
def figures(
    home: HomeOption,
    truth: TruthOption = None,
    out: Annotated[Path | None, typer.Option(help="A CSV file; the terminal else.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the figures of all trainees as CSV, for those who run the programme."""
    from api.exercises.desk import ExerciseDesk, default_truth, open_exercise_home

    with open_exercise_home(home) as (found, store):
        desk = ExerciseDesk(found, store, truth or default_truth(home.absolute()))
        rows = desk.list_figures()

    def text() -> None:
        if out is None:
            _write_csv(rows, sys.stdout)
            return
        with out.open("w", encoding="utf-8", newline="") as file:
            _write_csv(rows, file)

    emit({"synthetic": True, "figures": rows}, as_json=as_json, text=text)


@exercises.command("serve")
def serve(
    home: HomeOption,
    truth: TruthOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8100,
) -> None:
    """Run the pages of a training home until they are stopped."""
    from api.exercises.desk import open_exercise_home
    from api.exercises.service import create_exercise_app, open_exercise_runtime
    from api.http.server import configured, listen, name_address, open_socket
    from api.service.structured_logging import configure

    with open_exercise_home(home):
        pass  # refused before anything listens
    with open_socket(host, port) as listening:
        configure()
        say(f"training on {name_address(listening)}: everything in it is SYNTHETIC")
        app = create_exercise_app(lambda: open_exercise_runtime(home, truth))
        listen(configured(app, host=host, port=port, log_config=None), listening)


@exercises.command("certificate")
def certify(
    home: HomeOption,
    by: ByOption,
    out: OutOption,
    truth: TruthOption = None,
    language: Annotated[str, typer.Option(help="en, ru, uz or tg.")] = "en",
    *,
    as_json: JsonOption = False,
) -> None:
    """Write your certificate of the course as a PDF file, once every exercise is closed."""
    from api.exercises.certificates import make_certificate, sign_certificate, write_certificate
    from api.service.settings import Settings
    from api.web.i18n import LANGUAGES, ReaderLocale
    from engine.journal.receipts import open_signer
    from engine.storage.home import Home

    if language not in LANGUAGES:
        raise typer.BadParameter("en, ru, uz or tg", param_hint="--language")
    with open_desk(home, truth, by) as desk:
        made = make_certificate(desk, by)
        signed = sign_certificate(made, open_signer(Home(home.absolute())))
    reader = ReaderLocale(language, Settings().utc_offset_minutes)
    out.write_bytes(write_certificate(signed, reader))
    result = {"digest": made.digest, "file": str(out)} | dict(made.content)
    emit(result, as_json=as_json, text=f"{made.digest} in {out}")


@exercises.command("check")
def check(
    home: HomeOption,
    digest: Annotated[str, typer.Argument(help="As the certificate prints it.")],
    truth: TruthOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Say whose certificate a digest belongs to; refused where it belongs to none."""
    from api.exercises.certificates import find_certificate
    from api.exercises.desk import ExerciseDesk, default_truth, open_exercise_home

    with open_exercise_home(home) as (found, store):
        desk = ExerciseDesk(found, store, truth or default_truth(home.absolute()))
        made = find_certificate(desk, digest)
    result = {"digest": made.digest} | dict(made.content)
    skill = f"skill {_range(made.content['skill']).strip()}"
    emit(result, as_json=as_json, text=f"certificate of {made.person}, {skill}")


@exercises.command("key")
def show_key(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Print the public key by which certificates of a training home are verified."""
    from api.exercises.desk import open_exercise_home
    from engine.journal.receipts import open_signer

    with open_exercise_home(home) as (found, _):
        key = open_signer(found).public_key.public_bytes_raw().hex()
    emit({"key": key}, as_json=as_json, text=key)


@exercises.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="A certificate, PDF.")],
    key: Annotated[str, typer.Option(help="Public key of the programme, hexadecimal.")],
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Say what a certificate states, where this key signed it; needs no training home."""
    from api.exercises.certificates import read_public_key, verify_signed

    made = verify_signed(file, read_public_key(key))
    result = {"digest": made.digest} | dict(made.content)
    skill = f"skill {_range(made.content['skill']).strip()}"
    emit(result, as_json=as_json, text=f"signed: certificate of {made.person}, {skill}")


def read_picks(file: Path) -> "list[Pick]":
    """Read picks; raises ``InputError`` naming what is wrong."""
    from experiments.exercises import Pick

    try:
        body = json.loads(file.read_bytes())
        return [
            Pick(str(one["crossing_id"]), tuple((str(at), float(by)) for at, by in one["places"]))
            for one in body["picks"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        form = '{"picks": [{"crossing_id": ..., "places": [["papers", 10], ...]}, ...]}'
        raise InputError(file.name, f"is no file of the form {form}") from None


def _levels(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(level) for level in text.split(","))
    except ValueError:
        raise typer.BadParameter("numbers, separated by commas", param_hint="--levels") from None


def _about(name: str, level: int, minutes: float, vehicles: int) -> dict[str, Any]:
    return {"exercise": name, "level": level, "minutes": minutes, "vehicles": vehicles}


def _line(one: dict[str, Any]) -> str:
    state = "closed" if one["closed"] else "open"
    about = f"level {one['level']}, {one['vehicles']} vehicles, {one['minutes']:g} minutes"
    return f"{one['exercise']}  {about}  {state}"


def _write_csv(rows: list[dict[str, Any]], file: Any) -> None:
    if rows:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _print_debriefing(found: dict[str, Any]) -> None:

    names = {"trainee": "you", "engine": "the engine", "chance": "chance", "best": "the best"}
    for name, label in names.items():
        typer.echo(f"{label:>12}  {_range(found['finds'][name])} vehicles with a find")
    typer.echo(f"{'skill':>12}  {_range(found['skill'])}  (chance 0, the best possible 1)")
    for missed in found.get("missed", ()):
        what = missed["place"] or missed["wrong"]
        typer.echo(f"missed {missed['crossing_id']}: {what} ({missed['why']})")
        for reason in missed["reasons"][:2]:
            typer.echo(f"    {reason['text']}")


def _range(one: dict[str, float]) -> str:
    return f"{one['value']:6.2f} ({one['low']:.2f} to {one['high']:.2f})"
