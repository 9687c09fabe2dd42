"""Parser of profiles: the text as a tree, each part with its place in the text.

The language is the part of CEL that a profile needs: comparisons, ``&& || !``, arithmetic, ``in``,
the macros ``exists``, ``all`` and ``exists_one``, and a few functions of text. Whatever is not read
here never reaches the library that evaluates, so that what a text may cost is known from its tree.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.criteria.profiles.refusals import make_refusal

LONGEST = 2_000
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
class Literal(Node):
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
    if len(text) > LONGEST:
        raise make_refusal(1, "expression_too_long", number=LONGEST)
    return _Parser(list(_tokens(text))).whole()


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


class _Parser:
    """Reads tokens from left to right; counts parts and levels as it goes."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        if len(tokens) > 2 * MOST_PARTS:
            raise make_refusal(tokens[-1].at, "too_many_tokens", number=2 * MOST_PARTS)

    def whole(self) -> Node:
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
            return Literal(token.at, float(token.text))
        if token.kind == "text":
            return Literal(token.at, _unescape(token))
        if token.kind == "name":
            if token.text in ("true", "false"):
                return Literal(token.at, token.text == "true")
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
        if sign < 0 and isinstance(found, Literal) and isinstance(found.value, float):
            return Literal(token.at, -found.value)
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
