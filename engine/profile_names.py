"""What stands by itself in an expression: numbers, texts, lists, fields, features, bound names."""

import json
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from engine.profile_fields import ITEM, ROOTS, FieldType, Kind
from engine.profile_parts import Scope, Typed
from engine.profile_syntax import Field, ListOf, Literal, Name, refused

LONGEST_TEXT = 200
LARGEST = 1e15


def flat(name: str) -> str:
    """Return what a field or feature is called in the written-out expression."""
    return name.replace(".", "_")


def literal_of(node: Literal, _: Scope) -> Typed:
    """Return a number, a text or a truth value as it stands."""
    value = node.value
    if isinstance(value, bool):
        return Typed("true" if value else "false", "bool")
    if isinstance(value, float):
        if not abs(value) <= LARGEST:
            raise refused(node.at, f"a number beyond {LARGEST:.0e}")
        return Typed(repr(value), "number")
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise refused(node.at, f"a text has up to {LONGEST_TEXT} printable characters")
    return Typed(json.dumps(value, ensure_ascii=False), "text")


def list_of(node: ListOf, scope: Scope) -> Typed:
    """Return a list that is written out, of texts or of numbers."""
    if not node.items:
        raise refused(node.at, "an empty list holds nothing")
    items = [scope.typed(item) for item in node.items]
    if len({item.kind for item in items}) != 1:
        raise refused(node.at, "a list holds texts or numbers, not both")
    kind: Kind = "texts" if items[0].kind == "text" else "numbers"
    return Typed(f"[{', '.join(item.cel for item in items)}]", kind, len(items))


def name_of(node: Name, scope: Scope) -> Typed:
    """Return the goods, or what a macro bound this name to."""
    if node.name in scope.bound:
        written, element = scope.bound[node.name]
        if element.kind == "item":
            raise refused(node.at, "a goods item has fields: write one after a full stop")
        return replace(element, cel=written)
    if node.name == "goods":
        scope.needs.add("goods")
        return Typed("goods", "items")
    raise refused(node.at, "no such name: crossing., declaration., features. or goods")


def field_of(node: Field, scope: Scope) -> Typed:
    """Return a field of a record or of a goods item, or a feature."""
    if node.of in scope.bound:
        written, element = scope.bound[node.of]
        if element.kind != "item":
            raise refused(node.at, "the elements of this list have no fields")
        found = _known(node, "goods", ITEM)
        scope.needs.add(f"goods.{node.name}")
        return _of(found, f"{written}.{node.name}")
    if node.of == "features":
        if node.name not in scope.features:
            raise refused(node.at, "no such feature" + _near(node.name, scope.features))
        found = FieldType("number")
    elif node.of in ROOTS:
        found = _known(node, node.of, ROOTS[node.of])
    else:
        raise refused(node.at, "no such name: crossing., declaration., features. or goods")
    full = f"{node.of}.{node.name}"
    scope.needs.add(full)
    return _of(found, flat(full))


def _known(node: Field, root: str, fields: dict[str, FieldType]) -> FieldType:
    found = fields.get(node.name)
    if found is None:
        raise refused(node.at, f"no such field of {root}" + _near(node.name, fields))
    return found


def _near(name: str, known: Iterable[str]) -> str:
    """Name what was perhaps meant; the name itself is the sender's text and is not repeated."""
    close = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"; close to it: {', '.join(close)}" if close else ""


def _of(found: FieldType, written: str) -> Typed:
    guards = () if found.kind == "texts" else (f"{written} != null",)
    return Typed(written, found.kind, 1, guards, found.spelt, found.choices)
