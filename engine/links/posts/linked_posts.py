"""Posts whose node and centre are two installations: which decides, and whose people are there.

A vehicle is drawn from one seed. So a centre records no arrival and no act of a post that has a
node of its own, whether its line works or not, until the link has ended. A criterion that the
centre withdrew while the line was down still selects at the node, and a new one is not known there.
So the answer says for how long the centre was silent, and after a second limit the random share
rises. A decision is made with the silence that its record holds; a withdrawal that arrives later
does not change it: it was right by what its node knew.

People and keys of a post come from its centre. The body of a message stands in clear in both
journals, so a secret in it is encrypted once more, to the key of the node: no record of the centre,
and no reader of one, has it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from engine.criteria.dual_control import read_approval_states
from engine.criteria.match import Source
from engine.domain.time_units import MINUTE, rfc3339
from engine.errors import ConflictError
from engine.journal.copies import find_newest
from engine.journal.kinds import COPIED
from engine.journal.power_records import RecordTail, read_last_known_at, read_record
from engine.links.area import LINK_APPROVED, LINK_ENDED
from engine.links.ledger import read_last_heard
from engine.ports import PostAuthority, PostLine, SilenceLimits
from engine.storage.home import Home

if TYPE_CHECKING:
    from engine.links.state import Link


from sqlalchemy import select

from engine.errors import RecordError
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

_LIVE = ("in_force", "stopped")


@dataclass(slots=True)
class LinkedPosts(PostAuthority):
    """The posts of an installation with links.

    An exchange that moved nothing leaves no record: this process remembers its own. The store has
    receipts and envelopes, so after a restart silence is never taken for shorter than it was. All
    times are those of the journal here, of parcels that the other side proved to have: so neither
    an old parcel nor a clock of the other side shortens a silence.
    """

    fingerprint: Callable[[], str] = str
    """Returns that of this installation's link identity; empty if it has none."""
    _heard: dict[str, int] = field(default_factory=dict)
    """After which instant each link's other side was there, as this process knows it."""
    _links: "tuple[Link, ...]" = ()
    _tail: RecordTail = field(default_factory=lambda: RecordTail((LINK_APPROVED, LINK_ENDED)))
    _lock: Lock = field(default_factory=Lock)

    def note_heard(self, link: str, at: int) -> None:
        """Remember that the other side of a link was there after an instant of this journal."""
        self._heard[link] = max(at, self._heard.get(link, 0))

    def find_heard(self, link: str) -> int:
        """Return after which instant the other side was there, 0 where this process knows none."""
        return self._heard.get(link, 0)

    def measure_silences(
        self, connection: Connection, posts: Iterable[str], *, now: int
    ) -> dict[str, int]:
        """Return for how long the centre of each post was silent, 0 for a post without one.

        ``now`` is in UTC microseconds, silence in microseconds.
        """
        links = self._list_centres(connection, now=now)
        silent = {link.name: self._measure(connection, link, now=now) for link in links}
        return {
            post: min((silent[o.name] for o in links if post in o.agreement.posts), default=0)
            for post in posts
        }

    def has_centre(self, connection: Connection, post: str) -> bool:
        """Tell whether a post of this installation has a centre, by the last record's time."""
        links = self._list_centres(connection, now=read_last_known_at(connection))
        return any(post in link.agreement.posts for link in links)

    def measure_longest(self, connection: Connection, *, now: int) -> int:
        """Return the longest silence of a centre, 0 without one: microseconds."""
        links = self._list_centres(connection, now=now)
        return max((self._measure(connection, link, now=now) for link in links), default=0)

    def measure_since(self, expected: Mapping[str, int], *, now: int) -> int:
        """Return the longest silence of some links, each counted since an instant: microseconds."""
        known = tuple(expected.items())  # another thread adds to it
        return max((now - max(at, self.find_heard(link)) for link, at in known), default=0)

    def check_post(self, connection: Connection, post: str, *, now: int) -> None:
        """Raise ``ConflictError`` if the post has a node of its own."""
        for link in self._list_live(connection, now=now):
            if link.us.role == "centre" and post in link.agreement.posts:
                why = f"its own node decides there (link {link.agreement.name})"
                raise ConflictError("post", post, why)

    def read_lines(self, connection: Connection, *, now: int) -> dict[str, PostLine]:
        """Return the line of each post whose node and centre are two installations."""
        found: dict[str, PostLine] = {}
        for link in self._list_live(connection, now=now):
            if link.agreement.kind == "post":
                heard = max(read_last_heard(connection, link.name), self.find_heard(link.name))
                is_centre = link.us.role == "centre"
                them = link.them.identity.fingerprint
                copy = find_newest(connection, them) if is_centre else None
                newest = None if copy is None else rfc3339(copy.recorded_at)
                line = describe_line(link, heard=heard, newest=newest, now=now)
                found |= dict.fromkeys(link.agreement.posts, line)
        return found

    def _list_live(self, connection: Connection, *, now: int) -> "list[Link]":
        """Return the links that are agreed now; takes microseconds if none changed."""
        with self._lock:
            if self._tail.read_new(connection):
                from engine.links.state import read_links  # a service without links needs none

                self._links = tuple(read_links(connection, self.fingerprint()).values())
            links = self._links
        return [one for one in links if one.phase(now) in _LIVE]

    def _list_centres(self, connection: Connection, *, now: int) -> "list[Link]":
        """Return the links to centres that are agreed now."""
        return [one for one in self._list_live(connection, now=now) if one.us.role == "node"]

    def _measure(self, connection: Connection, link: "Link", *, now: int) -> int:
        stored = max(read_last_heard(connection, link.name), link.approval.since)
        return max(0, now - max(stored, self.find_heard(link.name)))


def describe_line(link: "Link", *, heard: int, newest: str | None, now: int) -> PostLine:
    """Return a line, whose other side was last heard at UTC microseconds, 0 for never."""
    silent = max(now - heard, 0) / MINUTE if heard else None
    return PostLine(link.agreement.name, link.phase(now) == "in_force", silent, newest)


def open_posts(home: Home, limits: SilenceLimits) -> LinkedPosts:
    """Return the posts of a home."""
    return LinkedPosts(limits, partial(_read_fingerprint, home))


def _read_fingerprint(home: Home) -> str:
    """Return the fingerprint of this home's link identity, empty if it has none."""
    from engine.links.identity import read_fingerprint

    return read_fingerprint(home)


@dataclass(frozen=True, slots=True)
class LateWithdrawal:
    """A profile or an entry of the watch list that was withdrawn before it selected a vehicle."""

    source: Source
    code: str
    withdrawn_at: int
    """When two people withdrew it, by the journal that this happened in: UTC microseconds."""
    arrived_at: int
    """When that became known here."""


def list_late_withdrawals(
    connection: Connection, decided: Mapping[str, Any], *, known_at: int
) -> list[LateWithdrawal]:
    """Return what selected a decision and was withdrawn before it.

    ``decided`` is its record, ``known_at`` that record's time here (UTC microseconds).
    """
    decided_at = decided.get(COPIED, {}).get("known_at", known_at)
    found = [
        _find_withdrawal(connection, match["source"], match["code"])
        for match in decided["inputs"].get("matches", ())
        if _is_selected_by(decided["decision"], match)
    ]
    return [one for one in found if one is not None and one.withdrawn_at <= decided_at]


def _is_selected_by(decision: Mapping[str, Any], match: Mapping[str, Any]) -> bool:
    if match["source"] == "watchlist":
        return bool(decision["watchlist"]) and match["share"] > 0
    return match["code"] in decision["profiles"]


def _find_withdrawal(connection: Connection, source: Source, code: str) -> LateWithdrawal | None:
    state = read_approval_states(connection, source, code).get(code)
    if state is None or state.state != "retired":
        return None
    record = read_record(connection, state.sequence)
    copied = {} if record is None or record.body is None else record.body.get(COPIED, {})
    return LateWithdrawal(source, code, copied.get("known_at", state.since), state.since)


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
