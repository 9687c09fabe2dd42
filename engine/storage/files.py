"""Files: flushed to the disk, named by a digest, kept secret, safe in a spreadsheet.

The SHA-256 of a file names it in the journal if it is too large to be a record. A secret is written
atomically and readable by its owner alone. A CSV file that people open in a spreadsheet holds text,
never a formula; bulk folders are not among them, because a load reads every cell as it is.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from engine.errors import HomeError


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex; it is read piece by piece, however large it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return a secret file's bytes, made on first use; raises ``HomeError`` where others can read.

    Where two processes make it at once, one wins and both read the same.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    if path.stat().st_mode & 0o077:
        why = "file permissions are too open (expected 0600): chmod 600, or replace the file"
        raise HomeError(path.name, why)
    return path.read_bytes()


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take a cell for a formula by; the same behind blanks."""
TEXT_PREFIX = "'"


def escape_cell(text: str) -> str:
    """Return a text that a spreadsheet shows as it is, with an apostrophe before a formula.

    >>> escape_cell("=1+1"), escape_cell("c-17")
    ("'=1+1", 'c-17')
    """
    return (
        TEXT_PREFIX + text
        if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS)
        else text
    )


def escape_cells(texts: Iterable[str]) -> list[str]:
    """Return every text as :func:`escape_cell` does."""
    return [escape_cell(text) for text in texts]
