"""Eight weeks of work at one line, with which the demonstration begins. SYNTHETIC.

People of every role work at two facing posts by the service's own routes: vehicles are decided on
by random checks, the watch list and supervisors, as no model is there yet; officers file acts and
seizures, a find becomes a case, supervisors hand shifts over. What a search finds is read from the
synthetic world's truth. Vehicles are chosen so that finds occur: rates say nothing.

Runs in a process of its own, whose clock is simulated: the records of eight weeks are written
within seconds, each at the time it is about. Time since boot is simulated alike, so the service
that follows finds its clock where the journal's last record left it.
"""

import csv
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

import engine.journal.clock
from api.app import create_app
from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.cases.answers import AcknowledgedCase
from api.client import Client, RefusedError
from api.decisions.answers import CheckpointView
from api.http.answers import Acknowledged, AcknowledgedAct, AcknowledgedStep, Problem
from api.profiles.answers import AcknowledgedProfile
from api.service.assembly import open_runtime, open_store
from api.service.executors import Backtests
from api.service.model_watch import HomeModels
from api.service.runtime import Runtime
from api.service.settings import Settings
from api.shifts.answers import SignedHandover
from engine.audit.file_anchors import open_network
from engine.criteria.match import FACTS
from engine.criteria.policy import Shares
from engine.criteria.profiles.profile import BacktestSubject, read_template
from engine.domain.network import Network, read_network
from engine.domain.rights import Role
from engine.domain.time_units import DAY, HOUR, MINUTE, SystemClock, micros, moment, rfc3339
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.support.deployment import read_arrivals
from experiments.support.processes import HOST, find_free_port, wait_until_ready
from experiments.synthetic.folder import write
from experiments.synthetic.posts import network_toml
from features.history.tables import read_event_log
from models.evaluation.profile_backtest import profile_backtest

LINE = ("UZ-OYB", "TJ-FOT")
"""The two posts, which face each other."""
WEEKS = 8
ENDS_BEFORE = 38 * HOUR
"""How long before the present the weeks end: the demonstration's own shifts follow."""
WINDOW = 3 * HOUR
"""Vehicles of so long a time are decided on together at its end, and answered for afterwards."""
UNTIL_ACT = 40 * MINUTE
"""From the decisions to the acts on them."""
ENTRIES = 470
"""Vehicles that enter in a shift at all posts of the demonstration, by which posts are staffed."""
CROSSINGS, SEED, A_DAY = 30_000, 8, 8
"""Size of the world that vehicles are taken from, and ordinary entries a day at each post."""
WRONG_SHARE = 0.3
"""Share taken of vehicles whose papers are wrong; all that carry are taken."""
OBSERVED = 0.08
"""Share of released vehicles that a supervisor sends to red though nothing is there."""
CASE_AFTER = 5 * 7 * DAY
"""When the first find becomes a case."""
MOST_COMPLAINTS = 2
ASK_AFTER = (WEEKS - 1) * 7 * DAY
"""From when on documents are asked for, in place of a look at the papers."""
RANDOM_SHARE = 0.10
"""Without a model there is little else to learn from: the largest share that a post may set."""
HANDOVERS = 4
"""Shifts handed over at the end."""
PEOPLE: Mapping[str, tuple[Role, str | None, str | None]] = {
    "dilnoza": (Role.SUPERVISOR, None, None),
    "rustam": (Role.SUPERVISOR, None, None),
    "malika": (Role.SUPERVISOR, None, "customs"),
    "zafar": (Role.SUPERVISOR, None, "drug_control"),
    "demo-analyst": (Role.ANALYST, None, None),
    "nodira": (Role.INTEGRITY, None, None),
    "sitora": (Role.ADMINISTRATOR, None, None),
    "anvar": (Role.ADMINISTRATOR, None, None),
    "jasur": (Role.CHECKPOINT, LINE[0], None),
    "farrukh": (Role.CHECKPOINT, LINE[1], None),
    "parviz": (Role.COUNTERPART, LINE[1], None),
}
"""People of every role, with the one post that they reach and their agency. The two agencies take
goods over from each other."""
PLACES = ("cab.dash", "fuel.tank", "chassis.spare_wheel", "cargo.among", "trailer.doors")
IDLE_SECONDS = 600
"""How long a connection may be idle: each person of the demonstration keeps one."""
FACTS_OWNER = "Risk unit (synthetic)"
"""The office that answers for the hard facts."""
NOTE = "Both scanners worked. One truck waits for its driver."


class SimulatedClock:
    """Time of this process: runs as the machine's does, from where it was last set."""

    def __init__(self, start: int) -> None:
        self.ahead = start - _wall()

    def now(self) -> int:
        """Return UTC microseconds."""
        return _wall() + self.ahead

    def move_to(self, instant: int) -> None:
        """Go on from an instant (UTC microseconds), unless that is past already."""
        self.ahead = max(self.ahead, instant - _wall())

    @contextmanager
    def install(self) -> Iterator[None]:
        """Let everything in this process read this clock, and time since boot that agrees.

        Both are as before once the block ends.
        """
        now, passed = SystemClock.now, engine.journal.clock.since_boot
        SystemClock.now = lambda _: self.now()  # type: ignore[method-assign, assignment]
        engine.journal.clock.since_boot = lambda: passed() + self.ahead
        try:
            yield
        finally:
            SystemClock.now = now  # type: ignore[method-assign]
            engine.journal.clock.since_boot = passed


def _wall() -> int:
    return time.time_ns() // 1000


@dataclass(slots=True)
class LivedWeeks:
    """What the weeks left: passwords of the people, and counts."""

    passwords: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        """Add to a count."""
        self.counts[what] = self.counts.get(what, 0) + number


def live_weeks(root: Path, *, until: int) -> LivedWeeks:
    """Let eight weeks pass in an empty home, up to an instant (UTC microseconds).

    Run as a module, it takes both as arguments and prints passwords and counts as JSON.
    """
    home, begins = Home(root), until - WEEKS * 7 * DAY
    home.network.write_text(network_toml(entries=ENTRIES), "utf-8")
    clock = SimulatedClock(begins)
    with clock.install():
        return _live(home, clock, begins=begins, until=until)


def _live(home: Home, clock: SimulatedClock, *, begins: int, until: int) -> LivedWeeks:
    folder = home.root / "synthetic" / "weeks"
    write(folder, crossings=CROSSINGS, seed=SEED, end=moment(until), days=WEEKS * 7)
    truth = read_truth(folder)
    wanted = _choose(folder, truth)
    arrivals = read_arrivals(folder, keep=lambda row: row["crossing_id"] in wanted)
    lived = LivedWeeks()
    keys = _people(home, lived)
    with serve_here(home, Settings(random_share=RANDOM_SHARE)) as port:
        work = _Work(port, keys, clock, truth, lived)
        work.begin(begins, read_network(home.network))
        for end, window in groupby(arrivals, key=lambda one: _window_of(one, begins)):
            clock.move_to(end)
            work.answer(list(window))
        work.end()
    return lived


def read_truth(folder: Path) -> dict[str, dict[str, str]]:
    """Return what is true of each crossing of a synthetic folder, by its identifier."""
    with (folder / "truth.csv").open(newline="") as file:
        return {row["crossing_id"]: row for row in csv.DictReader(file)}


def _choose(folder: Path, truth: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the crossings of the line that are taken: all that carry, some of the others."""
    rng, known = np.random.default_rng(SEED), set()
    with (folder / "crossings.csv").open(newline="") as file:
        rows = [one for one in csv.DictReader(file) if one["post"] in LINE and one["plate"]]
    entries = [one for one in rows if one["direction"] == "entry"]
    share = A_DAY * WEEKS * 7 * len(LINE) / max(1, len(entries))
    for one in entries:
        hidden = truth[one["crossing_id"]]
        chance = WRONG_SHARE if hidden["discrepancy"] == "1" else share
        if hidden["carries"] == "1" or rng.random() < chance:
            known.add(one["crossing_id"])
    trips = {truth[name]["trip"] for name in known}
    exits = (one["crossing_id"] for one in rows if one["direction"] == "exit")
    return known | {name for name in exits if truth[name]["trip"] in trips}


def _window_of(arrival: Mapping[str, Any], begins: int) -> int:
    at = micros(datetime.fromisoformat(arrival["crossing"]["arrived_at"]))
    return begins + ((at - begins) // WINDOW + 1) * WINDOW


def _people(home: Home, lived: LivedWeeks) -> dict[str, str]:
    """Make everybody an account, and a key with which to work here; return the keys."""
    with open_store(home) as store:
        accounts, pepper, keys = Accounts(store, open_network(home, store)), open_pepper(home), {}
        for name, (role, post, agency) in PEOPLE.items():
            made = accounts.create_user(name, role, post=post, agency=agency)
            lived.passwords[name] = made.secret
            if role in (Role.CHECKPOINT, Role.SUPERVISOR):
                keys[name] = accounts.create_key(role, post, pepper=pepper, owner=name).secret
    return keys


class BacktestsHere(Backtests):
    """Runs backtests in this process: one of their own takes longer to start than all they do."""

    def run(self, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        """Return what the command would."""
        with Store(self._home.database_url) as store, store.read() as connection:
            tables = read_event_log(self._home, connection)
        made: dict[str, Any] = json.loads(json.dumps(profile_backtest(tables, trial, days=days)))
        return made


def _open_here(home: Home, settings: Settings) -> Runtime:
    runtime = open_runtime(home, settings, HomeModels(home))
    runtime.backtests = BacktestsHere(home)
    return runtime


@contextmanager
def serve_here(home: Home, settings: Settings) -> Iterator[int]:
    """Run the service in this process, whose clock it shares; yield its port."""
    app = create_app(lambda: _open_here(home, settings))
    port = find_free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=HOST,
            port=port,
            access_log=False,
            log_level="error",
            timeout_keep_alive=IDLE_SECONDS,
        )
    )
    thread = threading.Thread(target=server.run, name="service of a simulated time")
    thread.start()
    try:
        wait_until_ready(port, is_alive=thread.is_alive)
        yield port
    finally:
        server.should_exit = True
        thread.join()


class _Work:
    """What officers and supervisors of both posts do."""

    def __init__(
        self,
        port: int,
        keys: Mapping[str, str],
        clock: SimulatedClock,
        truth: Mapping[str, Mapping[str, str]],
        lived: LivedWeeks,
    ) -> None:
        self._clients = {name: Client(f"http://{HOST}:{port}", key) for name, key in keys.items()}
        self._officers = dict(zip(LINE, ("jasur", "farrukh"), strict=True))
        self._clock, self._truth, self._lived = clock, truth, lived
        self._rng = np.random.default_rng(SEED)
        self._case_from = clock.now() + CASE_AFTER
        self._has_case = False
        self._complaints = 0
        self._ask_from = clock.now() + ASK_AFTER
        self._passages = Counter[str]()
        self._caught = set[str]()
        """Carriers of vehicles that carried something."""

    def begin(self, begins: int, network: Network) -> None:
        """Put rosters of the network's minutes with teams, hard facts and two trailers."""
        for post in LINE:
            roster = {"minutes": network.post(post).roster, "teams": ["Alfa", "Beta"]}
            self._clients["dilnoza"].call(
                Acknowledged, "PUT", "/v1/posts/{post}/roster", roster, post=post
            )
        until = moment(begins + 200 * DAY).isoformat()
        listed = {
            "list": "Trailers that change hands",
            "owner": FACTS_OWNER,
            "threat": "hidden places built into trailers between two owners",
            "reason": "changed hands twice (synthetic)",
            "gravity": "medium",
            "source_grade": "B",
            "information_grade": "3",
            "expiry": until,
            "review_by": moment(begins + 120 * DAY).isoformat(),
            "kind": "trailer",
            "lines": "01 7788 BA\n30 2210 TJ\n",
        }
        made = self._clients["dilnoza"].post(AcknowledgedStep, "/v1/watchlist/lists", listed)
        approvals = f"/v1/watchlist/{made.id}/approvals"
        self._clients["rustam"].post(AcknowledgedStep, approvals, {})
        self._put_facts_into_force(begins)

    def _put_facts_into_force(self, begins: int) -> None:
        """Let two people put the shipped hard facts into force."""
        added = {
            "valid_until": moment(begins + 300 * DAY).isoformat(),
            "review_by": moment(begins + 120 * DAY).isoformat(),
            "owner": FACTS_OWNER,
        }
        for name in FACTS:
            proposed = dict(read_template(name)) | added
            self._clients["dilnoza"].post(AcknowledgedProfile, "/v1/profiles", proposed)
            approvals = f"/v1/profiles/{proposed['code']}/approvals"
            self._clients["rustam"].post(AcknowledgedStep, approvals, {})

    def answer(self, arrivals: Sequence[Mapping[str, Any]]) -> None:
        """Decide on what arrived within a window, and answer for what was referred."""
        decided: list[tuple[Client, CheckpointView]] = []
        for post, officer in self._officers.items():
            client = self._clients[officer]
            here = [one for one in arrivals if one["crossing"]["post"] == post]
            for one in here:
                if one["crossing"]["direction"] == "exit":
                    client.post(Acknowledged, "/v1/crossings", one)
            entries = [one for one in here if one["crossing"]["direction"] == "entry"]
            if not entries:
                continue
            self._count_carriers(entries)
            answers = client.post(list[CheckpointView | Problem], "/v1/decisions/batch", entries)
            views = [one for one in answers if isinstance(one, CheckpointView)]
            self._lived.count("decisions", len(views))
            decided += [(client, one) for one in views]
        self._clock.move_to(self._clock.now() + UNTIL_ACT)
        for client, view in decided:
            self._settle(client, view)

    def end(self) -> None:
        """Hand the last shifts of the first post over, then close the connections.

        A model will decide from now on: two people set the random share back first.
        """
        first, second = self._clients["dilnoza"], self._clients["rustam"]
        share = {"random_share": Shares().random_share}
        policy = {"setting": "shares", "value": share, "reason": "A model decides from now on."}
        proposal = {"matter": "policy", "content": policy}
        proposed = first.post(AcknowledgedStep, "/v1/proposals", proposal).receipt
        approvals = f"/v1/proposals/{proposed.sequence}/approvals"
        second.post(AcknowledgedStep, approvals, {})
        lawful = {
            "carrier": self._find_lawful_carrier(),
            "reason": "Audited in its books, no finding (synthetic).",
            "expiry": rfc3339(self._clock.now() + 180 * DAY),
        }
        proposed = first.post(AcknowledgedStep, "/v1/known-lawful", lawful).receipt
        approvals = f"/v1/proposals/{proposed.sequence}/approvals"
        second.post(AcknowledgedStep, approvals, {})
        for back in range(HANDOVERS):
            at = rfc3339(self._clock.now() - back * 12 * HOUR)
            with suppress(RefusedError):  # the shift was handed over already
                handovers = f"/v1/posts/{LINE[0]}/handovers"
                made = first.post(SignedHandover, handovers, {"at": at, "note": NOTE})
                signatures = f"{handovers}/{made.sequence}/signatures"
                second.post(SignedHandover, signatures, {"note": "Taken over."})
                self._lived.count("handovers")
            first, second = second, first
        for client in self._clients.values():
            client.close()

    def _count_carriers(self, entries: Sequence[Mapping[str, Any]]) -> None:
        for one in entries:
            if (carrier := one["crossing"].get("carrier_id")) is not None:
                self._passages[carrier] += 1
                if self._truth[one["crossing"]["crossing_id"]]["carries"] == "1":
                    self._caught.add(carrier)

    def _find_lawful_carrier(self) -> str:
        """Return the carrier with most passages, none of which carried anything."""
        return next(name for name, _ in self._passages.most_common() if name not in self._caught)

    def _settle(self, client: Client, view: CheckpointView) -> None:
        """Let a supervisor say a word where there is one to say, and an officer file the act."""
        known = self._truth[view.crossing_id]
        is_wrong = "1" in (known["carries"], known["discrepancy"])
        channel, chance = str(view.channel), self._rng.random()
        supervisor = self._clients[str(self._rng.choice(("dilnoza", "rustam")))]
        if channel == "green" and chance < (0.5 if is_wrong else OBSERVED):
            self._review(supervisor, view, "override")
            channel = "red"
        elif channel == "red" and chance < 0.2:
            self._review(supervisor, view, "uphold")
        if channel == "yellow" and self._clock.now() >= self._ask_from:
            self._ask_for_documents(client, view)
        elif channel in ("red", "yellow"):
            self._inspect(client, view, known, is_red=channel == "red")

    def _review(self, supervisor: Client, view: CheckpointView, verdict: str) -> None:
        word = {"verdict": verdict, "reason_code": "agreed"}
        if verdict == "override":
            word |= {"channel": "red", "reason_code": "officer_observation"}
            word |= {"reason": "The driver's account does not fit the route (synthetic)."}
        supervisor.post(Acknowledged, f"/v1/decisions/{view.decision_id}/reviews", word)
        self._lived.count("reviews")

    def _inspect(
        self, client: Client, view: CheckpointView, known: Mapping[str, str], *, is_red: bool
    ) -> None:
        """File an act; what it finds hangs on what is there and on how it was searched."""
        now = rfc3339(self._clock.now())
        act, seizure = make_act(view.crossing_id, known, self._rng, recorded_at=now, is_red=is_red)
        client.post(AcknowledgedAct, "/v1/inspections", act)
        self._lived.count("acts")
        if seizure is None:
            self._complain(view)
            return
        client.post(Acknowledged, "/v1/seizures", seizure)
        self._lived.count("seizures")
        if not self._has_case and self._clock.now() >= self._case_from:
            self._has_case = True
            self._open_case(seizure["seizure_id"])

    def _ask_for_documents(self, client: Client, view: CheckpointView) -> None:
        asked = {
            "inspection_id": f"ask-{view.crossing_id}",
            "crossing_id": view.crossing_id,
            "outcome": "documents_asked",
            "documents": ["invoice", "certificate of origin"],
            "due_at": rfc3339(self._clock.now() + 10 * DAY),
            "reason": "The value of the first item is low for its mass (synthetic).",
        }
        client.post(AcknowledgedAct, "/v1/inspections", asked)
        self._lived.count("documents asked for")

    def _complain(self, view: CheckpointView) -> None:
        """File what two traders object to; one is answered, the other waits."""
        if self._complaints == MOST_COMPLAINTS or self._clock.now() < self._case_from:
            return
        self._complaints += 1
        complaint = {"decision_id": view.decision_id, "ground": "delay"}
        complaint |= {"text": "The lorry waited a night for a search in vain (synthetic)."}
        first, second = self._clients["dilnoza"], self._clients["rustam"]
        filed = first.post(Acknowledged, "/v1/complaints", complaint)
        self._lived.count("complaints")
        if self._complaints == 1:
            answer = {"verdict": "upheld", "text": "The scanner was down (synthetic)."}
            second.post(Acknowledged, f"/v1/complaints/{filed.id}/answers", answer)

    def _open_case(self, seizure_id: object) -> None:
        opening = {"seizure_id": seizure_id, "summary": "SYNTHETIC: a find from search to court."}
        supervisor = self._clients["dilnoza"]
        case = supervisor.post(AcknowledgedCase, "/v1/cases", opening).case_id
        for event in (
            {"kind": "assignment", "owner": "rustam"},
            {"kind": "sample", "sample": "S-1", "quantity_g": 5.0},
            {
                "kind": "laboratory_result",
                "sample": "S-1",
                "laboratory": "central",
                "substance_class": "narcotic",
            },
            {"kind": "note", "text": "The trailer was sold a month before (synthetic)."},
        ):
            supervisor.post(AcknowledgedCase, f"/v1/cases/{case}/events", {"event": event})
        self._lived.count("cases")


def make_act(
    crossing_id: str,
    known: Mapping[str, str],
    rng: np.random.Generator,
    *,
    recorded_at: str,
    is_red: bool,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return an inspection act, and a seizure where it finds what is carried.

    What it finds hangs on what is there (``known``, a row of the truth) and on how it is searched.
    """
    finds = rng.random() < (0.85 if is_red else 0.4)
    is_seized = known["carries"] == "1" and finds
    outcome = "discrepancy" if known["discrepancy"] == "1" and finds else "clear"
    searched = rng.choice(PLACES, 2, replace=False)
    act = {
        "inspection_id": f"act-{crossing_id}",
        "crossing_id": crossing_id,
        "recorded_at": recorded_at,
        "methods": ["physical"] if is_red else ["documents", "xray"],
        "minutes": float(rng.integers(25, 70) if is_red else rng.integers(8, 25)),
        "outcome": "seizure" if is_seized else outcome,
        "places_searched": sorted({known["place"] or PLACES[0], *map(str, searched)}),
    }
    if not is_seized:
        return act, None
    seizure = {
        "seizure_id": f"find-{crossing_id}",
        "inspection_id": act["inspection_id"],
        "crossing_id": crossing_id,
        "recorded_at": recorded_at,
        "substance_class": "narcotic",
        "substance": known["substance"] or None,
        "quantity_g": round(float(known["quantity_g"] or 500.0)),
        "place": known["place"] or None,
    }
    return act, {name: value for name, value in seizure.items() if value is not None}


if __name__ == "__main__":
    lived_weeks = live_weeks(Path(sys.argv[1]), until=int(sys.argv[2]))
    print(json.dumps({"passwords": lived_weeks.passwords, "counts": lived_weeks.counts}))
