"""Which home a command or a service works in."""

import os
from pathlib import Path

from engine.home import Home

VARIABLE = "DARVOZA_HOME"
DEFAULT = Path("var")


def home_of(given: Path | None) -> Home:
    """Return the home that was given, else the environment's, else ``./var``."""
    return Home(given or Path(os.environ.get(VARIABLE) or DEFAULT))
