"""What is asked of a text, a list or the goods in an expression: functions and macros.

Assumes that a pattern is compiled at each use, so what it may hold is bounded: see ``matches``.
"""

import json

from engine.profile_fields import ITEMS_MOST, LIST_MOST, ROOTS
from engine.profile_parts import Scope, Typed, as_condition, spelt_alike
from engine.profile_syntax import Call, Field, ListOf, Literal, Macro, Node, refused

ELEMENT_STEPS = 8
"""Steps to look at one element of a list, whatever is asked of it."""
TEXT_STEPS = 4
PATTERN_STEPS, PATTERN_CHARACTER_STEPS = 500, 25
LONGEST_PATTERN = 64
"""Characters of a pattern for ``matches``; it is made anew at each use."""
TEXT_FUNCTIONS = ("startsWith", "endsWith", "contains", "matches")
FUNCTIONS = ("has", "size", *TEXT_FUNCTIONS)


def call_of(node: Call, scope: Scope) -> Typed:
    """Return what a function answers."""
    if node.name not in FUNCTIONS:
        raise refused(node.at, f"no such function; there are {', '.join(FUNCTIONS)} and macros")
    wanted = 2 if node.name in TEXT_FUNCTIONS else 1
    if len(node.arguments) != wanted:
        raise refused(node.at, f"{node.name} was given too few or too many arguments")
    first = scope.typed(node.arguments[0])
    if node.name == "has":
        if not isinstance(node.arguments[0], Field) or not first.guards:
            raise refused(node.at, "has(...) takes one field that may be missing")
        return Typed(f"({first.guards[0]})", "bool")
    if node.name == "size":
        if first.kind not in ("texts", "items", "text"):
            raise refused(node.at, "size(...) takes a list or a text")
        return Typed(f"double(size({first.cel}))", "number", 2 + first.steps, first.guards)
    return _text_function(node, first, scope)


def _text_function(node: Call, first: Typed, scope: Scope) -> Typed:
    argument = node.arguments[1]
    second = spelt_alike(argument, scope.typed(argument), first)
    if (first.kind, second.kind) != ("text", "text"):
        raise refused(node.at, f"{node.name} is asked of a text, about a text")
    steps = first.steps + second.steps + TEXT_STEPS
    if node.name == "matches":
        steps += _pattern_steps(argument)
    guards = tuple(dict.fromkeys((*first.guards, *second.guards)))
    return as_condition(f"{first.cel}.{node.name}({second.cel})", steps, guards)


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


def macro_of(node: Macro, scope: Scope) -> Typed:
    """Return what a macro answers about the elements of a list or the goods."""
    over = scope.typed(node.over)
    if over.kind not in ("texts", "items"):
        raise refused(node.at, f"{node.name} is asked of goods or of a list")
    if isinstance(node.over, ListOf):
        raise refused(node.at, "a list that is written out needs no macro: use in")
    if node.each in (*ROOTS, "features", "goods", *scope.bound):
        raise refused(node.at, "this name is taken: call the element otherwise")
    element = Typed("", "item" if over.kind == "items" else "text", spelt=over.spelt)
    written = f"x{len(scope.bound)}"
    scope.bound[node.each] = (written, element)
    body = scope.typed(node.body)
    del scope.bound[node.each]
    if body.kind != "bool":
        raise refused(node.at, f"the condition of {node.name} must be true or false")
    most = ITEMS_MOST if over.kind == "items" else LIST_MOST
    steps = over.steps + most * (ELEMENT_STEPS + body.steps)
    return Typed(f"{over.cel}.{node.name}({written}, {body.condition})", "bool", steps)
