"""Limits on wrong passwords: at sign-in by address and name, and by address; on the command line.

An attempt is counted before the password is looked at, so that guesses sent side by side count too;
a right password takes its count back. Passwords are 96 random bits, so the limits are there to make
guessing visible and slow.

At sign-in a limit is on one name from one address, so that a stranger elsewhere keeps no one out.
Nothing is written to the store: its writer is the decisions'. So each process counts for itself and
a restart forgets. Names are kept as digests, because people type passwords into the wrong field.
Assumes that calls come from one thread, the event loop's.

On the command line a file of the home counts, for every name together: those who can run a command
there share one account of the machine. That account can remove it, and can also read the store.
"""

import fcntl
import hashlib
import ipaddress
import json
import math
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.domain.time_units import SECOND
from engine.errors import NotAllowedError
from engine.journal.clock import boot_id, since_boot
from engine.storage.home import Home

FREE = 5
"""Wrong passwords in a row, for one name from one address, that cost nothing."""
FIRST_WAIT, LONGEST_WAIT = 15, 900
"""Seconds; the wait doubles with each further one."""
FORGOTTEN = 3600
"""Seconds after the last attempt from which on all is as before."""
BURST, RECOVERY = 30, 2.0
"""Wrong passwords from one address that cost nothing, and the seconds that give one back."""
MOST_KEPT = 10_000
"""Addresses, and pairs of address and name, that are remembered; the oldest are forgotten first."""
FILE = "attempts.json"
"""Attempts on the command line of a home."""
_NETWORK_BITS = 64
"""Of an IPv6 address: one subscriber has all addresses that begin with them."""


@dataclass(slots=True)
class _Count:
    wrong: float = 0
    """Wrong passwords; of an address, those that it was not given back yet."""
    until: float = 0.0
    """When the next is looked at."""
    last_at: float = 0.0


class Attempts:
    """Counts attempts to sign in."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._pairs: OrderedDict[bytes, _Count] = OrderedDict()
        self._addresses: OrderedDict[bytes, _Count] = OrderedDict()
        self.held = 0
        """Attempts that wait for their refusal."""

    def begin(self, address: str, name: str) -> int:
        """Count an attempt, and return 0; or return for how many seconds none is taken."""
        now = self._now()
        who, where = self._digest(network_of(address), name), self._digest(network_of(address), "")
        pair, source = self._pairs.get(who, _Count()), self._addresses.get(where, _Count())
        if (left := max(pair.until, source.until) - now) > 0:
            return math.ceil(left)
        wrong = 1 if pair.last_at < now - FORGOTTEN else pair.wrong + 1
        _keep(self._pairs, who, _Count(wrong, now + wait(int(wrong)), now))
        taken = max(0.0, source.wrong - (now - source.last_at) / RECOVERY) + 1
        until = now + max(0.0, taken + 1 - BURST) * RECOVERY
        _keep(self._addresses, where, _Count(taken, until, now))
        return 0

    def record_success(self, address: str, name: str) -> None:
        """Forget the wrong passwords of who knew the right one, and take its count back."""
        self._pairs.pop(self._digest(network_of(address), name), None)
        source = self._addresses.get(self._digest(network_of(address), ""))
        if source is not None:
            source.wrong, source.until = max(0.0, source.wrong - 1), 0.0

    def __len__(self) -> int:
        return len(self._pairs) + len(self._addresses)

    def _digest(self, address: str, name: str) -> bytes:
        text = f"{address}\0{name}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()


def _keep(kept: OrderedDict[bytes, _Count], key: bytes, value: _Count) -> None:
    """Keep a value as the newest, and drop what is forgotten or more than may be kept."""
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > MOST_KEPT or next(iter(kept.values())).last_at < value.last_at - FORGOTTEN:
        kept.popitem(last=False)


def wait(wrong: int) -> int:
    """Return the seconds to wait after so many wrong passwords in a row."""
    if wrong < FREE:
        return 0
    return int(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(wrong - FREE, 16)))


def network_of(address: str) -> str:
    """Return what counts as one address; what is no address counts together, as an empty text."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _NETWORK_BITS), strict=False))


class CommandThrottle:
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
