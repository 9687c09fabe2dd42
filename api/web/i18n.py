"""In which language a page speaks: its catalogue, and how it writes numbers and times.

The reader's choice rests in a cookie; without one, the browser's order of languages decides.
Catalogues are gettext's own files, read when a language is first asked for. Times are the network's
local time, as the change of shifts has it.
"""

import gettext
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from starlette.requests import HTTPConnection

LANGUAGES = {"en": "English", "ru": "Русский", "uz": "Oʻzbekcha", "tg": "Тоҷикӣ"}
"""Codes, and how each language calls itself. Texts in the code are English."""
COOKIE = "darvoza_language"
FOLDER = Path(__file__).parent / "locale"
_QUALITY = re.compile(r"q=([01](?:\.\d{0,3})?)")


def language_of(request: HTTPConnection) -> str:
    """Return the language of a request: the cookie's, else the first that the browser likes."""
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    return choose_language(request.headers.get("accept-language", ""))


def choose_language(header: str) -> str:
    """Return the best of our languages by an ``Accept-Language`` header."""
    wanted = []
    for order, part in enumerate(header[:500].split(",")):
        tag, _, rest = part.partition(";")
        code = tag.strip().lower().partition("-")[0]
        quality = _QUALITY.search(rest)
        if code in LANGUAGES:
            wanted.append((-float(quality[1]) if quality else -1.0, order, code))
    return min(wanted)[2] if wanted else "en"


def read_catalogue(code: str) -> Catalog:
    """Return a language's catalogue as its file has it."""
    with (FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def mark_text(text: str) -> str:
    """Mark a text for the catalogues; it is translated when a page is rendered."""
    return text


N_ = mark_text


class _NoText(gettext.NullTranslations):
    """The end of a strict catalogue: reports a text that the language lacks."""

    def gettext(self, message: str) -> str:
        """Raise ``LookupError``."""
        raise LookupError(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Raise ``LookupError``."""
        raise LookupError(msgid1)


@cache
def translations(code: str, *, is_strict: bool = False) -> gettext.NullTranslations:
    """Return what translates into a language; English is as the code says it.

    A text that the language lacks stays English, or raises ``LookupError`` where ``is_strict``.
    """
    if code == "en":
        return gettext.NullTranslations()
    made = BytesIO()
    write_mo(made, read_catalogue(code))
    made.seek(0)
    catalogue = gettext.GNUTranslations(made)
    if is_strict:
        catalogue.add_fallback(_NoText())
    return catalogue


@dataclass(frozen=True, slots=True)
class ReaderLocale:
    """How one reader is spoken to."""

    code: str
    offset_minutes: int
    """Local time less UTC."""

    @property
    def locale(self) -> Locale:
        """Whose habits numbers and dates follow."""
        return Locale.parse("en_GB" if self.code == "en" else self.code)

    def say(self, text: str, **values: object) -> str:
        """Return a text of the catalogue, with values in its places."""
        words = translations(self.code).gettext(text)
        return words.format(**values) if values else words

    def count(self, one: str, many: str, number: float, /, **values: object) -> str:
        """Return a text that follows a number, by the language's own plural forms.

        A number that is not whole takes the form of two: genitive singular in Russian, the general
        one elsewhere.
        """
        whole = int(number) if number == int(number) else 2
        return translations(self.code).ngettext(one, many, abs(whole)).format(**values)

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with at most so many decimals."""
        form = "#,##0" + ("." + "#" * digits if digits else "")
        return str(format_decimal(value, form, locale=self.locale))

    def share(self, value: float, digits: int = 1) -> str:
        """Return a share as a percentage."""
        form = "0" + ("." + "0" * digits if digits else "") + "%"
        return str(format_percent(value, form, locale=self.locale))

    @property
    def zone(self) -> str:
        """Name the clock of every time shown: one for all posts, whatever theirs is."""
        hours, minutes = divmod(abs(self.offset_minutes), 60)
        return f"UTC{'-' if self.offset_minutes < 0 else '+'}{hours:02}:{minutes:02}"

    def local(self, moment: datetime) -> datetime:
        """Return a time in the network's local time."""
        return moment.astimezone(timezone(timedelta(minutes=self.offset_minutes)))

    def time(self, moment: datetime) -> str:
        """Return the local time of day."""
        return str(format_time(self.local(moment), "HH:mm", locale=self.locale))

    def day(self, moment: datetime) -> str:
        """Return the local day."""
        return str(format_date(self.local(moment).date(), "d MMM y", locale=self.locale))

    def since(self, moment: datetime) -> str:
        """Return the local day on which a period begins, with its time unless that is midnight."""
        return self.day(moment) if self.is_midnight(moment) else self.moment(moment)

    def until(self, moment: datetime) -> str:
        """Return the last local day of a period that ends at a moment: as it was typed.

        A period that ends at midnight includes the day before; another end has its time.
        """
        is_day = self.is_midnight(moment)
        return self.day(moment - timedelta(days=1)) if is_day else self.moment(moment)

    def is_midnight(self, moment: datetime) -> bool:
        """Tell whether a period that begins or ends at a moment is made of whole local days."""
        return self.local(moment).time() == time()

    def date(self, day: str) -> str:
        """Return a calendar day given as ISO 8601, without a time to move it by."""
        return str(format_date(date.fromisoformat(day), "d MMM y", locale=self.locale))

    def month(self, moment: datetime) -> str:
        """Return the name of the local month, short."""
        return str(format_date(self.local(moment).date(), "LLL", locale=self.locale))

    def moment(self, moment: datetime) -> str:
        """Return the local day and time."""
        return str(format_datetime(self.local(moment), "d MMM y, HH:mm", locale=self.locale))

    def second(self, moment: datetime) -> str:
        """Return the local day and time, to the second."""
        form = "d MMM y, HH:mm:ss"
        return str(format_datetime(self.local(moment), form, locale=self.locale))

    def span(self, minutes: float) -> str:
        """Return a length of time in the unit that suits it."""
        if minutes < 60:
            return self.say("{n} min", n=self.number(max(minutes, 0)))
        if minutes < 2 * 24 * 60:
            hours, rest = divmod(round(minutes), 60)
            return self.say("{h} h {m} min", h=self.number(hours), m=self.number(rest))
        return self.say("{n} days", n=self.number(minutes / 60 / 24, 1))
