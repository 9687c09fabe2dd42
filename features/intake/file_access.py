"""Check that a file of a bulk folder may be read: a regular file, and no link.

A load runs with the rights of the account that owns the home; the folder may be another account's.
"""

import stat
from pathlib import Path

from engine.errors import InputError


def is_there(path: Path) -> bool:
    """Return whether a file exists; raises ``InputError`` where it is no regular file."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISLNK(mode):
        raise InputError(path.name, "is a symbolic link: put the file itself into the folder")
    if not stat.S_ISREG(mode):
        raise InputError(path.name, "is not a regular file")
    return True
