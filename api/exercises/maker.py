"""Training homes made from a synthetic network that the engine decided on.

The engine decides in a scratch home that is thrown away: of it remain what an officer would see of
each chosen vehicle, and, in the folder of the truth, what the engine thought and what is hidden.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.client import Client
from api.decisions.answers import CheckpointView, SupervisorView
from api.decisions.vehicle_history import PastView
from api.exercises.desk import EXERCISES, make_exercise_store, require_file_store
from api.http.answers import Acknowledged
from api.migrations.upgrade import upgrade
from api.service.readiness import open_keys
from engine.audit.file_anchors import open_network
from engine.domain.network import Network, read_network
from engine.domain.records import Arrival
from engine.domain.rights import Role
from engine.domain.time_units import SystemClock, moment
from engine.errors import HomeError, InputError
from engine.exercises import TRAINING_HOME, TRAINING_SHIFT, ExerciseHomeBody
from engine.explanation.facts import Fact
from engine.explanation.reasons import Reason
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.search_orders.order import join_equipment, search_order
from engine.search_orders.rates import SearchCounts
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.exercises import (
    LEVELS,
    Answer,
    Case,
    Course,
    Exercise,
    Solution,
    compose,
    compute_budget,
    digest,
    encode_exercise,
    encode_solution,
    list_places,
    read_truth,
)
from experiments.support.deployment import HeldOutShift, cut_shift, find_opening
from experiments.support.processes import HOST, find_free_port, run_service
from experiments.synthetic.folder import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import load
from features.online.backfill import open_epoch

FINDS = 0.028
"""Share of a synthetic network's entries with something to find that is counted on."""
SEIZURE_WEIGHT = 5.0
"""Wrong declarations that a load counts as in the engine's order."""
ReportProgress = Callable[[str, int, int], None]
CHANNELS = ("green", "blue", "yellow", "red")


@dataclass(frozen=True, slots=True)
class HomeOrder:
    """What to make."""

    seed: int
    crossings: int
    days: int
    course: Course
    is_modelled: bool


def make_home(home: Home, truth: Path, order: HomeOrder, report: ReportProgress) -> list[Exercise]:
    """Make a training home and its solutions; raises ``HomeError`` where either is there already.

    ``report`` is called with (stage, done, total).
    """
    require_file_store(home)
    for folder in (home.root, truth):
        if folder.exists() and any(folder.iterdir()):
            raise HomeError(str(folder), "holds data already: name an empty folder")
    if truth.resolve().is_relative_to(home.root.resolve()):
        raise InputError("truth", "the solutions are kept apart from the home")
    with TemporaryDirectory(prefix="training-") as name:
        made, network = _make_exercises(Path(name), order, report)
        with make_exercise_store(home) as store:
            home.network.write_bytes(network)
            _record(home, truth, store, order, made)
    return [exercise for exercise, _ in made]


def _record(
    home: Home,
    truth: Path,
    store: Store,
    order: HomeOrder,
    made: list[tuple[Exercise, Solution]],
) -> None:
    """Write the files of both folders, and the first records of the training journal."""
    mode = "model" if order.is_modelled else "rules_only"
    first: ExerciseHomeBody = {"seed": order.seed, "crossings": order.crossings, "mode": mode}
    drafts: list[Draft] = [TRAINING_HOME.draft("", first)]
    for folder in (home.root / EXERCISES, truth):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for exercise, solution in made:
        cases, answers = encode_exercise(exercise), encode_solution(solution)
        name = f"{exercise.exercise_id}.json"
        (home.root / EXERCISES / name).write_bytes(cases)
        (truth / name).write_bytes(answers)
        drafts.append(
            TRAINING_SHIFT.draft(
                exercise.exercise_id,
                {
                    "level": exercise.level,
                    "minutes": exercise.minutes,
                    "vehicles": len(exercise.cases),
                    "cases": digest(cases),
                    "solution": digest(answers),
                },
            )
        )
    Journal(store).append(drafts)


def _make_exercises(
    scratch: Path, order: HomeOrder, report: ReportProgress
) -> tuple[list[tuple[Exercise, Solution]], bytes]:
    """Return exercises with their solutions, and the network file."""
    home, course = Home(scratch / "home").prepare(), order.course
    shift = _cut_network(scratch, order, report)
    truth = read_truth(scratch / "all")
    arrivals = {
        one["crossing"]["crossing_id"]: one
        for one in shift.arrivals
        if one["crossing"]["direction"] == "entry"
    }
    chosen = compose(list(arrivals), truth, course, seed=order.seed)
    _open_home(home, shift.history, order, report)
    wanted = {one for each in chosen for one in each}
    with _serve(home) as (key_of, supervisor):
        decided: dict[str, str] = {}
        for at, arrival in enumerate(shift.arrivals, 1):
            crossing = arrival["crossing"]
            client = key_of(crossing["post"])
            if crossing["direction"] == "exit":
                client.post(Acknowledged, "/v1/crossings", arrival)
            else:
                made = client.post(CheckpointView, "/v1/decisions", arrival)
                decided |= {crossing["crossing_id"]: made.decision_id}
            report("the engine decides", at, len(shift.arrivals))
        network = read_network(shift.history / "network.toml")
        both = {
            one: _make_case(arrivals[one], truth[one], supervisor, decided[one], network)
            for one in wanted
        }
    exercises = []
    for number, (level, names) in enumerate(zip(course.levels, chosen, strict=True), 1):
        cases = tuple(both[one][0] for one in names)
        minutes = compute_budget(len(cases), level)
        exercise = Exercise(f"shift-{number}", level, minutes, cases)
        exercises.append((exercise, Solution({one: both[one][1] for one in names})))
    return exercises, (shift.history / "network.toml").read_bytes()


def _cut_network(scratch: Path, order: HomeOrder, report: ReportProgress) -> HeldOutShift:
    now = SystemClock().now()
    write(
        scratch / "all",
        crossings=order.crossings,
        seed=order.seed,
        end=moment(now),
        days=order.days,
        progress=lambda done, of: report("a synthetic network", done, of),
    )
    finds = sum(LEVELS[level] * order.course.vehicles for level in order.course.levels)
    opens_at = find_opening(scratch / "all", latest=now, entries=math.ceil(finds / FINDS))
    return cut_shift(scratch / "all", scratch / "history", opens_at=opens_at)


def _open_home(home: Home, history: Path, order: HomeOrder, report: ReportProgress) -> None:
    """Load the history into the scratch home, with a model in force where one is asked for."""
    loaded = load(home, history, progress=lambda _, done, of: report("loading", done, of))
    with Store(home.database_url) as store:
        upgrade(store)
        open_keys(home, store)
        open_epoch(home, store, Plan(CATALOGUE), about=loaded.as_body(), report=lambda _: None)
        accounts = Accounts(store, open_network(home, store))
        accounts.create_user("analyst", Role.ANALYST)
        secrets = {
            name: accounts.create_user(name, Role.SUPERVISOR).secret for name in ("first", "second")
        }
        if order.is_modelled:
            _promote(home, store, accounts, secrets, report)


def _promote(
    home: Home,
    store: Store,
    accounts: Accounts,
    secrets: Mapping[str, str],
    report: ReportProgress,
) -> None:
    from api.models.steps import ModelSteps
    from models.config import TrainConfig
    from models.training.candidates import make_candidate

    made = make_candidate(
        home, store, Plan(CATALOGUE), TrainConfig(), by="analyst", progress=report
    )
    for name, secret in secrets.items():
        accounts.sign_in(name, secret)
        ModelSteps(home, store, name).approve(made.version)


@contextmanager
def _serve(home: Home) -> Iterator[tuple[Callable[[str], Client], Client]]:
    """Run the scratch home's service; yield a client by post, and a supervisor's."""
    store = Store(home.database_url)
    accounts, pepper = Accounts(store, open_network(home, store)), open_pepper(home)
    key = accounts.create_key(Role.SUPERVISOR, None, pepper=pepper, owner="first").secret
    clients: dict[str, Client] = {}
    port = find_free_port()
    address = f"http://{HOST}:{port}"

    def connect(post: str) -> Client:
        if post not in clients:
            made = accounts.create_key(Role.CHECKPOINT, post, pepper=pepper)
            clients[post] = Client(address, made.secret)
        return clients[post]

    try:
        with store, run_service(home.root, port), Client(address, key) as supervisor:
            yield connect, supervisor
    finally:
        for client in clients.values():
            client.close()


def _make_case(
    arrival: Mapping[str, Any],
    true: Answer,
    supervisor: Client,
    decision_id: str,
    network: Network,
) -> tuple[Case, Answer]:
    """Return a vehicle as a trainee sees it, and its answer."""
    found = supervisor.get(SupervisorView, f"/v1/decisions/{decision_id}")
    read = Arrival.model_validate(arrival, strict=False)
    works = join_equipment(network.post(read.crossing.post).equipment, {})
    order = found.search_order
    if found.channel != "red":
        unknown = SearchCounts({}, equipment=works)
        order = list(search_order(read, unknown, is_physical=True).steps)
    case = Case(
        crossing_id=read.crossing.crossing_id,
        arrival=arrival,
        facts=tuple(_keep(fact, "code", "text") for fact in found.facts),
        gaps=tuple(found.data_gaps),
        history=_show_history(supervisor.get(PastView, f"/v1/decisions/{decision_id}/past")),
        places=list_places(read, works),
    )
    answer = replace(
        true,
        value=_value(found),
        channel=found.channel,
        reasons=tuple(_keep(one, "code", "text", "fact", "comparison") for one in found.reasons),
        steps=tuple(step.place for step in order if step.place is not None),
    )
    return case, answer


def _keep(sentence: Fact | Reason, *texts: str) -> dict[str, Any]:
    """Return a sentence with its message, and without any figure of the engine."""
    names = (*texts, "message", "parameters")
    return {name: getattr(sentence, name) for name in names}


def _value(found: SupervisorView) -> float:
    """Return the engine's order of vehicles: expected finds; without a model, the channel.

    A random check says nothing of its vehicle and is no pick of the engine here.
    """
    risk = found.risk
    if risk.p_seizure is not None and risk.p_discrepancy is not None:
        return SEIZURE_WEIGHT * risk.p_seizure + risk.p_discrepancy
    return 0.0 if found.is_random else float(CHANNELS.index(found.channel))


def _show_history(past: PastView) -> dict[str, Any]:
    """Return what an officer sees of a vehicle's past, without what only a model knows."""
    hidden = ("similar", "decision_id")
    return {name: value for name, value in asdict(past).items() if name not in hidden}
