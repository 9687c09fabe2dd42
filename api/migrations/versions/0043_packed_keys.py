"""Keys of a crossing without those that are not known: a third of the bytes."""

from struct import pack, unpack

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"

_AT_ONCE = 5_000
_PASSAGES = sa.table(
    "passages", sa.column("crossing_id", sa.String), sa.column("entity_keys", sa.LargeBinary)
)


def upgrade() -> None:
    """Pack the keys of every crossing, some at a time."""
    connection, name, last = op.get_bind(), _PASSAGES.c.crossing_id, ""
    change = (
        sa.update(_PASSAGES)
        .where(name == sa.bindparam("which"))
        .values(entity_keys=sa.bindparam("packed"))
    )
    query = sa.select(_PASSAGES).where(name > sa.bindparam("last")).order_by(name).limit(_AT_ONCE)
    while rows := connection.execute(query, {"last": last}).all():
        last = rows[-1].crossing_id
        packed = [{"which": which, "packed": _pack(bytes(keys))} for which, keys in rows]
        connection.execute(change, packed)


def _pack(keys: bytes) -> bytes:
    """Return the size of the bits, the bits that say which keys are known, and these keys."""
    if not keys:
        return b""
    every = unpack(f"<{len(keys) // 8}q", keys)
    size = -(-len(every) // 8)
    bits = sum(1 << place for place, key in enumerate(every) if key)
    known = [key for key in every if key]
    return bytes((size,)) + bits.to_bytes(size, "little") + pack(f"<{len(known)}q", *known)
