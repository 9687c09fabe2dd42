"""Type check of an expression, its largest cost, and its translation to CEL.

An expression can read fields of ``crossing`` and ``declaration``, for the goods items in
``goods``, and for ``features`` by name. A value that is missing makes every comparison with it
false, ``!=`` too; so does division by zero. Nothing can raise for want of a value, and ``has(...)``
asks whether it is there.

The tree is written out again as CEL for the library that evaluates: names made flat, each
comparison behind a guard for each value that may be missing, numbers all of one kind. That keeps
what the library sees to what was checked here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal as Either

from engine.criteria.profiles.checker_rules import (
    Scope,
    Typed,
    as_condition,
    call_of,
    field_of,
    list_of,
    literal_of,
    macro_of,
    name_of,
    spelt_alike,
)
from engine.criteria.profiles.fields import LIST_MOST, list_derived
from engine.criteria.profiles.parser import (
    Call,
    Field,
    ListOf,
    Literal,
    Macro,
    Name,
    Node,
    Operation,
    parse,
)
from engine.criteria.profiles.refusals import make_refusal

DEAREST = 100_000
"""Most steps one evaluation may take, for the longest declaration a record can be: 999 goods items.
A step takes about 0.3 microseconds, so the bound stands for 30 ms; one goods item takes 10 us."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An expression that may run."""

    cel: str
    """What the library compiles."""
    needs: frozenset[str]
    """Fields and features it reads, by their full names."""
    steps: int
    """Most steps of one evaluation."""


def check(text: str, *, features: Sequence[str]) -> Checked:
    """Return an expression ready to compile; raises ``ProfileRefusedError`` with place and rule."""
    scope = Scope(frozenset([*features, *list_derived(features)]), _RULES)
    found = scope.typed(parse(text))
    if found.kind != "bool":
        raise make_refusal(1, "not_a_condition", kind=found.kind)
    if not scope.needs:
        raise make_refusal(1, "reads_nothing")
    if found.steps > DEAREST:
        raise make_refusal(1, "too_many_steps", number=found.steps, of=DEAREST)
    return Checked(found.condition, frozenset(scope.needs), found.steps)


def _operation(node: Operation, scope: Scope) -> Typed:
    parts = [scope.typed(operand) for operand in node.operands]
    steps = 1 + sum(part.steps + len(part.guards) for part in parts)
    if node.operator in ("&&", "||") or (node.operator == "!"):
        _want(node, parts, "bool")
        if node.operator == "!":
            return Typed(f"!({parts[0].condition})", "bool", steps)
        joined = f" {node.operator} ".join(part.condition for part in parts)
        return Typed(f"({joined})", "bool", steps)
    if node.operator in ("+", "-", "*", "/"):
        return _arithmetic(node, parts, steps)
    return _type_comparison(node, parts, steps)


def _arithmetic(node: Operation, parts: Sequence[Typed], steps: int) -> Typed:
    _want(node, parts, "number")
    guards = [guard for part in parts for guard in part.guards]
    if len(parts) == 1:
        return Typed(f"(-{parts[0].cel})", "number", steps, tuple(guards))
    left, right = parts
    if node.operator == "/":
        guards.append(f"{right.cel} != 0.0")
        steps += right.steps
    written = f"({left.cel} {node.operator} {right.cel})"
    return Typed(written, "number", steps, tuple(dict.fromkeys(guards)))


def _type_comparison(node: Operation, parts: Sequence[Typed], steps: int) -> Typed:
    left = spelt_alike(node.operands[0], parts[0], parts[1])
    right = spelt_alike(node.operands[1], parts[1], parts[0])
    if node.operator == "in":
        fits = (left.kind, right.kind) in (("text", "texts"), ("number", "numbers"))
        if isinstance(node.operands[1], Field) and right.kind == "texts":
            steps += LIST_MOST
    elif node.operator in ("==", "!="):
        fits = left.kind == right.kind and left.kind in ("bool", "number", "text")
    else:
        fits = left.kind == right.kind == "number"
    if not fits:
        raise make_refusal(
            node.at, "operand_kinds", code=node.operator, kind=left.kind, other=right.kind
        )
    _check_choices(node.operands[0], right)
    _check_choices(node.operands[1], left)
    guards = tuple(dict.fromkeys((*left.guards, *right.guards)))
    return as_condition(f"({left.cel} {node.operator} {right.cel})", steps, guards)


def _check_choices(node: Node, other: Typed) -> None:
    """Refuse a literal that the field compared with it can never be."""
    if not other.choices:
        return
    for item in node.items if isinstance(node, ListOf) else (node,):
        if isinstance(item, Literal) and item.value not in other.choices:
            raise make_refusal(item.at, "not_a_choice", names=sorted(other.choices))


def _want(node: Operation, parts: Sequence[Typed], kind: Either["bool", "number"]) -> None:
    for part in parts:
        if part.kind != kind:
            is_flag = (part.kind, kind) == ("number", "bool")
            message = "flag_is_number" if is_flag else "operand_kind"
            raise make_refusal(node.at, message, code=node.operator, kind=part.kind, other=kind)


_RULES: Mapping[type[Node], Callable[..., Typed]] = {
    Literal: literal_of,
    ListOf: list_of,
    Name: name_of,
    Field: field_of,
    Call: call_of,
    Macro: macro_of,
    Operation: _operation,
}
