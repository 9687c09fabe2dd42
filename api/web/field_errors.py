"""Mistakes in the fields of a form, in the reader's words.

The rule decides which sentence it is, or the field where there is only one thing to do about it. No
sentence names a field by its code: what has none says to look at the field again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.web.form_fields import FieldMistake
from api.web.i18n import N_, ReaderLocale
from api.web.labels import TABLES

OTHERWISE: Final = N_("Look at this entry again.")
FORM: Final = N_("Form")
"""What a fault of the form as a whole is called."""
RULES: Final[Mapping[str, str]] = {
    "ambiguous_number": N_("This can be read as {whole} or as {fraction}: write one of these."),
    "not_a_number": N_("Write a number in digits, without a unit: for example 2300 or {example}."),
    "negative": N_("The number must not be below zero."),
    "greater_than": N_("The number must be above zero."),
    "too_large": N_("The number is too large."),
    "too_long": N_("The text is too long."),
    "missing_key": N_("Fill in this field."),
    "control_character": N_("Remove the characters that cannot be printed."),
    "not_a_day": N_("Choose a day of the calendar."),
    "bad_time": N_("Choose a day of the calendar."),
    "not_a_moment": N_("Write a day and a time."),
    "no_plate": N_("A seizure of an old report needs the plate: without one, open a case."),
    "unknown_report": N_("No act or seizure has this identifier."),
    "unknown_account": N_("No account has this name."),
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
    "second_person": N_(
        "A milder outcome, or less seized, is recorded by a supervisor who did not file the act."
    ),
    "unchanged": N_("Nothing differs from what is stated now."),
    "same_signer": N_("You signed as the one who leaves: another supervisor takes over."),
    "not_whole": N_("Write a whole number."),
    "duplicate_id": N_("A team is named twice."),
    "no_minutes": N_("Write the minutes of at least one method; 0 where there are none."),
    "validity": N_("The last day must come after the first and within 366 days."),
    "expiry": N_("The last day must lie ahead, within the next 366 days."),
    "taken": N_("This code was used before: choose another."),
    "unknown": N_("No profile has this code."),
    "malformed_url": N_("Write an address that begins with https:// and a host in lower case."),
    "not_https": N_("The address must begin with https://."),
    "refused_address": N_("This address is not public, and no setting opens its network."),
    "name_taken": N_("This name is or was another person's: choose another."),
    "not_known": N_("No account or post of this name is known."),
    "not_grantable": N_(
        "This role does not fit: it needs a post or an owner, or is wider than the owner's."
    ),
    "hidden_event": N_("This role may not be told of one of the events."),
    "deadline": N_("It must lie ahead, at most 30 days, and not before the answer."),
    "kind_not_agreed": N_("The agreement does not let this side send it."),
    "not_comparable": N_("The agreement names no common domain of this identifier."),
    "not_offered": N_("Choose one from the list."),
    "wrong_password": N_("This is not your present password."),
    "wait": N_("Too many wrong passwords: try again in {seconds} s."),
    "unknown_field": N_("Choose a field from the list, and a comparison."),
    "empty": N_("Choose a file that is not empty."),
    "unknown_type": N_("Choose a JPEG, PNG, WebP or PDF file, or plain text in UTF-8."),
    "markup": N_("The file holds markup or a script: send a picture or a PDF file of it."),
    "polyglot": N_("The file holds a second one of another type: send a clean copy."),
    "broken": N_("The file is damaged or cut short."),
    "active": N_("The PDF file runs, sends or carries something: print it to a new PDF file."),
    "encrypted": N_("The PDF file is encrypted: save it without a password."),
    "unreadable": N_("The PDF file cannot be looked into: print it to a new PDF file."),
    "file_too_large": N_("The file is larger than 32 MB."),
    "full_case": N_("The case holds as many files as it may: 200 files, 512 MB in all."),
    "no_place": N_("Choose at least one place."),
    "place_twice": N_("A place is chosen twice."),
    "few_minutes": N_("It takes more minutes than are left."),
    "picked": N_("This vehicle was picked already, and a pick is final."),
    "too_many_items": N_(
        "This is too much to read at once: send it in parts, of at most 40 finds each."
    ),
    "unknown_file": N_("This file is none of the case."),
    "not_passed_on": N_("A file or its case has H2: it is not to be passed on."),
    "known_file": N_("This file is in the case already, with another description."),
    "refused_expression": N_("This expression cannot run; what is wrong is said below it."),
}
"""By the rule that is broken."""
FIELDS: Final[Mapping[str, str]] = {
    "outcome": N_("Choose what the inspection found."),
    "methods": N_("Choose methods from the list."),
    "places_searched": N_("Choose places from the list."),
    "team": N_("Choose a team that is on duty."),
    "substance_class": N_("Choose the kind of goods seized."),
    "place": N_("Choose a place from the list."),
    "verdict": N_("Choose whether you agree or send the vehicle elsewhere."),
    "channel": N_("Choose a channel."),
    "reason_code": N_("Choose a reason from the list."),
    "post": N_("Choose a post from the list."),
    "code": N_("Use up to 32 capital letters, digits, - and _, a letter or digit first."),
    "percentage": N_("Write a number above 0 and up to 100."),
    "events": N_("Choose at least one event."),
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
        text = speech.say(_sentence(one), **one.values)
        name = speech.say(labels.get(one.at, FORM))
        found.setdefault(one.at, Correction(one.at, name, text))
    return found


def _sentence(mistake: FieldMistake) -> str:
    if mistake.rule in _OWN:
        return RULES[mistake.rule]
    return FIELDS.get(mistake.at) or RULES.get(mistake.rule, OTHERWISE)
