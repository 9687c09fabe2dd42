"""Names of profile fields and of their values, as a reader's language has them.

A row of the editor takes a field or a value by its name as well as by its code. Lists of values:
countries, posts, closed lists of the records, yes and no, and the HS headings of goods that were
declared lately with the words of their declarations.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from sqlalchemy import select

from api.auth.callers import Caller
from api.profiles.answers import ProfileField
from api.service.runtime import Runtime
from api.web.i18n import N_, ReaderLocale
from api.web.labels import TABLES
from engine.domain.goods import PRECURSORS
from engine.domain.rights import Matter, Right
from engine.journal.journal import JournalReader
from engine.queue.queue import DECISIONS

NEWEST = 300
"""Decisions whose goods name headings."""
_TABLES: Final[Mapping[str, str]] = {
    "crossing.direction": "direction",
    "crossing.vehicle_class": "class",
    "crossing.body_type": "body",
}
"""Table of labels of a field with a closed list."""
_TRUTH: Final[Mapping[str, str]] = {"true": N_("yes"), "false": N_("no")}
_FLAGS: Final[Mapping[str, str]] = {"1": N_("yes"), "0": N_("no")}
_OPEN: Final = ("headings",)
"""Lists that do not hold every value."""


@dataclass(frozen=True)
class FieldWords:
    """Fields that a reader may ask for, and what each can be."""

    offered: Sequence[ProfileField]
    speech: ReaderLocale
    posts: Sequence[str] = ()
    headings: Mapping[str, str] | None = None
    """Words of HS codes and headings."""

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """Kinds of the fields, by full name."""
        return {one.name: one.kind for one in self.offered}

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """What each field is called, by full name; of two called alike the first has the label."""
        said: dict[str, tuple[str, str]] = {}
        for one in self.offered:
            if text := _text_of(one):
                label = self.speech.say(text)
                said.setdefault(label.casefold(), (one.name, label))
        return dict(said.values())

    def find_field(self, typed: str) -> str:
        """Return the full name of a field that was typed as such, without its family or by label.

        What names no field, or several, is returned as it was typed.
        """
        if typed in self.kinds:
            return typed
        text = typed.strip().casefold()
        bare = text.replace(" ", "_")
        ways = (
            {name for name, label in self.labels.items() if label.casefold() == text},
            {one.name for one in self.offered if _text_of(one).casefold() == text},
            {name for name in self.kinds if name.partition(".")[2] == bare},
        )
        return next((found.pop() for found in ways if len(found) == 1), typed)

    @cached_property
    def _flags(self) -> frozenset[str]:
        return frozenset(one.name for one in self.offered if one.unit == "flag")

    def list_name(self, field: str) -> str:
        """Return which of ``lists`` a field takes its values from, empty for none."""
        if self.kinds.get(field) == "bool":
            return "truth"
        if field in self._flags:
            return "flags"
        if field.endswith(("_country", "_countries")):
            return "countries"
        known = {"crossing.post": "posts", "goods.hs_code": "headings", **_TABLES}
        return known.get(field, "")

    @cached_property
    def lists(self) -> Mapping[str, Mapping[str, str]]:
        """The lists of values: by code, what each is called."""
        say = self.speech.say
        tables = {table: TABLES[table] for table in _TABLES.values()} | {
            "truth": _TRUTH,
            "flags": _FLAGS,
        }
        said = {name: {code: say(text) for code, text in of.items()} for name, of in tables.items()}
        return {
            **said,
            "countries": self.speech.countries,
            "posts": {post: post for post in self.posts},
            "headings": {code: say(text) for code, text in (self.headings or {}).items()},
        }

    def read_value(self, field: str, typed: str) -> str | None:
        """Return the code of a value that was typed by code or by name.

        None stands for a value that the field cannot have. A list that does not hold every value
        leaves other texts as they are.
        """
        name, text = self.list_name(field), typed.casefold()
        if not name:
            return typed
        if name == "countries":
            return self.speech.find_country(typed)
        known = self.lists[name]
        words = {word.casefold(): code for code, word in known.items()}
        folded = {code.casefold(): code for code in known}
        found = folded.get(text) or words.get(text)
        return typed if found is None and name in _OPEN else found


def _text_of(field: ProfileField) -> str:
    return TABLES["profile_field"].get(field.name) or field.meaning


def read_headings(service: Runtime, caller: Caller) -> dict[str, str]:
    """Return the HS codes of controlled precursors, and the headings of goods declared lately.

    A heading has the commonest of the descriptions that came with it, at posts the caller sees.
    """
    column, hidden = DECISIONS.c, caller.duties.hidden_posts(Matter.DECISIONS, Right.SEE)
    newest = select(column.seq).where(column.post.not_in(hidden))
    described: dict[str, Counter[str]] = defaultdict(Counter)
    with service.store.read() as connection:
        numbers = connection.scalars(newest.order_by(column.seq.desc()).limit(NEWEST)).all()
        bodies = JournalReader(connection).bodies(numbers)
    for body in bodies.values():
        declaration = body.get("arrival", {}).get("declaration") or {}
        for item in declaration.get("items", ()):
            if item.get("description"):
                described[item["hs_code"][:4]][item["description"]] += 1
    found = {code: known.name for code, known in PRECURSORS.items()}
    found |= {heading: texts.most_common(1)[0][0] for heading, texts in described.items()}
    return dict(sorted(found.items()))
