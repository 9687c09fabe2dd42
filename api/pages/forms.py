"""What people type into fields: numbers with a comma or a point, days, one line of text."""

from datetime import UTC, date, datetime, timedelta

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from api.pages.visits import Form, field


def number(form: Form, name: str) -> float | None:
    """Return a number as people write it: with a comma or a point, with or without spaces."""
    text = field(form, name).replace("\u00a0", "").replace(" ", "").replace(",", ".")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise wrong(name, "not a number") from None


def day(form: Form, name: str, *, offset_minutes: int, is_last: bool = False) -> datetime | None:
    """Return when a local day begins, or ends where it is the last of a period."""
    text = field(form, name)
    if not text:
        return None
    try:
        begins = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        return begins + timedelta(days=is_last, minutes=-offset_minutes)
    except (ValueError, OverflowError):
        raise wrong(name, "not a day") from None


def once(form: Form) -> str:
    """Return the number that this service gave the form, so that sent twice it counts once."""
    found = field(form, "once")
    if len(found) != 24 or not found.isalnum() or not found.isascii():
        raise wrong("once", "not a number that this service made")
    return found


def line(text: str) -> str:
    """Return a text on one line, as records keep them."""
    return " ".join(text.split())


def wrong(name: str, why: str) -> ValidationError:
    """Return the fault of a field."""
    fault = InitErrorDetails(
        type=PydanticCustomError("bad_form", "{why}", {"why": why}), loc=(name,), input=None
    )
    return ValidationError.from_exception_data("form", [fault])
