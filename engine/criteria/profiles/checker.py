"""Type check of an expression, its largest cost, and its evaluation through CEL.

An expression can read fields of ``crossing`` and ``declaration``, for the goods items in ``goods``,
and for ``features`` by name.

A missing value makes every comparison with it false, ``!=`` too; so does division by zero. No
missing value raises an error, and ``has(...)`` asks whether a value is there.

The tree is written out again as CEL for the library that evaluates: names made flat, each
comparison behind a guard for each value that may be missing, numbers all of one kind. The library
therefore sees only what was checked here. A program is compiled once; a fault of the library, a
panic included, is raised as ``ProfileFailed`` without the values that caused it.

Each part is checked once, by the rule of its node, which returns its CEL text, its largest cost and
the fields that it needs. A rule reads inner parts through its scope, so that their number and depth
are bounded in one place. Assumes that a pattern is compiled at each use, so its length is bounded:
see ``matches``.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any
from typing import Literal as Either

from engine.criteria.profiles.parser import (
    DEEPEST,
    MOST_PARTS,
    Call,
    Constant,
    Field,
    ListOf,
    Macro,
    Name,
    Node,
    Operation,
    make_refusal,
    parse,
)
from engine.criteria.profiles.readable_fields import (
    ITEM,
    ITEMS_MOST,
    LIST_MOST,
    NATIONAL,
    ROOTS,
    SUFFIXES,
    FieldKind,
    FieldType,
    flat,
    list_derived,
)
from engine.domain.field_types import CODE
from engine.errors import ProfileRefusedError


@dataclass(frozen=True, slots=True)
class Typed:
    """A part, written out."""

    cel: str
    kind: FieldKind
    steps: int = 1
    guards: tuple[str, ...] = ()
    """Conditions under which it has a value, in the order in which they must be asked."""
    spelt: Callable[[str], str] | None = None
    """Normalization of its texts; literals compared with it are normalized alike."""
    choices: frozenset[str] = frozenset()
    """All values it can have; empty where any text will do."""

    @property
    def condition(self) -> str:
        """What is true or false, whatever is missing."""
        return f"({' && '.join((*self.guards, self.cel))})" if self.guards else self.cel


@dataclass(slots=True)
class Scope:
    """What names mean here, and how a part is read."""

    features: frozenset[str]
    rules: Mapping[type[Node], Callable[..., Typed]]
    """The rule of each node."""
    tolerance: float | None = None
    """What the name ``tolerance`` stands for; the name is not known where it is None."""
    needs: set[str] = field(default_factory=set)
    whole_codes: list[str] = field(default_factory=list)
    """HS codes that a field must equal, with fewer digits than the longest have."""
    bound: dict[str, tuple[str, Typed]] = field(default_factory=dict)
    """Each name bound by a macro, with what it is written as and the type of an element."""
    parts: int = 0
    depth: int = 0

    def typed(self, node: Node) -> Typed:
        """Return a part by the rule of its node; raises ``ProfileRefusedError``."""
        self.parts += 1
        self.depth += 1
        if self.parts > MOST_PARTS or self.depth > 2 * DEEPEST:
            raise make_refusal(node.at, "too_many_parts", number=MOST_PARTS)
        found = self.rules[type(node)](node, self)
        self.depth -= 1
        return found


def as_condition(cel: str, steps: int, guards: tuple[str, ...]) -> Typed:
    """Close a comparison: from here on nothing is missing."""
    return Typed(f"({' && '.join((*guards, cel))})", "bool", steps + len(guards))


def as_kind(typed: Typed, kind: FieldKind) -> Typed:
    """Let a national field be of the kind that its use asks for; all others are what they are."""
    if typed.kind != "national" or kind not in SUFFIXES:
        return typed
    written = typed.cel + SUFFIXES[kind]
    return replace(typed, cel=written, kind=kind, guards=(f"{written} != null",))


def spelt_alike(node: Node, typed: Typed, other: Typed) -> Typed:
    """Normalize literals as the field that they are compared with."""
    if other.spelt is None:
        return typed
    if isinstance(node, Constant) and isinstance(node.value, str):
        return replace(typed, cel=json.dumps(other.spelt(node.value), ensure_ascii=False))
    if isinstance(node, ListOf) and typed.kind == "texts":
        words = [other.spelt(str(item.value)) for item in node.items if isinstance(item, Constant)]
        return replace(typed, cel=json.dumps(words, ensure_ascii=False))
    return typed


ELEMENT_STEPS = 8
"""Steps to look at one element of a list, whatever is asked of it."""
TEXT_STEPS = 4
PATTERN_STEPS, PATTERN_CHARACTER_STEPS = 500, 25
LONGEST_PATTERN = 64
"""Characters of a pattern for ``matches``; it is compiled at each use."""
TEXT_FUNCTIONS = ("startsWith", "endsWith", "contains", "matches")
FUNCTIONS = ("has", "size", *TEXT_FUNCTIONS)


def call_of(node: Call, scope: Scope) -> Typed:
    """Return what a function answers."""
    if node.name not in FUNCTIONS:
        raise make_refusal(node.at, "unknown_function", names=FUNCTIONS)
    wanted = 2 if node.name in TEXT_FUNCTIONS else 1
    if len(node.arguments) != wanted:
        raise make_refusal(node.at, "argument_count", code=node.name)
    first = scope.typed(node.arguments[0])
    if node.name == "has":
        if not isinstance(node.arguments[0], Field) or not first.guards:
            raise make_refusal(node.at, "has_argument")
        return Typed(f"({first.guards[0]})", "bool")
    if node.name == "size":
        first = as_kind(first, "text")
        if first.kind not in ("texts", "items", "text"):
            raise make_refusal(node.at, "size_argument")
        return Typed(f"double(size({first.cel}))", "number", 2 + first.steps, first.guards)
    return _text_function(node, first, scope)


def _text_function(node: Call, first: Typed, scope: Scope) -> Typed:
    argument = node.arguments[1]
    first = as_kind(first, "text")
    second = as_kind(spelt_alike(argument, scope.typed(argument), first), "text")
    if (first.kind, second.kind) != ("text", "text"):
        raise make_refusal(node.at, "text_arguments", code=node.name)
    steps = first.steps + second.steps + TEXT_STEPS
    if node.name == "matches":
        steps += _pattern_steps(argument)
    guards = tuple(dict.fromkeys((*first.guards, *second.guards)))
    return as_condition(f"{first.cel}.{node.name}({second.cel})", steps, guards)


def _pattern_steps(node: Node) -> int:
    """Bound what a pattern may cost: it is compiled at each use, so wide classes are dear."""
    if not isinstance(node, Constant) or not isinstance(node.value, str):
        raise make_refusal(node.at, "pattern_not_written_out")
    if len(node.value) > LONGEST_PATTERN or not node.value.isascii():
        raise make_refusal(node.at, "pattern_too_long", number=LONGEST_PATTERN)
    if any(sign in node.value for sign in ("{", "\\", "(?")):
        raise make_refusal(node.at, "pattern_unbounded")
    import cel

    try:
        cel.compile(f'"".matches({json.dumps(node.value)})').execute({})
    except Exception:
        raise make_refusal(node.at, "pattern_malformed") from None
    return PATTERN_STEPS + PATTERN_CHARACTER_STEPS * len(node.value)


def macro_of(node: Macro, scope: Scope) -> Typed:
    """Return what a macro answers about the elements of a list or the goods."""
    over = scope.typed(node.over)
    if over.kind not in ("texts", "items"):
        raise make_refusal(node.at, "macro_target", code=node.name)
    if isinstance(node.over, ListOf):
        raise make_refusal(node.at, "macro_on_written_list")
    if node.each in (*ROOTS, "features", "goods", TOLERANCE, *scope.bound):
        raise make_refusal(node.at, "name_taken")
    element = Typed("", "item" if over.kind == "items" else "text", spelt=over.spelt)
    written = f"x{len(scope.bound)}"
    scope.bound[node.each] = (written, element)
    body = as_kind(scope.typed(node.body), "bool")
    del scope.bound[node.each]
    if body.kind != "bool":
        raise make_refusal(node.at, "macro_condition", code=node.name)
    most = ITEMS_MOST if over.kind == "items" else LIST_MOST
    steps = over.steps + most * (ELEMENT_STEPS + body.steps)
    return Typed(f"{over.cel}.{node.name}({written}, {body.condition})", "bool", steps)


LONGEST_TEXT = 200
LARGEST = 1e15
TOLERANCE = "tolerance"
"""Name of the number that a profile states for each post."""


def literal_of(node: Constant, _: Scope) -> Typed:
    """Return a number, a text or a truth value as it stands."""
    value = node.value
    if isinstance(value, bool):
        return Typed("true" if value else "false", "bool")
    if isinstance(value, float):
        if not abs(value) <= LARGEST:
            raise make_refusal(node.at, "number_too_large", code=f"{LARGEST:.0e}")
        return Typed(repr(value), "number")
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise make_refusal(node.at, "text_too_long", number=LONGEST_TEXT)
    return Typed(json.dumps(value, ensure_ascii=False), "text")


def list_of(node: ListOf, scope: Scope) -> Typed:
    """Return a list that is written out, of texts or of numbers."""
    if not node.items:
        raise make_refusal(node.at, "empty_list")
    items = [scope.typed(item) for item in node.items]
    if len({item.kind for item in items}) != 1:
        raise make_refusal(node.at, "mixed_list")
    kind: FieldKind = "texts" if items[0].kind == "text" else "numbers"
    return Typed(f"[{', '.join(item.cel for item in items)}]", kind, len(items))


def name_of(node: Name, scope: Scope) -> Typed:
    """Return the goods, or what a macro bound this name to."""
    if node.name in scope.bound:
        written, element = scope.bound[node.name]
        if element.kind == "item":
            raise make_refusal(node.at, "item_without_field")
        return replace(element, cel=written)
    if node.name == "goods":
        scope.needs.add("goods")
        return Typed("goods", "items")
    if node.name == TOLERANCE and scope.tolerance is not None:
        return Typed(repr(float(scope.tolerance)), "number")
    raise make_refusal(node.at, "unknown_name")


def field_of(node: Field, scope: Scope) -> Typed:
    """Return a field of a record or of a goods item, or a feature."""
    if node.of in scope.bound:
        written, element = scope.bound[node.of]
        if element.kind != "item":
            raise make_refusal(node.at, "element_without_fields")
        found = _find_field(node, "goods", ITEM)
        scope.needs.add(f"goods.{node.name}")
        return _type_field(found, f"{written}.{flat(node.name)}")
    if node.of == "features":
        if node.name not in scope.features:
            raise _unknown(node, "unknown_feature", scope.features)
        found = FieldType("number")
    elif node.of in ROOTS:
        found = _find_field(node, node.of, ROOTS[node.of])
    else:
        raise make_refusal(node.at, "unknown_name")
    full = f"{node.of}.{node.name}"
    scope.needs.add(full)
    return _type_field(found, flat(full))


def _find_field(node: Field, root: str, fields: dict[str, FieldType]) -> FieldType:
    found = fields.get(node.name)
    if node.name.startswith(NATIONAL) and CODE.fullmatch(node.name.removeprefix(NATIONAL)):
        return FieldType("national")
    if found is None:
        raise _unknown(node, "unknown_field", fields, code=root)
    return found


def _unknown(
    node: Field, message: str, known: Iterable[str], **parameters: str
) -> ProfileRefusedError:
    """Return a refusal with the names closest to this one, which is the sender's text itself."""
    close = get_close_matches(node.name, sorted(known), n=3, cutoff=0.5)
    if not close:
        return make_refusal(node.at, message, **parameters)
    return make_refusal(node.at, f"{message}_near", names=close, **parameters)


def _type_field(found: FieldType, written: str) -> Typed:
    guards = () if found.kind == "texts" else (f"{written} != null",)
    return Typed(written, found.kind, 1, guards, found.spelt, found.choices)


LONGEST_CODE = 10
"""Digits of an HS code as far as nations divide it."""
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
    whole_codes: tuple[str, ...]
    """HS codes that a code must equal: longer ones that begin with them do not fit."""


def check(text: str, *, features: Sequence[str], tolerance: float | None = None) -> Checked:
    """Return an expression ready to compile; raises ``ProfileRefusedError`` with place and rule."""
    scope = Scope(frozenset([*features, *list_derived(features)]), _RULES, tolerance)
    found = as_kind(scope.typed(parse(text)), "bool")
    if found.kind != "bool":
        raise make_refusal(1, "not_a_condition", kind=found.kind)
    if not scope.needs:
        raise make_refusal(1, "reads_nothing")
    if found.steps > DEAREST:
        raise make_refusal(1, "too_many_steps", number=found.steps, of=DEAREST)
    whole = tuple(scope.whole_codes)
    return Checked(found.condition, frozenset(scope.needs), found.steps, whole)


def _operation(node: Operation, scope: Scope) -> Typed:
    parts = [scope.typed(operand) for operand in node.operands]
    steps = 1 + sum(part.steps + len(part.guards) for part in parts)
    if node.operator in ("&&", "||") or (node.operator == "!"):
        parts = [as_kind(part, "bool") for part in parts]
        _want(node, parts, "bool")
        if node.operator == "!":
            return Typed(f"!({parts[0].condition})", "bool", steps)
        joined = f" {node.operator} ".join(part.condition for part in parts)
        return Typed(f"({joined})", "bool", steps)
    if node.operator in ("+", "-", "*", "/"):
        parts = [as_kind(part, "number") for part in parts]
        return _arithmetic(node, parts, steps)
    scope.whole_codes += _list_whole_codes(*node.operands)
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
    left, right = _settle_kinds(node, *parts)
    left = spelt_alike(node.operands[0], left, right)
    right = spelt_alike(node.operands[1], right, left)
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


def _settle_kinds(node: Operation, left: Typed, right: Typed) -> tuple[Typed, Typed]:
    """Let a national field be of the kind of what it is compared with."""
    if node.operator not in ("in", "==", "!="):
        return as_kind(left, "number"), as_kind(right, "number")
    if left.kind == right.kind == "national":
        raise make_refusal(node.at, "national_kinds")
    members: Mapping[FieldKind, FieldKind] = {"texts": "text", "numbers": "number"}
    return as_kind(left, members.get(right.kind, right.kind)), as_kind(right, left.kind)


def _list_whole_codes(left: Node, right: Node) -> list[str]:
    """Return the literals shorter than the longest HS code with which one is compared."""
    code, literal = (left, right) if isinstance(left, Field) else (right, left)
    if not (isinstance(code, Field) and code.name == "hs_code"):
        return []
    items = literal.items if isinstance(literal, ListOf) else (literal,)
    texts = [str(one.value) for one in items if isinstance(one, Constant)]
    return [text for text in texts if len(text) < LONGEST_CODE]


def _check_choices(node: Node, other: Typed) -> None:
    """Refuse a literal that the field compared with it can never be."""
    if not other.choices:
        return
    for item in node.items if isinstance(node, ListOf) else (node,):
        if isinstance(item, Constant) and item.value not in other.choices:
            raise make_refusal(item.at, "not_a_choice", names=sorted(other.choices))


def _want(node: Operation, parts: Sequence[Typed], kind: Either["bool", "number"]) -> None:
    for operand, part in zip(node.operands, parts, strict=True):
        if part.kind != kind:
            is_flag = (part.kind, kind) == ("number", "bool")
            message = "flag_is_number" if is_flag else "operand_kind"
            raise make_refusal(operand.at, message, code=node.operator, kind=part.kind, other=kind)


_RULES: Mapping[type[Node], Callable[..., Typed]] = {
    Constant: literal_of,
    ListOf: list_of,
    Name: name_of,
    Field: field_of,
    Call: call_of,
    Macro: macro_of,
    Operation: _operation,
}


class ProfileFailed(Exception):  # noqa: N818 - never leaves the engine
    """An expression could not be evaluated."""


@dataclass(frozen=True, slots=True)
class Program:
    """One expression."""

    needs: frozenset[str]
    """Fields and features it reads."""
    steps: int
    compiled: Any
    whole_codes: tuple[str, ...] = ()

    def fits(self, values: Any) -> bool:
        """Tell whether it is true of an arrival; ``values`` was made by :func:`context`."""
        try:
            return self.compiled.execute(values) is True
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the library is no Exception
            raise ProfileFailed(type(error).__name__) from None


def context(values: Mapping[str, Any]) -> Any:
    """Return the values of one arrival, converted once for all programs."""
    import cel

    return cel.Context(dict(values))


def program(expression: str, *, features: Sequence[str], tolerance: float | None = None) -> Program:
    """Check and compile an expression; raises ``ProfileRefusedError``."""
    import cel  # here, since it brings a command line of its own: a service starts without it

    checked = check(expression, features=features, tolerance=tolerance)
    compiled = cel.compile(checked.cel)
    return Program(checked.needs, checked.steps, compiled, checked.whole_codes)
