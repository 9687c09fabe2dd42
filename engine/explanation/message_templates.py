"""English templates of messages: what a message identifier says, with named places.

Identifiers stand in journal records, so an identifier never changes its meaning; its words may be
improved: records keep the English of their time. The catalogues (``api/web/locale``) translate the
templates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.domain.goods import PRECURSORS, WATCHED


@dataclass(frozen=True, slots=True)
class CountedText:
    """A text with a number that its words follow: one thing, or many of them."""

    one: str
    many: str
    by: str = "number"
    """The parameter that holds the number."""

    @property
    def both(self) -> tuple[str, str]:
        """The text as a catalogue names it."""
        return self.one, self.many


Template = str | CountedText

_SHARE = "{whom}: {amount} of crossings {within} "
_BY_DIRECTION = {
    "crossings_count": "crossings of {whom}{way} {within}: {amount}",
    "last_crossing": "last crossing of {whom}{way}: {amount} ago",
    "last_crossing_far": "last crossing of {whom}{way}: {amount} away",
    "nothing_earlier": "no earlier crossing of {whom}{way}",
    "never_together": "{both}: first time together{way}",
    "together": "{both}: together before{way}",
    "other_than_last": "another {noun} than last time{way}",
    "same_as_last": "same {noun} as last time{way}",
    "unlike_last_unknown": "{noun}: nothing earlier to compare with",
}
"""Facts of crossings both ways, or in this direction alone."""
_PAIRED = {
    "paired_other": "{noun}: not as at {opposite}",
    "paired_same": "{noun}: as at {opposite}",
    "paired_unknown": "{noun}: not known at {opposite}",
    "paired_last_record": "last record of {opposite}: {amount} ago",
    "paired_no_record": "no record of {opposite}",
    "paired_found_by": "record of {opposite} found by {noun}",
    "paired_not_found_by": "record of {opposite} not found by {noun}",
    "paired_window": "records of {opposite} looked for: within {amount}",
    "paired_sooner_share": "longer from {opposite} than {amount} of vehicles",
    "paired_transit": "{elapsed} from {opposite}; {amount} of vehicles take less",
    "paired_times": "records of {opposite} {within}: {amount}",
    "paired_elapsed": "time from {opposite}: {amount}",
    "paired_ratio": "{noun}: {amount} of that at {opposite}",
    "paired_amounts": "{noun}: {own} here, {there} at {opposite} ({difference})",
    "paired_less": "{noun}: {amount} over that at {opposite}",
    "paired_value": "{noun} at {opposite}: {amount}",
}
"""Facts of the opposite post's record; the post is named where its name is known."""
PARTY: Final = "_party"
"""Ends the identifier of a template that names the party whose index of finds it states."""
NONE: Final = "_none"
"""Ends the identifier of a template that says that there are no finds."""
_SPREAD = {
    "own": "recent {finds} with {whom}",
    "linked": "recent {finds} one link from {whom}",
    "far": "recent {finds} two links from {whom}",
}
"""Whose finds an index counts, by step along the links."""
_IN_CROSSINGS = ": {amount} of crossings"


def _name_spread(kind: str, finds: str) -> dict[str, str]:
    """Return the texts of an index of finds: of one party, and of which of several."""
    made = {}
    for step, text in _SPREAD.items():
        of_one = text.replace("{finds}", finds)
        several = of_one.replace("{whom}", "its parties")
        made[f"spread_{kind}_{step}{PARTY}"] = of_one + _IN_CROSSINGS
        made[f"spread_{kind}_{step}"] = several + _IN_CROSSINGS
        made[f"spread_{kind}_{step}{NONE}"] = f"no {several}"
    return made


FACTS: Final[Mapping[str, Template]] = {
    **_BY_DIRECTION,
    "first_together_count": "crossings of {whom} with a new {companion} {within}: {amount}",
    "first_together_share": _SHARE + "with a new {companion}",
    "close_following_share": _SHARE + "within 30 min of another of the carrier",
    "empty_share": _SHARE + "empty",
    "night_share": _SHARE + "at night",
    "this_post_share": _SHARE + "at this post",
    "this_day_part_share": _SHARE + "in this part of the day",
    "with_this_share": _SHARE + "with this {noun}",
    "inspected_at_this_post_share": "{whom}: {amount} of inspections {within} at this post",
    "no_inspections": "no inspection of {whom} {within}",
    "no_earlier_crossings": "no crossing of {whom} {within}",
    "others_here": CountedText(
        "another vehicle of {party} here {within}",
        "other vehicles of {party} here {within}: {amount}",
        by="value",
    ),
    "inspections_hit": CountedText(
        "{whom}: finds in {finds} of {inspections} inspection {within}",
        "{whom}: finds in {finds} of {inspections} inspections {within}",
        by="inspections",
    ),
    "inspections_seizure": CountedText(
        "{whom}: seizures in {finds} of {inspections} inspection {within}",
        "{whom}: seizures in {finds} of {inspections} inspections {within}",
        by="inspections",
    ),
    "finds_count": "finds in inspections of {whom} {within}: {amount}",
    "inspections_count": "inspections of {whom} {within}: {amount}",
    "linked_finds_count": "finds elsewhere linked to {whom} {within}: {amount}",
    "passed_hits_count": "finds at a {noun} of {whom} {within}: {amount}",
    **_name_spread("found", "finds"),
    **_name_spread("seized", "seizures"),
    "weighed_average": "mean mass of {whom} {within}: {amount}",
    "not_weighed": "{whom} was not weighed {within}",
    "together_unknown": "{both}: not all are known",
    **_PAIRED,
    "against_usual": "{noun}: {amount} of the usual for {whom} {within}",
    "amount_against_usual": "{noun}: {own}; usual for {whom} {within}: {there}",
    "against_usual_unknown": "usual {noun} for {whom} {within}: not known",
    "declared_before_arrival": "declared {amount} before arrival",
    "declared_price": "declared price: {amount}",
    "field_holds": "{plain}",
    "field_value": "{plain}: {amount}",
    "field_text": "{plain}: {text}",
}
"""What a feature, or a field that a profile asks for, says of an arrival."""
REASONS: Final[Mapping[str, Template]] = {
    "raises_strongly": "Strong sign: {fact}; {comparison}.",
    "raises": "{fact}; {comparison}.",
    "lowers_strongly": "Strongly in its favour: {fact}; {comparison}.",
    "lowers": "In its favour: {fact}; {comparison}.",
    "weak_sign": "Weak sign: {fact}; {comparison}.",
    "nothing_known": "No information: {fact}.",
}
"""How a reason presents its fact; parameter ``strength``."""
STATED_ALONE: Final = frozenset(
    {"paired_sooner_share", "paired_transit", "paired_amounts", "amount_against_usual"}
)
"""Facts that say themselves what is usual."""
COMPARISONS: Final[Mapping[str, Template]] = {
    "usual_of_class_at_post": "usual for {among} here: {usual}",
    "usual_of_class": "usual for {among}: {usual}",
    "true_of_class_at_post": "so with {usual} of {among} here",
    "true_of_class": "so with {usual} of {among}",
    "usual_finds_at_post": "usual at this post: {expected}",
    "usual_finds": "usual at all posts: {expected}",
    "usual_unknown": "nothing usual is known",
    "usual_varies": "it varies",
}
"""What a fact is compared with; parameter ``comparison``. Of flags ``usual`` becomes ``true``."""
WHOLE: Final[Mapping[str, Template]] = {
    "random_check": "Random check, not for its risk.",
    "random_papers_check": "Random check of papers, not for its risk.",
    "random_check_and_more": "Random check, and another reason.",
    "no_single_circumstance": "Nothing stands out.",
    "free_place": "No sign of risk: checked because there was time.",
    "nothing_else_stands_out": "Nothing else stands out.",
    "small_signs_led": CountedText(
        "{signs} small sign: {figures}.",
        "{signs} small signs, most of all: {figures}.",
        by="signs",
    ),
    "profile": "Profile {code} «{title}»: {figures}.",
    "profile_untitled": "Profile {code}: {figures}.",
    "goods_fit": "the goods fit",
    "fact_came_laden": (
        "Left {opposite} empty ({mass_there}) on {left_at}, "
        "arrived laden ({mass_here}) on {came_at}."
    ),
    "fact_came_empty": (
        "Left {opposite} laden ({mass_there}) on {left_at}, "
        "arrived empty ({mass_here}) on {came_at}."
    ),
    "fact_mass_gained": (
        "Weighed {mass_there} at {opposite} on {left_at} and {mass_here} here on {came_at}: "
        "{gap} more."
    ),
    "fact_mass_lost": (
        "Weighed {mass_there} at {opposite} on {left_at} and {mass_here} here on {came_at}: "
        "{gap} less."
    ),
    "fact_seals": (
        "Left {opposite} on {left_at} with another customs seal than {names}, "
        "read here on {came_at}."
    ),
    "fact_trailer": (
        "Transit goods left {opposite} on {left_at} on another trailer than {text}, "
        "arrived on {came_at}."
    ),
    "fact_two_places": (
        "Same plate at {place} ({distance} away) on {seen_at} and here on {came_at}."
    ),
    "fact_elsewhere": (
        "Same plate at another post ({distance} away) on {seen_at} and here on {came_at}."
    ),
    "fact_too_soon": (
        "Left {opposite} on {left_at}, arrived on {came_at}; the road takes over {limit}."
    ),
    "fact_papers": "Papers of another line: {names} does not lead through {opposite} and {post}.",
    "fact_body": "{body} cannot carry the declared goods, HS {names}.",
    "fact_superseded": "An earlier record said: «{figures}»",
    "watchlist": "Watch list: {listed}: {reason}; {author}, until {until}.",
    "conveyance": "{vehicle}.",
    "weighed": "Weighed {mass} at this post.",
    "seals": CountedText("{number} seal recorded.", "{number} seals recorded."),
    "not_declared": "No declaration came with this crossing.",
    "declared": "{declared}.",
    "declared_ahead": "Declared ahead, version in brackets: {names}; found by {found_by}.",
    "brought_and_lodged": (
        "Brought its own declaration; also declared ahead, version in brackets: {names}; "
        "found by {found_by}."
    ),
    "network_stale": "The centre has not answered for {silence}; later lists are not known here.",
    "ahead_differs": "Differs from what was declared ahead: {fields}.",
    "precursor_declared": (
        "Declares {substance} (HS {hs_code}), a controlled precursor (Table {table})."
    ),
    "watched_declared": (
        "Declares {watched} (HS {hs_code}), used beside precursors and not controlled."
    ),
    "precursor_usual": "Precursor {substance} (Table {table}): nothing unusual.",
    "precursor_unusual": "Precursor {substance} (Table {table}): {unusual}.",
    "not_seen_before": "Not seen in 365 days.",
    "seen_before": CountedText(
        "Seen {number} time in 365 days.", "Seen {number} times in 365 days."
    ),
    "amended_once": "Its papers were changed once after arrival.",
    "amended": CountedText(
        "Its papers were changed {number} time after arrival.",
        "Its papers were changed {number} times after arrival.",
    ),
}
"""Whole sentences."""
BRIEF: Final[Mapping[str, Template]] = {
    "usual_of_class_at_post": "usual {usual}",
    "usual_of_class": "usual {usual}",
    "usual_finds_at_post": "usual {expected}",
    "usual_finds": "usual {expected}",
    "true_of_class_at_post": "{usual} of {among}",
    "true_of_class": "{usual} of {among}",
    "amount_against_usual": "{noun}: {own}; usual {there}",
    "paired_transit": "{elapsed} from {opposite}",
    "fact_came_laden": (
        "Left {opposite} empty ({mass_there}, {left_time}), "
        "arrived laden ({mass_here}, {came_time})."
    ),
    "fact_came_empty": (
        "Left {opposite} laden ({mass_there}, {left_time}), "
        "arrived empty ({mass_here}, {came_time})."
    ),
    "fact_mass_gained": (
        "{mass_there} at {opposite} ({left_time}), {mass_here} here ({came_time}): {gap} more."
    ),
    "fact_mass_lost": (
        "{mass_there} at {opposite} ({left_time}), {mass_here} here ({came_time}): {gap} less."
    ),
    "fact_seals": "Left {opposite} ({left_time}) with another seal than {names}.",
    "fact_trailer": "Left {opposite} ({left_time}) on another trailer than {text}.",
    "fact_two_places": "Same plate at {place} ({distance} away) on {seen_at}.",
    "fact_elsewhere": "Same plate at another post ({distance} away) on {seen_at}.",
    "fact_too_soon": "Left {opposite} at {left_time}; the road takes over {limit}.",
    "watchlist": "Watch list: {listed}: {reason}.",
    "profile": "{title}: {figures}.",
    "profile_untitled": "{figures}.",
}
"""How the head of a page says in short what the record says with days and comparisons."""
TEMPLATES: Final[Mapping[str, Template]] = {**FACTS, **COMPARISONS, **WHOLE}
"""By message identifier."""

ACTORS: Final[Mapping[str, str]] = {
    "plate": "this vehicle",
    "trailer": "this trailer",
    "driver": "this driver",
    "carrier": "this carrier",
    "consignee": "this consignee",
    "consignor": "this consignor",
    "declarant": "this declarant",
    "post": "this post",
}
TERMS: Final = ("hs6", "dispatch", "origin", "preference", "rate")
"""HS code, countries, tariff preference and duty rate: too long to be listed."""
SAME_TERMS: Final = ("same goods and terms", "same goods and terms, {both}")
SAME: Final = "same {both}"
NOUNS: Final[Mapping[str, str]] = {
    "line_key": "pair of posts",
    "vin_key": "VIN",
    "plate_key": "plate",
    "tir": "TIR carnet",
    "cmr": "CMR note",
    "plate": "vehicle",
    "hs2": "HS chapter",
    "hs4": "HS heading",
    "hs6": "HS code",
    "hs_number": "HS code",
    "origin": "country of origin",
    "dispatch": "country of dispatch",
    "destination": "country of destination",
    "preference": "tariff preference",
    "rate": "duty rate",
    "mass": "net mass",
    "marking": "origin marking",
    "precursor_heading": "HS heading of a precursor",
    "precursor_kg": "mass of the precursor",
    "path": "path through countries",
    "declared_route": "countries of dispatch and destination",
    "office": "customs office",
    "office_route": "countries of dispatch and destination",
    "package_kind": "kind of package",
    "packed_chapter": "HS chapter",
    "previous_type": "kind of previous documents",
    "invoice_currency": "currency of the invoice",
    "invoice_per_usd": "invoice over declared value",
    "mode": "mode of transport",
    "payment": "type of payment",
    "nature": "nature of the deal",
    "day_part": "part of the day",
    "weighed_mass_kg": "weighbridge mass",
    "weighed_less_gross_kg": "weighbridge mass less declared gross mass",
    "value_per_kg": "declared value per kg",
    "customs_value_usd": "declared value",
    "net_mass_kg": "net mass",
    "is_empty": "said to be empty",
    "hours_late": "time until it was recorded",
}
"""What an entity or a field is called; any other by its own name."""
UNITS: Final[Mapping[str, Template]] = {
    "kg": "{number} kg",
    "t": "{number} t",
    "USD": "{number} USD",
    "USD/kg": "{number} USD/kg",
    "days": CountedText("{number} day", "{number} days"),
    "hours": CountedText("{number} hour", "{number} hours"),
    "minutes": CountedText("{number} minute", "{number} minutes"),
    "km": "{number} km",
}
BARE_UNITS: Final = frozenset(
    {"", "events", "hour of day", "chapter", "digits", "hit", "items", "chapters", "countries",
     "packages", "containers", "seals", "documents"}
)  # fmt: skip
"""Units that the words say already."""
CODE_UNITS: Final = frozenset({"chapter", "HS number", "0 is Monday"})
"""Units whose numbers are names: none of them is usual."""
WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CLASSES: Final[Mapping[str, str]] = {
    "car": "cars",
    "van": "vans",
    "bus": "buses",
    "truck": "trucks",
    "rail_wagon": "rail wagons",
    "other": "others",
    "*": "all crossings",
}
SHORT: Final = {
    "unknown": "not known",
    "yes": "yes",
    "no": "no",
    "year": "in a year",
    "day": "in 24 h",
    "days": "in {number} days",
    "minutes": "in {number} min",
    "ever": "so far",
    "hours_and_minutes": "{h} h {m} min",
    "not_weighed": "not weighed",
    "opposite": "the opposite post",
    "this_way": " this way",
}
"""Words of amounts and spans."""
CONVEYANCES: Final[Mapping[str, str]] = {
    "car": "Car", "van": "Van", "bus": "Bus", "truck": "Truck", "rail_wagon": "Rail wagon",
    "other": "Conveyance",
}  # fmt: skip
BODIES: Final[Mapping[str, str]] = {
    "tank": "A tank vehicle", "reefer": "A refrigerated vehicle", "car_carrier": "A car carrier",
}  # fmt: skip
"""Bodies that cannot carry all goods."""
DECLARED: Final[Mapping[str, Template]] = {
    "items": CountedText(
        "{number} goods item declared, HS chapter {chapters}",
        "{number} goods items declared, HS chapter {chapters}",
    ),
    "more": "{chapters} and others",
    "gross": "{mass} gross",
    "route": "from {dispatch} to {destination}",
    "no_plate": "plate not read",
    "entry": "entry",
    "exit": "exit",
    "empty": "reported empty",
    "laden": "reported laden",
}
"""Parts of the sentences on a vehicle and its declaration."""
PAPER_FIELDS: Final[Mapping[str, str]] = {
    "tir": "TIR carnet",
    "cmr": "CMR note",
    "plate": "plate",
    "trailer": "plate of the trailer",
    "declaration_id": "number of the declaration",
    "container": "container number",
    "container_numbers": "container numbers",
    "trailer_plate": "plate of the trailer",
    "tir_carnet": "TIR carnet",
    "cmr_number": "CMR note",
    "procedure": "customs procedure",
    "declarant_id": "declarant",
    "consignor_id": "consignor",
    "consignee_id": "consignee",
    "dispatch_country": "country of dispatch",
    "destination_country": "country of destination",
    "items": "number of goods items",
    "hs_code": "HS code",
    "packages": "packages",
    "gross_mass_kg": "gross mass",
    "net_mass_kg": "net mass",
    "customs_value_usd": "declared value",
}
"""By what a declaration ahead was found, and in what it may differ from what came."""
PRECURSOR_SIGNS: Final[Mapping[str, str]] = {
    "first_consignee": "first for this consignee this way",
    "first_consignor": "first from this consignor this way",
    "first_route": "first on this route",
    "large_quantity": "much more than usual",
}
"""What is unusual of a declared precursor."""
WORDS: Final[tuple[Template, ...]] = (
    *REASONS.values(), *ACTORS.values(), *SAME_TERMS, SAME, *NOUNS.values(), *UNITS.values(),
    *WEEK, *CLASSES.values(), *SHORT.values(), *CONVEYANCES.values(), *DECLARED.values(),
    *BODIES.values(), *PAPER_FIELDS.values(), *PRECURSOR_SIGNS.values(),
    *(precursor.name for precursor in PRECURSORS.values()), *WATCHED.values(),
)  # fmt: skip
"""All texts of this module that no message identifier names."""
