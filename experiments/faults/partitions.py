"""Partitions: nodes and a centre whose lines, processes, clocks and disks fail.

hypothesis draws the histories. Senders record at both ends of every link, parcels are lost, late,
doubled and reordered, clocks jump, a disk is restored, tables lose rows, processes are killed. Then
everything is mended: operators make lost tables again, and two people of each side resume the links
that stopped. What a sender got a receipt for is acknowledged, and must be where it belongs, once.
The shortest history that fails is told step by step.

Time on a line is counted, not waited for: bytes at the pace of a satellite's line, and a round trip
for every request. A step draws what it does in advance, so that a history replays the same but for
the moment of a kill.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError

from engine.audit.verification import verify
from engine.domain.time_units import DAY, HOUR, SECOND
from engine.errors import ConflictError, StoreUnavailableError
from engine.journal.receipts import Receipt
from engine.links.envelope import REPEATED
from engine.links.exchange import LinkExchange
from engine.links.ledger import read_receipted_part
from engine.links.outbox import read_waiting
from engine.links.state import Link
from engine.storage.home import DATABASE_VARIABLE
from experiments.faults.installations import (
    BYTES_A_SECOND,
    ROUND_TRIP_SECONDS,
    DatabaseDisk,
    Deployment,
    Installation,
    Line,
    prepare_deployment,
)
from experiments.faults.senders import GONE, Counts

FAULT, TRIALS = "partition", 200
"""The fault, and the default number of histories."""
STEPS = 30
FEWEST_NODES, MOST_NODES = 2, 4
AT_ONCE = 5
"""Messages that a sender records one after the other, at most."""
FAULTS = ("nothing", "lose", "lose_answer", "double", "delay", "late", "shuffle", "drop")
"""What may happen to a request; the last two to the envelopes of its parcel."""
JUMPS = (2 * SECOND, 10 * 60 * SECOND, 5 * HOUR, 2 * DAY)
KILL_SECONDS = 0.03
"""A kill comes within so long: a record takes about 3 ms, a parcel 10."""
MENDINGS = 12
"""How often people and the line try until everything is there."""
MOST_TIMES = 2.0
"""What mending may take, in terms of what the line needs for the bytes that wait."""
ExchangeAll = Callable[[LinkExchange, Link, Callable[[bytes], bytes]], Any]
"""Exchanges parcels until nothing waits on either side, as the product does."""
PLACES = st.tuples(st.integers(0, MOST_NODES - 1), st.sampled_from(("node", "node", "centre")))
"""A link and one of its ends."""
FAULTY = st.lists(st.sampled_from(FAULTS), max_size=4)
"""What happens to the first requests of an exchange."""


@dataclass(frozen=True, slots=True)
class AcknowledgedMessage:
    """What a sender got a receipt for."""

    sender: Installation
    receiver: Installation
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one history."""

    acknowledged: int
    lost: int
    doubled: int
    broken: Mapping[str, int]
    figures: Mapping[str, int]
    slowest: float
    """Longest mending, in terms of what the line needs."""
    plan: Sequence[str]
    """What happened, a line for each step."""

    @property
    def holds(self) -> bool:
        """Tell whether nothing went wrong."""
        return not (self.lost or self.doubled or self.broken)


@dataclass
class Outcomes:
    """Outcomes of the histories of a run."""

    report_progress: Callable[[int], None] = lambda _: None
    found: list[Outcome] = field(default_factory=list)
    """Up to the first that fails, and with it: what follows are shorter ones of the same kind."""
    failed: Outcome | None = None
    """The last that failed, which is the shortest."""

    def note(self, outcome: Outcome) -> None:
        """Keep the outcome of a history."""
        if self.failed is None:
            self.found.append(outcome)
            self.report_progress(len(self.found))
        if not outcome.holds:
            self.failed = outcome


class PartitionMachine(RuleBasedStateMachine):
    """One history on a deployment as it was prepared. Its process is forked for each kill."""

    def __init__(self, ground: Deployment, exchange_all: ExchangeAll, outcomes: Outcomes) -> None:
        super().__init__()
        self._ground, self._exchange_all, self._outcomes = ground, exchange_all, outcomes
        self.lines: list[Line] = []
        self.installations: tuple[Installation, ...] = ()
        self.acknowledged: dict[str, AcknowledgedMessage] = {}
        """By the name of the message."""
        self.forks: set[str] = set()
        """Links of which one side lost what the other had signed for, and no alarm says so yet."""
        self.broken: Counter[str] = Counter()
        self.figures: Counter[str] = Counter()
        self.plan: list[str] = []
        self.slowest = 0.0
        self._number = 0
        self._is_restored = False

    @initialize(nodes=st.integers(FEWEST_NODES, MOST_NODES))
    def begin(self, nodes: int) -> None:
        """Put the centre and some nodes back as they were prepared."""
        made = self._ground.prepare(nodes)
        self.installations = (made.centre, *made.nodes)
        self.lines = [
            Line(node, made.centre, self._refuse_again, self._note) for node in made.nodes
        ]
        for one in self.installations:
            one.keep_disk()

    def _note(self, *words: object) -> None:
        self.plan.append(" ".join(map(str, words)))

    def _find(self, place: tuple[int, str]) -> tuple[Line, Installation]:
        """Return a line and one of its ends."""
        number, end = place
        line = self.lines[number % len(self.lines)]
        return line, line.node if end == "node" else line.centre

    @rule(place=PLACES, number=st.integers(1, AT_ONCE))
    def record(self, place: tuple[int, str], number: int) -> None:
        """Record some messages at one end of a link."""
        line, sender = self._find(place)
        names = [self._next_name() for _ in range(number)]
        self._note(sender.name, "records", *names, "on", line.name)
        for name in names:
            self._record(line, sender, name)

    def _next_name(self) -> str:
        self._number += 1
        return f"m-{self._number}"

    def _record(self, line: Line, sender: Installation, name: str) -> None:
        with suppress(ConflictError):  # the link is stopped, and its sender has to wait
            self._acknowledge(line, sender, name, sender.record(line.name, name))

    def _acknowledge(self, line: Line, sender: Installation, name: str, receipt: Receipt) -> None:
        self.acknowledged[name] = AcknowledgedMessage(sender, line.other(sender), receipt)

    @rule(place=PLACES, faults=FAULTY)
    def exchange(self, place: tuple[int, str], faults: list[str]) -> None:
        """Let one end call the other."""
        line, caller = self._find(place)
        line.faults = list(faults)
        self._exchange(line, caller)
        line.faults = []

    @rule(place=PLACES, number=st.integers(1, AT_ONCE), faults=FAULTY)
    def send(self, place: tuple[int, str], number: int, faults: list[str]) -> None:
        """Record some messages and call the other end."""
        self.record(place, number)
        self.exchange(place, faults)

    def _exchange(self, line: Line, caller: Installation) -> None:
        self._note(caller.name, "calls on", line.name)
        try:
            self._exchange_all(caller.exchange, caller.link(line.name), line.carry_from(caller))
        except StoreUnavailableError:
            self.figures["exchanges_cut_short"] += 1
        except IntegrityError:
            self._refuse_again(caller)

    def _refuse_again(self, one: Installation) -> None:
        """Note that a store refused what it holds already; its operator rebuilds the tables."""
        self.figures["refused_by_the_store"] += 1
        self._note("the store of", one.name, "refuses, its tables are made again")
        if not one.is_incomplete:
            self.broken["a store that refused without cause"] += 1
        one.rebuild()

    @rule(place=PLACES)
    def cut(self, place: tuple[int, str]) -> None:
        """Cut a line, or mend it."""
        line, _ = self._find(place)
        line.is_up = not line.is_up
        self._note("the line of", line.name, "is", "mended" if line.is_up else "cut")

    @rule(
        place=PLACES,
        jump=st.sampled_from([sign * jump for jump in JUMPS for sign in (1, -1)]),
        starts_again=st.booleans(),
    )
    def set_clock(self, place: tuple[int, str], jump: int, *, starts_again: bool) -> None:
        """Set a clock wrong; the process may start again with it."""
        _, one = self._find(place)
        one.clock.ahead = jump
        self.figures["clocks_set_wrong"] += 1
        self._note("the clock of", one.name, "is", jump // SECOND, "s ahead")
        if starts_again:
            self._note(one.name, "starts again")
            one.close()
            one.open()

    @rule(place=PLACES)
    def keep_disk(self, place: tuple[int, str]) -> None:
        """Keep a newer copy of a disk than the prepared one."""
        _, one = self._find(place)
        self._note("the disk of", one.name, "is kept")
        one.rebuild()
        one.keep_disk()

    @precondition(lambda self: not self._is_restored)
    @rule(place=PLACES, number=st.integers(0, AT_ONCE))
    def restore_disk(self, place: tuple[int, str], number: int) -> None:
        """Put the copy of a disk in its place, once in a history, after it sent so much."""
        _, one = self._find(place)
        if number:
            self.send(place, number, [])
        self._is_restored = True
        self.figures["disks_restored"] += 1
        self._note("the disk of", one.name, "is restored")
        one.close()
        one.disk.restore()
        one.is_incomplete = False
        one.open()
        for line in self.lines:
            if one in line.ends:
                self._note_fork(line, one)

    def _note_fork(self, line: Line, one: Installation) -> None:
        """Note whether the other side holds what this one lost: then an alarm is due."""
        other = line.other(one)
        other.rebuild()
        if "stopped" in (one.phase(line.name), other.phase(line.name)):
            return
        lost = one.position(line.name, "sent") < other.position(line.name, "received")
        with other.store.read() as connection:
            signed = read_receipted_part(connection, other.name_in_envelopes(line.name)).number
        if lost or one.position(line.name, "received") < signed:
            self.forks.add(line.name)
            self._note("an alarm is due on", line.name)

    @rule(place=PLACES, number=st.integers(1, AT_ONCE))
    def lose_rows(self, place: tuple[int, str], number: int) -> None:
        """Lose some of the newest rows of what arrived on a link."""
        line, one = self._find(place)
        one.lose_rows(line.name, number)
        self.figures["tables_that_lost_rows"] += 1
        self._note(one.name, "loses", number, "rows of", line.name)

    @rule(place=PLACES)
    def lose_answered_rows(self, place: tuple[int, str]) -> None:
        """Lose the rows of what was just taken, before the sender has the receipts."""
        line, sender = self._find(place)
        receiver = line.other(sender)
        self._record(line, sender, self._next_name())
        before = receiver.position(line.name, "received")
        self._note(receiver.name, "takes a parcel of", line.name, "and its answer is late")
        try:
            receiver.exchange.take_parcel(sender.seal_parcel(line.name))
        except IntegrityError:
            self._refuse_again(receiver)
        taken = receiver.position(line.name, "received") - before
        if taken > 0:
            other_end = "centre" if receiver is line.centre else "node"
            self.lose_rows((place[0], other_end), taken)
            self._exchange(line, sender)

    @rule(place=PLACES)
    def resume(self, place: tuple[int, str]) -> None:
        """Let people look into a stopped link, and resume it on both sides."""
        self._resume(self._find(place)[0])

    def _resume(self, line: Line) -> None:
        if all(one.phase(line.name) != "stopped" for one in line.ends):
            return
        self.forks.discard(line.name)
        self.figures["links_stopped"] += 1
        if not self._is_restored and not self.figures["tables_that_lost_rows"]:
            self.broken["an alarm without cause"] += 1
        for one in line.ends:
            one.rebuild()
            self._note(line.name, "is", one.phase(line.name), "at", one.name, "and is resumed")
            one.resume(line.name)

    @rule(place=PLACES, number=st.integers(1, 8), after=st.floats(0, KILL_SECONDS))
    def kill(self, place: tuple[int, str], number: int, after: float) -> None:
        """Kill a process -9 while it records, and ask again as a barrier does."""
        line, victim = self._find(place)
        names = [self._next_name() for _ in range(number)]
        parcel = line.other(victim).seal_parcel(line.name)
        victim.close()

        def work(report: Callable[[str], None]) -> None:
            victim.open()
            for at, name in enumerate(names):
                if at % 3 == 1:
                    victim.exchange.answer_parcel(parcel, name=victim.name_in_envelopes(line.name))
                victim.record(line.name, name)
                report(name)

        heard = run_killed(work, after_seconds=after)
        victim.open()
        self.figures["processes_killed"] += 1
        self._note(victim.name, "is killed while it records", *names, "heard of:", *heard)
        held = victim.list_sent()
        for name in names:
            if name in held:
                self._acknowledge(line, victim, name, held[name])
            elif name in heard:
                self.broken["an acknowledged record that a kill undid"] += 1
            else:
                self._record(line, victim, name)

    def teardown(self) -> None:
        """Mend everything and judge the history; raises ``AssertionError`` if it fails."""
        if not self.lines:
            return
        lost = doubled = 0
        try:
            self._mend()
            lost, doubled = self._judge()
        except Exception as error:  # the negative control comes to stores that nothing can read
            self.broken[f"an error: {type(error).__name__}"] += 1
        outcome = Outcome(
            len(self.acknowledged),
            lost,
            doubled,
            dict(+self.broken),
            dict(+self.figures),
            self.slowest,
            tuple(self.plan),
        )
        self._outcomes.note(outcome)
        if not outcome.holds:
            raise AssertionError("a promise was broken")

    def _mend(self) -> None:
        self._note("everything is mended")
        for one in self.installations:
            one.clock.ahead = 0
            one.rebuild()
        for line in self.lines:
            line.is_up = True
            while line.late:
                line.deliver_late()
            if not self._mend_link(line):
                self.broken["a link that does not come back"] += 1

    def _mend_link(self, line: Line) -> bool:
        """Resume and exchange until everything is there; tell whether it is."""
        for _ in range(MENDINGS):
            self._resume(line)
            needed = self._count_needed_seconds(line)
            line.start_watch()
            self._exchange(line, line.node)
            line.note_arrivals()
            is_there = not any(self._read_waiting(line, one) for one in line.ends)
            if is_there and all(one.phase(line.name) == "in_force" for one in line.ends):
                times = line.arrived_seconds / needed if needed else 0.0
                self.slowest = max(self.slowest, times)
                self.broken["mending that took too long"] += times > MOST_TIMES
                return True
        return False

    def _read_waiting(self, line: Line, one: Installation) -> list[str]:
        with one.store.read() as connection:
            return read_waiting(connection, one.name_in_envelopes(line.name))

    def _count_needed_seconds(self, line: Line) -> float:
        """Return what the line needs for the envelopes that wait; 0 if none does."""
        line.node.seal_records(line.name)
        texts = [text for one in line.ends for text in self._read_waiting(line, one)]
        return ROUND_TRIP_SECONDS + sum(map(len, texts)) / BYTES_A_SECOND if texts else 0.0

    def _judge(self) -> tuple[int, int]:
        """Compare what was acknowledged with what is held; return what is lost and doubled."""
        held = {one.name: Counter(one.list_received()) for one in self.installations}
        named = {one.name: self._verify(one) for one in self.installations}
        lost = 0
        for name, found in self.acknowledged.items():
            if held[found.receiver.name][name]:
                continue
            is_named = found.receipt.sequence in named[found.sender.name]
            self.figures["gone_with_a_disk"] += is_named
            lost += not is_named
        taken = [name for counts in held.values() for name in counts]
        unknown = set(taken) - self.acknowledged.keys()
        self.broken["held and never acknowledged"] += len(unknown)
        self.broken["held by two installations"] += len(taken) - len(set(taken))
        self.broken["forks without an alarm"] += len(self.forks)
        for one in self.installations:
            for why in one.list_refused():
                # Sealed again after a resumption, and taken before: it has no effect a second time.
                if why == REPEATED:
                    self.figures["refused_as_repeated"] += 1
                else:
                    self.broken[f"refused: {why}"] += 1
        return lost, sum(times - 1 for counts in held.values() for times in counts.values())

    def _verify(self, one: Installation) -> set[int]:
        """Verify a journal; return the records that receipts name and it does not hold."""
        receipts = [found.receipt for found in self.acknowledged.values() if found.sender is one]
        verdict = verify(one.store, receipts, public_key=one.signer.public_key)
        others = [fault.rule for fault in verdict.faults if fault.rule not in GONE]
        self.broken.update(f"a fault of the journal: {why}" for why in others)
        return {fault.seq for fault in verdict.faults if fault.rule in GONE}


def run_killed(work: Callable[[Callable[[str], None]], None], *, after_seconds: float) -> list[str]:
    """Run ``work`` in a process that is killed so long after it has begun; return its reports.

    The process is forked from this one, which has closed the store in question. What was reported
    before the end is what a sender received.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            with suppress(Exception):  # its end is the point
                os.write(writer, b"begun\n")
                work(lambda line: _write_line(writer, line))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as reports:
        reports.readline()
        time.sleep(after_seconds)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [line.decode().rstrip("\n") for line in reports if line.endswith(b"\n")]


def _write_line(writer: int, line: str) -> None:
    os.write(writer, line.encode() + b"\n")


def run_partitions(
    trials: int,
    *,
    number: int,
    exchange_all: ExchangeAll,
    has_bug: bool,
    report_progress: Callable[[int], None],
) -> Counts:
    """Draw so many histories by a seed, ``number``; with ``has_bug`` without the constraint."""
    outcomes, why = Outcomes(report_progress), Counter[str]()
    with TemporaryDirectory(prefix="darvoza-links-") as name, _name_centre() as centre:
        set_hypothesis_home_dir(name)  # nothing is written elsewhere
        folder = Path(name)
        made = prepare_deployment(folder, nodes=MOST_NODES, centre=centre, is_unique=not has_bug)
        try:
            run_histories(
                made, exchange_all, outcomes, trials=trials, number=number, shortens=not has_bug
            )
        except Exception as error:
            if outcomes.failed is None:
                why[f"an error: {type(error).__name__}"] += 1
        finally:
            made.close()
    return _sum(outcomes, why)


def run_histories(
    made: Deployment,
    exchange_all: ExchangeAll,
    outcomes: Outcomes,
    *,
    trials: int,
    number: int,
    shortens: bool = True,
) -> None:
    """Let hypothesis draw histories, and shorten the first that fails; raises what it raised."""

    class History(PartitionMachine):
        def __init__(self) -> None:
            super().__init__(made, exchange_all, outcomes)

    how = settings(
        max_examples=trials,
        phases=(Phase.generate, Phase.shrink) if shortens else (Phase.generate,),
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(History), settings=how)


@contextmanager
def _name_centre() -> Iterator[DatabaseDisk | None]:
    """Name a database of the run's own if a server is named, and drop it afterwards."""
    server = os.environ.get(DATABASE_VARIABLE)
    if not server:
        yield None
        return
    disk = DatabaseDisk(server, f"darvoza_links_{token_hex(4)}")
    try:
        yield disk
    finally:
        disk.drop()


def _sum(outcomes: Outcomes, why: Counter[str]) -> Counts:
    found, figures = outcomes.found, Counter[str]()
    for one in found:
        why.update(one.broken)
        figures.update(one.figures)
    slowest = max((one.slowest for one in found), default=0.0)
    return Counts(
        fault=FAULT,
        trials=len(found),
        acknowledged=sum(one.acknowledged for one in found),
        lost=sum(one.lost for one in found),
        doubled=sum(one.doubled for one in found),
        failed=sum(why.values()),
        why=why,
        figures={name: str(times) for name, times in sorted(figures.items())}
        | {"slowest_mending": f"{slowest:.2f} times what the line needs"},
        plan=() if outcomes.failed is None else outcomes.failed.plan,
    )
