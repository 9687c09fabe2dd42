"""How is one feature said? As a fact about this vehicle, made from how the feature is declared.

Assumes the operators of the catalogue. What no wording here knows is said by the feature's own
meaning and unit, so that a new feature has a sentence from its first day.

How a feature of the paired post's record is said.

Assumes the two operators of :mod:`features.catalogue.mirror_features`: what the record says beside
this crossing, and how it was found.
"""

from collections.abc import Callable, Mapping, Sequence

from engine.domain.time_units import DAY, MINUTE
from features.catalogue.event_streams import STREAMS
from features.catalogue.mirror_features import DIFFERS, KEYS, LESS, OVER, SHARE, WINDOW
from features.catalogue.spec import EVER, Fact, Feature, Read
from models.explanation.units import Wording, noun

NONE = "no record of the paired post was found"
RECORD = "the paired post's record"
KEY_NOUN: Mapping[str, str] = {
    "plate": "plate",
    "vin": "VIN",
    "tir": "TIR carnet",
    "cmr": "CMR note",
    "trailer": "trailer",
}
_PLATE_AND_VIN: Mapping[str, str] = {"plate_key": "plate", "vin_key": "VIN"}


def word_matched(feature: Feature) -> Wording:
    """Return how a difference to the paired post's record is said."""
    how, last = int(feature.parameters[0]), feature.inputs[-1]
    fact = last.measure if isinstance(last, Read) else ""
    what = _PLATE_AND_VIN.get(fact) or noun(fact)
    if fact == "known_at":
        text = "the paired post last recorded this vehicle {} ago"
        return Wording(text, feature.unit, unknown=NONE)
    if how == DIFFERS:
        recorded = "the paired post recorded"
        return Wording(
            f"{what} other than {recorded}",
            "flag",
            denied=f"same {what} as {recorded}",
            unknown=f"{what}: nothing known to compare with what {recorded}",
        )
    if how == OVER:
        missing = f"{what}: no such in {RECORD}"
        return Wording(f"{what} {{}} × that of {RECORD}", "ratio", unknown=missing)
    if how == LESS:
        return _less(feature, what)
    return Wording(f"{what}, by {RECORD}: {{}}", feature.unit)


def _less(feature: Feature, what: str) -> Wording:
    if feature.inputs[0] == Fact("arrived_at"):
        unknown = f"time since {RECORD}: not known"
        return Wording(f"arrived {{}} after {RECORD}", feature.unit, unknown=unknown)
    unknown = f"{what}: nothing known of {RECORD}"
    return Wording(f"{what} less that of {RECORD}: {{}}", feature.unit, unknown=unknown)


def word_match(feature: Feature) -> Wording:
    """Return how the match itself is said."""
    what = int(feature.parameters[0])
    if what == WINDOW:
        return Wording(f"{RECORD} is looked for within {{}}", feature.unit)
    if what == SHARE:
        text = "{} of the vehicles on this line came sooner after their record at the paired post"
        return Wording(text, "share", unknown="how soon vehicles follow on this line: not known")
    key = KEY_NOUN[KEYS[what]]
    return Wording(
        f"{RECORD} was found by {key}", "flag", denied=f"{key} did not find {RECORD}", unknown=NONE
    )


_RESULTS: Mapping[str, str] = {"hit": "finds", "seizure": "seizures"}
_UNKNOWN: Mapping[str, str] = {"events": "not known", "times": "an unknown number of times"}
_ACTORS = frozenset(
    {"plate", "trailer", "driver", "carrier", "consignee", "consignor", "declarant", "post"}
)
_TERMS = ("hs6", "dispatch", "origin", "preference", "rate")
"""HS code, countries, tariff preference and duty rate: too long to be listed."""


def word_feature(feature: Feature) -> Wording:
    """Return how a feature is said."""
    made = _BY_OPERATOR.get(feature.operator, _plain)(feature)
    return _plain(feature) if made is None else made


def _plain(feature: Feature) -> Wording:
    meaning = feature.meaning.replace("_", " ")
    return Wording(f"{meaning}: {{}}", feature.unit.replace("_", " "))


def _list_names(names: Sequence[str]) -> str:
    nouns = [noun(name) for name in names]
    return " and ".join(filter(None, (", ".join(nouns[:-1]), nouns[-1])))


def _whom(by: Sequence[str]) -> str:
    if len(by) == 1 and by[0] in _ACTORS:
        return f"this {noun(by[0])}"
    if tuple(by[: len(_TERMS)]) == _TERMS:
        more = by[len(_TERMS) :]
        return "the same goods on the same terms" + (f", {_list_names(more)}" if more else "")
    return f"the same {_list_names(by)}"


def _without_way(by: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in by if name != "direction")


def _this_way(by: Sequence[str]) -> str:
    return " in this direction" if "direction" in by else ""


def _within(window: int) -> str:
    if window >= EVER:
        return "ever before"
    if window == 365 * DAY:
        return "in the last year"
    if window == DAY:
        return "in 24 hours"
    return f"in {window // DAY} days" if window >= DAY else f"in {window // MINUTE} minutes"


def _is_mirror(read: Read) -> bool:
    return read.of != read.by


def _reads(feature: Feature) -> list[Read]:
    return [one for one in feature.inputs if isinstance(one, Read)]


def _value(feature: Feature) -> Wording | None:
    (what,) = feature.inputs
    if isinstance(what, Fact):
        return Wording(f"{feature.meaning}: {{}}", feature.unit)
    return None


def _scaled_wording(feature: Feature) -> Wording | None:
    (read,) = _reads(feature)
    whom, within = _whom(read.by), _within(read.window)
    alone = _without_way(read.by)
    derived = STREAMS[read.stream].derived
    unit, text = "events", ""
    if read.stream == "passed":
        via = noun(read.measure.removeprefix("via_"))
        text = f"hits passed on to {whom} through its {via} {within}: {{}}"
    elif read.measure in derived:
        were = _sentence(derived[read.measure].meaning)
        text = f"crossings of {whom} {within} that were {were}: {{}}"
    elif read.stream == "inspections" and read.measure in _RESULTS:
        text = f"{_RESULTS[read.measure]} in inspections of {whom} {within}: {{}}"
    elif read.measure != "n":
        return None
    elif _is_mirror(read):
        unit, text = "times", f"the paired post recorded this vehicle {{}} {within}"
    elif read.stream == "crossings" and alone in (("plate",), ("trailer",), ("driver",)):
        unit, text = "times", f"{_whom(alone)} crossed {{}}{_this_way(read.by)} {within}"
    elif read.stream == "finds":
        text = f"finds elsewhere, linked back to {whom}, {within}: {{}}"
    else:
        text = f"{STREAMS[read.stream].plural} of {whom} {within}: {{}}"
    return Wording(text, unit, unknown=text.replace("{}", _UNKNOWN[unit]))


def _sentence(words: str) -> str:
    return words.replace("plate", "vehicle")


def _since(feature: Feature) -> Wording:
    (read,) = _reads(feature)
    whom, way = _whom(_without_way(read.by)), _this_way(read.by)
    last = f"the last of the {STREAMS[read.stream].plural} of {whom}{way} was {{}} ago"
    return Wording(last, feature.unit, unknown=f"nothing earlier is known of {whom}{way}")


def _rate(feature: Feature) -> Wording:
    read = _reads(feature)[0]
    what = {"hit": "found something", "seizure": "led to a seizure"}.get(read.measure, read.measure)
    whom, within = _whom(read.by), _within(read.window)
    never = f"was not inspected {within}" if read.window < EVER else "has never been inspected"
    return Wording(f"{whom}: {{}} {within} {what}", "share", unknown=f"{whom} {never}")


def _ratio(feature: Feature) -> Wording | None:
    part, whole = _reads(feature)
    whom, within = _whom(whole.by), _within(whole.window)
    crossings = f"{STREAMS[whole.stream].plural} of {whom} {within}"
    derived = STREAMS[part.stream].derived
    unknown = f"no earlier {crossings}"
    if part.measure == whole.measure == "n":
        rest = [name for name in part.by if name not in whole.by]
        how = {"post": "at", "day_part": "in"}.get(rest[0], "with")
        text = f"{{}} of {crossings} were {how} this {_list_names(rest)}"
        return Wording(text, "share", unknown=unknown)
    if part.measure in derived:
        were = _sentence(derived[part.measure].meaning)
        return Wording(f"{{}} of {crossings} were {were}", "share", unknown=unknown)
    if part.measure == "weighed_kg":
        never = f"{whom} was not weighed {within}"
        return Wording(f"{whom} weighed {{}} on average {within}", "kg", unknown=never)
    if whole.measure != "n":
        return None
    how = {"empty": "were empty", "night": "were at night"}.get(part.measure, f"had {part.measure}")
    return Wording(f"{{}} of {crossings} {how}", "share", unknown=unknown)


def _against(feature: Feature) -> Wording:
    whole = _reads(feature)[-1]
    usual = f"usual for {_whom(whole.by)} {_within(whole.window)}"
    fact = noun(_fact(feature))
    return Wording(f"{fact} {{}} × the {usual}", "ratio", unknown=f"no {fact} known as {usual}")


def _fact(feature: Feature) -> str:
    return next(one.name for one in feature.inputs if isinstance(one, Fact))


def _is_zero(feature: Feature) -> Wording:
    (read,) = _reads(feature)
    together, way = _list_names(_without_way(read.by)), _this_way(read.by)
    return Wording(
        f"{together} were never seen together{way} before",
        "flag",
        denied=f"{together} were seen together{way} before",
        unknown=f"{together}: not all are known",
    )


def _differs(feature: Feature) -> Wording:
    (read,) = _reads(feature)
    last = f"at {_whom(_without_way(read.by))}'s last crossing{_this_way(read.by)}"
    what = noun(_fact(feature))
    return Wording(
        f"{what} other than {last}",
        "flag",
        denied=f"same {what} as {last}",
        unknown=f"{what}: nothing known to compare with {last}",
    )


_BY_OPERATOR: Mapping[str, Callable[[Feature], Wording | None]] = {
    "value": _value,
    "scaled": _scaled_wording,
    "since": _since,
    "rate": _rate,
    "ratio": _ratio,
    "against": _against,
    "is_zero": _is_zero,
    "differs": _differs,
    "matched": word_matched,
    "match": word_match,
}
