"""Wrong passwords slow down whoever tries them, whichever process of the service they meet.

An attempt is counted before the password is looked at, so that guesses sent side by side count too.
Nobody is locked out for good: a name that is being guessed makes its owner wait a quarter of an
hour at most. Names are kept as digests, because people type passwords into the wrong field.
"""

import math

from sqlalchemy import delete, insert, select, update

from api.keys import purpose_digest
from api.tables import ATTEMPTS
from engine.store import Store
from engine.times import HOUR, MINUTE, SECOND, SystemClock

FREE = 5
"""Wrong passwords in a row that cost nothing."""
FIRST_WAIT, LONGEST_WAIT = 15 * SECOND, 15 * MINUTE
"""The wait doubles with each further one."""
FORGOTTEN = HOUR
"""How long after the last attempt all is as before."""


class Attempts:
    """Counts attempts to sign in, by name."""

    def __init__(self, store: Store, pepper: bytes) -> None:
        self._store = store
        self._pepper = pepper
        self._now = SystemClock().now

    def begin(self, name: str) -> int:
        """Count an attempt, and return 0; or return for how many seconds none is taken."""
        who, now = purpose_digest("attempt", name, self._pepper), self._now()
        column = ATTEMPTS.c
        with self._store.write() as connection:
            row = connection.execute(select(ATTEMPTS).where(column.who == who)).one_or_none()
            if row is not None and row.until > now:
                left: int = row.until - now
                return math.ceil(left / SECOND)
            wrong = 1 if row is None or row.last_at < now - FORGOTTEN else row.wrong + 1
            values = {"wrong": wrong, "last_at": now, "until": now + wait(wrong)}
            if row is None:
                connection.execute(insert(ATTEMPTS).values(who=who, **values))
            else:
                connection.execute(update(ATTEMPTS).where(column.who == who).values(values))
        return 0

    def succeeded(self, name: str) -> None:
        """Forget the attempts of somebody who knew the password."""
        with self._store.write() as connection:
            who = purpose_digest("attempt", name, self._pepper)
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.who == who))


def wait(wrong: int) -> int:
    """Return the microseconds to wait after so many wrong passwords in a row."""
    if wrong < FREE:
        return 0
    return int(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(wrong - FREE, 16)))
