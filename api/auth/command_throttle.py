"""Wrong passwords on the command line slow down the next one, as they do at sign-in.

Counted in a file of the home, for every name together: those who can run a command there share one
account of the machine. It can be removed by that account, which can also read the store; passwords
are 96 random bits, so the limit is there to make guessing visible and slow.
"""

import fcntl
import json
import math
import os
from collections.abc import Callable
from typing import Any

from api.auth.login_throttle import FORGOTTEN, wait
from engine.domain.time_units import SECOND
from engine.errors import NotAllowedError
from engine.journal.clock import boot_id, since_boot
from engine.storage.home import Home

FILE = "attempts.json"


class Throttle:
    """Counts the passwords that were tried on the command line of one home."""

    def __init__(self, home: Home) -> None:
        self._path = home.root / FILE

    def begin(self) -> None:
        """Count an attempt before its password is looked at.

        Raises ``NotAllowedError`` while none is taken.
        """
        now = since_boot() // SECOND

        def count(kept: dict[str, Any]) -> dict[str, Any]:
            is_same = kept.get("boot") == boot_id()
            left = kept.get("until", 0) - now if is_same else 0
            if left > 0:
                raise NotAllowedError(
                    f"too many wrong passwords: the next is looked at in {math.ceil(left)} seconds"
                )
            is_over = is_same and kept.get("last", 0) < now - FORGOTTEN
            wrong = 1 if is_over else int(kept.get("wrong", 0)) + 1
            return {"boot": boot_id(), "wrong": wrong, "last": now, "until": now + wait(wrong)}

        self._change(count)

    def succeed(self) -> None:
        """Forget the attempts: the last password was right."""
        self._change(lambda _: {})

    def _change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = json.dumps(change(_read(file.read())))
            file.seek(0)
            file.truncate()
            file.write(text)


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
