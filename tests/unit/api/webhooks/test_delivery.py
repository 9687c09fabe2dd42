"""Events go to a receiver over HTTP: at least once, in order for each subject, none lost.

Time is a clock of the test: an hour passes without waiting.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import insert, select, update

from api.notifications.event_bodies import EventBodies
from api.service.metrics import Metrics
from api.service.runtime import Runtime, SignedAnswers
from api.service.settings import Settings
from api.webhooks.delivery import DeliveryWorker
from api.webhooks.steps import derive_secret, open_key, show_secret
from engine.domain.network import Network
from engine.domain.time_units import DAY, HOUR, MINUTE, SystemClock, micros
from engine.events import webhooks
from engine.events.area import WEBHOOK_ENDED, WEBHOOK_REGISTERED, WEBHOOK_RESENT, WEBHOOK_ROTATED
from engine.events.webhooks import (
    DELIVERIES,
    EVENTS,
    FAILING,
    EndpointHistory,
    project_events,
    read_figures,
)
from engine.journal.entries import Draft, Entry
from engine.journal.journal import BODIES, Journal
from engine.journal.kinds import MODEL_SHADOWED
from engine.journal.receipts import open_signer
from engine.storage.database import Store
from engine.storage.home import Home
from tests.unit.api.webhooks.webhook_receiver import ReceivedEvent, Receiver

SHADOWS = ("m1", "m2", "m3")
LOOPBACK = Settings(webhook_networks="127.0.0.0/8", webhook_timeout_seconds=20)


@dataclass
class TestClock:
    """A clock that a test moves."""

    __test__ = False
    time: int = field(default_factory=lambda: SystemClock().now())

    def now(self) -> int:
        return self.time


class Outbox:
    """A store with a webhook, as much of a service as sends its events, and a receiver."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.home = Home(folder).prepare()
        self.settings = LOOPBACK
        self.network = Network({})
        self.store = store
        self.clock = TestClock()
        self.journal = Journal(store, [project_events], self.clock)
        self.answers = SignedAnswers(open_signer(self.home))
        self.metrics = Metrics()
        self.receiver = Receiver()
        with self.receiver.listen():
            pass  # so that it has a port
        self.register("w1", self.receiver.url)
        self.worker = DeliveryWorker(cast("Runtime", self))

    def register(self, webhook_id: str, url: str, role: str = "analyst") -> None:
        events = ["approval.waiting", "alarm.raised"]
        body = {"by": "ann", "url": url, "events": events, "role": role, "secret": "s0"}
        self.journal.append([Draft(WEBHOOK_REGISTERED, webhook_id, "", body)])

    def secret(self, name: str = "s0", webhook_id: str = "w1") -> str:
        return show_secret(derive_secret(open_key(self.home), webhook_id, name))

    def happen(self, times: int = 3, subjects: Sequence[str] = SHADOWS) -> list[Entry]:
        """Record events of some subjects, one after the other in turn."""
        drafts = [Draft(MODEL_SHADOWED, one, "", {"by": "ann"}) for one in subjects]
        return [entry for _ in range(times) for entry in self.journal.append(drafts)]

    def pass_time(self, until: int = 4 * DAY, step: int = 20 * MINUTE) -> None:
        """Let time pass, and send what becomes due."""
        for _ in range(until // step):
            self.clock.time += step
            self.worker.deliver()

    def find_faults(self, entries: Sequence[Entry]) -> list[str]:
        """Return what is lost, out of order, foreign or not signed among what was accepted."""
        faults = []
        subjects = {str(entry.known_at): entry for entry in entries}
        seen: dict[str, int] = defaultdict(int)
        first: dict[str, ReceivedEvent] = {}
        for one in self.receiver.accepted:
            first.setdefault(one.event_id, one)
        for one in first.values():
            body = one.verify(self.secret())
            entry = subjects.pop(str(micros(datetime.fromisoformat(body["timestamp"]))), None)
            if entry is None:
                faults.append("an event of no record")
                continue
            if entry.seq < seen[entry.subject]:
                faults.append(f"out of order: {entry.subject}")
            seen[entry.subject] = entry.seq
        return faults + ["lost"] * len(subjects)

    def state(self, webhook_id: str = "w1") -> str:
        with self.store.read() as connection:
            return EndpointHistory().look(connection)[webhook_id].state

    def dead_letters(self) -> int:
        with self.store.read() as connection:
            return read_figures(connection)["w1"].dead


@pytest.fixture
def outbox(store: Store, tmp_path: Path) -> Outbox:
    return Outbox(store, tmp_path / "home")


def refuse_once(status: int | bytes | None) -> Callable[[ReceivedEvent], Any]:
    """Return an answer that refuses each event the first time."""
    known: set[str] = set()

    def answer(event: ReceivedEvent) -> Any:
        if event.event_id in known:
            return 200
        known.add(event.event_id)
        return status

    return answer


def test_a_receiver_that_is_down_for_an_hour_gets_every_event_in_order(outbox: Outbox) -> None:
    entries = outbox.happen()
    outbox.pass_time(HOUR)
    entries += outbox.happen()
    assert not outbox.receiver.tried
    with outbox.receiver.listen():
        outbox.pass_time(12 * HOUR)
    assert outbox.find_faults(entries) == []
    with outbox.store.read() as connection:
        assert read_figures(connection)["w1"] == webhooks.DeliveryFigures()


@pytest.mark.parametrize("answer", [500, 302, None, b"HTTP/1.1 2"])
def test_every_refused_or_broken_attempt_is_made_again(outbox: Outbox, answer: Any) -> None:
    """A receiver that is killed in the middle of its answer has not acknowledged."""
    outbox.receiver.answer = refuse_once(answer)
    entries = outbox.happen()
    with outbox.receiver.listen():
        outbox.worker.deliver()
        outbox.pass_time(HOUR)
    assert outbox.find_faults(entries) == []
    assert len(outbox.receiver.tried) == 2 * len(entries)
    assert len({one.event_id for one in outbox.receiver.tried}) == len(entries)


def test_a_receiver_that_answers_too_late_gets_the_event_again(outbox: Outbox) -> None:
    late = threading.Event()
    outbox.settings = Settings(webhook_networks="127.0.0.0/8", webhook_timeout_seconds=1.0)
    worker = DeliveryWorker(cast("Runtime", outbox))
    outbox.receiver.answer = lambda _: 200 if late.wait(20) else 500
    entries = outbox.happen(1, ["m1"])
    with outbox.receiver.listen():
        worker.deliver()
        late.set()
        outbox.pass_time(HOUR)
    assert len(outbox.receiver.tried) == 2
    assert outbox.find_faults(entries) == []


def fail_to_project(*_: Any) -> None:
    """A projection that undoes the records it gets."""
    raise ValueError("a fault of a draft")


def test_what_was_not_recorded_is_not_sent(outbox: Outbox) -> None:
    broken = Journal(outbox.store, [project_events, fail_to_project], outbox.clock)
    with outbox.receiver.listen():
        with pytest.raises(ValueError, match="a fault of a draft"):
            broken.append([Draft(MODEL_SHADOWED, "m1", "", {"by": "ann"})])
        outbox.worker.deliver()
    assert not outbox.receiver.tried


def test_nothing_is_written_while_no_webhook_exists(store: Store) -> None:
    """An event of before a webhook, and one after its end, is none."""
    journal = Journal(store, [project_events])
    shadowed = Draft(MODEL_SHADOWED, "m1", "", {"by": "ann"})
    body = {"by": "ann", "url": "https://e.org", "events": ["approval.waiting"]}
    body |= {"role": "analyst", "secret": "s0"}
    journal.append([shadowed, Draft(WEBHOOK_REGISTERED, "w1", "", body), shadowed])
    journal.append([Draft(WEBHOOK_ENDED, "w1", "", {"by": "ann"}), shadowed])
    with store.read() as connection:
        assert list(connection.scalars(select(EVENTS.c.seq))) == [3]


def test_two_processes_send_each_event_once(outbox: Outbox) -> None:
    entries = outbox.happen(4, [f"m{n}" for n in range(6)])
    workers = [DeliveryWorker(cast("Runtime", outbox), every=0.01) for _ in range(3)]
    with outbox.receiver.listen():
        for one in workers:
            one.start()
        pending = threading.Event()
        for _ in range(1000):
            if len(outbox.receiver.accepted) >= len(entries):
                break
            pending.wait(0.02)
        for one in workers:
            one.close()
    assert len(outbox.receiver.tried) == len(entries)
    assert outbox.find_faults(entries) == []


def test_a_lease_of_a_process_that_died_ends(outbox: Outbox) -> None:
    """What it sent before it could note the answer is sent again, under the same name."""
    entries = outbox.happen(1, ["m1"])
    with outbox.receiver.listen():
        dying = DeliveryWorker(cast("Runtime", outbox))
        dying._attempt = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            dying.deliver()
        outbox.worker.deliver()
        assert not outbox.receiver.tried
        outbox.clock.time += MINUTE
        outbox.worker.deliver()
    assert outbox.find_faults(entries) == []


def test_after_the_last_attempt_an_event_is_set_aside_until_it_is_sent_again(
    outbox: Outbox,
) -> None:
    """Dead letters do not hold up what follows them."""
    entries = outbox.happen(1, ["m1"])
    outbox.receiver.answer = lambda _: 500
    with outbox.receiver.listen():
        outbox.worker.deliver()
        outbox.pass_time(4 * DAY, HOUR)
        assert outbox.dead_letters() == 1
        assert len(outbox.receiver.tried) == len(webhooks.RETRY_DELAYS) + 1
        outbox.receiver.answer = lambda _: 200
        later = outbox.happen(1, ["m1"])
        outbox.worker.deliver()
        assert outbox.find_faults(later) == []
        outbox.journal.append([Draft(WEBHOOK_RESENT, "w1", "", {"by": "ann"})])
        outbox.worker.deliver()
    assert outbox.dead_letters() == 0
    assert len(outbox.receiver.accepted) == len(entries + later)


def test_a_receiver_says_when_to_try_again(outbox: Outbox) -> None:
    outbox.happen(1, ["m1"])
    outbox.receiver.answer, outbox.receiver.retry_after = lambda _: 503, "7200"
    with outbox.receiver.listen():
        outbox.worker.deliver()
        outbox.pass_time(100 * MINUTE)
        assert len(outbox.receiver.tried) == 1
        outbox.pass_time(40 * MINUTE)
        assert len(outbox.receiver.tried) == 2


def test_an_endpoint_that_is_gone_or_fails_for_days_is_disabled_with_an_alarm(
    outbox: Outbox,
) -> None:
    """Without a record nothing is disabled: an administrator sees which address, and since when."""
    other = Receiver()
    with other.listen(), outbox.receiver.listen():
        outbox.register("w2", other.url, role="administrator")
        outbox.receiver.answer = lambda _: 410
        outbox.happen(1)
        outbox.worker.deliver()
        assert outbox.state() == "disabled"
        outbox.worker.deliver()
        data = [json.loads(one.text) for one in other.accepted]
        assert [one["data"] for one in data] == [{"alarm": "webhook_disabled", "id": "w1"}]
        tried = len(outbox.receiver.tried)
        outbox.happen(1)
        outbox.worker.deliver()
        assert len(outbox.receiver.tried) == tried
        outbox.receiver.answer = lambda _: 500
        outbox.journal.append([Draft(WEBHOOK_RESENT, "w1", "", {"by": "ann"})])
        assert outbox.state() == "active"
        for _ in range(FAILING // DAY + 1):
            outbox.happen(1, ["m9"])
            outbox.worker.deliver()
            outbox.clock.time += DAY
        outbox.worker.deliver()
    assert outbox.state() == "disabled"


def test_while_a_secret_is_rotated_both_sign(outbox: Outbox) -> None:
    until = {"until": "2999-01-01T00:00:00Z"}
    outbox.journal.append([Draft(WEBHOOK_ROTATED, "w1", "", {"by": "ann", "secret": "s1"} | until)])
    outbox.happen(1, ["m1"])
    with outbox.receiver.listen():
        outbox.worker.deliver()
        over = {"until": "2001-01-01T00:00:00Z"}
        body = {"by": "ann", "secret": "s2"} | over
        outbox.journal.append([Draft(WEBHOOK_ROTATED, "w1", "", body)])
        outbox.happen(1, ["m1"])
        outbox.worker.deliver()
    both, new = outbox.receiver.accepted
    assert both.verify(outbox.secret("s0")) == both.verify(outbox.secret("s1"))
    assert new.verify(outbox.secret("s2"))
    for old in ("s0", "s1"):
        with pytest.raises(Exception, match="No matching signature"):
            new.verify(outbox.secret(old))


def test_an_edited_record_opens_no_endpoint(outbox: Outbox) -> None:
    """Where events go is read from records whose chain holds."""
    assert outbox.state() == "active"
    body = {"by": "ann", "url": outbox.receiver.url, "events": [], "role": "analyst"}
    forged = json.dumps(body | {"secret": "s0"}).encode()
    with outbox.store.write() as connection:
        connection.execute(update(BODIES).where(BODIES.c.seq == 1).values(body=forged))
    with outbox.store.read() as connection:
        assert EndpointHistory().look(connection) == {}


@pytest.mark.parametrize("is_caught", [True, False])
def test_a_row_of_the_outbox_alone_is_no_event(
    outbox: Outbox, is_caught: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is signed that no record states; with a seeded bug: rows are believed."""
    with outbox.receiver.listen():
        (entry,) = outbox.happen(1, ["m1"])
        row = {"webhook_id": "w1", "subject_key": 7, "known_at": entry.known_at, "attempts": 0}
        row |= {"next_at": 0, "result": ""}
        if not is_caught:
            monkeypatch.setattr(EventBodies, "is_stated", lambda *_: True)
            monkeypatch.setattr(EventBodies, "build", lambda *_: b"{}")
        outbox.worker.deliver()
        forged = ((entry.seq, "alarm.raised"), (entry.seq, "decision.changed"), (1, "alarm.raised"))
        with outbox.store.write() as connection:
            for seq, event_type in forged:
                connection.execute(insert(DELIVERIES), [row | {"seq": seq, "type": event_type}])
        outbox.worker.deliver()
        assert (len(outbox.receiver.accepted) == 1) == is_caught
        with outbox.store.read() as connection:
            assert read_figures(connection)["w1"].waiting == 0
