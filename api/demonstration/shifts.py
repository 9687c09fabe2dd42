"""The last shifts of the demonstration, decided on by its model as they passed. SYNTHETIC.

Arrivals of a shift that are sent within a minute have left the opposite post long ago by the time
of their decision, and late in a shift a post expects none to come and spends its minutes on what
stands first. So they are sent under a simulated clock, each at the time of its record, whatever
hour the demonstration is begun at. Officers file their acts but for the last hours, whose vehicles
wait; what they find is read from the synthetic world's truth.

Runs in the process of the demonstration, before the service that people visit is started.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from api.client import Client
from api.decisions.answers import CheckpointView
from api.demonstration.weeks import (
    SEED,
    UNTIL_ACT,
    SimulatedClock,
    make_act,
    serve_here,
)
from api.http.answers import Acknowledged, AcknowledgedAct
from api.service.settings import Settings
from engine.domain.identifiers import fold
from engine.domain.time_units import HOUR, MINUTE, micros, rfc3339
from engine.storage.home import Home
from experiments.support.processes import HOST

SHOW_CASE = "show-case"
"""Crossing of the lorry that left Fotehobod empty and came to Oybek laden."""


@dataclass(frozen=True, slots=True)
class ShowCase:
    """A lorry that shows what is impossible across the line, as bodies of requests."""

    left: Mapping[str, Any]
    """The exit, recorded in a batch some hours later."""
    came: Mapping[str, Any]
    """The arrival, on which the service decides."""
    told: Mapping[str, Any]
    """The exit that Fotehobod reports after the decision: another mass and another seal."""


def make_show_case(*, until: int) -> ShowCase:
    """Return the show case of shifts that end at an instant (UTC microseconds)."""
    came = until - 2 * HOUR
    lorry = {
        "vehicle_class": "truck",
        "plate": "5534BR03",
        "plate_country": "TJ",
        "trailer_plate": "6984KF51",
        "body_type": "tilt",
        "carrier_id": "377899008",
        "driver_ref": "drv-5b1e40a7c2d9",
    }
    there = {"post": "TJ-FOT", "direction": "exit"}
    sealed = {"tir_carnet": "XV80411920", "is_empty": False}
    item = {
        "item_no": 1,
        "hs_code": "520512",
        "description": "cotton yarn",
        "origin_country": "TJ",
        "packages": 256,
        "net_mass_kg": 12_800.0,
        "gross_mass_kg": 13_420.0,
        "customs_value_usd": 4_143.0,
    }
    papers = {
        "declaration_id": f"{SHOW_CASE}-papers",
        "lodged_at": rfc3339(came - 3 * HOUR),
        "procedure": "tir",
        "consignor_id": "410886213",
        "consignee_id": "905517384",
        "dispatch_country": "TJ",
        "destination_country": "RU",
        "route_countries": ["TJ", "UZ", "KZ", "RU"],
        "tir_carnet": "XV80411920",
        "cmr_number": "4408213",
        "items": [item],
    }
    arrival = {
        "crossing_id": SHOW_CASE,
        "post": "UZ-OYB",
        "direction": "entry",
        "arrived_at": rfc3339(came),
        "weighed_mass_kg": 29_220.0,
        "seal_numbers": ["TJ-0400455"],
        "declaration_id": papers["declaration_id"],
    }
    left = {
        "crossing_id": f"{SHOW_CASE}-left",
        "arrived_at": rfc3339(came - 37 * HOUR),
        "recorded_at": rfc3339(came - 4 * HOUR),
        "weighed_mass_kg": 15_600.0,
        "is_empty": True,
    }
    told = {
        "crossing_id": f"{SHOW_CASE}-told",
        "arrived_at": rfc3339(came - 2 * HOUR - 40 * MINUTE),
        "weighed_mass_kg": 42_360.0,
        "seal_numbers": ["TJ-0400817"],
    }
    return ShowCase(
        left={"crossing": lorry | there | left},
        came={"crossing": lorry | sealed | arrival, "declaration": papers},
        told={"crossing": lorry | there | sealed | told},
    )


def insert_show_case(
    arrivals: Sequence[Mapping[str, Any]], case: ShowCase
) -> list[Mapping[str, Any]]:
    """Return arrivals with the exit and the arrival of the show case, by when each was recorded.

    The synthetic network's own passages of its plate are left out: one between them would be the
    other half of the exit.
    """
    plate = fold(case.came["crossing"]["plate"])
    others = [one for one in arrivals if fold(one["crossing"].get("plate") or "") != plate]
    return sorted((*others, case.left, case.came), key=_known_at)


def _known_at(arrival: Mapping[str, Any]) -> int:
    crossing = arrival["crossing"]
    return micros(datetime.fromisoformat(crossing.get("recorded_at") or crossing["arrived_at"]))


WAITING = 12 * HOUR
"""Vehicles decided on within so long a time before the end wait for officers."""


def live_shifts(
    home: Home,
    arrivals: Sequence[Mapping[str, Any]],
    keys: Mapping[str, str],
    *,
    clock: SimulatedClock,
    truth: Mapping[str, Mapping[str, str]],
    until: int,
    progress: Callable[[int, int], None],
) -> None:
    """Send arrivals as bodies of requests, in the order of their records, each at its time.

    Entries ask for a decision, exits are recorded. ``keys`` has a checkpoint's key for each post,
    ``truth`` what is true of each crossing; ``until`` is the end in UTC microseconds.
    ``progress`` takes how many were sent, and of how many.
    """
    with clock.install(), serve_here(home, Settings()) as port:
        clients = {post: Client(f"http://{HOST}:{port}", key) for post, key in keys.items()}
        officers = _Officers(clients, clock, truth, acts_until=until - WAITING)
        for sent, arrival in enumerate(arrivals, 1):
            crossing, came = arrival["crossing"], _known_at(arrival)
            officers.file_due(now=came)
            clock.move_to(came)
            client = clients[crossing["post"]]
            if crossing["direction"] == "entry":
                officers.take(client.post(CheckpointView, "/v1/decisions", arrival))
            else:
                client.post(Acknowledged, "/v1/crossings", arrival)
            progress(sent, len(arrivals))
        for client in clients.values():
            client.close()


class _Officers:
    """Who searches the vehicles of all but the last hours."""

    def __init__(
        self,
        clients: Mapping[str, Client],
        clock: SimulatedClock,
        truth: Mapping[str, Mapping[str, str]],
        *,
        acts_until: int,
    ) -> None:
        self._clients, self._clock, self._truth = clients, clock, truth
        self._acts_until = acts_until
        self._rng = np.random.default_rng(SEED)
        self._due: deque[tuple[int, CheckpointView]] = deque()

    def take(self, view: CheckpointView) -> None:
        """Remember a vehicle that was referred, where an act on it is to be filed."""
        now = self._clock.now()
        if view.channel in ("red", "yellow") and now < self._acts_until:
            self._due.append((now + UNTIL_ACT, view))

    def file_due(self, *, now: int) -> None:
        """File the acts that were due by an instant (UTC microseconds), each at its time."""
        while self._due and self._due[0][0] <= now:
            due, view = self._due.popleft()
            self._clock.move_to(due)
            act, seizure = make_act(
                view.crossing_id,
                self._truth[view.crossing_id],
                self._rng,
                recorded_at=rfc3339(self._clock.now()),
                is_red=view.channel == "red",
            )
            client = self._clients[view.post]
            client.post(AcknowledgedAct, "/v1/inspections", act)
            if seizure is not None:
                client.post(Acknowledged, "/v1/seizures", seizure)
