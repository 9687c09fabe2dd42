"""Secrets of a home as files, written atomically and readable by their owner alone."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from engine.errors import HomeError


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
