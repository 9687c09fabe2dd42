"""People and keys of a post, from its centre: what travels, and secrets for its node alone.

The body of a message stands in clear in both journals, so a secret in it is encrypted once more, to
the key of the node: no record of the centre, and no reader of one, has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from engine.errors import ConflictError, RecordError
from engine.journal.areas import KeyCarrier, NewKey
from engine.journal.entries import Draft
from engine.journal.hash_chain import canonical
from engine.journal.journal import JournalReader
from engine.links.envelope import open_text, seal_text
from engine.links.identity import LinkKeys, find_link_keys
from engine.links.ledger import ENVELOPES
from engine.links.messages import ACCOUNT, AccountState
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.state import Link, read_links
from engine.storage.home import Home

_E = ENVELOPES.c
_COUNTED = ("waiting", "taken", "refused")


def seal_secret(link: Link, state: AccountState, secret: str) -> AccountState:
    """Return a state with its secret, which the node of the link alone can read."""
    sealed = seal_text(link.them.identity, secret.encode(), _describe(link.name, state))
    return state.model_copy(update={"secret": sealed})


def open_secret(link: Link, state: AccountState, keys: LinkKeys) -> str:
    """Return the secret of a state; raises ``RecordError`` where it is not for these keys."""
    try:
        return open_text(keys, state.secret or "", _describe(link.name, state)).decode()
    except ValueError:
        why = "cannot be decrypted with this installation's key"
        raise RecordError(ACCOUNT, "secret", "unreadable_body", why) from None


def _describe(link: str, state: AccountState) -> bytes:
    about = (state.account, state.name, state.post, state.role or "", state.commitment)
    return canonical({"purpose": "darvoza account secret 1", "link": link, "about": list(about)})


def carries_accounts(link: Link) -> bool:
    """Tell whether a link is one by which this installation sends people and keys to a node."""
    return link.us.role == "centre" and link.agreement.rule(ACCOUNT, link.us) is not None


@dataclass(frozen=True, slots=True)
class NodeKeys(KeyCarrier):
    """Keys that are made at a centre for a post with a node of its own."""

    home: Home

    def draft(self, connection: Connection, now: int, key: NewKey) -> list[Draft]:
        """Return the message of a new key: its secret is known now and never again.

        The caller holds the writer's lock. Raises what :meth:`check` raises.
        """
        state = AccountState(
            account="key",
            name=key.name,
            post=key.post,
            commitment=key.commitment,
            role=key.role,
            owner=key.owner,
            agency=key.agency,
        )
        drafts: list[Draft] = []
        for link in self.check(connection, now, state.post):
            keys = find_link_keys(self.home)
            given = OutgoingMessage(seal_secret(link, state, key.secret))
            drafts += draft_messages(connection, now, link, keys=keys, messages=[given])
        return drafts

    def check(self, connection: Connection, now: int, post: str) -> list[Link]:
        """Return the links by which a key of a post reaches its node.

        Raises ``ConflictError`` where such a link is stopped.
        """
        if not self.home.link_keys.exists():
            return []
        fingerprint = find_link_keys(self.home).identity.fingerprint
        found = []
        for link in read_links(connection, fingerprint).values():
            if not carries_accounts(link) or post not in link.agreement.posts:
                continue
            if (phase := link.phase(now)) == "stopped":
                why = f"the link {link.agreement.name} is stopped: its node would not get a key"
                raise ConflictError("post", post, why)
            if phase == "in_force":
                found.append(link)
        return found


def read_sent(connection: Connection, link: Link) -> Mapping[tuple[str, str], AccountState]:
    """Return the last state that was sent of each account, by kind and name."""
    query = select(_E.seq).where(_E.link == link.name, _E.kind == ACCOUNT)
    query = query.where(_E.direction == "sent", _E.status.in_(_COUNTED)).order_by(_E.number)
    rows = list(connection.scalars(query))
    bodies = JournalReader(connection).bodies(rows)
    states = [AccountState.model_validate(bodies[seq]["body"]) for seq in rows if seq in bodies]
    return {(state.account, state.name): state for state in states}
