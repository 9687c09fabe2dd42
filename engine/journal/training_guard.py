"""Separation of training journals from live ones.

A journal whose first record is ``training_home`` is a training journal for good: the chain commits
to it. It takes accounts and exercises alone; any other journal takes no record of an exercise. The
store is refused when it is opened as the other sort, and each record when it is appended.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, inspect, text

from engine.errors import NotAllowedError
from engine.journal.kinds import (
    CLOCK_ACCEPTED,
    KEY_CREATED,
    KEY_REVOKED,
    PASSWORD_CHANGED,
    SIGNED_IN,
    SIGNED_OUT,
    TICK,
    TRAINING_CLOSED,
    TRAINING_HOME,
    TRAINING_PICK,
    TRAINING_SHIFT,
    USER_CREATED,
    USER_LEFT,
)
from engine.storage.database import Store

EXERCISES: Final = frozenset({TRAINING_HOME, TRAINING_SHIFT, TRAINING_PICK, TRAINING_CLOSED})
"""Kinds that stand in training journals alone."""
ACCOUNTS: Final = frozenset(
    {USER_CREATED, USER_LEFT, PASSWORD_CHANGED, SIGNED_IN, SIGNED_OUT, KEY_CREATED, KEY_REVOKED}
)
TAKEN_IN_TRAINING: Final = EXERCISES | ACCOUNTS | {TICK, CLOCK_ACCEPTED}
"""All that a training journal takes."""
_FIRST = text("SELECT kind FROM journal WHERE seq = 1")


def is_training(connection: Connection) -> bool | None:
    """Tell whether a store's journal is a training journal; None while it has no record."""
    kind = connection.scalar(_FIRST)
    return None if kind is None else bool(kind == TRAINING_HOME)


def require_sort(store: Store, *, training: bool) -> None:
    """Refuse a store whose journal is of the other sort; raises ``NotAllowedError``."""
    with store.read() as connection:
        if not inspect(connection).has_table("journal"):
            return
        found = is_training(connection)
    if found and not training:
        raise NotAllowedError("this is a training home: only darvoza training opens it")
    if training and found is False:
        raise NotAllowedError("this home is not a training home: no exercise is recorded in it")


def require_kinds(kinds: Iterable[str], *, training: bool) -> None:
    """Refuse records that do not belong in a journal of this sort; raises ``NotAllowedError``."""
    for kind in kinds:
        if training and kind not in TAKEN_IN_TRAINING:
            raise NotAllowedError(f"a training journal takes no record of kind {kind}")
        if not training and kind in EXERCISES:
            raise NotAllowedError(f"only a training journal takes a record of kind {kind}")
