"""Whether an expression fits the records and features, what it costs at most, and what it means.

An expression may ask for fields of ``crossing`` and ``declaration``, for the goods items in
``goods``, and for ``features`` by name. A value that is missing makes every comparison with it
false, ``!=`` too; so does division by zero. Nothing can raise for want of a value, and ``has(...)``
asks whether it is there.

The tree is written out again as CEL for the library that evaluates: names made flat, each
comparison behind a guard for each value that may be missing, numbers all of one kind. That keeps
what the library sees to what was checked here.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal as Either

from engine.profile_fields import ITEM, ITEMS_MOST, LIST_MOST, ROOTS, FieldType, Kind
from engine.profile_syntax import (
    DEEPEST,
    MOST_PARTS,
    Call,
    Field,
    ListOf,
    Literal,
    Macro,
    Name,
    Node,
    Operation,
    parse,
    refused,
)

DEAREST = 100_000
"""Most steps one evaluation may take, for the longest declaration a record can be: 999 goods items.
A step takes about 0.3 microseconds, so the bound stands for 30 ms; one goods item takes 10 us."""
ELEMENT_STEPS = 8
"""Steps to look at one element of a list, whatever is asked of it."""
TEXT_STEPS = 4
PATTERN_STEPS, PATTERN_CHARACTER_STEPS = 500, 25
LONGEST_PATTERN = 64
"""Characters of a pattern for ``matches``; it is made anew at each use."""
LONGEST_TEXT = 200
LARGEST = 1e15

TEXT_FUNCTIONS = ("startsWith", "endsWith", "contains", "matches")
FUNCTIONS = ("has", "size", *TEXT_FUNCTIONS)


@dataclass(frozen=True, slots=True)
class Checked:
    """An expression that may run."""

    cel: str
    """What the library compiles."""
    needs: frozenset[str]
    """Fields and features it reads, by their full names."""
    steps: int
    """Most steps of one evaluation."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """A part, written out."""

    cel: str
    kind: Kind
    steps: int = 1
    guards: tuple[str, ...] = ()
    """Conditions under which it has a value, in the order in which they must be asked."""
    spelt: Callable[[str], str] | None = None
    """How its texts are spelt; literals beside it are spelt alike."""
    choices: frozenset[str] = frozenset()
    """All values it can have; empty where any text will do."""

    @property
    def condition(self) -> str:
        """What is true or false, whatever is missing."""
        return f"({' && '.join((*self.guards, self.cel))})" if self.guards else self.cel


@dataclass(slots=True)
class _Scope:
    """What names mean here."""

    features: frozenset[str]
    needs: set[str] = field(default_factory=set)
    bound: dict[str, tuple[str, _Typed]] = field(default_factory=dict)
    """Each name bound by a macro, with what it is written as and the type of an element."""
    parts: int = 0
    depth: int = 0


def check(text: str, *, features: Sequence[str]) -> Checked:
    """Return an expression ready to compile; raises ``ProfileRefusedError`` with place and rule."""
    scope = _Scope(frozenset(features))
    found = _typed(parse(text), scope)
    if found.kind != "bool":
        raise refused(1, f"the whole must be true or false, it is a {found.kind}")
    if not scope.needs:
        raise refused(1, "it asks nothing of the crossing")
    if found.steps > DEAREST:
        raise refused(1, f"may take {found.steps:,} steps, more than {DEAREST:,}")
    return Checked(found.condition, frozenset(scope.needs), found.steps)


def flat(name: str) -> str:
    """Return what a field or feature is called in the written-out expression."""
    return name.replace(".", "_")


def _typed(node: Node, scope: _Scope) -> _Typed:
    scope.parts += 1
    scope.depth += 1
    if scope.parts > MOST_PARTS or scope.depth > 2 * DEEPEST:
        raise refused(node.at, f"more than {MOST_PARTS} parts, or nested too deep")
    found = _RULES[type(node)](node, scope)
    scope.depth -= 1
    return found


def _literal(node: Literal, _: _Scope) -> _Typed:
    value = node.value
    if isinstance(value, bool):
        return _Typed("true" if value else "false", "bool")
    if isinstance(value, float):
        if not abs(value) <= LARGEST:
            raise refused(node.at, f"a number beyond {LARGEST:.0e}")
        return _Typed(repr(value), "number")
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise refused(node.at, f"a text has up to {LONGEST_TEXT} printable characters")
    return _Typed(json.dumps(value, ensure_ascii=False), "text")


def _list(node: ListOf, scope: _Scope) -> _Typed:
    if not node.items:
        raise refused(node.at, "an empty list holds nothing")
    items = [_typed(item, scope) for item in node.items]
    if len({item.kind for item in items}) != 1:
        raise refused(node.at, "a list holds texts or numbers, not both")
    kind: Kind = "texts" if items[0].kind == "text" else "numbers"
    return _Typed(f"[{', '.join(item.cel for item in items)}]", kind, len(items))


def _name(node: Name, scope: _Scope) -> _Typed:
    if node.name in scope.bound:
        written, element = scope.bound[node.name]
        if element.kind == "item":
            raise refused(node.at, "a goods item has fields: write one after a full stop")
        return replace(element, cel=written)
    if node.name == "goods":
        scope.needs.add("goods")
        return _Typed("goods", "items")
    raise refused(node.at, "no such name: crossing., declaration., features. or goods")


def _field(node: Field, scope: _Scope) -> _Typed:
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


def _near(name: str, known: "dict[str, FieldType] | frozenset[str]") -> str:
    """Name what was perhaps meant; the name itself is the sender's text and is not repeated."""
    close = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"; close to it: {', '.join(close)}" if close else ""


def _of(found: FieldType, written: str) -> _Typed:
    guards = () if found.kind == "texts" else (f"{written} != null",)
    return _Typed(written, found.kind, 1, guards, found.spelt, found.choices)


def _call(node: Call, scope: _Scope) -> _Typed:
    if node.name not in FUNCTIONS:
        raise refused(node.at, f"no such function; there are {', '.join(FUNCTIONS)} and macros")
    wanted = 2 if node.name in TEXT_FUNCTIONS else 1
    if len(node.arguments) != wanted:
        raise refused(node.at, f"{node.name} was given too few or too many arguments")
    first = _typed(node.arguments[0], scope)
    if node.name == "has":
        if not isinstance(node.arguments[0], Field) or not first.guards:
            raise refused(node.at, "has(...) takes one field that may be missing")
        return _Typed(f"({first.guards[0]})", "bool")
    if node.name == "size":
        if first.kind not in ("texts", "items", "text"):
            raise refused(node.at, "size(...) takes a list or a text")
        return _Typed(f"double(size({first.cel}))", "number", 2 + first.steps, first.guards)
    return _text_function(node, first, scope)


def _text_function(node: Call, first: _Typed, scope: _Scope) -> _Typed:
    argument = node.arguments[1]
    second = _spelt(argument, _typed(argument, scope), first)
    if (first.kind, second.kind) != ("text", "text"):
        raise refused(node.at, f"{node.name} is asked of a text, about a text")
    steps = first.steps + second.steps + TEXT_STEPS
    if node.name == "matches":
        steps += _pattern_steps(argument)
    guards = tuple(dict.fromkeys((*first.guards, *second.guards)))
    return _as_condition(f"{first.cel}.{node.name}({second.cel})", steps, guards)


def _pattern_steps(node: Node) -> int:
    """Bound what a pattern may cost: it is compiled at each use, so wide classes are dear."""
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        raise refused(node.at, "matches takes a pattern written out in quotes")
    if len(node.value) > LONGEST_PATTERN or not node.value.isascii():
        raise refused(node.at, f"a pattern has up to {LONGEST_PATTERN} ASCII characters")
    if any(sign in node.value for sign in ("{", "\\", "(?")):
        raise refused(
            node.at,
            "a pattern has no curly brackets, no backslash and no (?: its cost is unbounded",
        )
    import cel

    try:
        cel.compile(f'"".matches({json.dumps(node.value)})').execute({})
    except Exception:
        raise refused(node.at, "this is no regular expression") from None
    return PATTERN_STEPS + PATTERN_CHARACTER_STEPS * len(node.value)


def _macro(node: Macro, scope: _Scope) -> _Typed:
    over = _typed(node.over, scope)
    if over.kind not in ("texts", "items"):
        raise refused(node.at, f"{node.name} is asked of goods or of a list")
    if isinstance(node.over, ListOf):
        raise refused(node.at, "a list that is written out needs no macro: use in")
    if node.each in (*ROOTS, "features", "goods", *scope.bound):
        raise refused(node.at, "this name is taken: call the element otherwise")
    element = _Typed("", "item" if over.kind == "items" else "text", spelt=over.spelt)
    written = f"x{len(scope.bound)}"
    scope.bound[node.each] = (written, element)
    body = _typed(node.body, scope)
    del scope.bound[node.each]
    if body.kind != "bool":
        raise refused(node.at, f"the condition of {node.name} must be true or false")
    most = ITEMS_MOST if over.kind == "items" else LIST_MOST
    steps = over.steps + most * (ELEMENT_STEPS + body.steps)
    return _Typed(f"{over.cel}.{node.name}({written}, {body.condition})", "bool", steps)


def _operation(node: Operation, scope: _Scope) -> _Typed:
    parts = [_typed(operand, scope) for operand in node.operands]
    steps = 1 + sum(part.steps + len(part.guards) for part in parts)
    if node.operator in ("&&", "||") or (node.operator == "!"):
        _want(node, parts, "bool")
        if node.operator == "!":
            return _Typed(f"!({parts[0].condition})", "bool", steps)
        joined = f" {node.operator} ".join(part.condition for part in parts)
        return _Typed(f"({joined})", "bool", steps)
    if node.operator in ("+", "-", "*", "/"):
        return _arithmetic(node, parts, steps)
    return _compared(node, parts, steps)


def _arithmetic(node: Operation, parts: Sequence[_Typed], steps: int) -> _Typed:
    _want(node, parts, "number")
    guards = [guard for part in parts for guard in part.guards]
    if len(parts) == 1:
        return _Typed(f"(-{parts[0].cel})", "number", steps, tuple(guards))
    left, right = parts
    if node.operator == "/":
        guards.append(f"{right.cel} != 0.0")
        steps += right.steps
    written = f"({left.cel} {node.operator} {right.cel})"
    return _Typed(written, "number", steps, tuple(dict.fromkeys(guards)))


def _compared(node: Operation, parts: Sequence[_Typed], steps: int) -> _Typed:
    left = _spelt(node.operands[0], parts[0], parts[1])
    right = _spelt(node.operands[1], parts[1], parts[0])
    if node.operator == "in":
        fits = (left.kind, right.kind) in (("text", "texts"), ("number", "numbers"))
        if isinstance(node.operands[1], Field) and right.kind == "texts":
            steps += LIST_MOST
    elif node.operator in ("==", "!="):
        fits = left.kind == right.kind and left.kind in ("bool", "number", "text")
    else:
        fits = left.kind == right.kind == "number"
    if not fits:
        raise refused(node.at, f"{node.operator} between a {left.kind} and a {right.kind}")
    _chosen(node.operands[0], right)
    _chosen(node.operands[1], left)
    guards = tuple(dict.fromkeys((*left.guards, *right.guards)))
    return _as_condition(f"({left.cel} {node.operator} {right.cel})", steps, guards)


def _as_condition(cel: str, steps: int, guards: tuple[str, ...]) -> _Typed:
    """Close a comparison: from here on nothing is missing."""
    return _Typed(f"({' && '.join((*guards, cel))})", "bool", steps + len(guards))


def _spelt(node: Node, typed: _Typed, beside: _Typed) -> _Typed:
    """Spell literals as the field beside them is spelt."""
    if beside.spelt is None:
        return typed
    if isinstance(node, Literal) and isinstance(node.value, str):
        return replace(typed, cel=json.dumps(beside.spelt(node.value), ensure_ascii=False))
    if isinstance(node, ListOf) and typed.kind == "texts":
        words = [beside.spelt(str(item.value)) for item in node.items if isinstance(item, Literal)]
        return replace(typed, cel=json.dumps(words, ensure_ascii=False))
    return typed


def _chosen(node: Node, beside: _Typed) -> None:
    """Refuse a literal that the field beside it can never be."""
    if not beside.choices:
        return
    for item in node.items if isinstance(node, ListOf) else (node,):
        if isinstance(item, Literal) and item.value not in beside.choices:
            raise refused(item.at, f"it is one of {', '.join(sorted(beside.choices))}")


def _want(node: Operation, parts: Sequence[_Typed], kind: Either["bool", "number"]) -> None:
    for part in parts:
        if part.kind != kind:
            hint = "; compare it: == 1" if (part.kind, kind) == ("number", "bool") else ""
            raise refused(node.at, f"{node.operator} of a {part.kind}, not of a {kind}{hint}")


_RULES: dict[type[Node], Callable[..., _Typed]] = {
    Literal: _literal,
    ListOf: _list,
    Name: _name,
    Field: _field,
    Call: _call,
    Macro: _macro,
    Operation: _operation,
}
