"""Forms: texts that people type into fields, numbers among them, and their mistakes in words.

A form is read whole before any of it is recorded, so that its reader is told of all that is wrong
at once, each mistake at its field. The rule decides which sentence it is, or the field if there is
only one thing to do about it. No sentence names a field by its code.

A number has one reading or none. The sign for groups is the reader's locale's (a comma in English,
a space elsewhere); the decimal sign is a point or a comma, because the keys of a phone follow its
own language and not the page's. A text that both signs could explain is refused: ``2.300`` is two
thousand three hundred to one officer and two point three to another. So languages differ in what
they accept and never in what a text means, and a form that is confirmed in another language than it
was filled in keeps its numbers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from babel import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol
from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from api.web.i18n import N_, ReaderLocale
from api.web.labels import TABLES
from api.web.templates_env import speech_of
from api.web.visitor import Form, TheForm, read_field
from engine.domain.validation import rule_of
from engine.errors import RecordError

_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " "))
"""No-break, figure, thin and narrow no-break space."""
_GROUPED = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?P<sign>[ .,])[0-9]{3}(?:(?P=sign)[0-9]{3}){0,3})"
    r"(?:(?P<point>[.,])(?P<part>[0-9]{1,6}))?"
)
_PLAIN = re.compile(r"(?P<whole>0|[1-9][0-9]{0,14})(?:[.,](?P<part>[0-9]{1,6}))?")
_NUMBER = re.compile(r"_([0-9]+)$")
"""End of the name of a field of which a form has several."""
_UP_TO_A_GROUP = 3
"""Digits before a sign that could stand between groups, and digits after it."""


class NumeralError(ValueError):
    """A text that is no number."""


class AmbiguousNumeralError(NumeralError):
    """A text that two people read as two numbers.

    ``grouped`` is the number where the sign stands between groups, in digits alone; ``fraction`` is
    the number where it is the decimal sign, as the locale writes it.
    """

    def __init__(self, grouped: str, fraction: str) -> None:
        super().__init__(grouped, fraction)
        self.grouped = grouped
        self.fraction = fraction


def read_number(text: str, locale: Locale) -> float:
    """Return the number that a text stands for; raises ``NumeralError``.

    >>> read_number("2,300", Locale("en")), read_number("2 300", Locale("ru"))
    (2300.0, 2300.0)
    """
    text = text.strip().translate(_SPACES)
    if (grouped := _GROUPED.fullmatch(text)) and grouped["sign"] in (" ", get_group_symbol(locale)):
        return _read_grouped(grouped, locale)
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        raise NumeralError(text)
    whole, part = plain["whole"], plain["part"] or ""
    if len(part) == _UP_TO_A_GROUP and whole != "0" and len(whole) <= _UP_TO_A_GROUP:
        raise _ambiguous(whole, part, locale)
    return float(f"{whole}.{part or 0}")


def write_number(value: float) -> str:
    """Return a number as a field holds it before anything is typed: every language reads it."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    part = text.partition(".")[2]
    return f"{text}0" if len(part) == _UP_TO_A_GROUP else text


def _read_grouped(found: re.Match[str], locale: Locale) -> float:
    """Read a text with groups; its decimal sign is another than the one between them."""
    sign, point, part = found["sign"], found["point"], found["part"] or ""
    whole = found["whole"].replace(sign, "")
    if point == sign:
        raise NumeralError(found[0])
    if sign == " " and len(part) == _UP_TO_A_GROUP:
        raise _ambiguous(whole, part, locale)
    return float(f"{whole}.{part or 0}")


def _ambiguous(whole: str, part: str, locale: Locale) -> AmbiguousNumeralError:
    rest = part.rstrip("0")
    if len(rest) == _UP_TO_A_GROUP:
        rest += "0"  # as it stands it would be refused again
    fraction = f"{whole}{get_decimal_symbol(locale)}{rest}" if rest else whole
    return AmbiguousNumeralError(whole + part, fraction)


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

    @property
    def form(self) -> Form:
        """The form as it was sent."""
        return self._form

    def part(self, end: str) -> "FormReader":
        """Return a reader of the fields whose names end so, by their names without the end."""
        ending = {name: one for name, one in self._form.items() if name.endswith(end)}
        cut = {name.removesuffix(end): one for name, one in ending.items()}
        return FormReader(cut, self._speech)

    def within(self, start: str) -> "FormReader":
        """Return a reader of the fields whose names begin so, by their names without it."""
        named = {name: one for name, one in self._form.items() if name.startswith(start)}
        return FormReader(
            {name.removeprefix(start): one for name, one in named.items()}, self._speech
        )

    def text(self, name: str) -> str:
        """Return a field on one line, as records keep it."""
        return join_lines(read_field(self._form, name))

    def texts(self, *names: str) -> dict[str, Any]:
        """Return those of these fields that are filled."""
        return {name: text for name in names if (text := self.text(name))}

    def offered(self, name: str, table: str) -> str:
        """Return the code that a text names in the reader's language, or the text as it stands."""
        text = self.text(name)
        known = TABLES[table].items()
        named = (code for code, label in known if self._speech.say(label).lower() == text.lower())
        return next(named, text)

    def list_named(self, start: str) -> list[str]:
        """Return what follows ``start`` in the names of the form's fields that begin so."""
        return [name.removeprefix(start) for name in self._form if name.startswith(start)]

    def every(self, name: str) -> list[str]:
        """Return all that was checked of a group."""
        return list(self._form.get(name, ()))

    def mistakes_at(self, name: str) -> list[FieldMistake]:
        """Return the mistakes of one field."""
        return [one for one in self.mistakes if one.at == name]

    def refuse(self, name: str, rule: str, **values: str) -> None:
        """Keep a mistake."""
        self.mistakes.append(FieldMistake(name, rule, values))

    def number(self, name: str) -> float | None:
        """Return a number, None where the field is empty or wrong."""
        return self._read_number(name, read_field(self._form, name))

    def share(self, name: str) -> float | None:
        """Return a share in [0, 1], typed as a percentage, or as it is if that is less than 1.

        None where the field is empty or wrong.
        """
        text = read_field(self._form, name).strip()
        number = self._read_number(name, text.removesuffix("%").rstrip())
        if number is None:
            return None
        return number / 100.0 if text.endswith("%") or number >= 1.0 else number

    def _read_number(self, name: str, text: str) -> float | None:
        if not text:
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

    def country(self, name: str) -> str | None:
        """Return the two letters of a country, None where the field is empty or wrong."""
        if not (text := self.text(name)):
            return None
        if (code := self._speech.find_country(text)) is None:
            self.refuse(name, "not_offered")
        return code

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


def list_mistakes(error: FormError | RecordError) -> Sequence[FieldMistake]:
    """Return what is wrong with a form that was refused while it was read or recorded."""
    if isinstance(error, FormError):
        return error.mistakes
    return (FieldMistake(error.field, error.rule),)


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


OTHERWISE: Final = N_("Look at this entry again.")
FORM: Final = N_("Form")
"""What a fault of the form as a whole is called."""
RULES: Final[Mapping[str, str]] = {
    "ambiguous_number": N_("This can be read as %(whole)s or as %(fraction)s: write one of these."),
    "not_a_number": N_(
        "Write a number in digits, without a unit: for example 2300 or %(example)s."
    ),
    "negative": N_("The number must not be below zero."),
    "greater_than": N_("The number must be above zero."),
    "too_large": N_("The number is too large."),
    "too_long": N_("The text is too long."),
    "missing_key": N_("Fill in this field."),
    "control_character": N_("Remove the characters that cannot be printed."),
    "not_a_clock": N_("Write hours and minutes: for example 08:00."),
    "not_a_day": N_("Choose a day of the calendar."),
    "bad_time": N_("Choose a day of the calendar."),
    "not_a_moment": N_("Write a day and a time."),
    "not_a_plate": N_("A plate has 2 to 12 letters and digits, a digit among them."),
    "no_plate": N_("A seizure of an old report needs the plate: without one, open a case."),
    "unknown_report": N_("Nothing of this name or number is known here."),
    "unknown_account": N_("Nothing of this name or number is known here."),
    "unknown_agency": N_("Choose from the list."),
    "more_than_remains": N_("This is more than remains of the goods."),
    "malformed_code": N_("Use small letters, digits and _, a letter first."),
    "malformed_country": N_("Write countries by two letters each, with a space between."),
    "old_form": N_("This form was opened too long ago: send it once more."),
    "agreed_override": N_(
        "“I agree with the reasons” is no reason to send the vehicle elsewhere: choose another."
    ),
    "agreed_elsewhere": N_("You agree, and a channel is chosen: choose “send elsewhere” or none."),
    "seized_without_seizure": N_(
        "Something is entered as seized: choose “a seizure”, or empty those fields."
    ),
    "wrong_unit": N_("Goods of this class are stated in another unit."),
    "unknown_unit": N_("Choose from the list."),
    "unknown_currency": N_("Choose from the list."),
    "not_a_whole_number": N_("Write a whole number."),
    "count_alone": N_("Of persons the number is recorded, and nothing that describes them."),
    "nothing_found": N_(
        "“Nothing found” has no discrepancy and no duty: choose another outcome, or empty them."
    ),
    "second_person": N_(
        "A milder outcome, or less seized, is recorded by a supervisor who did not file the act."
    ),
    "unchanged": N_("Nothing differs from what is stated now."),
    "same_signer": N_("You signed as the one who leaves: another supervisor takes over."),
    "not_whole": N_("Write a whole number."),
    "duplicate_id": N_("This name or code was used before: choose another."),
    "no_minutes": N_("Write the minutes of at least one method; 0 where there are none."),
    "validity": N_("The last day must come after the first and within 366 days."),
    **dict.fromkeys(
        ("expiry", "due_at"), N_("The last day must lie ahead, within the next 366 days.")
    ),
    "taken": N_("This name or code was used before: choose another."),
    "unknown": N_("Nothing of this name or number is known here."),
    "malformed_url": N_("Write an address that begins with https:// and a host in lower case."),
    "no_mail_server": N_("No mail server is set: an operator sets DARVOZA_SMTP_HOST."),
    "not_https": N_("Write an address that begins with https:// and a host in lower case."),
    "refused_address": N_("This address is not public, and no setting opens its network."),
    "name_taken": N_("This name or code was used before: choose another."),
    "not_known": N_("Nothing of this name or number is known here."),
    "not_grantable": N_(
        "This role does not fit: it needs a post or an owner, or is wider than the owner's."
    ),
    "hidden_event": N_("This role may not be told of one of the events."),
    "deadline": N_("It must lie ahead, at most 30 days, and not before the answer."),
    "kind_not_agreed": N_("The agreement does not let this side send it."),
    "not_comparable": N_("The agreement names no common domain of this identifier."),
    "not_offered": N_("Choose from the list."),
    "wrong_password": N_("This is not your present password."),
    "wait": N_("Too many wrong passwords: try again in %(seconds)s s."),
    "unknown_field": N_("Choose a field from the list, and a comparison."),
    "empty": N_("Choose a file that is not empty."),
    "unknown_type": N_("Choose a JPEG, PNG, WebP or PDF file, or plain text in UTF-8."),
    "markup": N_("The file holds markup or a script: send a picture or a PDF file of it."),
    "polyglot": N_("The file holds a second one of another type: send a clean copy."),
    "broken": N_("The file is damaged or cut short."),
    "active": N_("The PDF file cannot be looked into: print it to a new PDF file."),
    "encrypted": N_("The PDF file cannot be looked into: print it to a new PDF file."),
    "unreadable": N_("The PDF file cannot be looked into: print it to a new PDF file."),
    "file_too_large": N_("The file is larger than 32 MB."),
    "full": N_("There are as many files as there may be."),
    "no_place": N_("Fill in this field."),
    "place_twice": N_("This name or code was used before: choose another."),
    "few_minutes": N_("It takes more minutes than are left."),
    "picked": N_("This vehicle was picked already, and a pick is final."),
    "too_many_items": N_(
        "This is too much to read at once: send it in parts, of at most 40 finds each."
    ),
    "unknown_file": N_("Nothing of this name or number is known here."),
    "not_a_divisor": N_("The number must divide 24."),
    "not_json": N_("Write valid JSON."),
    "malformed": N_("This file cannot be read; POST /v1/policy/previews says why."),
    "contradiction": N_("It must not be below the hours of silence that decisions name."),
    "not_passed_on": N_("A file or its case has H2: it is not to be passed on."),
    "known_file": N_("This file is in the case already, with another description."),
    "refused_query": N_("The statement was refused."),
    "query_unreadable": N_("This cannot be read as SQL."),
    "query_names": N_("It names a view or a column that is not there, or may not be used so."),
    "stands_there": N_("The vehicle stands there already: choose “Agree”."),
    "under_way": N_("One of this sort is under way: wait for its end, or cancel it."),
    "archive_broken": N_("The file is damaged or cut short."),
    "archive_encrypted": N_("Choose an archive without a password."),
    "archive_empty": N_("Choose a file that is not empty."),
    "archive_too_many_files": N_("The archive holds too many files, or too much."),
    "archive_unpacks_too_large": N_("The archive holds too many files, or too much."),
    **dict.fromkeys(
        ("archive_file_twice", "archive_several_folders", "archive_unexpected_file"),
        N_(
            "Pack the tables, documents and network file of one folder, each once, "
            "and nothing more."
        ),
    ),
    "archive_too_large": N_("The archive holds too many files, or too much."),
    "refused_expression": N_("This expression cannot run; what is wrong is said below it."),
}
"""By the rule that is broken."""
FIELDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "methods",
            "places_searched",
            "team",
            "goods_class",
            "substance_class",
            "place",
            "verdict",
            "channel",
            "reason_code",
            "post",
            "outcome",
        ),
        N_("Choose from the list."),
    ),
    "code": N_("Use up to 32 capital letters, digits, - and _, a letter or digit first."),
    "percentage": N_("Write a number above 0 and up to 100."),
    "handling": N_("H2 is not passed on: such a list is not compared with partners."),
    "faulty_rows": N_("Some rows are faulty: correct them, or leave them out."),
    "lines": N_(
        "Write CSV whose first line names its columns, or one identifier on each line; "
        "at most 5,000 rows."
    ),
    "sure": N_("Check the box to confirm."),
    "agency": N_("Write an agency that the network file names."),
}
"""By the field, where its rules all come to the same."""
_OWN: Final = frozenset(RULES) - {"missing_key", "too_long", "negative", "too_large"} - {
    "greater_than", "control_character"
}  # fmt: skip
"""Rules whose sentence says more than the field's."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One field that needs a correction."""

    field: str
    name: str
    """What the page calls the field."""
    text: str


def corrections(
    mistakes: Sequence[FieldMistake],
    speech: ReaderLocale,
    *,
    names: Mapping[str, str] | None = None,
) -> dict[str, Correction]:
    """Return what the page says of each field, the first mistake of each.

    ``names`` are what this page calls fields that other pages call otherwise.
    """
    labels = TABLES["field"] if names is None else {**TABLES["field"], **names}
    found: dict[str, Correction] = {}
    for one in mistakes:
        base, number = _NUMBER.sub("", one.at), _NUMBER.search(one.at)
        text = speech.say(_sentence(replace(one, at=base)), **one.values)
        name = speech.say(labels.get(base, FORM)) + (f" {number[1]}" if number else "")
        found.setdefault(one.at, Correction(one.at, name, text))
    return found


def _sentence(mistake: FieldMistake) -> str:
    if mistake.rule in _OWN:
        return RULES[mistake.rule]
    return FIELDS.get(mistake.at) or RULES.get(mistake.rule, OTHERWISE)
