"""Parser of profiles: the text as a tree, each part with its place in the text.

The language is the part of CEL that a profile needs: comparisons, ``&& || !``, arithmetic, ``in``,
the macros ``exists``, ``all`` and ``exists_one``, and a few functions of text. A text that the
parser refuses never reaches the library that evaluates, so the cost of a text is known from its
tree. A refusal is a message identifier with its parameters, and an English template of each.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import ProfileRefusedError
from engine.explanation.messages import Message, render

REFUSALS: Final[Mapping[str, str]] = {
    "expression_too_long": "the expression is longer than {number} characters",
    "unreadable_here": "no word, number or sign begins here",
    "too_many_tokens": "more than {number} words and signs",
    "operator_expected": "an operator or the end was expected",
    "sign_expected": "{code} was expected",
    "nested_too_deep": "nests deeper than {number} levels",
    "chained_comparison": "comparisons do not chain: join them with &&",
    "too_many_terms": "more than {number} terms in one sum or product",
    "name_expected": "the name of a field or function was expected",
    "no_fields_of_this": "only crossing, declaration, features and goods have fields",
    "macro_arguments": "{code} takes a name and a condition: (g, g.field == ...)",
    "list_of_literals": "a list holds texts or numbers",
    "value_expected": "a value was expected",
    "unknown_escape": "this escape is not offered in texts",
    "not_a_condition": "the whole must be true or false, it is a {kind}",
    "reads_nothing": "it reads no field of the crossing",
    "too_many_steps": "may take {number} steps, more than {of}",
    "too_many_parts": "more than {number} parts, or nested too deep",
    "number_too_large": "a number beyond {code}",
    "text_too_long": "a text has up to {number} printable characters",
    "empty_list": "the list is empty",
    "mixed_list": "a list holds texts or numbers, not both",
    "item_without_field": "a goods item has fields: write one after a full stop",
    "unknown_name": "no such name: crossing., declaration., features. or goods",
    "element_without_fields": "the elements of this list have no fields",
    "unknown_feature_near": "no such feature; close to it: {names}",
    "unknown_feature": "no such feature",
    "unknown_field_near": "no such field of {code}; close to it: {names}",
    "unknown_field": "no such field of {code}",
    "unknown_function": "no such function; there are {names} and macros",
    "argument_count": "{code} was given too few or too many arguments",
    "has_argument": "has(...) takes one field that may be missing",
    "size_argument": "size(...) takes a list or a text",
    "text_arguments": "{code} compares a text with a text",
    "pattern_not_written_out": "matches takes a pattern written out in quotes",
    "pattern_too_long": "a pattern has up to {number} ASCII characters",
    "pattern_unbounded": (
        "a pattern has no curly brackets, no backslash and no (?: its cost is unbounded"
    ),
    "pattern_malformed": "this is no regular expression",
    "macro_target": "{code} works on goods or on a list",
    "macro_on_written_list": "a list that is written out needs no macro: use in",
    "name_taken": "this name is taken: give the element another",
    "macro_condition": "the condition of {code} must be true or false",
    "operand_kinds": "{code} between a {kind} and a {other}",
    "national_kinds": "compare a national field with a text, a number, true or false",
    "not_a_choice": "it is one of {names}",
    "flag_is_number": "{code} of a {kind}, not of a {other}; compare it: == 1",
    "operand_kind": "{code} of a {kind}, not of a {other}",
}
"""By message identifier. Clients read the identifiers; their words may be improved."""
PART_KINDS: Final = ("bool", "number", "text", "texts", "numbers", "items", "item")
"""What a part of an expression can be."""


def make_refusal(at: int, message: str, **parameters: Any) -> ProfileRefusedError:
    """Return the refusal of an expression at a place, counted from 1."""
    why = render(Message(message, parameters), templates=REFUSALS)
    return ProfileRefusedError(why, at, message, parameters)


LONGEST_EXPRESSION = 2_000
"""Characters of one expression."""
MOST_PARTS = 400
"""Nodes of its tree."""
DEEPEST = 24
"""Levels of its tree; chains of ``&&`` and ``||`` are one level."""

MACROS = ("exists", "all", "exists_one")
RELATIONS = ("==", "!=", "<=", ">=", "<", ">", "in")


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression."""

    at: int
    """Where it begins, counted from 1."""


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A text, a number, true or false."""

    value: str | float | bool


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """Literals in brackets."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name that stands alone: goods, or what a macro calls each element."""

    name: str


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A field of what is named."""

    of: str
    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function; a method's target is its first argument."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """Asks something of each element of a list."""

    name: str
    over: Node
    each: str
    body: Node


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """An operator with its operands: one, two, or a whole chain of ``&&`` or ``||``."""

    operator: str
    operands: tuple[Node, ...]


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()\[\],.+\-*/])"
    r"|(?P<end>\Z))"
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}


_Rule = Callable[[], Node]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """Return the tree of an expression; raises ``ProfileRefusedError`` with the place."""
    if len(text) > LONGEST_EXPRESSION:
        raise make_refusal(1, "expression_too_long", number=LONGEST_EXPRESSION)
    return _Parser(list(_tokens(text))).parse()


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while True:
        found = _TOKEN.match(text, place)
        if found is None:
            at = place + len(text[place:]) - len(text[place:].lstrip()) + 1
            raise make_refusal(at, "unreadable_here")
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind) + 1)
        if kind == "end":
            return
        place = found.end()


def split_conditions(text: str) -> list[str]:
    """Return the conditions that ``&&`` joins at the top of an expression, in the order written.

    An expression that ``||`` joins at its top is one condition. ``text`` was checked before.
    """
    found, begin, depth = [], 0, 0
    for token in _tokens(text):
        if token.text in ("(", "["):
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
        elif depth == 0 and token.text == "||":
            return [text.strip()]
        elif depth == 0 and token.text == "&&":
            found.append(text[begin : token.at - 1].strip())
            begin = token.at + 1
    return [*found, text[begin:].strip()]


class _Parser:
    """Reads tokens from left to right; counts parts and levels as it goes."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        if len(tokens) > 2 * MOST_PARTS:
            raise make_refusal(tokens[-1].at, "too_many_tokens", number=2 * MOST_PARTS)

    def parse(self) -> Node:
        """Return the tree of all tokens."""
        found = self._or()
        if self._peek.kind != "end":
            raise make_refusal(self._peek.at, "operator_expected")
        return found

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._peek
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _is(self, *signs: str) -> bool:
        return self._peek.text in signs and self._peek.kind in ("sign", "name")

    def _expect(self, sign: str) -> None:
        if not self._is(sign):
            raise make_refusal(self._peek.at, "sign_expected", code=sign)
        self._take()

    def _or(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise make_refusal(self._peek.at, "nested_too_deep", number=DEEPEST)
        found = self._chain("||", lambda: self._chain("&&", self._relation))
        self._depth -= 1
        return found

    def _chain(self, operator: str, part: _Rule) -> Node:
        first = part()
        operands = [first]
        while self._is(operator):
            self._take()
            operands.append(part())
        return first if len(operands) == 1 else Operation(first.at, operator, tuple(operands))

    def _relation(self) -> Node:
        left = self._sum()
        if not self._is(*RELATIONS):
            return left
        operator = self._take()
        right = self._sum()
        if self._is(*RELATIONS):
            raise make_refusal(self._peek.at, "chained_comparison")
        return Operation(operator.at, operator.text, (left, right))

    def _sum(self) -> Node:
        return self._left_to_right(("+", "-"), lambda: self._left_to_right(("*", "/"), self._unary))

    def _left_to_right(self, operators: tuple[str, ...], part: _Rule) -> Node:
        found, count = part(), 0
        while self._is(*operators):
            operator, count = self._take(), count + 1
            if count > DEEPEST:
                raise make_refusal(operator.at, "too_many_terms", number=DEEPEST)
            found = Operation(operator.at, operator.text, (found, part()))
        return found

    def _unary(self) -> Node:
        if not self._is("!", "-"):
            return self._postfix()
        self._depth += 1
        if self._depth > DEEPEST:
            raise make_refusal(self._peek.at, "nested_too_deep", number=DEEPEST)
        operator = self._take()
        found = Operation(operator.at, operator.text, (self._unary(),))
        self._depth -= 1
        return found

    def _postfix(self) -> Node:
        found = self._primary()
        while self._is("."):
            self._take()
            name = self._take()
            if name.kind != "name":
                raise make_refusal(name.at, "name_expected")
            if self._is("("):
                found = self._method(found, name)
            elif isinstance(found, Name):
                found = Field(found.at, found.name, name.text)
            elif isinstance(found, Field) and found.name == "national":
                found = Field(found.at, found.of, f"{found.name}.{name.text}")
            else:
                raise make_refusal(name.at, "no_fields_of_this")
        return found

    def _method(self, target: Node, name: _Token) -> Node:
        arguments = self._arguments()
        if name.text not in MACROS:
            return Call(name.at, name.text, (target, *arguments))
        if len(arguments) != 2 or not isinstance(arguments[0], Name):
            raise make_refusal(name.at, "macro_arguments", code=name.text)
        return Macro(name.at, name.text, target, arguments[0].name, arguments[1])

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        found: list[Node] = []
        while not self._is(")"):
            if found:
                self._expect(",")
            found.append(self._or())
        self._take()
        return tuple(found)

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return Constant(token.at, float(token.text))
        if token.kind == "text":
            return Constant(token.at, _unescape(token))
        if token.kind == "name":
            if token.text in ("true", "false"):
                return Constant(token.at, token.text == "true")
            if self._is("("):
                return Call(token.at, token.text, self._arguments())
            return Name(token.at, token.text)
        return self._bracketed(token)

    def _literal(self) -> Node:
        """Return an element of a list, which nests no further."""
        token, sign = self._peek, 1.0
        if self._is("-"):
            self._take()
            sign = -1.0
        if self._peek.kind not in ("number", "text"):
            raise make_refusal(self._peek.at, "list_of_literals")
        found = self._primary()
        if sign < 0 and isinstance(found, Constant) and isinstance(found.value, float):
            return Constant(token.at, -found.value)
        return found

    def _bracketed(self, token: _Token) -> Node:
        if token.text == "(" and token.kind == "sign":
            found = self._or()
            self._expect(")")
            return found
        if token.text == "[" and token.kind == "sign":
            items: list[Node] = []
            while not self._is("]"):
                if items:
                    self._expect(",")
                items.append(self._literal())
            self._take()
            return ListOf(token.at, tuple(items))
        raise make_refusal(token.at, "value_expected")


def _unescape(token: _Token) -> str:
    def escape(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise make_refusal(token.at, "unknown_escape")
        return _ESCAPES[found[1]]

    return _ESCAPE.sub(escape, token.text[1:-1])
