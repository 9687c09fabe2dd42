"""In which language a page speaks: its catalogue, and how it writes numbers and times.

The reader's choice rests in a cookie; without one, the browser's order of languages decides.
Catalogues are gettext's own files, read when a language is first asked for. Times are those of the
post that a page or a row concerns; on pages of no post, those that the reader chose or, where none
are, those of the configured offset.
"""

import gettext
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from starlette.requests import HTTPConnection

from engine.domain.network import Network, open_time_zone
from engine.explanation.messages import ENGLISH, Speaker, number

LANGUAGES = {"en": "English", "ru": "Русский", "uz": "Oʻzbekcha", "tg": "Тоҷикӣ"}
"""Codes, and how each language calls itself. Texts in the code are English."""
COOKIE = "darvoza_language"
FOLDER = Path(__file__).parent / "locale"
_COUNTRY = re.compile(r"[A-Z]{2}")
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


def mark_plural(one: str, many: str) -> tuple[str, str]:
    """Mark a text that follows a number, in both its forms; ``ReaderLocale.count`` takes them."""
    return one, many


class _NoText(gettext.NullTranslations):
    """The end of a strict catalogue: reports a text that the language lacks."""

    def gettext(self, message: str) -> str:
        """Raise ``LookupError``."""
        raise LookupError(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Raise ``LookupError``."""
        raise LookupError(msgid1)


class _Capitals(gettext.NullTranslations):
    """Says a text that begins with a capital as the catalogue says it without one."""

    def __init__(self, words: gettext.NullTranslations) -> None:
        super().__init__()
        self._words = words

    def gettext(self, message: str) -> str:
        """Return the text, with a capital; as the next catalogue says it if neither is known."""
        plain = message[:1].lower() + message[1:]
        said = message if plain == message else self._words.gettext(plain)
        return super().gettext(message) if said in (plain, message) else said[:1].upper() + said[1:]


def choose_form(amount: float) -> int:
    """Return the whole number that chooses the plural form of an amount.

    An amount that is not whole takes the form of two: genitive singular in Russian, the general
    one elsewhere.

    >>> choose_form(1.0), choose_form(-21), choose_form(1.5)
    (1, 21, 2)
    """
    return abs(int(amount)) if amount == int(amount) else 2


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
    catalogue.add_fallback(_Capitals(catalogue))
    if is_strict:
        catalogue.add_fallback(_NoText())
    return catalogue


def _name_offset(local: datetime) -> str:
    minutes = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


@cache
def _open_locale(code: str) -> Locale:
    return Locale.parse("en_GB" if code == "en" else code)


@lru_cache(8_192)
def _write_decimal(value: float, form: str, code: str) -> str:
    """Return a number as a language writes it; a page of 200 rows writes few different ones."""
    return str(format_decimal(value, form, locale=_open_locale(code)))


def _fill(text: str, values: Mapping[str, object]) -> str:
    """Return a text with its values: pages name a place ``%(name)s``, messages ``{name}``."""
    return text % values if "%(" in text else text.format(**values)


@dataclass(frozen=True, slots=True)
class ReaderLocale(Speaker):
    """How one reader is spoken to."""

    code: str
    offset_minutes: int
    """Local time less UTC, where no post says otherwise."""
    network: Network = field(default_factory=Network)
    """Names the time zone of each post."""
    post: str | None = None
    """The post whose clocks the page shows."""
    shown: str | None = None
    """The post whose clocks one time of the page shows, where that is another one."""
    is_strict: bool = False
    """Whether a text that the language lacks raises ``LookupError``, and is not left English."""
    own_zone: str = ""
    """The reader's own time zone, for what concerns no post; empty for the configured offset."""

    def at(self, post: str | None) -> "ReaderLocale":
        """Return the same reader for a time at a post: where its clocks differ, they are named."""
        return replace(self, shown=post)

    @property
    def locale(self) -> Locale:
        """Whose habits numbers and dates follow."""
        return _open_locale(self.code)

    def say(self, text: str, /, **values: object) -> str:
        """Return a text of the catalogue, with values in its places."""
        words = translations(self.code, is_strict=self.is_strict).gettext(text)
        return _fill(words, values) if values else words

    def count(self, one: str, many: str, amount: float, /, **values: object) -> str:
        """Return a text that follows a number, by the language's own plural forms."""
        words = translations(self.code, is_strict=self.is_strict)
        return _fill(words.ngettext(one, many, choose_form(amount)), values)

    def figure(self, value: float) -> str:
        """Return a number with as many digits as English gives it."""
        text = number(value)
        digits = len(text.partition(".")[2])
        return self.number(float(text.replace(",", "")), digits)

    def join_words(self, words: Sequence[str]) -> str:
        """Return words as a list."""
        return ENGLISH.join_words(words) if self.code == "en" else ", ".join(words)

    def country(self, code: str) -> str:
        """Return the name of a country given by its two letters; the letters of one unknown."""
        return str(self.locale.territories.get(code, code))

    @property
    def countries(self) -> dict[str, str]:
        """The names of all countries, by their two letters."""
        names = self.locale.territories.items()
        return {str(code): str(name) for code, name in names if _COUNTRY.fullmatch(str(code))}

    def find_country(self, typed: str) -> str | None:
        """Return the two letters of a country that was typed as such or by name, None for none."""
        if _COUNTRY.fullmatch(letters := typed.strip().upper()):
            return letters
        text = typed.strip().casefold()
        return next(
            (code for code, name in self.countries.items() if name.casefold() == text), None
        )

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with at most so many decimals."""
        form = "#,##0" + ("." + "#" * digits if digits else "")
        return _write_decimal(value or 0, form, self.code)  # no minus before a zero

    def share(self, value: float, digits: int = 1) -> str:
        """Return a share as a percentage."""
        form = "0" + ("." + "0" * digits if digits else "") + "%"
        return str(format_percent(value, form, locale=self.locale))

    @property
    def zone(self) -> str:
        """Name the clocks of the times shown: those of the page's post, else those configured."""
        zone = self._zone(self.post)
        offset = _name_offset(datetime.now(UTC).astimezone(zone))
        return f"{offset} ({zone.key})" if isinstance(zone, ZoneInfo) else offset

    def local(self, moment: datetime) -> datetime:
        """Return a time by the clocks of the post that it concerns."""
        return moment.astimezone(self._zone(self.shown or self.post))

    def place(self, wall: datetime) -> datetime:
        """Return the instant at which the clocks of the page show a day and time."""
        return wall.replace(tzinfo=self._zone(self.post)).astimezone(UTC)

    def _zone(self, post: str | None) -> tzinfo:
        known = self.network.posts.get(post or "")
        if known is not None:
            return open_time_zone(known.timezone)
        if self.own_zone:
            return open_time_zone(self.own_zone)
        return timezone(timedelta(minutes=self.offset_minutes))

    def _name(self, local: datetime) -> str:
        """Return which clock shows a time, where it is not that of the page."""
        is_same = local.utcoffset() == local.astimezone(self._zone(self.post)).utcoffset()
        return "" if is_same else f" ({_name_offset(local)})"

    def time(self, moment: datetime) -> str:
        """Return the local time of day."""
        local = self.local(moment)
        return str(format_time(local, "HH:mm", locale=self.locale)) + self._name(local)

    def day(self, moment: datetime) -> str:
        """Return the local day."""
        return self._date(self.local(moment), "d MMM y")

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
        return self._date(datetime.combine(date.fromisoformat(day), time()), "d MMM y")

    def month(self, moment: datetime) -> str:
        """Return the name of the local month, short."""
        return str(format_date(self.local(moment).date(), "LLL", locale=self.locale))

    def calendar_month(self, month: str) -> str:
        """Return a month given as ISO 8601 (``2026-11``) with its year."""
        return str(format_date(date.fromisoformat(f"{month}-01"), "LLL y", locale=self.locale))

    def moment(self, moment: datetime) -> str:
        """Return the local day and time."""
        local = self.local(moment)
        return self._date(local, "d MMM y, HH:mm") + self._name(local)

    def second(self, moment: datetime) -> str:
        """Return the local day and time, to the second."""
        local = self.local(moment)
        return self._date(local, "d MMM y, HH:mm:ss") + self._name(local)

    def _date(self, local: datetime, form: str) -> str:
        """Return a local day; Tajik joins the month, in full, to its year by a vowel."""
        if self.code != "tg":
            return str(format_datetime(local, form, locale=self.locale))
        text = str(format_datetime(local, form.replace("MMM", "MMMM"), locale=self.locale))
        return re.sub(r"([^\W\d]+)", r"\1и", text.lower(), count=1)

    def span(self, minutes: float) -> str:
        """Return a length of time in the unit that suits it."""
        if minutes < 60:
            return self.say("%(n)s min", n=self.number(max(minutes, 0)))
        if minutes < 2 * 24 * 60:
            hours, rest = divmod(round(minutes), 60)
            return self.say("%(h)s h %(m)s min", h=self.number(hours), m=self.number(rest))
        return self.say("%(n)s days", n=self.number(minutes / 60 / 24, 1))
