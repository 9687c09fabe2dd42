"""Which home a command or a service works in."""

import os
from pathlib import Path

from engine.storage.home import Home

VARIABLE = "DARVOZA_HOME"
DEFAULT = Path("var")


def default_root() -> Path:
    """Return the home's directory where none is given: the environment's, else ``./var``."""
    return Path(os.environ.get(VARIABLE) or DEFAULT)


def home_of(given: Path | None) -> Home:
    """Return the home that was given, else the default one."""
    return Home(given or default_root())
