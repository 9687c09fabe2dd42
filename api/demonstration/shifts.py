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
from engine.domain.time_units import HOUR, micros, rfc3339
from engine.storage.home import Home
from experiments.support.processes import HOST

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
            crossing = arrival["crossing"]
            came = crossing.get("recorded_at") or crossing["arrived_at"]
            officers.file_due(now=micros(datetime.fromisoformat(came)))
            clock.move_to(micros(datetime.fromisoformat(came)))
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
