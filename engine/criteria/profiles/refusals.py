"""Refusals of an expression: a message identifier with its parameters, and its English template."""

from collections.abc import Mapping
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
    "not_a_choice": "it is one of {names}",
    "flag_is_number": "{code} of a {kind}, not of a {other}; compare it: == 1",
    "operand_kind": "{code} of a {kind}, not of a {other}",
}
"""By message identifier. Clients read the identifiers; their words may be improved."""
KINDS: Final = ("bool", "number", "text", "texts", "numbers", "items", "item")
"""What a part of an expression can be."""


def make_refusal(at: int, message: str, **parameters: Any) -> ProfileRefusedError:
    """Return the refusal of an expression at a place, counted from 1."""
    why = render(Message(message, parameters), templates=REFUSALS)
    return ProfileRefusedError(why, at, message, parameters)
