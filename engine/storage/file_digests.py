"""The SHA-256 of a file, by which the journal names files that are too large to be records."""

import hashlib
from pathlib import Path


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex; it is read piece by piece, however large it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
