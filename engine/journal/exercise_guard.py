"""Separation of the journals of exercises from live ones.

A journal whose first record begins exercises is a journal of exercises for good: the chain commits
to it. It takes accounts and exercises alone; any other journal takes no record of an exercise. The
store is refused when it is opened as the other sort, and each record when it is appended. No
journal takes a record of a kind that no area declares.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, inspect, text

from engine.errors import NotAllowedError
from engine.journal.areas import list_rules
from engine.storage.database import Store

_FIRST = text("SELECT kind FROM journal WHERE seq = 1")


def begins_exercises(kind: str) -> bool:
    """Tell whether a journal that begins with a record of this kind is one of exercises."""
    rule = list_rules().get(kind)
    return rule is not None and rule.begins_exercises


def is_training(connection: Connection) -> bool | None:
    """Tell whether a store's journal is one of exercises; None while it has no record."""
    kind = connection.scalar(_FIRST)
    return None if kind is None else begins_exercises(kind)


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
    rules = list_rules()
    for kind in kinds:
        if (rule := rules.get(kind)) is None:
            raise NotAllowedError(f"no area declares records of kind {kind}")
        if training and rule.journals == "live":
            raise NotAllowedError(f"a training journal takes no record of kind {kind}")
        if not training and rule.journals == "exercise":
            raise NotAllowedError(f"only a training journal takes a record of kind {kind}")
