"""Validation errors as field, rule and message, TOML files, odd arrivals, and names in texts.

A validation error never repeats the refused value. An arrival is refused if it names two
declarations or lies in the future, which assumes that a checkpoint's clock agrees with this one
within minutes. Any other oddity of an arrival is a signal for the features, never a refusal.
"""

import re
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.domain.records import Arrival
from engine.domain.time_units import MINUTE, SystemClock, micros
from engine.errors import InputError, RecordError


def bare(annotation: Any) -> Any:
    """Return the type of a record's field without ``Annotated`` and ``| None``."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if NoneType in get_args(annotation):
        return bare(next(option for option in get_args(annotation) if option is not NoneType))
    return annotation


RULES: Mapping[str, str] = {
    "missing": "missing_key",
    "literal_error": "unknown_enumeration",
    "finite_number": "not_finite",
    "greater_than_equal": "negative",
    "less_than_equal": "too_large",
    "string_too_long": "too_long",
    "too_long": "too_long",
    "string_too_short": "missing_key",
    "extra_forbidden": "unknown_field",
    "float_type": "not_a_number",
    "float_parsing": "not_a_number",
    "int_type": "not_a_whole_number",
    "int_parsing": "not_a_whole_number",
    "int_parsing_size": "not_a_whole_number",
    "int_from_float": "not_a_whole_number",
    "bool_type": "not_a_boolean",
    "bool_parsing": "not_a_boolean",
    "string_type": "not_text",
    "string_unicode": "bad_encoding",
    "union_tag_invalid": "unknown_enumeration",
    "union_tag_not_found": "missing_key",
}
"""Names of our rules by pydantic's error type; any other type keeps its own name."""
TOO_SMALL = "too_small"
"""Rule of a number below a least one that is not zero; ``negative`` names those below zero."""
_REPEATING = {"union_tag_invalid": "no record has this kind"}
"""Messages of ours in place of those of pydantic that repeat the refused value."""


def rule_of(kind: str, bounds: Mapping[str, Any] | None = None) -> str:
    """Return the name of our rule for an error type of pydantic, with the context it gives.

    >>> rule_of("greater_than_equal", {"ge": 0}), rule_of("greater_than_equal", {"ge": 1})
    ('negative', 'too_small')
    """
    is_above_zero = kind == "greater_than_equal" and (bounds or {}).get("ge") != 0
    return TOO_SMALL if is_above_zero else RULES.get(kind, kind)


Document = TypeVar("Document", bound=BaseModel)


def read_document(path: Path, kind: type[Document], *, text: str | None = None) -> Document:
    """Read a document from a TOML file, or from its ``text`` where a record holds it.

    Raises ``InputError`` naming the field and the rule.
    """
    try:
        return kind.model_validate(read_toml(path, text=text), strict=False)
    except ValidationError as error:
        where, rule, why = list_faults(error)[0]
        raise InputError(path.name, f"{'.'.join(map(str, where))}: {why} ({rule})") from None


def read_toml(path: Path, *, text: str | None = None) -> dict[str, Any]:
    """Return what a TOML file holds, or its ``text``; raises ``InputError``."""
    try:
        return tomllib.loads(path.read_text("utf-8") if text is None else text)
    except FileNotFoundError:
        raise InputError(path.name, "no such file") from None
    except OSError as error:
        raise InputError(path.name, error.strerror or "cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path.name, f"not a TOML file: {error}") from None


def list_faults(error: ValidationError) -> list[tuple[tuple[int | str, ...], str, str]]:
    """Return location, rule and message of each fault, without the value.

    A rule between fields names the faulty one as ``field`` of its context. A list that is too short
    because its items are faulty is no fault of its own.
    """
    every = error.errors(include_url=False, include_input=False)
    places = {found["loc"][:length] for found in every for length in range(len(found["loc"]))}
    return [
        (_where(found), rule_of(found["type"], found.get("ctx")), _why(found))
        for found in every
        if found["type"] != "too_short" or found["loc"] not in places
    ]


def _where(found: ErrorDetails) -> tuple[int | str, ...]:
    field = found.get("ctx", {}).get("field")
    return found["loc"] if field is None else (*found["loc"], field)


def _why(found: ErrorDetails) -> str:
    bounds = found.get("ctx", {})
    match found["type"]:
        case "too_short":
            return f"too few: at least {bounds['min_length']}"
        case "too_long":
            return f"too many: at most {bounds['max_length']}"
        case kind:
            return _REPEATING.get(kind, found["msg"])


LARGEST_LEAD = 5 * MINUTE
"""Largest lead of a checkpoint's clock that is accepted, microseconds."""
_CLOCK = SystemClock()


class MonotonicClock:
    """A clock that never runs backwards, even when the system clock is set back."""

    def __init__(
        self,
        *,
        now: Callable[[], int] = _CLOCK.now,
        passed: Callable[[], int] = time.monotonic_ns,
        head: int = 0,
    ) -> None:
        self._now = now
        self._passed = passed
        self._began, self._started = max(now(), head), passed()

    def now(self) -> int:
        """Return UTC microseconds: the later of system clock and start plus elapsed time."""
        return max(self._now(), self._began + (self._passed() - self._started) // 1000)


def check_plausible(arrival: Arrival, *, now: int) -> None:
    """Refuse an arrival that contradicts itself or lies in the future; raises ``RecordError``."""
    crossing, declaration = arrival.crossing, arrival.declaration
    if micros(crossing.arrived_at) > now + LARGEST_LEAD:
        raise RecordError("crossing", "arrived_at", "in_the_future", "more than 5 minutes ahead")
    named = crossing.declaration_id
    brought = arrival.declarations or filter(None, [declaration])
    names = {None, *(one.declaration_id for one in brought)}
    if declaration is not None and named not in names:
        raise RecordError(
            "declaration", "declaration_id", "contradiction", "the crossing names another one"
        )


_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['‘’ʻʼ`-](?=[^\W\d_]))+")
_LATIN = "ov|ova|ev|eva|yev|yeva|ovich|evich|yevich|ovna|evna|yevna|skiy|skaya|zoda|zade|zadeh"
_CYRILLIC = "ов|ова|ев|ева|ёв|ёва|ович|евич|овна|евна|ский|ская|зода|заде"
_ENDING = re.compile(rf"(?i:.{{2,}}(?:{_LATIN}|{_CYRILLIC}))")
_PARTICLE = re.compile(
    r"(?i:ugli|o['‘’ʻʼ`]g['‘’ʻʼ`]li|ogly|oglu|qizi|kizi|kyzy|угли|ўғли|оглы|қизи|кизи|кызы)"
)


def looks_like_name(text: str) -> bool:
    """Tell whether a text has two capitalised words in a row, or a surname's or patronymic's form.

    >>> looks_like_name("the driver, Karimov, had no papers")
    True
    >>> looks_like_name("водитель Рахимов Анвар Саидович")
    True
    >>> looks_like_name("Heroin in the fuel tank, 2.3 kg; sealed with 0041")
    False
    """
    before: re.Match[str] | None = None
    for word in _WORD.finditer(text):
        found = word[0]
        is_capital = found[0].isupper() and not found.isupper()
        if (is_capital and _ENDING.fullmatch(found)) or _PARTICLE.fullmatch(found):
            return True
        is_next = before is not None and text[before.end() : word.start()].isspace()
        if is_capital and is_next and before is not None and before[0][0].isupper():
            return True
        before = word if is_capital else None
    return False
