"""Texts that people type into fields: numbers, days, one line; every mistake is kept.

A form is read whole before any of it is recorded, so that its reader is told of all that is wrong
at once, each at its field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar

from babel.numbers import get_decimal_symbol
from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from api.web.i18n import ReaderLocale
from api.web.number_parsing import AmbiguousNumeralError, NumeralError, read_number
from api.web.templates_env import speech_of
from api.web.visitor import Form, TheForm, read_field
from engine.domain.validation import rule_of

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class FieldMistake:
    """One fault of a form: at which field, which rule, and what its sentence names."""

    at: str
    rule: str
    values: Mapping[str, str] = attribute(default_factory=dict)


class FormError(Exception):
    """A form that was not recorded, with its mistakes in the order of their reading."""

    def __init__(self, *mistakes: FieldMistake) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


class FormReader:
    """Reads the fields of one form as its reader's language writes them."""

    def __init__(self, form: Form, speech: ReaderLocale) -> None:
        self._form = form
        self._speech = speech
        self.mistakes: list[FieldMistake] = []

    def text(self, name: str) -> str:
        """Return a field on one line, as records keep it."""
        return join_lines(read_field(self._form, name))

    def texts(self, *names: str) -> dict[str, Any]:
        """Return those of these fields that are filled."""
        return {name: text for name in names if (text := self.text(name))}

    def every(self, name: str) -> list[str]:
        """Return all that was checked of a group."""
        return list(self._form.get(name, ()))

    def refuse(self, name: str, rule: str, **values: str) -> None:
        """Keep a mistake."""
        self.mistakes.append(FieldMistake(name, rule, values))

    def number(self, name: str) -> float | None:
        """Return a number, None where the field is empty or wrong."""
        if not (text := read_field(self._form, name)):
            return None
        locale = self._speech.locale
        try:
            return read_number(text, locale)
        except AmbiguousNumeralError as error:
            self.refuse(
                name, "ambiguous_number", whole=error.grouped, fraction=error.fraction
            )  # fmt: skip
        except NumeralError:
            self.refuse(name, "not_a_number", example=f"40{get_decimal_symbol(locale)}5")
        return None

    def day(self, name: str, *, is_last: bool = False) -> datetime | None:
        """Return when a local day begins, or ends where it is the last of a period."""
        if not (text := read_field(self._form, name)):
            return None
        try:
            begins = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return begins + timedelta(days=is_last, minutes=-self._speech.offset_minutes)
        except (ValueError, OverflowError):
            self.refuse(name, "not_a_day")
            return None

    def moment(self, name: str) -> datetime | None:
        """Return the instant of a local day and time, as a browser sends it."""
        if not (text := read_field(self._form, name)):
            return None
        try:
            wall = datetime.fromisoformat(text)
            if wall.tzinfo is None:
                return self._speech.place(wall)
        except (ValueError, OverflowError):
            pass
        self.refuse(name, "not_a_moment")
        return None

    def once(self) -> str:
        """Return the number that this service gave the form: sent twice, it counts once."""
        found = read_field(self._form, "once")
        if len(found) != 24 or not found.isalnum() or not found.isascii():
            self.refuse("once", "old_form")
        return found

    def record(self, model: type[Model], values: Mapping[str, Any]) -> Model | None:
        """Return a record of the engine's, None where it breaks a rule of its definition."""
        known = {mistake.at for mistake in self.mistakes}
        try:
            return model.model_validate(values, strict=False)
        except ValidationError as error:
            self.mistakes += [one for one in mistakes_of(error) if one.at not in known]
            return None

    def finish(self, record: Model | None) -> Model:
        """Return the record that the form makes; raises ``FormError`` where anything was wrong."""
        if self.mistakes or record is None:
            raise FormError(*self.mistakes)
        return record


async def reader_of(request: Request, form: TheForm) -> FormReader:
    """Return what reads a form that a visitor sent, as they read it themselves."""
    return FormReader(form, speech_of(request))


TheReader = Annotated[FormReader, Depends(reader_of)]


def mistakes_of(error: ValidationError) -> list[FieldMistake]:
    """Return what a record's rules say of a form: a rule between fields names the one at fault.

    A number was read before: what a record says is none was left empty.
    """
    found: dict[str, FieldMistake] = {}
    for one in error.errors(include_url=False, include_input=False):
        at = one.get("ctx", {}).get("field") or (str(one["loc"][0]) if one["loc"] else "")
        rule = rule_of(one["type"], one.get("ctx"))
        found.setdefault(at, FieldMistake(at, "missing_key" if rule == "not_a_number" else rule))
    return list(found.values())


def join_lines(text: str) -> str:
    """Return a text on one line, as records keep it."""
    return " ".join(text.split())
