"""Path tables: which leaf of a message becomes which field, by which rule, and what is dropped.

All formats share the rules. A rule takes the nodes that a field's paths lead to, in order of
preference, and returns the field's value, or None if there is none. A text that cannot be read is a
gap with the name of the rule that it breaks; a value is never guessed.
"""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timezone
from itertools import takewhile
from typing import Any

from engine.domain.field_types import FIRST_YEAR, RULE, is_nothing
from engine.domain.identifiers import fold
from features.messages.documents import Document, Node
from features.messages.settings import MessageSettings

LONGEST_IDENTIFIER = 64
LONGEST_TEXT = 1000
MOST_PACKAGES = 10_000_000
MOST_KG = 1e8
MOST_VALUE = 1e12
ROAD_MODES = frozenset({"3", "30", "31"})

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}")
_THREE_LETTERS = re.compile(r"[A-Z]{3}")
_FOUR_DIGITS = re.compile(r"[0-9]{4}")
_SIZE_AND_TYPE = re.compile(r"[0-9A-Z]{2}[A-Z][0-9A-Z]")
_DIGITS = re.compile(r"[0-9]+")
_SLASH_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_COMPACT = {
    "102": "%Y%m%d",
    "203": "%Y%m%d%H%M",
    "204": "%Y%m%d%H%M%S",
    "205": "%Y%m%d%H%M%z",
    "304": "%Y%m%d%H%M%S%z",
}
"""Layouts by the code of a format in UN/EDIFACT, data element 2379."""
_HOURS = re.compile(r"[+-]\d\d$")
"""An offset of whole hours: a zone has three characters in 205 and 304."""
_PLATE = re.compile(r"[A-Z0-9ЀԯА-Яа-я]{4,12}", re.IGNORECASE)
_KG_PER_UNIT = {"KGM": 1.0, "TNE": 1000.0, "GRM": 0.001, "LBR": 0.45359237}


@dataclass(frozen=True, slots=True)
class Gap:
    """A value that stands in the document and not in the record, or that the record misses."""

    field: str
    path: str
    rule: str


@dataclass(slots=True)
class TranslationContext:
    """What one document's translation knows and notes: settings in, gaps out."""

    settings: MessageSettings
    pseudonym_key: bytes | None = None
    gaps: list[Gap] = field(default_factory=list)

    def gap(self, name: str, node: Node | str, rule: str) -> None:
        """Note that a field stays absent, where and why."""
        self.gaps.append(Gap(name, node if isinstance(node, str) else node.path, rule))


Rule = Callable[[str, Sequence[Node], TranslationContext], Any]
"""Takes the field's name, the nodes of its paths and the context."""


def identifier(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the first text as an opaque identifier of at most 64 printable characters."""
    for node in nodes:
        if node.text:
            return checked_identifier(name, node, node.text, context)
    return None


def checked_identifier(name: str, node: Node, text: str, context: TranslationContext) -> str | None:
    """Return a text that may be an identifier, or note why it may not."""
    if len(text) > LONGEST_IDENTIFIER:
        context.gap(name, node, "too_long")
        return None
    if not text.isprintable():
        context.gap(name, node, "control_character")
        return None
    if is_nothing(text):
        context.gap(name, node, RULE)
        return None
    return text


def identifiers(name: str, nodes: Sequence[Node], context: TranslationContext) -> list[str]:
    """Return every text, each once, in the document's order; at most 64."""
    found: dict[str, None] = {}
    for node in nodes:
        value = checked_identifier(name, node, node.text, context) if node.text else None
        if value is not None:
            found.setdefault(value)
    if len(found) > LONGEST_IDENTIFIER:
        context.gap(name, nodes[0], "too_many")
    return list(found)[:LONGEST_IDENTIFIER]


def text(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the first text of at most 1,000 characters."""
    for node in nodes:
        if node.text:
            if len(node.text) <= LONGEST_TEXT and node.text.isprintable():
                return node.text
            long = len(node.text) > LONGEST_TEXT
            context.gap(name, node, "too_long" if long else "control_character")
            return None
    return None


def first_matching(
    pattern: re.Pattern[str], rule: str, *, says: str
) -> Callable[[str, Sequence[Node], TranslationContext], str | None]:
    """Return a rule that takes the first text if it matches a pattern."""

    def read(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
        for node in nodes:
            if node.text:
                if pattern.fullmatch(node.text):
                    return node.text
                context.gap(name, node, rule)
                return None
        return None

    read.__doc__ = f"Return the first text that is {says}."
    return read


country = first_matching(_COUNTRY, "malformed_country", says="two capital letters")
incoterm = first_matching(_THREE_LETTERS, "malformed_incoterm", says="three capital letters")
currency = first_matching(_THREE_LETTERS, "malformed_currency", says="three capital letters")
un_number = first_matching(_FOUR_DIGITS, "malformed_un_number", says="four digits")


def countries(name: str, nodes: Sequence[Node], context: TranslationContext) -> list[str]:
    """Return every text that is two capital letters, each once, in the document's order."""
    found = [country(name, [node], context) for node in nodes]
    return list(dict.fromkeys(each for each in found if each))[:LONGEST_IDENTIFIER]


BODY_OF_CONTAINER = {"R": "reefer", "H": "reefer", "T": "tank", "K": "tank", "P": "flat"}
"""By the third character of the size and type code of ISO 6346; any other is a container."""


def body_type(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the body that the size and type codes (ISO 6346) of the containers say, if it is one.

    A code that is not four characters is a gap, as are containers of several types.
    """
    found = set()
    for node in nodes:
        if node.text and _SIZE_AND_TYPE.fullmatch(node.text) is None:
            context.gap(name, node, "malformed_size_and_type")
            return None
        if node.text:
            found.add(BODY_OF_CONTAINER.get(node.text[2], "container"))
    if len(found) > 1:
        context.gap(name, nodes[0], "several_bodies")
    return found.pop() if len(found) == 1 else None


def amount(name: str, nodes: Sequence[Node], context: TranslationContext) -> float | None:
    """Return the first amount in the document's own currency, without converting it."""
    for node in nodes:
        if node.text:
            value = number(name, node, context)
            return None if value is None else within(name, node, value, context, most=MOST_VALUE)
    return None


def invoice_amount(amount_path: str, currency_path: str) -> Rule:
    """Return a rule that takes the first amount next to which a currency stands."""

    def rule(name: str, nodes: Sequence[Node], context: TranslationContext) -> float | None:
        for node in nodes:
            stated = [each for each in node.find_all(amount_path) if each.text][:1]
            value = amount(name, stated, context)
            if value is not None and not node.text_at(currency_path):
                if value:  # a box that was left empty is exported as 0
                    context.gap(name, stated[0], "no_currency")
                return None
            if stated:
                return value
        return None

    rule.__doc__ = "Return the first amount next to which a currency stands, without converting it."
    return rule


def previous_documents(kind_path: str, *reference_paths: str) -> Rule:
    """Return a rule that joins kind and reference of every previous document.

    Where a format has no kind its path is empty; the reference is the first text at the paths.
    """

    def rule(name: str, nodes: Sequence[Node], context: TranslationContext) -> list[str]:
        found: dict[str, None] = {}
        for node in nodes:
            kind = node.text_at(kind_path) if kind_path else None
            references = (node.text_at(path) for path in reference_paths)
            joined = ":".join(filter(None, (kind, next(filter(None, references), None))))
            value = checked_identifier(name, node, joined, context) if joined else None
            if value is not None:
                found.setdefault(value)
        return list(found)[:LONGEST_IDENTIFIER]

    rule.__doc__ = "Return kind and reference of each, joined by a colon, each once; at most 64."
    return rule


def number(name: str, node: Node, context: TranslationContext) -> float | None:
    """Return a number; thousands in groups are read, a single comma is ambiguous."""
    raw = node.text
    if _NUMBER.fullmatch(raw):
        return float(raw)
    if _GROUPED.fullmatch(raw):
        return float(raw.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(raw):
        if context.settings.decimal_comma:
            return float(raw.replace(",", "."))
        context.gap(name, node, "ambiguous_comma")
        return None
    context.gap(name, node, "not_a_number")
    return None


def within(
    name: str, node: Node, value: float, context: TranslationContext, *, most: float
) -> float | None:
    """Return a value in [0, most], or note that it lies outside."""
    if 0 <= value <= most:
        return value
    context.gap(name, node, "negative" if value < 0 else "outside")
    return None


def mass(name: str, nodes: Sequence[Node], context: TranslationContext) -> float | None:
    """Return the first mass in kilograms, by its unit code where one is given."""
    for node in nodes:
        if not node.text:
            continue
        unit = node.attributes.get("unitCode", "KGM")
        factor = _KG_PER_UNIT.get(unit)
        if factor is None:
            context.gap(name, node, "unknown_unit")
            return None
        value = number(name, node, context)
        return None if value is None else within(name, node, value * factor, context, most=MOST_KG)
    return None


def count(name: str, nodes: Sequence[Node], context: TranslationContext) -> int | None:
    """Return the sum of whole numbers; one that is not whole makes the sum a gap."""
    total = None
    for node in nodes:
        if not node.text:
            continue
        value = number(name, node, context)
        if value is None:
            return None
        if value != int(value):
            context.gap(name, node, "not_whole")
            return None
        if within(name, node, value, context, most=MOST_PACKAGES) is None:
            return None
        total = (total or 0) + int(value)
    if total is not None and total > MOST_PACKAGES:
        context.gap(name, nodes[0], "outside")
        return None
    return total


def moment(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the first date or time as RFC 3339 in UTC."""
    for node in nodes:
        if node.text:
            value = _moment(node, context)
            if isinstance(value, str):
                context.gap(name, node, value)
                return None
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


def _moment(node: Node, context: TranslationContext) -> datetime | str:
    """Return a time, or the rule that its text breaks."""
    raw, zone = node.text, timezone(context.settings.offset)
    code = node.attributes.get("formatCode") or node.attributes.get("formatId")
    if code in _COMPACT:
        return _in_format(_HOURS.sub(r"\g<0>00", raw), _COMPACT[code], zone)
    slashed = _SLASH_DATE.fullmatch(raw)
    if slashed is not None:
        return _read_slash_date(slashed, context.settings.date_order, zone)
    try:
        found = datetime.fromisoformat(raw)
    except ValueError:
        return "bad_time"
    if not _ISO_DATE.match(raw):
        return "bad_time"
    return _check_range(found if found.tzinfo else found.replace(tzinfo=zone))


def _in_format(raw: str, layout: str, zone: timezone) -> datetime | str:
    try:
        found = datetime.strptime(raw, layout)
    except ValueError:
        return "bad_time"
    return _check_range(found if found.tzinfo else found.replace(tzinfo=zone))


def _check_range(found: datetime) -> datetime | str:
    """Refuse a year that no record may have."""
    return found if found.year >= FIRST_YEAR else "implausible_time"


def _read_slash_date(found: re.Match[str], order: str | None, zone: timezone) -> datetime | str:
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    if first > 12:
        day, month = first, second
    elif second > 12:
        month, day = first, second
    elif first == second or order == "dmy":
        day, month = first, second
    elif order == "mdy":
        month, day = first, second
    else:
        return "ambiguous_date"
    try:
        return datetime(year + 2000 if year < 100 else year, month, day, tzinfo=zone)
    except ValueError:
        return "bad_time"


def convert_to_dollars(node: Node, rate: float | None, context: TranslationContext) -> float | None:
    """Return an amount in US dollars by a named rate; never the unconverted number.

    ``rate`` is US dollars for one unit of the amount's currency, None where no rate is known.
    """
    name = "customs_value_usd"
    value = number(name, node, context)
    if value is None:
        return None
    if rate is None:
        if value:
            context.gap(name, node, "no_rate")
        return None
    return within(name, node, round(value * rate, 2), context, most=MOST_VALUE)


Selector = Callable[[Sequence[Node]], Sequence[Node]]


def where(path: str, *kinds: str | None, has: str = "") -> Selector:
    """Return a selector of the groups whose text at a path is one of these kinds.

    With ``has``, of the first of them alone that has a text there.
    """

    def select(nodes: Sequence[Node]) -> Sequence[Node]:
        found = [node for node in nodes if node.text_at(path) in kinds]
        return [node for node in found if node.text_at(has)][:1] if has else found

    return select


def part_of(select: Selector, path: str, rule: Rule = identifier, *, says: str) -> Rule:
    """Return a rule that is applied to the leaves at a path below the selected groups."""

    def apply(name: str, nodes: Sequence[Node], context: TranslationContext) -> Any:
        leaves = [each for node in select(nodes) for each in node.find_all(path)]
        return rule(name, leaves, context) if leaves else None

    apply.__doc__ = f"Return {says}."
    return apply


def document_reference(
    kind_path: str, reference_path: str, *kinds: str, has_digit: bool = False
) -> Rule:
    """Return a rule that takes the reference of the first document of one of these kinds.

    With ``has_digit`` a reference without a digit is a word of its writer, and passed over.
    """

    def rule(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
        references = [
            each
            for node in nodes
            if node.text_at(kind_path) in kinds
            for each in node.find_all(reference_path)
        ]
        for each in references:
            if has_digit and not any(c.isdigit() for c in each.text):
                context.gap(name, each, "no_digit")
            else:
                return checked_identifier(name, each, each.text, context)
        return None

    rule.__doc__ = f"Return the reference of the first document of kind {' or '.join(kinds)}."
    return rule


def hs_code(
    name: str, node: Node | None, parts: Sequence[str], context: TranslationContext
) -> str | None:
    """Return a commodity code from its parts: digits alone, cut to ten.

    Each part makes the code before it finer, so a part that is not digits ends the code.
    """
    if node is None or not parts:
        return None
    digits = [part.replace(" ", "").replace(".", "") for part in parts]
    known = list(takewhile(_DIGITS.fullmatch, digits))
    code = "".join(known)[:10]
    if len(known) < len(digits) or len(code) < 2:
        context.gap(name, node, "malformed_hs_code")
    return code if len(code) >= 2 else None


def looks_like_plate(raw: str) -> bool:
    """Tell whether a text may be a number plate: 4 to 12 letters and digits, at least one digit."""
    folded = fold(raw)
    return bool(_PLATE.fullmatch(folded)) and any(c.isdigit() for c in folded)


def split_plates(raw: str) -> tuple[str, str | None]:
    """Return a vehicle's plate and its trailer's, where a text joins both by a stroke."""
    for mark in ("/", "\\", "+", ";"):
        parts = [part.strip() for part in raw.split(mark)]
        if len(parts) == 2 and all(map(looks_like_plate, parts)):
            return parts[0], parts[1]
    return raw, None


def procedure_of(code: str) -> str:
    """Return import, export or transit by the first digit of box 37, else the national code."""
    if code[:1] in ("1", "2", "3"):
        return "export"
    if code[:1] in ("4", "6"):
        return "import"
    return "transit" if code[:1] == "8" else code


def pseudonym(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return a keyed pseudonym of a party that has a name alone; never the name.

    HMAC-SHA256 over the name without regard to case and spacing, cut to 128 bits.
    """
    for node in nodes:
        if node.text:
            if context.pseudonym_key is None:
                context.gap(name, node, "no_identifier")
                return None
            spelled = collapse_name(node.text).encode("utf-8", "surrogatepass")
            return "p-" + hmac.digest(context.pseudonym_key, spelled, hashlib.sha256)[:16].hex()
    return None


def collapse_name(raw: str) -> str:
    """Return a name in one spelling: no case, no marks, single spaces."""
    return " ".join(re.sub(r"[\W_]+", " ", raw.casefold()).split())


Pricing = Callable[[Node], float | None]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record and where it comes from."""

    name: str
    paths: tuple[str, ...]
    """In order of preference, below the root (or below an item)."""
    rule: Rule
    parts: tuple[str, ...] = ()
    """Leaves that the rule reads below each path, where a path names a group."""

    def leaves(self) -> tuple[str, ...]:
        """Return the paths of the leaves that this field reads."""
        if not self.parts:
            return self.paths
        return tuple(f"{path}/{part}" for path in self.paths for part in self.parts)

    def read(self, node: Node, context: TranslationContext) -> Any:
        """Return the field's value below a node, None or empty where there is none."""
        nodes = [found for path in self.paths for found in node.find_all(path)]
        return self.rule(self.name, nodes, context) if nodes else None


@dataclass(frozen=True, slots=True)
class PathTable:
    """Everything that a format says about its leaves."""

    crossing: tuple[Field, ...]
    dropped: Mapping[str, str]
    """Rule of dropping by a path, by the path of a group, or by ``*/NAME`` for a name anywhere."""
    declaration: tuple[Field, ...] = ()
    item: tuple[Field, ...] = ()
    items: tuple[str, ...] = ()
    """Paths of the groups that are goods items."""
    used: tuple[str, ...] = ()
    """Leaves that decide how the document is read and enter no field."""

    def list_mapped(self) -> frozenset[str]:
        """Return the paths of all leaves that a field reads."""
        heads = (*self.crossing, *self.declaration)
        found = {path for each in heads for path in each.leaves()} | set(self.used)
        for root in self.items:
            found |= {f"{root}/{path}" for each in self.item for path in each.leaves()}
        return frozenset(found)


def drop(**paths: Iterable[str]) -> dict[str, str]:
    """Return the rule of dropping of each path, from the paths of each rule."""
    return {path: rule for rule, those in paths.items() for path in those}


def _name_nothing(root: Node, context: TranslationContext) -> None:
    """Return no identifier: the format has none."""


def _accept(document: Document) -> None:
    """Accept a document whose root says all that its format asks for."""


def _refer_to_nothing(document: Document) -> Mapping[str, str]:
    """Return no identifiers: answers to the format have none."""
    return {}


def _select_root(document: Document) -> Node:
    return document.root


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """One format: how its documents are known, and how they are read."""

    name: str
    roots: frozenset[tuple[str, str]]
    """Namespace and local name of the roots of its documents; the namespace of JSON is ``json``."""
    table: PathTable
    propose_id: Callable[[Node, TranslationContext], str | None] = _name_nothing
    item_number: str | None = None
    """Where an item says its number, below the item; without one it is its position."""
    price: Callable[[Node, TranslationContext], Pricing] | None = None
    """Returns for one document the function that values its items in US dollars."""
    uncoded_lines: str | None = None
    """Goods lines of a format without commodity codes: each is noted as a gap."""
    party_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the parties that may have no identifier, for keyed pseudonyms."""
    declared_items: str | None = None
    """Where the header says how many items there are."""
    check: Callable[[Document], None] = _accept
    """Raises ``DocumentRefusedError`` for a document that must not be read as an original."""
    body: Callable[[Document], Node] = _select_root
    """The group that the paths of the table begin at."""
    references: Callable[[Document], Mapping[str, str]] = _refer_to_nothing
    """Returns the identifiers that an answer to the document repeats, by their names in it."""

    def read_items(self, root: Node, context: TranslationContext) -> list[dict[str, Any]]:
        """Return the goods items, each with its number and its value."""
        for node in root.find_all(self.uncoded_lines) if self.uncoded_lines else ():
            context.gap("hs_code", node, "item_without_code")
        price = None if self.price is None else self.price(root, context)
        nodes = [node for path in self.table.items for node in root.find_all(path)]
        return [
            self._read_item(node, position, context, price)
            for position, node in enumerate(nodes, start=1)
        ]

    def _read_item(
        self, node: Node, position: int, context: TranslationContext, price: "Pricing | None"
    ) -> dict[str, Any]:
        item: dict[str, Any] = {} if self.item_number else {"item_no": position}
        item |= read_fields(self.table.item, node, context)
        numbers = node.find_all(self.item_number)[:1] if self.item_number else []
        known = {
            "item_no": count("item_no", numbers, context),
            "customs_value_usd": None if price is None else price(node),
        }
        return item | {name: value for name, value in known.items() if value is not None}


def read_fields(fields: Sequence[Field], node: Node, context: TranslationContext) -> dict[str, Any]:
    """Return the fields that a node gives a value to."""
    found = {}
    for each in fields:
        value = each.read(node, context)
        if value is not None and value != []:
            found[each.name] = value
    return found


def count_unread(
    leaves: Sequence[Node], mapped: frozenset[str], dropped: Mapping[str, str]
) -> dict[str, int]:
    """Return how many leaves at each path are neither mapped nor dropped."""
    left: Counter[str] = Counter()
    known: dict[str, bool] = {}
    for leaf in leaves:
        path = leaf.path
        passes = known.get(path)
        if passes is None:
            passes = known[path] = path in mapped or drop_rule(path, dropped) is not None
        if not passes:
            left[path] += 1
    return dict(sorted(left.items()))


def drop_rule(path: str, dropped: Mapping[str, str]) -> str | None:
    """Return the rule that drops a leaf, None where none does."""
    parts = path.split("/")
    for end in range(len(parts), 0, -1):
        rule = dropped.get("/".join(parts[:end])) or dropped.get(f"*/{parts[end - 1]}")
        if rule is not None:
            return rule
    return None
