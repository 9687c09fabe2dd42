"""One trial: faults drawn from a seed, then everything is mended, and must be where it belongs.

Senders record at both ends of every link. What they got a receipt for is acknowledged; after a kill
they ask again, as a barrier does. The operators of a stopped link look at both sides and make
lost tables again, and two people of each side resume it.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import IntegrityError

from engine.domain.time_units import DAY, HOUR, SECOND
from engine.errors import StoreUnavailableError
from engine.journal.receipts import Receipt
from engine.links.exchange import LinkExchange
from engine.links.ledger import read_receipted_part
from engine.links.outbox import read_waiting
from engine.links.state import Link
from experiments.faults.partitions.installations import Deployment, Installation, try_record
from experiments.faults.partitions.kills import Report, run_killed
from experiments.faults.partitions.line import BYTES_A_SECOND, ROUND_TRIP_SECONDS, Line

ExchangeAll = Callable[[LinkExchange, Link, Callable[[bytes], bytes]], Any]
"""Exchanges parcels until nothing waits on either side, as the product does."""
FEWEST_NODES, MOST_NODES = 2, 4
KILLS_SHARE = 0.3
"""Trials in which processes are killed."""
STEPS = (15, 30)
AT_ONCE = 5
"""Messages that a sender records one after the other, at most."""
JUMPS = (2 * SECOND, 10 * 60 * SECOND, 5 * HOUR, 2 * DAY)
KILL_SECONDS = 0.03
"""A kill comes within so long: a record takes about 3 ms, a parcel 10."""
MENDINGS = 12
"""How often people and the line try until everything is there."""
MOST_TIMES = 2.0
"""What mending may take, in terms of what the line needs for the bytes that wait."""


@dataclass(frozen=True, slots=True)
class AcknowledgedMessage:
    """What a sender got a receipt for."""

    sender: Installation
    receiver: Installation
    receipt: Receipt


@dataclass
class TrialBook:
    """What happened in a trial."""

    acknowledged: dict[str, AcknowledgedMessage] = field(default_factory=dict)
    """By the name of the message."""
    forks: set[str] = field(default_factory=set)
    """Links of which one side lost what the other had signed for, and no alarm says so yet."""
    broken: Counter[str] = field(default_factory=Counter)
    """Promises that the trial saw broken."""
    figures: Counter[str] = field(default_factory=Counter)
    plan: list[str] = field(default_factory=list)
    """What happened, a line for each step in its order."""
    slowest: float = 0.0
    """Longest mending, in terms of what the line needs."""


class PartitionTrial:
    """One trial on a deployment as it was prepared."""

    def __init__(
        self,
        deployment: Deployment,
        dice: random.Random,
        exchange_all: ExchangeAll,
        *,
        has_kills: bool,
    ) -> None:
        """With ``has_kills`` this process has one thread: it is forked."""
        self.deployment = deployment
        self.book = TrialBook()
        self._dice = dice
        self._exchange_all = exchange_all
        self.lines = [
            Line(node, deployment.centre, dice, self._refuse_again, self._note)
            for node in deployment.nodes
        ]
        self._number = 0
        self._kept: Installation | None = None
        self._is_restored = False
        self._has_kills = has_kills

    def run(self) -> None:
        """Let faults happen, then mend everything.

        An error that ends the trial is a broken promise: the negative control, without the
        constraint, comes to stores that the product cannot read.
        """
        try:
            self._let_happen()
            self._mend()
        except Exception as error:
            self.book.broken[f"an error: {type(error).__name__}"] += 1

    def _note(self, *words: object) -> None:
        self.book.plan.append(" ".join(map(str, words)))

    def _let_happen(self) -> None:
        steps = {
            self._record_some: 8,
            self._exchange: 8,
            self._cut: 1,
            self._jump: 1,
            self._keep_disk: 1.5,
            self._restore_disk: 1.5,
            self._lose_table: 0.5,
            self._lose_answered_rows: 1.5,
            self._resume_some: 0.5,
            self._kill: 1 if self._has_kills else 0,
        }
        for _ in range(self._dice.randint(*STEPS)):
            self._dice.choices(list(steps), list(steps.values()))[0]()

    def _draw_line(self) -> Line:
        return self._dice.choice(self.lines)

    def _draw_end(self, line: Line) -> Installation:
        return line.node if self._dice.random() < 0.7 else line.centre

    def _name(self) -> str:
        self._number += 1
        return f"m-{self._number}"

    def _record_some(self) -> None:
        line = self._draw_line()
        sender = self._draw_end(line)
        names = [self._name() for _ in range(self._dice.randint(1, AT_ONCE))]
        self._note(sender.name, "records", *names, "on", line.name)
        for name in names:
            self._record(line, sender, name)

    def _record(self, line: Line, sender: Installation, name: str) -> None:
        receipt = try_record(sender, line.name, name)
        if receipt is not None:
            self._acknowledge(line, sender, name, receipt)

    def _acknowledge(self, line: Line, sender: Installation, name: str, receipt: Receipt) -> None:
        self.book.acknowledged[name] = AcknowledgedMessage(sender, line.other(sender), receipt)

    def _exchange(self) -> None:
        line = self._draw_line()
        self._exchange_over(line, self._draw_end(line))

    def _exchange_over(self, line: Line, caller: Installation) -> None:
        self._note(caller.name, "calls on", line.name)
        try:
            self._exchange_all(caller.exchange, caller.link(line.name), line.carry_from(caller))
        except StoreUnavailableError:
            self.book.figures["exchanges_cut_short"] += 1
        except IntegrityError:
            self._refuse_again(caller)

    def _refuse_again(self, one: Installation) -> None:
        """Note that a store refused what it holds already; its operator rebuilds the tables."""
        self.book.figures["refused_by_the_store"] += 1
        self._note("the store of", one.name, "refuses, its tables are made again")
        if not one.is_incomplete:
            self.book.broken["a store that refused without cause"] += 1
        one.rebuild()

    def _cut(self) -> None:
        line = self._draw_line()
        line.is_up = not line.is_up
        self._note("the line of", line.name, "is", "mended" if line.is_up else "cut")

    def _jump(self) -> None:
        """Set a clock wrong; half of the processes start again with it."""
        one = self._dice.choice([self.deployment.centre, *self.deployment.nodes])
        one.clock.ahead = self._dice.choice((-1, 1)) * self._dice.choice(JUMPS)
        self.book.figures["clocks_set_wrong"] += 1
        self._note("the clock of", one.name, "is", one.clock.ahead // SECOND, "s ahead")
        if self._dice.random() < 0.5:
            self._note(one.name, "starts again")
            one.close()
            one.open()

    def _keep_disk(self) -> None:
        if self._kept is None:
            line = self._draw_line()
            self._kept = self._draw_end(line)
            self._note("the disk of", self._kept.name, "is kept")
            self._kept.rebuild()
            self._kept.close()
            self._kept.disk.keep()
            self._kept.open()

    def _restore_disk(self) -> None:
        one = self._kept
        if one is None or self._is_restored:
            return
        self._is_restored = True
        self.book.figures["disks_restored"] += 1
        self._note("the disk of", one.name, "is restored")
        one.close()
        one.disk.restore()
        one.is_incomplete = False
        one.open()
        for line in self.lines:
            if one in (line.node, line.centre):
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
            self.book.forks.add(line.name)
            self._note("an alarm is due on", line.name)

    def _lose_table(self) -> None:
        line = self._draw_line()
        self._lose_rows(line, self._draw_end(line), AT_ONCE)

    def _lose_rows(self, line: Line, one: Installation, most: int) -> None:
        """Lose some of the newest rows of what arrived on a link."""
        number = self._dice.randint(1, most)
        one.lose_rows(line.name, number)
        self.book.figures["tables_that_lost_rows"] += 1
        self._note(one.name, "loses", number, "rows of", line.name)

    def _lose_answered_rows(self) -> None:
        """Lose the rows of what was just taken, before the sender has the receipts."""
        line = self._draw_line()
        sender = self._draw_end(line)
        receiver = line.other(sender)
        self._record(line, sender, self._name())
        before = receiver.position(line.name, "received")
        self._note(receiver.name, "takes a parcel of", line.name, "and its answer is late")
        try:
            receiver.exchange.take_parcel(sender.seal_parcel(line.name))
        except IntegrityError:
            self._refuse_again(receiver)
        taken = receiver.position(line.name, "received") - before
        if taken > 0:
            self._lose_rows(line, receiver, taken)
            self._exchange_over(line, sender)

    def _resume_some(self) -> None:
        self._resume(self._draw_line())

    def _resume(self, line: Line) -> None:
        """Let people look into a stopped link, and resume it on both sides."""
        ends = (line.node, line.centre)
        if all(one.phase(line.name) != "stopped" for one in ends):
            return
        self.book.forks.discard(line.name)
        self.book.figures["links_stopped"] += 1
        if not self._is_restored and not self.book.figures["tables_that_lost_rows"]:
            self.book.broken["an alarm without cause"] += 1
        for one in ends:
            one.rebuild()
            self._note(line.name, "is", one.phase(line.name), "at", one.name, "and is resumed")
            one.resume(line.name)

    def _kill(self) -> None:
        line = self._draw_line()
        victim = self._draw_end(line)
        other = line.other(victim)
        names = [self._name() for _ in range(self._dice.randint(1, 8))]
        parcel = other.seal_parcel(line.name)
        victim.close()

        def work(report: Report) -> None:
            victim.open()
            for number, name in enumerate(names):
                if number % 3 == 1:
                    victim.exchange.answer_parcel(parcel, name=victim.name_in_envelopes(line.name))
                victim.record(line.name, name)
                report(name)

        after = self._dice.uniform(0, KILL_SECONDS)
        heard = run_killed(work, after_seconds=after)
        victim.open()
        self.book.figures["processes_killed"] += 1
        self._note(victim.name, "is killed while it records", *names, "heard of:", *heard)
        self._ask_again(line, victim, names, heard)

    def _ask_again(
        self, line: Line, victim: Installation, names: list[str], heard: list[str]
    ) -> None:
        """Keep what stands, answered or not, and send the rest again."""
        held = victim.list_sent()
        for name in names:
            if name in held:
                self._acknowledge(line, victim, name, held[name])
            elif name in heard:
                self.book.broken["an acknowledged record that a kill undid"] += 1
            else:
                self._record(line, victim, name)

    def _mend(self) -> None:
        self._note("everything is mended")
        for one in (self.deployment.centre, *self.deployment.nodes):
            one.clock.ahead = 0
            one.rebuild()
        for line in self.lines:
            line.is_up = line.is_faultless = True
            while line.late:
                line.deliver_late()
            if not self._mend_link(line):
                self.book.broken["a link that does not come back"] += 1

    def _mend_link(self, line: Line) -> bool:
        """Resume and exchange until everything is there; tell whether it is."""
        for _ in range(MENDINGS):
            self._resume(line)
            needed = self._seconds_needed(line)
            line.start_watch()
            self._exchange_over(line, line.node)
            line.note_arrivals()
            if self._is_settled(line):
                self._note_time(line, needed)
                return True
        return False

    def _is_settled(self, line: Line) -> bool:
        ends = (line.node, line.centre)
        return all(one.phase(line.name) == "in_force" for one in ends) and not any(
            self._read_waiting(line, one) for one in ends
        )

    def _read_waiting(self, line: Line, one: Installation) -> list[str]:
        with one.store.read() as connection:
            return read_waiting(connection, one.name_in_envelopes(line.name))

    def _seconds_needed(self, line: Line) -> float:
        """Return what the line needs for the envelopes that wait; 0 where none does."""
        line.node.seal_records(line.name)
        texts = [text for one in (line.node, line.centre) for text in self._read_waiting(line, one)]
        if not texts:
            return 0.0
        return ROUND_TRIP_SECONDS + sum(map(len, texts)) / BYTES_A_SECOND

    def _note_time(self, line: Line, needed: float) -> None:
        if needed:
            times = line.arrived_seconds / needed
            self.book.slowest = max(self.book.slowest, times)
            if times > MOST_TIMES:
                self.book.broken["mending that took too long"] += 1
