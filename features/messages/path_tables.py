"""Path tables: which leaf of a message becomes which field, by which rule, and what is dropped."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from features.messages.tree import Node
from features.messages.values import Rule, TranslationContext, count
from features.messages.xml_reader import Document

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
