"""Messages: an identifier with named parameters, and its sentence in a reader's language.

A record keeps the identifier, the parameters and the English text of its time. A page renders the
identifier and the parameters in the reader's language. Parameters are JSON values: codes, numbers
and lists of them, never words of a language; only what a person wrote is kept as it was written.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, cast

from engine.domain.goods import PRECURSORS, WATCHED
from engine.domain.time_units import DAY, HOUR, MINUTE
from engine.explanation.message_templates import (
    ACTORS,
    BARE_UNITS,
    BODIES,
    CLASSES,
    CODE_UNITS,
    CONVEYANCES,
    DECLARED,
    NOUNS,
    PAPER_FIELDS,
    PRECURSOR_SIGNS,
    REASONS,
    SAME,
    SAME_TERMS,
    SHORT,
    STATED_ALONE,
    TEMPLATES,
    TERMS,
    UNITS,
    WEEK,
    CountedText,
    Template,
)

Parameters = Mapping[str, Any]
"""The parameters of a message by name, as JSON values."""
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence, or a part of one, without words."""

    id: str
    parameters: Parameters = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"message": self.id, "parameters": dict(self.parameters)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Message":
        """Read what :meth:`as_dict` gave; ``KeyError`` where a record holds no message."""
        if not record["message"]:
            raise KeyError("message")
        return cls(record["message"], record["parameters"])


class Speaker:
    """A language: its words, and how it writes numbers, lists and times.

    This one is English as records have it: UTC, and numbers with commas. In others ``say`` and
    ``count`` raise ``LookupError`` for a text that the language does not have.
    """

    def say(self, text: str, /, **values: object) -> str:
        """Return a text in this language, with each placeholder replaced by its value."""
        return text.format(**values) if values else text

    def count(self, one: str, many: str, number: float, /, **values: object) -> str:
        """Return a text that follows a number."""
        return (one if number == 1 else many).format(**values)

    def figure(self, value: float) -> str:
        """Return a number with three figures at least, and no more digits than it needs."""
        return number(value)

    def share(self, value: float, digits: int) -> str:
        """Return a share as a percentage."""
        return f"{value:.{digits}%}"

    def join_words(self, words: Sequence[str]) -> str:
        """Return words as a list."""
        return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))

    def moment(self, moment: datetime) -> str:
        """Return a day and time in UTC."""
        return moment.strftime("%Y-%m-%d %H:%M UTC")

    def time(self, moment: datetime) -> str:
        """Return a time of day in UTC."""
        return moment.strftime("%H:%M UTC")


ENGLISH = Speaker()


def number(value: float) -> str:
    """Return a number in English with three figures at least, and no more digits than it needs.

    >>> number(31250.4), number(0.12345)
    ('31,250', '0.123')
    """
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}'):f}"  # an officer reads no power of ten


def noun(name: str) -> str:
    """Return what an entity or a field is called in English."""
    return NOUNS.get(name, name.replace("_", " ").removesuffix(" key"))


def render_amount(unit: str, value: float | None, speaker: Speaker = ENGLISH) -> str:
    """Return a value with its unit; None where it is not known."""
    if value is None:
        return speaker.say(SHORT["unknown"])
    if unit in _AMOUNTS:
        return _AMOUNTS[unit](value, speaker)
    if unit in BARE_UNITS:
        return speaker.figure(value)
    if unit in UNITS:
        return _count(UNITS[unit], value, speaker)
    return f"{speaker.figure(value)} {unit}"


def render_gap(unit: str, value: float, speaker: Speaker = ENGLISH) -> str:
    """Return a difference with its sign.

    >>> render_gap("kg", 13620.0), render_gap("USD", -4.0)
    ('+13.6 t', '−4 USD')
    """
    return ("−" if value < 0 else "+") + render_mass(unit, abs(value), speaker)


def render_mass(unit: str, value: float, speaker: Speaker = ENGLISH) -> str:
    """Return an amount, of which a mass from a tonne on is in tonnes to a tenth."""
    if unit == "kg" and value >= 1000.0:
        return render_amount("t", round(value / 1000.0, 1), speaker)
    return render_amount(unit, value, speaker)


def render(
    message: Message,
    speaker: Speaker = ENGLISH,
    templates: Mapping[str, Template] = TEMPLATES,
) -> str:
    """Return a message in words.

    Raises ``LookupError`` where its identifier, a parameter or a word is not known: a record of
    another version.

    >>> render(Message("no_inspections", {"whom": ["consignee"], "within_minutes": None}))
    'no inspection of this consignee so far'
    >>> render(Message("paired_no_record", {"opposite": "Yallama"}))
    'no record of Yallama'
    """
    parameters = message.parameters
    template = templates[message.id]
    values = {name: _PLACES[name](parameters, speaker) for name in places_of(template)}
    if isinstance(template, str):
        return speaker.say(template, **values)
    return speaker.count(*template.both, parameters[template.by], **values)


def render_reason(
    message: Message,
    speaker: Speaker = ENGLISH,
    templates: Mapping[str, Template] = TEMPLATES,
) -> str:
    """Return a reason in words: its fact and what that is compared with, or a whole sentence."""
    strength = message.parameters.get("strength")
    text = render(message, speaker, templates)
    if strength is not None:
        is_alone = strength == "nothing_known" or message.id in STATED_ALONE
        comparison = "" if is_alone else render_comparison(message, speaker)
        text = speaker.say(str(REASONS[strength]), fact=text, comparison=comparison)
        text = text.replace("; .", ".")
    return text[:1].upper() + text[1:]


def render_comparison(
    message: Message,
    speaker: Speaker = ENGLISH,
    templates: Mapping[str, Template] = TEMPLATES,
) -> str:
    """Return in words what a reason's fact is compared with."""
    parameters = message.parameters
    name, unit = parameters["comparison"], parameters.get("unit")
    if unit in CODE_UNITS:
        name = "usual_varies"
    elif parameters.get("usual") is None:
        name = "usual_unknown"
    elif unit == "flag":
        name = name.replace("usual", "true")
    return render(Message(name, parameters), speaker, templates)


@cache
def places_of(template: Template) -> tuple[str, ...]:
    """Return the names of a template's places."""
    text = template if isinstance(template, str) else template.many
    return tuple(_PLACE.findall(text))


def _count(template: Template, value: float, speaker: Speaker) -> str:
    shown = speaker.figure(value)
    if isinstance(template, str):
        return speaker.say(template, number=shown)
    return speaker.count(*template.both, value, number=shown)


def _span(microseconds: float, speaker: Speaker) -> str:
    """Return a length of time in the units that suit it."""
    days, minutes = microseconds / DAY, round(microseconds / MINUTE)
    if abs(days) >= 2:
        return _count(UNITS["days"], round(days, 1 if abs(days) < 10 else None), speaker)
    if abs(minutes) < 60:
        return _count(UNITS["minutes"], minutes, speaker)
    if not 0 < minutes < 600 or minutes % 60 == 0:
        return _count(UNITS["hours"], round(microseconds / HOUR), speaker)
    hours, rest = divmod(minutes, 60)
    words = {"h": speaker.figure(hours), "m": speaker.figure(rest)}
    return speaker.say(SHORT["hours_and_minutes"], **words)


def _percent(value: float, speaker: Speaker) -> str:
    """Return a share in percent, with two figures and no more digits than it needs."""
    _, _, exponent = Decimal(f"{100.0 * value:.2g}").normalize().as_tuple()
    return speaker.share(value, max(0, -int(exponent)))


_AMOUNTS: Mapping[str, Callable[[float, Speaker], str]] = {
    "flag": lambda value, speaker: speaker.say(SHORT["yes" if value >= 0.5 else "no"]),
    "share": _percent,
    "ratio": _percent,
    "microseconds": _span,
    "days": lambda value, speaker: _span(value * DAY, speaker),
    "hours": lambda value, speaker: _span(value * HOUR, speaker),
    "HS number": lambda value, _: f"{value:06.0f}",
    "0 is Monday": lambda value, speaker: speaker.say(WEEK[round(value) % 7]),
}
"""Amounts that are not a number and a unit."""


def _nouns(names: Sequence[str], speaker: Speaker) -> str:
    return speaker.join_words([speaker.say(noun(name)) for name in names])


def _whom(parameters: Parameters, speaker: Speaker) -> str:
    names = tuple(parameters["whom"])
    if len(names) == 1 and names[0] in ACTORS:
        return speaker.say(ACTORS[names[0]])
    if names[: len(TERMS)] != TERMS:
        return speaker.say(SAME, both=_nouns(names, speaker))
    more = names[len(TERMS) :]
    return (
        speaker.say(SAME_TERMS[1], both=_nouns(more, speaker))
        if more
        else speaker.say(SAME_TERMS[0])
    )


def _within(parameters: Parameters, speaker: Speaker) -> str:
    minutes = parameters["within_minutes"]
    if minutes is None:
        return speaker.say(SHORT["ever"])
    days = minutes * MINUTE // DAY
    if days in (1, 365):
        return speaker.say(SHORT["day" if days == 1 else "year"])
    if days:
        return speaker.say(SHORT["days"], number=speaker.figure(days))
    return speaker.say(SHORT["minutes"], number=speaker.figure(minutes))


def _usual(parameters: Parameters, speaker: Speaker) -> str:
    unit, usual = parameters["unit"], parameters["usual"]
    if unit == "flag":  # of how many the fact as it is stated is true: a flag may be off
        is_on = (parameters["value"] or 0.0) >= 0.5
        return _percent(usual if is_on else 1.0 - usual, speaker)
    return render_amount(unit, usual, speaker)


def _among(parameters: Parameters, speaker: Speaker) -> str:
    among = parameters["among"]
    return speaker.say(CLASSES.get(among, f"{among.replace('_', ' ')}s"))


def _figures(parameters: Parameters, speaker: Speaker) -> str:
    return "; ".join(_figure(Message.from_dict(one), speaker) for one in parameters["figures"])


def _figure(message: Message, speaker: Speaker) -> str:
    try:
        return render(message, speaker)
    except LookupError:  # a field whose name has no words
        return render(message)


def _vehicle(parameters: Parameters, speaker: Speaker) -> str:
    """Return the vehicle with its plate, its direction and whether it was reported empty."""
    plate, country = parameters["plate"], parameters["plate_country"]
    what = speaker.say(CONVEYANCES[parameters["vehicle_class"]])
    parts = [f"{what} {plate}" + (f" ({country})" if country else "")] if plate else [what]
    words = [] if plate else ["no_plate"]
    words.append(parameters["direction"])
    if parameters["is_empty"] is not None:
        words.append("empty" if parameters["is_empty"] else "laden")
    return ", ".join([*parts, *(speaker.say(str(DECLARED[word])) for word in words)])


def _declaration(parameters: Parameters, speaker: Speaker) -> str:
    """Return the goods items, their mass and value, and the route, as far as they are known."""
    known = parameters["hs_chapters"]
    chapters = ", ".join(known[:4])
    if len(known) > 4:
        chapters = speaker.say(str(DECLARED["more"]), chapters=chapters)
    items = speaker.figure(parameters["items"])
    both = cast("CountedText", DECLARED["items"]).both
    parts = [speaker.count(*both, parameters["items"], number=items, chapters=chapters)]
    if (gross := parameters["gross_mass_kg"]) is not None:
        mass = render_amount("kg", round(gross), speaker)
        parts.append(speaker.say(str(DECLARED["gross"]), mass=mass))
    if (value := parameters["customs_value_usd"]) is not None:
        parts.append(render_amount("USD", round(value), speaker))
    route = {name: parameters[f"{name}_country"] for name in ("dispatch", "destination")}
    if all(route.values()):
        parts.append(speaker.say(str(DECLARED["route"]), **route))
    return ", ".join(parts)


def _identifiers(parameters: Parameters, speaker: Speaker) -> str:
    named = parameters["identifiers"].items()
    return ", ".join(f"{speaker.say(noun(kind))} {value}" for kind, value in named)


def _mass(kg: float | None, speaker: Speaker) -> str:
    if kg is None:
        return speaker.say(SHORT["not_weighed"])
    return render_amount("kg", round(kg), speaker)


def _moment(text: str | None, speaker: Speaker) -> str:
    if text is None:
        return speaker.say(SHORT["unknown"])
    return speaker.moment(datetime.fromisoformat(text))


SAME_SHIFT = timedelta(hours=12)
"""A time that lies this long before another needs its day."""


def _left_time(parameters: Parameters, speaker: Speaker) -> str:
    if parameters["left_at"] is None:
        return speaker.say(SHORT["unknown"])
    left, came = (datetime.fromisoformat(parameters[name]) for name in ("left_at", "came_at"))
    return speaker.time(left) if came - left < SAME_SHIFT else speaker.moment(left)


_TEXTS = (
    "code",
    "title",
    "text",
    "post",
    "place",
    "reason",
    "author",
    "hs_code",
    "table",
)


def _place_number(name: str) -> Callable[[Parameters, Speaker], str]:
    return lambda parameters, speaker: speaker.figure(parameters[name])


def _place_text(name: str) -> Callable[[Parameters, Speaker], str]:
    return lambda parameters, _: str(parameters[name])


_PLACES: Mapping[str, Callable[[Parameters, Speaker], str]] = {
    "whom": _whom,
    "party": lambda p, speaker: speaker.say(ACTORS[p["whom"][-1]]),
    "within": _within,
    "amount": lambda p, speaker: render_amount(p["unit"], p["value"], speaker),
    "elapsed": lambda p, speaker: _span(p["elapsed"], speaker),
    "noun": lambda p, speaker: speaker.say(noun(p["noun"])),
    "companion": lambda p, speaker: speaker.say(
        next(noun(name) for name in p["both"] if name not in p["whom"])
    ),
    "both": lambda p, speaker: _nouns(p["both"], speaker),
    "plain": lambda p, speaker: speaker.say(p["of"]),
    "silence": lambda p, speaker: render_amount("hours", p["hours"], speaker),
    "usual": _usual,
    "expected": lambda p, speaker: speaker.figure(float(f"{p['usual'] * p['inspections']:.2g}")),
    "among": _among,
    "figures": _figures,
    "listed": _identifiers,
    "until": lambda p, speaker: _moment(p["until"], speaker),
    "left_at": lambda p, speaker: _moment(p["left_at"], speaker),
    "seen_at": lambda p, speaker: _moment(p["seen_at"], speaker),
    "came_at": lambda p, speaker: _moment(p["came_at"], speaker),
    "left_time": _left_time,
    "came_time": lambda p, speaker: speaker.time(datetime.fromisoformat(p["came_at"])),
    "mass_there": lambda p, speaker: _mass(p["kg_there"], speaker),
    "mass_here": lambda p, speaker: _mass(p["kg"], speaker),
    "gap": lambda p, speaker: _mass(p["gap"], speaker),
    "distance": lambda p, speaker: render_amount("km", round(p["km"]), speaker),
    "limit": lambda p, speaker: render_amount("minutes", p["minutes"], speaker),
    "body": lambda p, speaker: speaker.say(BODIES[p["body"]]),
    "vehicle": _vehicle,
    "declared": _declaration,
    "mass": lambda p, speaker: render_amount("kg", round(p["kg"]), speaker),
    "way": lambda p, speaker: speaker.say(SHORT["this_way"]) if p.get("this_way") else "",
    "opposite": lambda p, speaker: p.get("opposite") or speaker.say(SHORT["opposite"]),
    "kind": lambda p, speaker: speaker.say(p["kind"]),
    "other": lambda p, speaker: speaker.say(p["other"]),
    "substance": lambda p, speaker: speaker.say(PRECURSORS[p["hs_code"]].name),
    "watched": lambda p, speaker: speaker.say(WATCHED[p["hs_code"]]),
    "unusual": lambda p, speaker: speaker.join_words(
        [speaker.say(PRECURSOR_SIGNS[sign]) for sign in p["unusual"]]
    ),
    "fields": lambda p, speaker: ", ".join(speaker.say(PAPER_FIELDS[name]) for name in p["fields"]),
    "found_by": lambda p, speaker: speaker.say(PAPER_FIELDS[p["found_by"]]),
    "own": lambda p, speaker: render_mass(p["noun_unit"], p["own"], speaker),
    "there": lambda p, speaker: render_mass(p["noun_unit"], p["there"], speaker),
    "difference": lambda p, speaker: render_gap(p["noun_unit"], p["own"] - p["there"], speaker),
    "names": lambda p, _: ", ".join(p["names"]),
    **{name: _place_number(name) for name in ("number", "of", "finds", "inspections", "signs")},
    **{name: _place_text(name) for name in _TEXTS},
}
"""How each place of a template is filled from the parameters."""
