"""National settings of standard messages: one TOML file."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.domain.validation import read_document
from engine.storage.home import Home

_OFFSET = r"^[+-](0\d|1[0-4]):[0-5]\d$"
CUSTOMS_DUTY_CODES = frozenset({"A00", "CET", "CUD", "DD", "DOG", "ICD", "ID", "IMD", "IMP"})
"""Codes of import duty in the taxation lines of ASYCUDA; taxes and excise have others."""


class MessageSettings(BaseModel):
    """National settings; every default refuses to guess."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date_order: Literal["dmy", "mdy"] | None = None
    """How ``5/3/12`` is read; without it an ambiguous date is a gap."""
    utc_offset: Annotated[str, Field(pattern=_OFFSET)] = "+00:00"
    """Offset of times that carry none, and of the midnight at which a date alone begins."""
    own_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """Currency of statistical values that name none (ISO 4217)."""
    rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[float, Field(gt=0)]] = {}
    """US dollars for one unit of a currency; a currency that is not here is not converted."""
    decimal_comma: bool = False
    """Whether ``1,5`` is one and a half; without it such a number is refused as ambiguous."""
    duty_codes: frozenset[str] = CUSTOMS_DUTY_CODES
    pseudonym_key_file: Path | None = None
    """At least 32 secret bytes; with it a party without an identifier gets a keyed pseudonym."""

    @property
    def offset(self) -> timedelta:
        """The offset as a duration."""
        hours, minutes = self.utc_offset[1:].split(":")
        size = timedelta(hours=int(hours), minutes=int(minutes))
        return -size if self.utc_offset[0] == "-" else size

    def rate(self, currency: str) -> float | None:
        """Return US dollars for one unit, None where no rate is known."""
        return 1.0 if currency == "USD" else self.rates.get(currency)


def read_settings(path: Path | None) -> MessageSettings:
    """Read the settings; raises ``InputError`` with the field and the rule."""
    if path is None:
        return MessageSettings()
    found = read_document(path, MessageSettings)
    if found.pseudonym_key_file is None or found.pseudonym_key_file.is_absolute():
        return found
    absolute = path.parent / found.pseudonym_key_file
    return found.model_copy(update={"pseudonym_key_file": absolute})


def choose_settings(home: Home, given: Path | None = None) -> MessageSettings:
    """Return the settings of a file that was given, else the home's, else the defaults."""
    return read_settings(given or (home.messages if home.messages.is_file() else None))
