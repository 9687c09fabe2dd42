"""The sentences that the engine makes, as the catalogues know them.

The journal keeps what was said in English, word for word. ``{}`` places are filled from it:
``whom`` a party, ``within`` a span, ``amount`` a number with its unit, ``noun`` and ``both`` what a
sentence is about. A test says every feature's sentence in every language, so that a new wording
cannot be forgotten here.

Why an expression is refused, or a model, and what a card says, as the catalogues know it.

The language of profiles says it in English (:mod:`engine.criteria.profiles.checker`); a test says
every refusal in every language, so that a new one cannot be forgotten here.
"""

from dataclasses import dataclass
from typing import Final

from engine.criteria.indicator_rules import RULES
from engine.domain.records import PLACES
from engine.search_orders.priors import how


def mark_text(text: str) -> str:
    """Mark a text for the catalogues; it is said later."""
    return text


N_ = mark_text


@dataclass(frozen=True, slots=True)
class CountedText:
    """A text with a number that its words follow: one thing, or many of them."""

    one: str
    many: str
    by: str = "number"
    """The place of the number that decides."""

    @property
    def both(self) -> tuple[str, str]:
        """The text as a catalogue names it."""
        return self.one, self.many


Pattern = str | CountedText
Phrases = tuple[Pattern, ...]
FACTS: Final[Phrases] = (
    N_("{whom} crossed an unknown number of times {within}"),
    N_("{whom} crossed an unknown number of times in this direction {within}"),
    N_("{whom} crossed {amount} in this direction {within}"),
    N_("{whom} crossed {amount} {within}"),
    N_("the last of the crossings of {whom} in this direction was {amount} ago"),
    N_("the last of the crossings of {whom} was {amount} ago"),
    N_("nothing earlier is known of {whom} in this direction"),
    N_("nothing earlier is known of {whom}"),
    N_("crossings of {whom} {within} that were the first of {both} together: {amount}"),
    N_("{amount} of crossings of {whom} {within} were the first of {both} together"),
    N_(
        "{amount} of crossings of {whom} {within} were half an hour or less after another"
        " of the carrier"
    ),
    N_("{amount} of crossings of {whom} {within} were empty"),
    N_("{amount} of crossings of {whom} {within} were at night"),
    N_("{amount} of crossings of {whom} {within} were at this post"),
    N_("{amount} of crossings of {whom} {within} were in this part of the day"),
    N_("{amount} of crossings of {whom} {within} were with this {noun}"),
    N_("{amount} of inspections of {whom} {within} were at this post"),
    N_("no earlier inspections of {whom} {within}"),
    N_("no earlier crossings of {whom} {within}"),
    N_("crossings of {whom} {within}: {amount}"),
    CountedText(
        "{whom}: {finds} of {inspections} inspection {within} found something",
        "{whom}: {finds} of {inspections} inspections {within} found something",
        by="inspections",
    ),
    CountedText(
        "{whom}: {finds} of {inspections} inspection {within} led to a seizure",
        "{whom}: {finds} of {inspections} inspections {within} led to a seizure",
        by="inspections",
    ),
    N_("{whom} has never been inspected"),
    N_("{whom} was not inspected {within}"),
    # As the journal has it from before rates were stated as counts.
    N_("{amount} of inspections of {whom} {within} found something (smoothed)"),
    N_("{amount} of inspections of {whom} {within} led to a seizure (smoothed)"),
    N_("nothing known of inspections of {whom} {within}"),
    N_("finds in inspections of {whom} {within}: {amount}"),
    N_("inspections of {whom} {within}: {amount}"),
    N_("finds elsewhere, linked back to {whom}, {within}: {amount}"),
    N_("hits passed on to {whom} through its {noun} {within}: {amount}"),
    N_("{whom} weighed {amount} on average {within}"),
    N_("{whom} was not weighed {within}"),
    N_("{both} were never seen together before"),
    N_("{both} were never seen together in this direction before"),
    N_("{both} were seen together in this direction before"),
    N_("{both} were seen together before"),
    N_("{both}: not all are known"),
    N_("{noun} other than at {whom}'s last crossing"),
    N_("same {noun} as at {whom}'s last crossing"),
    N_("{noun} other than at {whom}'s last crossing in this direction"),
    N_("same {noun} as at {whom}'s last crossing in this direction"),
    N_("{noun}: nothing known to compare with at {whom}'s last crossing in this direction"),
    N_("{noun}: nothing known to compare with at {whom}'s last crossing"),
    N_("{noun} other than the paired post recorded"),
    N_("same {noun} as the paired post recorded"),
    N_("{noun}: nothing known to compare with what the paired post recorded"),
    N_("the paired post last recorded this vehicle {amount} ago"),
    N_("no record of the paired post was found"),
    N_("the paired post's record was found by {noun}"),
    N_("{noun} did not find the paired post's record"),
    N_("the paired post's record is looked for within {amount}"),
    N_("{amount} of the vehicles on this line came sooner after their record at the paired post"),
    N_("how soon vehicles follow on this line: not known"),
    N_("the paired post recorded this vehicle an unknown number of times {within}"),
    N_("the paired post recorded this vehicle {amount} {within}"),
    N_("arrived {amount} after the paired post's record"),
    N_("time since the paired post's record: not known"),
    N_("{noun} {amount} × that of the paired post's record"),
    N_("{noun}: no such in the paired post's record"),
    N_("{noun} less that of the paired post's record: {amount}"),
    N_("{noun}: nothing known of the paired post's record"),
    N_("{noun}, by the paired post's record: {amount}"),
    N_("{noun} {amount} × the usual for {whom} {within}"),
    N_("no {noun} known as usual for {whom} {within}"),
    N_("{plain}: {amount}"),
)
"""Facts of features; the first that fits is said."""
REASONS: Final[Phrases] = (
    N_("Raises the risk strongly: {fact} ({comparison})."),
    N_("Raises the risk: {fact} ({comparison})."),
    N_("Lowers the risk strongly: {fact} ({comparison})."),
    N_("Lowers the risk: {fact} ({comparison})."),
    N_("Weak sign: {fact} ({comparison})."),
    N_("Nothing to go by: {fact}."),
    N_("Hardly changes the risk: {fact} ({comparison})."),
)
COMPARISONS: Final[Phrases] = (
    N_("{among} at {code}: {usual}"),
    N_("{among}: {usual}"),
    N_("any vehicle like it is sent to red with a chance of {amount}"),
    N_("selects {amount} of such"),
    N_("usual at this post: {number} in 100"),
    N_("usual at all posts: {number} in 100"),
    N_("nothing usual is known"),
)
USUAL: Final[Phrases] = (N_("so for {amount}"), N_("it varies"), N_("nothing usual is known"))
WHOM: Final[Phrases] = (
    N_("this vehicle"),
    N_("this trailer"),
    N_("this driver"),
    N_("this carrier"),
    N_("this consignee"),
    N_("this consignor"),
    N_("this declarant"),
    N_("this post"),
    N_("the same goods on the same terms, {both}"),
    N_("the same goods on the same terms"),
    N_("the same {both}"),
)
WITHIN: Final[Phrases] = (
    N_("in the last year"),
    N_("in a year"),
    N_("in 24 hours"),
    N_("in {number} days"),
    N_("in {number} minutes"),
    N_("ever before"),
)
AMOUNTS: Final[Phrases] = (
    N_("not known"),
    N_("yes"),
    N_("no"),
    N_("once"),
    N_("twice"),
    CountedText("{number} time", "{number} times"),
    CountedText("{number} day", "{number} days"),
    CountedText("{number} hour", "{number} hours"),
    CountedText("{number} minute", "{number} minutes"),
    N_("{number} kg"),
    N_("{number} USD"),
    N_("{number} USD/kg"),
    CountedText("{number} item", "{number} items"),
    CountedText("{number} chapter", "{number} chapters"),
    CountedText("{number} country", "{number} countries"),
    CountedText("{number} package", "{number} packages"),
    CountedText("{number} container", "{number} containers"),
    CountedText("{number} seal", "{number} seals"),
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
NOUNS: Final[Phrases] = (
    N_("vehicle"),
    N_("trailer"),
    N_("driver"),
    N_("carrier"),
    N_("consignee"),
    N_("consignor"),
    N_("declarant"),
    N_("post"),
    N_("pair of posts"),
    N_("direction"),
    N_("seals"),
    N_("procedure"),
    N_("HS chapter"),
    N_("HS heading"),
    N_("HS code"),
    N_("country of origin"),
    N_("country of dispatch"),
    N_("country of destination"),
    N_("tariff preference"),
    N_("duty rate"),
    N_("net mass"),
    N_("origin marking"),
    N_("mode of transport"),
    N_("type of payment"),
    N_("nature of the deal"),
    N_("part of the day"),
    N_("weighbridge mass"),
    N_("declared value per kg"),
    N_("declared value"),
    N_("weighed less gross kg"),
    N_("said to be empty"),
    N_("time until it was recorded"),
    N_("plate"),
    N_("VIN"),
    N_("TIR carnet"),
    N_("CMR note"),
)
AMONG: Final[Phrases] = (
    N_("cars"),
    N_("vans"),
    N_("buses"),
    N_("trucks"),
    N_("rail wagons"),
    N_("others"),
    N_("other vehicles"),
    N_("all crossings"),
)
PLAIN: Final[Phrases] = (
    N_("hour of arrival, local"),
    N_("day of the week of arrival"),
    N_("arrived between 22:00 and 06:00 local"),
    N_("enters the country"),
    N_("is a car"),
    N_("is a van"),
    N_("is a bus"),
    N_("is a truck"),
    N_("is a rail wagon"),
    N_("mass on the weighbridge"),
    N_("said to be empty"),
    N_("no trailer plate was read"),
    N_("came with a declaration"),
    N_("container numbers whose check digit fails"),
    N_("the VIN's check digit fails (binding only in North America and China)"),
    N_("no plate was read"),
    N_("no driver reference came"),
    N_("no carrier was named"),
    N_("seal numbers given"),
    N_("under a TIR carnet"),
    N_("with a CMR note"),
    N_("declared this long before arrival"),
    N_("said to be empty, yet came with a declaration"),
    N_("said to be laden, yet came without a declaration"),
    N_("goods items declared"),
    N_("different HS chapters declared"),
    N_("different countries of origin of the goods"),
    N_("statistical value declared"),
    N_("net mass declared"),
    N_("gross mass declared"),
    N_("packages declared"),
    N_("value for each kg of net mass"),
    N_("net mass of a package"),
    N_("gross over net mass"),
    N_("duty rate of the main goods item"),
    N_("share of the main goods item in the value"),
    N_("length of the main HS code"),
    N_("HS chapter of the main goods item"),
    N_("first six digits of the main HS code"),
    N_("net mass declared in whole kilograms"),
    N_("net mass declared in whole tens of kilograms"),
    N_("goods dispatched from another country than they come from"),
    N_("weighbridge mass less declared gross mass"),
    N_("weighbridge mass less declared gross mass less the usual empty mass of this vehicle"),
    N_("weighbridge mass"),
    N_("post"),
    N_("direction"),
    N_("vehicle class"),
    N_("procedure"),
)
SEARCHES: Final[Phrases] = (
    N_("{number} finds expected in {of} minutes"),
    CountedText(
        "{number} of {of} search on {among} found something",
        "{number} of {of} searches on {among} found something",
        by="of",
    ),
    N_("found there {number} of {of} times it was searched on {among}"),
    N_("not searched on {among} before"),
    N_("{times} on this vehicle"),
    N_("{times} with this trailer"),
    N_("{times} with this driver"),
    N_("{times} on vehicles of this carrier"),
    N_("{times} in loads for this consignee"),
    N_("{times} in loads from this consignor"),
)
"""Why a place is searched: parts joined by semicolons."""
WHOLE: Final[Phrases] = (
    N_("Random check: selected at random, not because of its risk."),
    N_("Random check: selected at random, and for another reason as well."),
    N_("No single circumstance stands out."),
    N_("Nothing else stands out."),
    CountedText(
        "No single circumstance stands out; {number} small sign together raises the risk.",
        "No single circumstance stands out; {number} small signs together raise the risk.",
    ),
    N_("Profile {code} «{title}»: {figures}."),
    N_("Profile {code}: {figures}."),
    N_("Watch list: {listed}; reason: {title}; by {person}; until {until}."),
    N_("the goods fit"),
    # As the journal has it from before it was said what fitted.
    N_("Fits the profile {code}, written and approved by two people."),
    N_("Is named by an entry of the watch list."),
    N_("Drawn by lot as a random check, not picked by its risk."),
    N_("member of the random stream"),
    N_("Fits the profile {code}, written and approved by two people."),
    N_("Is named by an entry of the watch list."),
    N_("indicator rule"),
    N_("speaks neither for nor against"),
    N_("Not seen in this network in the last 365 days."),
    CountedText(
        "Seen {number} time in the last 365 days.", "Seen {number} times in the last 365 days."
    ),
    N_("Its papers were changed once after arrival."),
    CountedText(
        "Its papers were changed {number} time after arrival.",
        "Its papers were changed {number} times after arrival.",
    ),
)
RULE_TEXTS: Final[Phrases] = (
    *(text for rule in RULES for text in (rule.fired, rule.quiet)),
    # As the first version of the rules said it; the journal still does.
    N_("The vehicle was not seen in this network in the last 365 days."),
    N_("The vehicle is not new to this network."),
)
PLACE_TEXTS: Final[Phrases] = tuple(dict.fromkeys(how(place)[1] for place in (*PLACES, "")))
EVERY: Final[Phrases] = tuple(
    dict.fromkeys(
        (
            *FACTS, *REASONS, *COMPARISONS, *USUAL, *WHOM, *WITHIN, *AMOUNTS, *NOUNS, *AMONG,
            *PLAIN, *SEARCHES, *WHOLE, *RULE_TEXTS, *PLACE_TEXTS,
        )
    )
)  # fmt: skip
"""All of them, for the catalogues."""

REFUSALS: Final = (
    N_("the expression is longer than {number} characters"),
    N_("nothing of the language begins here"),
    N_("more than {number} words and signs"),
    N_("an operator or the end was expected"),
    N_("{code} was expected"),
    N_("nests deeper than {number} levels"),
    N_("comparisons do not chain: join them with &&"),
    N_("more than {number} terms in one sum or product"),
    N_("the name of a field or function was expected"),
    N_("only crossing, declaration, features and goods have fields"),
    N_("{code} takes a name and a condition: (g, g.field == ...)"),
    N_("a list holds texts or numbers"),
    N_("a value was expected"),
    N_("this escape is not offered in texts"),
    N_("the whole must be true or false, it is a {kind}"),
    N_("it asks nothing of the crossing"),
    N_("may take {number} steps, more than {of}"),
    N_("more than {number} parts, or nested too deep"),
    N_("a number beyond {code}"),
    N_("a text has up to {number} printable characters"),
    N_("an empty list holds nothing"),
    N_("a list holds texts or numbers, not both"),
    N_("a goods item has fields: write one after a full stop"),
    N_("no such name: crossing., declaration., features. or goods"),
    N_("the elements of this list have no fields"),
    N_("no such feature; close to it: {names}"),
    N_("no such feature"),
    N_("no such field of {code}; close to it: {names}"),
    N_("no such field of {code}"),
    N_("no such function; there are {names} and macros"),
    N_("{code} was given too few or too many arguments"),
    N_("has(...) takes one field that may be missing"),
    N_("size(...) takes a list or a text"),
    N_("{code} is asked of a text, about a text"),
    N_("matches takes a pattern written out in quotes"),
    N_("a pattern has up to {number} ASCII characters"),
    N_("a pattern has no curly brackets, no backslash and no (?: its cost is unbounded"),
    N_("this is no regular expression"),
    N_("{code} is asked of goods or of a list"),
    N_("a list that is written out needs no macro: use in"),
    N_("this name is taken: call the element otherwise"),
    N_("the condition of {code} must be true or false"),
    N_("{code} between a {kind} and a {other}"),
    N_("it is one of {names}"),
    N_("{code} of a {kind}, not of a {other}; compare it: == 1"),
    N_("{code} of a {kind}, not of a {other}"),
)
KINDS: Final = (
    N_("bool"),
    N_("number"),
    N_("text"),
    N_("texts"),
    N_("numbers"),
    N_("items"),
    N_("item"),
)
"""What a part of an expression can be."""
AGAINST: Final = (
    N_("it has no stored evaluation"),
    N_("it could not be judged: {english}"),
    N_("it has no model card"),
    N_("its bundle is not the one that was registered"),
    N_("it was fitted on other features than those read here"),
    N_("its bundle is missing"),
    N_("its bundle is refused: {english}"),
)
"""What stands against approving a model; doubts about its labels stay as its report says them."""
DOUBTS: Final = (
    N_("more than {amount} of the draws were not carried out in full"),
    N_("draws do not fit their propensities, or do not reach all that is asked about"),
    N_("fewer than {number} effective searches"),
    N_("one search bears more than {amount} of the weight"),
)
"""Why an estimate from logged draws is withheld (:mod:`models.evaluation.off_policy`)."""
CARD: Final = (
    N_("Ranks crossings for inspection at border posts. It advises; people decide."),
    N_("Not for judging a person, and not for any measure other than whether to inspect."),
    N_("Only inspected crossings have labels, so it knows least about what was never searched."),
    N_("It is fitted on the past: after an abrupt change it is wrong until it is fitted again."),
    N_("Where seizures are few, their chances lean on those of discrepancies."),
)
"""What every card says (:mod:`models.training.model_card`)."""
