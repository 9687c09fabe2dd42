"""Figures of a period in words: one document, which a page shows and a PDF file prints."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import get_args

from babel.dates import format_date

from api.figures.answers import Figure, FigureRow, PeriodFigures, PeriodSums, ReleaseTime
from api.shifts.answers import ClassFigures
from api.web.documents import Document, DocumentTable
from api.web.i18n import N_, ReaderLocale
from api.web.labels import TABLES
from engine.domain.goods import GoodsClasses
from models.statistics.intervals import Estimate

HEADINGS: dict[Figure, str] = {
    "post": N_("Post"),
    "corridor": N_("Route"),
    "vehicle_class": N_("Vehicle"),
    "method": N_("Methods"),
    "place": N_("Place"),
    "goods_class": N_("Goods"),
}
LABELS = {
    "vehicle_class": "class",
    "method": "method",
    "place": "place",
    "goods_class": "substance",
}
"""Tables of the words for codes."""
STAGES = {
    "decision": N_("from arrival to decision"),
    "act": N_("from decision to act or scan"),
    "release": N_("from act to release"),
    "whole": N_("from arrival to release"),
}
COMPARED = (
    N_("Searched"),
    N_("Finds"),
    N_("Searched before"),
    N_("Finds before"),
    N_("Difference"),
)
TIMES = (
    N_("Vehicles"),
    N_("Number"),
    N_("Still wait"),
    N_("No end recorded"),
    N_("Half within"),
    N_("90 of 100 within"),
    N_("95 of 100 within"),
)
MOST_NAMED = 5
"""Differences that the conclusions name."""


def compile_figures(found: PeriodFigures, speech: ReaderLocale, classes: GoodsClasses) -> Document:
    """Return the figures of a period as a document in the reader's language."""
    return _Words(found, replace(speech, post=found.stated_at), classes).write()


@dataclass(frozen=True, slots=True)
class _Words:
    found: PeriodFigures
    speech: ReaderLocale
    classes: GoodsClasses

    def write(self) -> Document:
        """Return the document."""
        found, say = self.found, self.speech.say
        where = found.post or say("all posts")
        return Document(
            title=say("Figures of a period"),
            about=f"{self.name_period(found.period)}, {where}",
            language=self.speech.code,
            made_of=datetime.fromisoformat(found.as_of),
            warnings=[say("synthetic")] if found.synthetic else [],
            conclusions=list(self._conclude()),
            facts=list(self._list_facts()),
            tables=[one for one in self._list_tables() if one.rows],
        )

    def name_period(self, sums: PeriodSums) -> str:
        """Return the days of a period, the last one included; of a whole month its name."""
        since, until = (datetime.fromisoformat(at) for at in (sums.since, sums.until))
        first, after = self.speech.local(since), self.speech.local(until)
        months = 12 * (after.year - first.year) + after.month - first.month
        is_whole = all(
            self.speech.is_midnight(at) and self.speech.local(at).day == 1 for at in (since, until)
        )
        if is_whole and months == 1:
            return str(format_date(first.date(), "LLLL y", self.speech.locale))
        days = self.speech.since(since), self.speech.until(until)
        return days[0] if days[0] == days[1] else " – ".join(days)

    def _conclude(self) -> Iterator[str]:
        say, number, period = self.speech.say, self.speech.number, self.found.period
        yield say(
            "Vehicles searched: %(searched)s. Finds: %(finds)s, of these seizures: %(seizures)s.",
            searched=number(period.inspected),
            finds=number(period.hits),
            seizures=number(period.seizures),
        )
        whole = next((one for one in self.found.release_times if one.stage == "whole"), None)
        if whole is not None:
            yield " ".join(self._say_released(whole))
        changed = [
            one for one in self.found.breakdown if one.conclusion in ("new", "more", "fewer")
        ]
        changed.sort(key=lambda one: one.chance or 0.0)
        for one in changed[:MOST_NAMED]:
            yield say(
                "%(what)s: %(state)s. Finds: %(finds)s, in the period before: %(before)s; the "
                "chance of such a difference without a change is %(chance)s.",
                what=self._name(one.figure, one.code),
                state=self._label("difference", one.conclusion),
                finds=number(one.finds),
                before=number(one.before_finds),
                chance=self._chance(one),
            )
        if not changed:
            yield say("No difference from the period before is certain.")

    def _say_released(self, whole: ReleaseTime) -> Iterator[str]:
        """Say how many were released and how soon, as far as those that wait leave it certain."""
        say, number, span = self.speech.say, self.speech.number, self.speech.span
        decided = whole.vehicles + whole.waiting + whole.not_recorded
        yield say("Released: %(n)s of %(all)s.", n=number(whole.vehicles), all=number(decided))
        if whole.longest is not None:
            longest = span(whole.longest)
            yield say(
                "Still wait: %(n)s, the longest %(longest)s.",
                n=number(whole.waiting),
                longest=longest,
            )
        if whole.not_recorded:
            yield say("Without a recorded end: %(n)s.", n=number(whole.not_recorded))
        if whole.median is None:
            return
        half = span(max(whole.median, 1))
        if whole.within_95 is None:
            yield say("Half of the vehicles were released within %(half)s.", half=half)
            return
        most = span(max(whole.within_95, 1))
        yield say(
            "Half of the vehicles were released within %(half)s, 95 of 100 within %(most)s.",
            half=half,
            most=most,
        )

    def _chance(self, one: FigureRow) -> str:
        if one.chance is None:
            return "–"
        return (
            f"< {self.speech.share(0.001)}" if one.chance < 0.001 else self.speech.share(one.chance)
        )

    def _list_facts(self) -> Iterator[tuple[str, str]]:
        say, period, before = self.speech.say, self.found.period, self.found.before
        yield say("In brackets: the period before"), self.name_period(before)
        yield say("Vehicles decided on"), self._both(period.decisions, before.decisions)
        for term, counts in (
            (say("Channels after verdicts"), period.standing),
            (say("Channels by the engine"), period.channels),
        ):
            yield (
                term,
                ", ".join(
                    f"{self._label('channel', code)} {self.speech.number(count)}"
                    for code, count in reversed(counts.items())
                ),
            )
        papers = say("+ %(n)s by papers alone", n=self.speech.number(period.papers_only))
        yield say("Searched"), f"{self._both(period.inspected, before.inspected)} {papers}"
        yield say("Finds"), self._both(period.hits, before.hits)
        yield say("Seizures"), self._both(period.seizures, before.seizures)
        yield say("Minutes"), self._both(period.minutes, before.minutes)
        rates = [self._share(one.random_hit_rate) for one in (period, before)]
        yield say("Hit rate, random checks alone"), f"{rates[0]} ({rates[1]})"
        if period.kinds:
            kinds = (
                f"{self._label('discrepancy', code)}: {self.speech.number(count)}"
                for code, count in period.kinds.items()
            )
            yield say("Discrepancies"), "; ".join(kinds)
        if period.duties:
            sums = (f"{self.speech.number(sum_, 2)} {code}" for code, sum_ in period.duties.items())
            yield say("Duty and fine assessed"), "; ".join(sums)

    def _both(self, now: float, before: float) -> str:
        """Return a figure, and in brackets that of the period before."""
        return f"{self.speech.number(now)} ({self.speech.number(before)})"

    def _share(self, one: Estimate) -> str:
        counts = {"k": self.speech.number(one.positives), "n": self.speech.number(one.n)}
        is_told = one.knowable and one.positives
        if not is_told or one.low is None or one.high is None or one.value is None:
            return self.speech.say("%(k)s of %(n)s", **counts)
        ends = {"low": self.speech.share(one.low), "high": self.speech.share(one.high)}
        between = self.speech.say("between %(low)s and %(high)s", **ends)
        return f"{self.speech.share(one.value)}, {between}"

    def _list_tables(self) -> Iterator[DocumentTable]:
        say, number = self.speech.say, self.speech.number
        yield DocumentTable(
            say("Selected by"),
            [say("Selected by"), say("Sent"), say("Searched"), say("Finds"), say("Hit rate")],
            [
                [
                    self._label("stream", one.stream),
                    *map(number, (one.sent, one.inspected, one.hits)),
                    self._share(one.hit_rate),
                ]
                for one in self.found.streams
                if one.sent
            ],
        )
        yield DocumentTable(
            say("Seizures"),
            [say("Goods"), say("Finds"), say("Amount")],
            [
                [self._name("goods_class", one.goods_class), number(one.finds), self._amount(one)]
                for one in self.found.goods
            ],
        )
        for figure in get_args(Figure):
            yield DocumentTable(
                say(HEADINGS[figure]),
                [say(HEADINGS[figure]), *map(say, COMPARED)],
                [self._row(one) for one in self.found.breakdown if one.figure == figure],
            )
        for stage in STAGES:
            yield DocumentTable(
                say("Release times: %(stage)s", stage=say(STAGES[stage])),
                [say(one) for one in TIMES],
                [
                    self._time(one)
                    for one in self.found.release_times
                    if one.stage == stage and (one.of != "post" or stage == "whole")
                ],
            )

    def _row(self, one: FigureRow) -> list[str]:
        counts = (one.searched, one.finds, one.before_searched, one.before_finds)
        state = self._label("difference", one.conclusion)
        is_sure = one.conclusion in ("new", "more", "fewer")
        return [
            self._name(one.figure, one.code),
            *map(self.speech.number, counts),
            f"{state}, {self._chance(one)}" if is_sure else state,
        ]

    def _time(self, one: ReleaseTime) -> list[str]:
        counts = (one.vehicles, one.waiting, one.not_recorded)
        spans = (one.median, one.within_90, one.within_95)
        return [
            self._name_way(one),
            *map(self.speech.number, counts),
            *("–" if one is None else self.speech.span(one) for one in spans),
        ]

    def _name_way(self, one: ReleaseTime) -> str:
        say = self.speech.say
        if one.of == "all":
            return say("all")
        if one.of == "known_trader":
            return say("known lawful trade") if one.code == "yes" else say("other trade")
        if one.of == "channel":
            return self._label("channel", one.code)
        return self._name("post" if one.of == "post" else "vehicle_class", one.code)

    def _name(self, figure: Figure, code: str) -> str:
        """Return what a row is called; the code where nothing names it."""
        if figure == "goods_class" and code in self.classes.by_code:
            return self.classes.name(code, self.speech.code)
        if figure == "corridor" and not code:
            return self.speech.say("not declared")
        if figure == "corridor":
            return " → ".join(map(self.speech.country, code.split(">")))
        if figure == "post":
            named = self.speech.network.posts.get(code)
            return f"{named.name} ({code})" if named is not None and named.name else code
        return self._label(LABELS[figure], code)

    def _label(self, table: str, code: str) -> str:
        known = TABLES[table].get(code)
        return code if known is None else self.speech.say(known)

    def _amount(self, one: ClassFigures) -> str:
        if one.amount is None or one.unit is None:
            return ""
        return f"{self.speech.number(one.amount, 3)} {self._label('unit', one.unit)}"
