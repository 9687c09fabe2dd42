"""Verification of random numbers by the revealed seeds of shifts.

Once a shift's seed is revealed its numbers can be drawn again: the seed must be the one committed
to as the shift opened, the commitment must include the journal's head of that moment, and each
decision's numbers must be those of its movement. Shifts with a secret seed are skipped.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from engine.domain.records import Crossing
from engine.domain.time_units import HOUR, micros
from engine.journal.hash_chain import GENESIS
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import DECISION, SEEDS_COMMITTED, SHIFT_CLOSED, SHIFT_OPENED
from engine.journal.payloads import DecisionBody
from engine.queue.queue import DECISIONS
from engine.selection.champion_challenger import TRIAL, draw_leader
from engine.selection.randomization import ShiftPeriod, commitment, draw, movement_key
from engine.selection.team_assignment import TEAM, assign_team
from engine.shifts.seed_chains import is_of_chain

DrawFault = tuple[int, str, str]
"""(seq, rule, message)."""
_J = JOURNAL.c


@dataclass(frozen=True, slots=True)
class RevealedShift:
    """A shift whose seed is known."""

    shift: ShiftPeriod
    seed: bytes


@dataclass(slots=True)
class DrawVerifier:
    """Draws every number again; ``checked`` counts the verified decisions."""

    checked: int = 0
    is_whole: bool = True
    """False for a journal of copies, in which envelopes are not: a head among them is unknown."""

    def faults(self, connection: Connection) -> Iterator[DrawFault]:
        """Yield the numbers that were not drawn as required, shifts first."""
        revealed: dict[str, RevealedShift] = {}
        yield from _verify_shifts(connection, revealed, is_whole=self.is_whole)
        yield from verify_chains(connection)
        for seq, body in JournalReader(connection).bodies_of(DECISION):
            known = revealed.get(body.get("inputs", {}).get("shift_id", ""))
            if known is not None:
                self.checked += 1
                yield from _check_draws(connection, seq, body, known)


def _verify_shifts(
    connection: Connection, revealed: dict[str, RevealedShift], *, is_whole: bool
) -> Iterator[DrawFault]:
    opened = {
        body["shift"]: (seq, body)
        for seq, body in JournalReader(connection).bodies_of(SHIFT_OPENED)
    }
    for seq, body in JournalReader(connection).bodies_of(SHIFT_CLOSED):
        if body["shift"] not in opened:
            yield seq, "shift", "a seed of a shift that was never opened"
            continue
        at, opening = opened[body["shift"]]
        seed, head = bytes.fromhex(body["seed"]), bytes.fromhex(opening["head_chain"])
        if commitment(seed, head) != opening["commitment"]:
            yield seq, "seed", "not the seed that was committed to as the shift opened"
        known = _chain(connection, opening["head_sequence"])
        is_other = known != head and (is_whole or known is not None)
        if is_other or opening["head_sequence"] >= at:
            yield at, "commitment", "does not stand on the journal's head of its time"
        post = body["shift"].partition("@")[0]
        times = (
            micros(datetime.fromisoformat(opening[name])) for name in ("opens_at", "closes_at")
        )
        revealed[body["shift"]] = RevealedShift(ShiftPeriod(post, *times), seed)


def verify_chains(connection: Connection) -> Iterator[DrawFault]:
    """Yield the shifts whose seed is not the next one of a chain that was committed to before.

    Once a post has a chain, every later shift of it draws from one; earlier ones have none.
    """
    reader = JournalReader(connection)
    chains = dict(reader.bodies_of(SEEDS_COMMITTED))
    seeds = {body["shift"]: body["seed"] for _, body in reader.bodies_of(SHIFT_CLOSED)}
    used: dict[int, int] = {}
    for seq, body in reader.bodies_of(SHIFT_OPENED):
        post, place = body["shift"].partition("@")[0], body.get("chain")
        if place is None:
            if any(at < seq and chain["post"] == post for at, chain in chains.items()):
                yield seq, "chain", "its seed is from no chain, and its post has one"
            continue
        chain = chains.get(place["sequence"])
        if chain is None or place["sequence"] > seq or chain["post"] != post:
            yield seq, "chain", "its seed's chain was not committed to before"
            continue
        if place["index"] != used.get(place["sequence"], 0) + 1:
            yield seq, "chain", "its seed is not the next one of its chain"
        used[place["sequence"]] = place["index"]
        seed = seeds.get(body["shift"])
        if seed is not None and not is_of_chain(bytes.fromhex(seed), place, chain):
            yield seq, "chain", "its seed is not from the chain that was committed to"


def _chain(connection: Connection, seq: int) -> bytes | None:
    if seq == 0:
        return GENESIS
    found = connection.scalar(select(_J.chain).where(_J.seq == seq))
    return None if found is None else bytes(found)


def _check_draws(
    connection: Connection, seq: int, body: DecisionBody, known: RevealedShift
) -> Iterator[DrawFault]:
    inputs = body["inputs"]
    first = _first_record(connection, body)
    if first is None:
        yield seq, "amends", "the decision it goes back to is gone"
        return
    again = _redraw(inputs["draws"], first, known)
    for purpose, number in inputs["draws"].items():
        if number != again[purpose]:
            yield seq, "draw", f"not the number that its movement draws for {purpose}"
    team = body["decision"]["team"]
    if team is not None and team != assign_team(inputs["teams"], inputs["draws"][TEAM]):
        yield seq, "team", "not the team that its number assigns"
    trial, number = inputs["trial"], inputs["draws"].get(TRIAL)
    if trial is not None and (
        number is None or draw_leader(trial["share"], number) != trial["leader"]
    ):
        yield seq, "leader", "not the model that its number lets lead"


def _redraw(purposes: Iterable[str], first: DecisionBody, known: RevealedShift) -> dict[str, float]:
    """Return the numbers that a decision's movement draws; ``first`` is its first record."""
    crossing = Crossing.model_validate(first["arrival"]["crossing"], strict=False)
    movement = movement_key(crossing, known.shift)
    return {purpose: draw(known.seed, purpose, movement=movement) for purpose in purposes}


@dataclass(frozen=True, slots=True)
class RedrawnNumbers:
    """One decision's numbers, as recorded and drawn again."""

    seq: int
    decision_id: str
    recorded: Mapping[str, float]
    """By purpose."""
    again: Mapping[str, float] | None
    """None where the decision it goes back to is gone."""


def redraw_numbers(
    connection: Connection, known: RevealedShift, *, most: int
) -> Iterator[RedrawnNumbers]:
    """Yield a shift's first decisions with their numbers drawn again from its revealed seed."""
    column, shift = DECISIONS.c, known.shift
    of_shift = [
        column.post == shift.post,
        column.known_at >= shift.opens_at,
        column.known_at < shift.closes_at + HOUR,
    ]
    reader = JournalReader(connection)
    for record in reader.records(DECISION, where=of_shift, join=DECISIONS, oldest=most):
        inputs = record.body["inputs"]
        if inputs["shift_id"] != shift.shift_id:
            continue  # decided just as the next one opened
        first = _first_record(connection, record.body)
        again = None if first is None else _redraw(inputs["draws"], first, known)
        yield RedrawnNumbers(record.seq, record.subject, inputs["draws"], again)


def _first_record(connection: Connection, body: DecisionBody) -> DecisionBody | None:
    """Return the record of the first decision of its movement, None where that is gone."""
    amends = body["inputs"]["amends"]
    if amends is None:
        return body
    of_it = [DECISIONS.c.decision_id == amends]
    found = JournalReader(connection).records(DECISION, where=of_it, join=DECISIONS, oldest=1)
    return next((record.body for record in found), None)
