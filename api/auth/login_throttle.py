"""Limits on wrong passwords, by address and name, and by address. Kept in memory.

An attempt is counted before the password is looked at, so that guesses sent side by side count too;
a right password takes its count back. A limit is on one name from one address, so that a stranger
elsewhere keeps no one out. Nothing is written to the store: its writer is the decisions'. So each
process counts for itself and a restart forgets, which the passwords allow: they are made, of 96
random bits. Names are kept as digests, because people type passwords into the wrong field.

Assumes that calls come from one thread, the event loop's.
"""

import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from api.auth.client_addresses import network_of

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
