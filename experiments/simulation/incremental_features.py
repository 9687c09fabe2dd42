"""Records of one policy's world so far, and features as of each arrival in it.

The same definitions and the same rule as the bulk kernel (an event counts strictly before the cut),
but day by day: which crossings there are, and what is known of them, depends on who was searched.
A test compares the features with those of :mod:`features.offline.feature_matrix`, bit for bit.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.simulation.candidate_records import Candidates
from experiments.simulation.world_snapshots import WorldSnapshots
from experiments.synthetic.config import Bools, Floats, Ints
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, PASSED, SPREAD
from features.catalogue.plan import Group, Rows
from features.catalogue.spec import EVER, FAN_OUT, Link, Read
from features.offline.compilation import compile_kernel
from features.offline.kernel import group_reads

Event = tuple[int, int, tuple[int, ...]]
"""(known at, row or key, amounts)."""
_AMOUNTS = {
    INSPECTIONS.name: ("n", "hit", "seizure"),
    FINDS.name: ("grams", "n"),
    PASSED.name: tuple(sorted({link.measure for link in PASSED.links})),
}


class WorldRecords:
    """The records of one world as they come to be known."""

    def __init__(self, given: Candidates) -> None:
        self._given = given
        self._there: Bools = np.zeros(len(given.log), np.bool_)
        self._measures = dict(given.measures)
        for name in given.plan.derived:  # of the impossible world: computed again as rows arrive
            self._measures[name] = np.zeros(len(given.log), np.int64)
        self._label: dict[int, tuple[int, int, int]] = {}
        self._events: dict[str, list[Event]] = defaultdict(list)
        self._passed: dict[tuple[str, ...], list[Event]] = defaultdict(list)
        self._spread = WorldSnapshots(given) if given.plan.spread else None

    def arrive(self, trips: Ints) -> Ints:
        """Take in the records that trips leave; return the rows of their entries, shape (n,)."""
        entries = self._given.entry_row[trips]
        exits = self._given.exit_row[trips]
        rows = np.sort(np.concatenate([entries, exits[exits >= 0]]))
        self._there[rows] = True
        for name in self._given.plan.derived:
            seen = CROSSINGS.derived[name]
            codes = self._given.codes[seen.by, seen.by][rows]
            had = self._own_counts(seen.by, codes, rows, windows=np.array([_reach(seen.window)]))
            self._measures[name][rows] = ((had > 0) == seen.wanted) & (codes >= 0)
        return entries

    def act(self, trips: Ints, outcomes: Ints, *, at: int) -> None:
        """Take in what acts found, shape (n,), at one time: 0 clear, 1 discrepancy, 2 seizure."""
        for row, outcome in zip(self._given.entry_row[trips].tolist(), outcomes, strict=True):
            before = self._label.get(row, (0, 0, 0))
            after = (1, max(before[1], int(outcome > 0)), max(before[2], int(outcome > 1)))
            if after == before:
                continue
            self._label[row] = after
            added = tuple(new - old for new, old in zip(after, before, strict=True))
            self._events[INSPECTIONS.name].append((at, row, added))
            if added[1]:
                self._pass_on(row, at)

    def find(self, trips: Ints, grams: Floats, *, at: int) -> None:
        """Take in finds made elsewhere and linked back to a crossing; arrays have shape (n,)."""
        for row, found in zip(self._given.entry_row[trips].tolist(), grams, strict=True):
            self._events[FINDS.name].append((at, row, (round(float(found)), 1)))

    def _pass_on(self, row: int, at: int) -> None:
        """Pass a hit on along every kind of link, to those linked last first."""
        for link in self._given.plan.links:
            added = tuple(int(name == link.measure) for name in _AMOUNTS[PASSED.name])
            for other in self._list_linked(link, row, at):
                self._passed[(link.to,)].append((at, other, added))

    def _list_linked(self, link: Link, row: int, at: int) -> Sequence[int]:
        via = (link.via,)
        code = int(self._given.codes[via, via][row])
        if code < 0:
            return ()
        rows = self._given.index[via].rows(code)
        rows = rows[self._there[rows] & (self._given.log.known_at[rows] < at)]
        keys = self._given.keys[(link.to,), (link.to,)]
        to, first = np.unique(keys[rows], return_index=True)
        since = self._given.log.known_at[rows[first]]
        order = np.lexsort((to, since))[::-1]
        own = keys[row]
        return [key for key in to[order].tolist() if key not in (0, own)][:FAN_OUT]

    def features(self, rows: Ints) -> Rows:
        """Return the features of some rows, float32 of shape (rows, features)."""
        plan = self._given.plan
        slots = np.full((len(rows), len(plan.slot)), np.nan)
        slots[:, : len(FACTS)] = self._given.log.facts[:, rows].T
        slots[:, len(FACTS)] = self._given.log.as_of[rows]
        asked: dict[tuple[Group, tuple[str, ...]], list[Read]] = defaultdict(list)
        for read in plan.reads:
            asked[Group(read.stream, read.by), read.of].append(read)
        for (group, of), reads in asked.items():
            places = [plan.slot[read] for read in reads]
            if group.stream == SPREAD.name and self._spread is not None:
                slots[:, places] = self._spread.values(
                    group.by[0], [read.measure for read in reads], rows, self._there, self._events
                )
                continue
            of_crossings = group.stream == CROSSINGS.name
            found = self._own(group, of, reads, rows) if of_crossings else None
            slots[:, places] = (
                found if found is not None else self._act_reads(group, of, reads, rows)
            )
        return plan.finish(slots)

    def _own(self, group: Group, of: tuple[str, ...], reads: list[Read], rows: Ints) -> Floats:
        """Return reads of the stream of crossings."""
        log, codes = self._given.log, self._given.codes[of, group.by][rows]
        sums = [read for read in reads if not read.is_last]
        names = sorted({read.measure for read in sums if read.measure != "n"})
        windows = sorted({_reach(read.window) for read in sums})
        amounts = np.array([self._measures[name] for name in names], np.int64)
        amounts = amounts.reshape(len(names), len(log))
        totals, last = _walk(
            self._given.index[group.by].start,
            self._given.index[group.by].order,
            self._there,
            log.known_at,
            amounts,
            codes,
            log.as_of[rows],
            np.array(windows or [EVER], np.int64),
        )
        out = np.full((len(rows), len(reads)), np.nan)
        for place, read in enumerate(reads):
            if read.is_last:
                carried = self._last_facts(read, last)
                out[:, place] = np.where(last < 0, np.nan, carried)
            else:
                which = 0 if read.measure == "n" else 1 + names.index(read.measure)
                out[:, place] = totals[which, windows.index(_reach(read.window))]
        out[codes == -1] = np.nan
        unknown = self._given.keys[of, group.by][rows] == 0
        strangers = (codes == -1) & ~unknown  # no event was ever counted under that key
        out[np.ix_(strangers, [p for p, read in enumerate(reads) if not read.is_last])] = 0.0
        return out

    def _last_facts(self, read: Read, last: Ints) -> Floats:
        if read.measure == "known_at":
            return self._given.log.known_at[last].astype(np.float64)
        fact: Floats = self._given.log.facts[FACTS.index(read.measure), last].astype(np.float64)
        return fact

    def _own_counts(
        self, by: tuple[str, ...], codes: Ints, rows: Ints, *, windows: Ints
    ) -> NDArray[np.int64]:
        """Count the crossings of each row's entity within one window before it."""
        index, log = self._given.index[by], self._given.log
        none = np.zeros((0, len(log)), np.int64)
        totals, _ = _walk(
            index.start,
            index.order,
            self._there,
            log.known_at,
            none,
            codes,
            log.known_at[rows],
            windows,
        )
        found: NDArray[np.int64] = totals[0, 0]
        return found

    def _act_reads(
        self, group: Group, of: tuple[str, ...], reads: list[Read], rows: Ints
    ) -> Floats:
        """Return reads of the streams of acts and finds, by the kernel of the product."""
        keyed = group.stream == PASSED.name
        events = self._passed[group.by] if keyed else self._events[group.stream]
        at = np.array([event[0] for event in events], np.int64)
        who = np.array([event[1] for event in events], np.int64)
        names = _AMOUNTS[group.stream]
        amounts = np.array([event[2] for event in events], np.int64).reshape(-1, len(names)).T
        key = who if keyed else self._given.keys[group.by, group.by][who]
        query, as_of = self._given.keys[of, group.by][rows], self._given.log.as_of[rows]
        windows = sorted({read.window for read in reads if not read.is_last}) or [EVER]
        sums = [read for read in reads if not read.is_last]
        order = np.argsort(as_of, kind="stable")
        if group.stream == INSPECTIONS.name:
            amounts = np.vstack([amounts, np.ones(len(at), np.int64)])
        found = group_reads(
            key,
            at,
            np.ascontiguousarray(amounts),
            query[order],
            as_of[order],
            np.array([0 if window >= EVER else window for window in windows]),
            np.array([names.index(read.measure) for read in sums], np.int64),
            np.array([windows.index(read.window) for read in sums], np.int64),
        )
        out = np.full((len(rows), len(reads)), np.nan)
        for place, read in enumerate(reads):
            last = found[-1]
            if not read.is_last:
                out[order, place] = found[sums.index(read)]
            elif len(at):
                out[order, place] = np.where(last < 0, np.nan, at[last])
        out[query == 0] = np.nan
        return out


def _reach(window: int) -> int:
    return min(EVER, window)


@compile_kernel
def _walk(  # noqa: C901 - compiled: calls inside would cost more than they explain
    start: Ints,
    order: Ints,
    there: Bools,
    known_at: Ints,
    amounts: Ints,
    codes: Ints,
    as_of: Ints,
    windows: Ints,
) -> tuple[NDArray[np.int64], Ints]:
    """Sum what each query's entity had before its cut: counts first, then each amount."""
    totals = np.zeros((len(amounts) + 1, len(windows), len(codes)), np.int64)
    last = np.full(len(codes), -1, np.int64)
    widest = windows.max()
    for q in range(len(codes)):
        if codes[q] < 0:
            continue
        first, at = start[codes[q]], start[codes[q] + 1]
        while at > first:
            at -= 1
            row = order[at]
            age = as_of[q] - known_at[row]
            if age <= 0 or not there[row]:
                continue
            if last[q] < 0:
                last[q] = row
            if age > widest:
                break
            for w in range(len(windows)):
                if age <= windows[w]:
                    totals[0, w, q] += 1
                    for a in range(len(amounts)):
                        totals[a + 1, w, q] += amounts[a, row]
    return totals, last
