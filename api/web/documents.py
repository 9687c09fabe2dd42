"""A document in words, as a page shows it and a PDF file prints it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DocumentTable:
    """A table with its heading."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Document:
    """A document in words, as JSON takes it to the process that writes it."""

    title: str
    about: str
    language: str
    made_of: datetime
    warnings: Sequence[str]
    conclusions: Sequence[str]
    facts: Sequence[tuple[str, str]]
    tables: Sequence[DocumentTable]
