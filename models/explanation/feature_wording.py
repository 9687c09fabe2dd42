"""Wording of each feature: a message about this vehicle, made from how the feature is declared.

Assumes the operators of the catalogue. What no wording here knows is stated by the feature's own
meaning and unit, so that a new feature has a sentence from its first day. What a profile asked for
is worded alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import isnan
from typing import Any

from engine.criteria.profiles.readable_fields import DERIVED
from engine.domain.time_units import MINUTE
from engine.explanation.message_templates import NONE, PARTY
from engine.explanation.messages import Message, Parameters
from engine.ports import Evidence
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.event_streams import STREAMS
from features.catalogue.mirror_features import DIFFERS, KEYS, LESS, OVER, SHARE, WINDOW
from features.catalogue.spec import EVER, SPREAD_PARTS, Fact, Feature, Read

_KEY_NOUN: Mapping[str, str] = {"plate": "plate_key", "vin": "vin_key"}
"""Nouns of the keys by which the paired post's record is found, where not the key's own."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Messages that say a feature, by their identifiers."""

    known: str
    unit: str
    denied: str = ""
    """Of a flag that is off."""
    unknown: str = ""
    """Where the value is not known; ``known`` with an unknown amount where it is empty."""
    none: str = ""
    """Where the value is zero and that is said in words."""
    of_party: str = ""
    """In place of ``known`` where the party is known whose value it is."""
    parameters: Parameters = field(default_factory=dict)
    """What the feature is about; the value and its unit are added."""

    def message(self, value: float) -> Message:
        """Return the message that states a value; NaN where it is not known."""
        is_known = not isnan(value)
        figures = {"value": float(value) if is_known else None, "unit": self.unit}
        return Message(self._identifier(value), {**self.parameters, **figures})

    def count_message(self, finds: int, inspections: int) -> Message:
        """Return the message of a rate by the counts behind it, never by the rate itself."""
        if not inspections:
            return Message(self.unknown, self.parameters)
        counts: Mapping[str, int] = {"finds": finds, "inspections": inspections}
        return Message(self.known, {**self.parameters, **counts})

    def _identifier(self, value: float) -> str:
        if isnan(value):
            return self.unknown or self.known
        if self.none and value == 0.0:
            return self.none
        return self.denied if self.denied and value < 0.5 else self.known


def word_feature(feature: Feature) -> Wording:
    """Return the wording of a feature."""
    wording = _BY_OPERATOR.get(feature.operator, _word_plain)(feature)
    return _word_plain(feature) if wording is None else wording


def _word_plain(feature: Feature) -> Wording:
    meaning, unit = feature.meaning.replace("_", " "), feature.unit.replace("_", " ")
    return Wording("field_value", unit, parameters={"of": meaning})


def _word_value(feature: Feature) -> Wording | None:
    (what,) = feature.inputs
    if not isinstance(what, Fact):
        return None
    of = {"of": feature.meaning}
    if feature.unit == "flag":
        unknown = "field_value"
        return Wording("field_holds", "flag", denied="field_value", unknown=unknown, parameters=of)
    known = _OWN_WORDS.get(what.name, "field_value")
    return Wording(known, feature.unit, unknown="field_value", parameters=of)


_OWN_WORDS: Mapping[str, str] = {
    "lodged_hours_before": "declared_before_arrival",
    "value_per_kg": "declared_price",
}
"""Messages of fields that read better than their name and value."""


def _word_scaled(feature: Feature) -> Wording | None:
    (read,) = _reads(feature)
    span = _span(read)
    if read.stream == "passed":
        via = read.measure.removeprefix("via_")
        return Wording("passed_hits_count", "events", parameters={**span, "noun": via})
    if read.measure.startswith("new_"):
        both = list(STREAMS[read.stream].derived[read.measure].by)
        return Wording("first_together_count", "events", parameters={**span, "both": both})
    if read.stream == "inspections" and read.measure == "hit":
        return Wording("finds_count", "events", parameters=span)
    if read.measure != "n":
        return None
    return _word_count(read, span)


def _word_count(read: Read, span: Mapping[str, Any]) -> Wording | None:
    """Return the wording of a number of events."""
    if read.of != read.by:
        within = {"within_minutes": span["within_minutes"]}
        return Wording("paired_times", "events", parameters=within)
    if read.by[:2] == ("post", "direction") and len(read.by) == 3:
        unknown = "crossings_count"
        return Wording("others_here", "events", unknown=unknown, parameters=span)
    if read.stream == "crossings":
        whom = list(_without_direction(read.by))
        parameters = {**span, "whom": whom, "this_way": "direction" in read.by}
        return Wording("crossings_count", "events", parameters=parameters)
    counted = {"finds": "linked_finds_count"}.get(read.stream, f"{read.stream}_count")
    return Wording(counted, "events", parameters=span)


def _word_since(feature: Feature) -> Wording:
    """Return the wording of how long ago, or how far away, the last crossing was."""
    read = _reads(feature)[0]
    parameters = {"whom": list(_without_direction(read.by)), "this_way": "direction" in read.by}
    known = "last_crossing_far" if feature.unit == "km" else "last_crossing"
    return Wording(known, feature.unit, unknown="nothing_earlier", parameters=parameters)


def _word_rate(feature: Feature) -> Wording:
    read = _reads(feature)[0]
    known, unknown = f"inspections_{read.measure}", "no_inspections"
    return Wording(known, "share", unknown=unknown, parameters=_span(read))


def _word_ratio(feature: Feature) -> Wording | None:
    part, whole = _reads(feature)
    is_crossing = whole.stream == "crossings"
    parameters = _span(whole)
    unknown = "no_earlier_crossings" if is_crossing else "no_inspections"
    if part.measure == "weighed_kg":
        return Wording("weighed_average", "kg", unknown="not_weighed", parameters=parameters)
    if part.measure.startswith("new_"):
        parameters["both"] = list(STREAMS[part.stream].derived[part.measure].by)
        known = "first_together_share"
    elif part.measure == whole.measure == "n":
        (rest,) = (name for name in part.by if name not in whole.by)
        known = {"day_part": "this_day_part_share"}.get(rest, "with_this_share")
        if rest == "post":
            known = "this_post_share" if is_crossing else "inspected_at_this_post_share"
        parameters["noun"] = rest
    elif part.measure in _SHARES:
        known = _SHARES[part.measure]
    else:
        return None
    return Wording(known, "share", unknown=unknown, parameters=parameters)


_SHARES: Mapping[str, str] = {
    "empty": "empty_share",
    "night": "night_share",
    "paired": "close_following_share",
}


def _word_against(feature: Feature) -> Wording:
    parameters = {**_span(_reads(feature)[-1]), "noun": _fact(feature)}
    return Wording("against_usual", "ratio", unknown="against_usual_unknown", parameters=parameters)


def _word_is_zero(feature: Feature) -> Wording:
    read = _reads(feature)[0]
    parameters = {"both": list(_without_direction(read.by)), "this_way": "direction" in read.by}
    return Wording(
        "never_together",
        "flag",
        denied="together",
        unknown="together_unknown",
        parameters=parameters,
    )


def _word_differs(feature: Feature) -> Wording:
    (read,) = _reads(feature)
    whom = list(_without_direction(read.by))
    return Wording(
        "other_than_last",
        "flag",
        denied="same_as_last",
        unknown="unlike_last_unknown",
        parameters={"noun": _fact(feature), "whom": whom, "this_way": "direction" in read.by},
    )


def _word_matched(feature: Feature) -> Wording:
    """Return the wording of a difference to the paired post's record."""
    how, last = int(feature.parameters[0]), feature.inputs[-1]
    fact = last.measure if isinstance(last, Read) else ""
    about, unknown = {"noun": fact}, "paired_unknown"
    if fact == "known_at":
        return Wording("paired_last_record", feature.unit, unknown="paired_no_record")
    if how == DIFFERS:
        return Wording(
            "paired_other", "flag", denied="paired_same", unknown=unknown, parameters=about
        )
    if how == OVER:
        return Wording("paired_ratio", "ratio", unknown=unknown, parameters=about)
    if how != LESS:
        return Wording("paired_value", feature.unit, parameters=about)
    if feature.inputs[0] == Fact("arrived_at"):
        return Wording("paired_elapsed", feature.unit)
    return Wording("paired_less", feature.unit, unknown=unknown, parameters=about)


def _word_match(feature: Feature) -> Wording:
    """Return the wording of how the paired post's record was found."""
    what = int(feature.parameters[0])
    if what == WINDOW:
        return Wording("paired_window", feature.unit)
    if what == SHARE:
        return Wording("paired_sooner_share", "share", unknown="paired_elapsed")
    key = KEYS[what]
    return Wording(
        "paired_found_by",
        "flag",
        denied="paired_not_found_by",
        unknown="paired_no_record",
        parameters={"noun": _KEY_NOUN.get(key, key)},
    )


def _word_spread(feature: Feature) -> Wording:
    """Return the wording of finds spread along links: at the parties, or at those they share."""
    kind, _, step = _reads(feature)[0].measure.partition("_")
    part = SPREAD_PARTS[int(feature.parameters[0])]
    known = f"spread_{kind}_{('own', 'linked', 'far')[int(step)]}"
    none = "" if part == "second" else f"{known}{NONE}"  # the largest may be above zero
    return Wording(known, "share", none=none, of_party=f"{known}{PARTY}")


def _reads(feature: Feature) -> list[Read]:
    return [one for one in feature.inputs if isinstance(one, Read)]


def _fact(feature: Feature) -> str:
    return next(one.name for one in feature.inputs if isinstance(one, Fact))


def _span(read: Read) -> dict[str, Any]:
    """Return whose events a read counts, and how far back; None for ever."""
    minutes = None if read.window >= EVER else read.window // MINUTE
    whom = [name for name in read.by if name != "driver_domain"]
    return {"whom": whom, "within_minutes": minutes}


def _without_direction(by: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in by if name not in ("direction", "driver_domain"))


_BY_OPERATOR: Mapping[str, Callable[[Feature], Wording | None]] = {
    "value": _word_value,
    "scaled": _word_scaled,
    "since": _word_since,
    "distance": _word_since,
    "less": _word_since,
    "rate": _word_rate,
    "recent_rate": _word_rate,
    "ratio": _word_ratio,
    "against": _word_against,
    "is_zero": _word_is_zero,
    "first_comparable": _word_is_zero,
    "differs": _word_differs,
    "matched": _word_matched,
    "match": _word_match,
    "spread": _word_spread,
}


_FIELDS = {"weighed_mass_kg": ("weighbridge mass", "kg"), "is_empty": ("said to be empty", "flag")}


def profile_figure(full: str, value: Any, behind: Evidence | None) -> Message:
    """Return the message of one field or feature of an arrival with its value.

    A rate of inspections is stated by the counts behind it, never by itself.
    """
    root, _, name = full.partition(".")
    if root == "features" and name in DERIVED:
        return Wording(
            "field_value", DERIVED[name].unit, parameters={"of": DERIVED[name].meaning}
        ).message(value)
    if root == "features":
        wording = _wording_of(name)
        if not CATALOGUE[name].is_rate:
            return wording.message(value)
        return wording.count_message(*((behind.finds, behind.inspections) if behind else (0, 0)))
    noun, unit = _FIELDS.get(name, (name.replace("_", " "), ""))
    if isinstance(value, (str, list)):
        text = value if isinstance(value, str) else ", ".join(map(str, value))
        return Message("field_text", {"of": noun, "text": text})
    return Wording("field_value", unit, parameters={"of": noun}).message(float(value))


@cache
def _wording_of(name: str) -> Wording:
    return word_feature(CATALOGUE[name])
