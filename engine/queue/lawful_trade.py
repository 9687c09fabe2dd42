"""What searches find in known lawful trade, and the rule that suspends an entry.

The share of an entry's vehicles that carry a load is known from the searches that were drawn among
them: random checks and the searches of :data:`engine.selection.LAWFUL_CHECK`, which every vehicle
has the same chance of. A load is what an act states as a seizure, or a seizure reported on the
vehicle's crossing, unless all that was seized is of classes that teach no load. A vehicle counts
once, however often its declaration was changed.

An entry is beyond its bound when that share of its last 90 days is higher for certain or nearly so:
when the loads found, by whatever search, are more than the bound allows of all its vehicles; or
when so many loads in the drawn searches would come of a share at the bound in fewer than 25 of
1,000 cases, which is when the 95 % interval of Clopper and Pearson (1934) lies above it. With the
shipped bound one load suspends an entry of fewer than 200 vehicles in 90 days, which is a trader,
and some loads do not suspend one of thousands, which is a corridor. Older vehicles do not count: a
firm that was honest for a year may have been sold since. The rule ends the entry by a record of its
own within a minute, whoever filed the act. Two people may propose it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Integer, cast, func, select

from engine.criteria.dual_control import ApprovalState, draft_suspension, read_approval_states
from engine.criteria.match import KNOWN_LAWFUL
from engine.criteria.policy import read_goods_classes, read_policy
from engine.domain.time_units import DAY
from engine.journal.entries import Draft
from engine.journal.journal import JOURNAL, Journal, JournalReader
from engine.journal.kinds import (
    FIND_CONFIRMED,
    INSPECTION_CORRECTED,
    SEIZURE,
    SEIZURE_CORRECTED,
)
from engine.journal.power_records import find_last_sequence
from engine.queue.corrections import Corrections, read_stated
from engine.queue.match_outcomes import ACTS, MATCHES
from engine.storage.database import Store, split_in_slices

TAIL = 0.025
"""One side of a 95 % interval."""
WINDOW = 90 * DAY
"""How far back an entry is judged."""
_M, _A, _J = MATCHES.c, ACTS.c, JOURNAL.c


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """What is known of the vehicles that one entry fitted."""

    vehicles: int = 0
    searched: int = 0
    """By an act that could have found something, whatever selected them."""
    loads: int = 0
    """Vehicles with a load found."""
    drawn: int = 0
    """Vehicles searched because they were drawn."""
    drawn_loads: int = 0

    def is_beyond(self, bound: float) -> bool:
        """Tell whether the share of vehicles with a load is beyond a bound."""
        if self.loads > bound * self.vehicles:
            return True
        below, term = 0.0, (1.0 - bound) ** self.drawn
        for k in range(self.drawn_loads):  # binomial terms, each from the one before
            below += term
            term *= (self.drawn - k) / (k + 1) * bound / (1.0 - bound)
        return 1.0 - below < TAIL


def count_lanes(
    connection: Connection, entries: Sequence[ApprovalState], *, since: int = 0
) -> dict[str, LaneCounts]:
    """Return what is known of the vehicles that each entry fitted from an instant on.

    By its subject; ``since`` is in UTC microseconds.
    """
    if not entries:
        return {}
    names = [one.subject for one in entries]
    since = max(since, min(one.proposed_at for one in entries))
    loaded = _list_loaded(connection, names, since=since)
    found = dict.fromkeys(names, LaneCounts())
    for some in split_in_slices(names, 500):
        each = (
            select(
                _M.code,
                _M.crossing_id,
                func.max(cast(_M.selected, Integer)).label("drawn"),
                func.max(cast(_M.inspected, Integer)).label("searched"),
            )
            .join(JOURNAL, _J.seq == _M.seq)
            .where(_M.code.in_(some), _J.known_at >= since)
            .group_by(_M.code, _M.crossing_id)
            .subquery()
            .c
        )
        both = each.drawn * each.searched
        sums = select(each.code, func.count(), func.sum(each.searched), func.sum(both))
        for code, vehicles, searched, drawn in connection.execute(sums.group_by(each.code)):
            with_load = loaded.get(code, {})
            found[code] = LaneCounts(
                vehicles=vehicles,
                searched=int(searched),
                loads=len(with_load),
                drawn=int(drawn),
                drawn_loads=sum(with_load.values()),
            )
    return found


def _list_loaded(
    connection: Connection, names: Sequence[str], *, since: int
) -> dict[str, dict[str, bool]]:
    """Return the crossings with a load, by what fitted them.

    True of each that was drawn and searched; what else matched them, such as profiles, is among
    the keys.
    """
    later = [_J.known_at >= since]
    classes = read_goods_classes(connection)
    seized: set[str] = set()
    others: set[str] = set()
    for record in read_stated(connection, SEIZURE, FIND_CONFIRMED, where=later):
        crossing = record.body["linked_crossing_id"]
        if crossing is not None:
            is_load = classes.teaches_load(record.body["seizure"].get("goods_class"))
            (seized if is_load else others).add(crossing)
    hits = {
        crossing
        for some in split_in_slices(list(names), 500)
        for crossing in connection.scalars(
            select(_M.crossing_id).where(_M.code.in_(some), _M.hit).distinct()
        )
    }
    loaded = sorted(seized | (_list_by_act(connection, hits) - others))
    found: dict[str, dict[str, bool]] = {}
    query = (
        select(_M.code, _M.crossing_id, _M.selected & _M.inspected)
        .join(JOURNAL, _J.seq == _M.seq)
        .where(*later)
    )
    for some in split_in_slices(loaded, 500):
        for code, crossing, is_drawn in connection.execute(query.where(_M.crossing_id.in_(some))):
            loads = found.setdefault(code, {})
            loads[crossing] = loads.get(crossing, False) or is_drawn
    return found


def _list_by_act(connection: Connection, crossings: set[str]) -> set[str]:
    """Return the crossings of which an act, as it is stated now, says that goods were seized."""
    found: set[str] = set()
    for some in split_in_slices(sorted(crossings), 500):
        query = select(_A.seq, _A.crossing_id).where(_A.is_hit, _A.crossing_id.in_(some))
        acts = {row.seq: row.crossing_id for row in connection.execute(query)}
        bodies = Corrections(connection).bodies(JournalReader(connection).bodies(list(acts)))
        found |= {
            acts[seq] for seq, body in bodies.items() if body["inspection"]["outcome"] == "seizure"
        }
    return found


class LawfulWatch:
    """Suspends the entries that are beyond their bound."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._seen: object = None
        """What was found when all was counted last: without a change nothing is counted."""

    def suspend(self) -> int:
        """Record the end of every entry that is beyond its bound; return how many there were."""
        with self._store.read() as connection:
            seen = self._look(connection)
            now = self._journal.now(connection)
            if seen == self._seen or not _draft_suspensions(connection, now):
                self._seen = seen
                return 0
        return len(self._journal.append_found(_draft_suspensions))

    def _look(self, connection: Connection) -> object:
        names = [one.subject for one in list_own_entries(connection)]
        kinds = (SEIZURE, SEIZURE_CORRECTED, FIND_CONFIRMED, INSPECTION_CORRECTED)
        last = [find_last_sequence(connection, kind) for kind in kinds] if names else []
        hit = select(_A.seq).where(_A.is_hit).order_by(_A.seq.desc()).limit(1)
        return names, last, connection.scalar(hit) if names else 0, read_policy(connection).last


def _draft_suspensions(connection: Connection, now: int) -> list[Draft]:
    """Return the records that end the entries beyond their bound."""
    own, policy = list_own_entries(connection), read_policy(connection)
    counts = count_lanes(connection, own, since=now - WINDOW)
    return [
        draft_suspension(KNOWN_LAWFUL, one, asdict(counts[one.subject]))
        for one in own
        if counts[one.subject].is_beyond(policy.find_lawful_bound(one.content.get("post")))
    ]


def list_own_entries(connection: Connection) -> list[ApprovalState]:
    """Return the entries in force that this installation recorded: a centre suspends its own."""
    states: Mapping[str, ApprovalState] = read_approval_states(connection, KNOWN_LAWFUL)
    return [one for one in states.values() if one.state == "in_force" and not one.there]
