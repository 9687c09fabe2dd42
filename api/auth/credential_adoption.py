"""Adoption of the credentials of a home that is older than commitments, once, as it is upgraded.

The records of such a home say which keys and people there are, and commit to no secret. One record
commits to what the tables hold at that moment. Assumes that they are right then: an edit before the
upgrade is adopted with them. Rows without a record are not.
"""

from sqlalchemy import Connection, inspect, select

from api.auth.authority import Authority
from api.auth.credential_commitment import FIELD, commitment_of
from api.auth.tables import KEYS, NO_PASSWORD, USERS
from engine.journal.journal import Journal
from engine.journal.kinds import CREDENTIALS_ADOPTED
from engine.storage.database import Store


def adopt_credentials(store: Store) -> None:
    """Record the commitments that no record holds yet; nothing where none is missing."""
    with store.read() as connection:
        if not inspect(connection).has_table(USERS.name):
            return
        found = _find_uncommitted(connection)
    if found:
        draft = CREDENTIALS_ADOPTED.draft("", {"credentials": found})
        Journal(store, is_held=False).append([draft])


def _find_uncommitted(connection: Connection) -> list[dict[str, str]]:
    authority = Authority().look(connection)
    unkept = {key.key_id for key in authority.every_key() if not (key.commitment or key.is_revoked)}
    keys = connection.execute(select(KEYS.c.key_id, KEYS.c.digest).order_by(KEYS.c.key_id)).all()
    users = connection.execute(select(USERS.c.name, USERS.c.password).order_by(USERS.c.name)).all()
    found = [("key", key_id, kept) for key_id, kept in keys if key_id in unkept]
    for name, kept in users:
        person = authority.person(name)
        if person is not None and not person.commitment and kept != NO_PASSWORD:
            found.append(("user", name, kept))
    return [
        {"kind": kind, "subject": subject, FIELD: commitment_of(kept)}
        for kind, subject, kept in found
    ]
