"""Decisions of a post's node made again at its centre, from the copies of its records alone.

The counters of the centre know of these records at other times. So the node's journal is put
together again from its copies, with its own numbers and times, in a store that is deleted
afterwards. Everything that a decision needs and the centre does not have is named: a history that
was loaded at the node, a bundle, a body that was erased, other feature definitions.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select

from engine.audit.decision_replay import DecisionReplay
from engine.audit.file_anchors import parse_network, read_declared_networks
from engine.audit.projection_replay import open_scratch_store
from engine.audit.verification import DrawFault, DrawVerifier
from engine.declarations.projection import project_declarations
from engine.domain.network import Network
from engine.errors import NoModelError, NotFoundError, TamperedBundleError
from engine.explanation.reasons import Sentences
from engine.journal import kinds
from engine.journal.copies import COPIES
from engine.journal.entries import Draft, Entry, ProjectionInput
from engine.journal.hash_chain import canonical
from engine.journal.journal import BODIES, IDENTITY, JOURNAL, Journal, JournalReader
from engine.journal.kinds import COPIED, CopiedBody
from engine.links.area import POST_RECORD
from engine.links.state import Link
from engine.ports import Scorer
from engine.queue.projection import project_queue
from engine.storage.database import Store, insert_rows
from engine.storage.home import Home
from features.catalogue.plan import Plan, current_plan
from features.history.labels import read_searches
from features.history.tables import Tables, read_event_log
from features.offline.encoded_history import read_log
from features.online.backfill import backfill
from features.online.crossing_index import EPOCH, read_event
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection

_TOGETHER = 500
_COUNTED = frozenset(
    {kinds.DECISION, kinds.CROSSING, kinds.INSPECTION, kinds.SEIZURE, kinds.FIND_CONFIRMED}
)
"""Kinds without whose bodies features cannot be read again."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A record of the node's journal, as its copy proves it."""

    copied: CopiedBody
    kind: str
    subject: str
    post: str
    body: Mapping[str, Any] | None
    """None where it was erased before or after it was copied."""


@dataclass(frozen=True, slots=True)
class CentreRecomputation:
    """One decision of a node, made again at its centre."""

    decision_id: str
    is_identical: bool
    missing: tuple[str, ...] = ()
    """Names of what the centre does not have for it; then nothing was compared."""
    differences: tuple[str, ...] = ()
    """Names of what differs."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "decision_id": self.decision_id,
            "identical": self.is_identical,
            "missing": list(self.missing),
            "differences": list(self.differences),
        }


def recompute_at_centre(
    home: Home,
    store: Store,
    link: Link,
    *,
    models: Callable[[str], Scorer],
    sentences: Sentences,
    most: int,
) -> list[CentreRecomputation]:
    """Make the newest ``most`` decisions of a node again, oldest first.

    ``models`` returns a bundle of the centre by its version. At a node, and for a partner, there
    are no copies of decisions and the list is empty.
    """
    with store.read() as live:
        found = read_node_records(live, link.them.identity.fingerprint)
        plan, loaded = current_plan(), read_event_log(home, live, upto=0)
    decided = [one for one in found if one.kind == kinds.DECISION][-most:]
    made: dict[str, CentreRecomputation] = {}
    epochs = {one.body["inputs"]["epoch"] for one in decided if one.body is not None}
    for epoch in sorted(epochs & {"", loaded.digest}):
        network = loaded.network
        history = loaded if epoch else None
        with open_node_copy(found, plan, network=network, history=history) as copy:
            replay = DecisionReplay(
                Journal(store), copy.features, scorer=models, sentences=sentences
            )
            for one in decided:
                if one.body is not None and one.body["inputs"]["epoch"] == epoch:
                    made[one.subject] = _recompute(copy, replay, one, plan=plan)
    return [made.get(one.subject) or _name_missing(one) for one in decided]


def verify_draws_at_centre(store: Store, link: Link) -> tuple[int, list[DrawFault]]:
    """Draw the numbers of a node's revealed shifts again; return how many decisions, and faults.

    Seeds are held against the chains that the node had committed to. Of a fault the number is that
    of the record in the node's journal.
    """
    with store.read() as live:
        found = read_node_records(live, link.them.identity.fingerprint)
    verifier = DrawVerifier(is_whole=False)
    with open_scratch_store() as scratch:
        _insert_records(scratch, found)
        decided = [one for one in found if one.kind == kinds.DECISION and one.body is not None]
        rows = [_to_pair(one, one.body or {}) for one in decided]
        project_queue(scratch, rows)
        faults = list(verifier.faults(scratch))
    return verifier.checked, faults


def _name_missing(one: NodeRecord) -> CentreRecomputation:
    """Return a decision whose record or whose loaded history is not here."""
    if one.body is None:
        what = f"body of record {one.copied['sequence']}"
    else:
        what = f"history {one.body['inputs']['epoch'] or 'of no load'}"
    return CentreRecomputation(one.subject, False, (what,))


def read_node_records(connection: Connection, fingerprint: str) -> list[NodeRecord]:
    """Return the records of a node's newest journal, in its order, as its last branch has them."""
    c, about = COPIES.c, (JOURNAL.c.kind, JOURNAL.c.subject, JOURNAL.c.post, JOURNAL.c.leaf)
    query = (
        select(*c, *about)
        .join_from(COPIES, JOURNAL, JOURNAL.c.seq == c.seq)
        .where(c.origin >= f"{fingerprint}:", c.origin < f"{fingerprint};")
        .order_by(c.seq)
    )
    rows = connection.execute(query).all()
    bodies = JournalReader(connection).bodies([row.seq for row in rows])
    found = [_unwrap(row, bodies.get(row.seq)) for row in rows]
    newest = found[-1].copied["journal_id"] if found else ""
    return _of_last_branch([one for one in found if one.copied["journal_id"] == newest])


def _unwrap(row: Any, body: Mapping[str, Any] | None) -> NodeRecord:
    """Return what a copy copies; of a record without effect here, what it holds."""
    if body is None:
        return NodeRecord(_place(row), row.kind, row.subject, row.post, None)
    copied = body[COPIED]
    if row.kind == POST_RECORD:
        content = body.get("content")
        return NodeRecord(copied, body["kind"], body["subject"], body["post"], content)
    own = {name: value for name, value in body.items() if name != COPIED}
    return NodeRecord(copied, row.kind, row.subject, row.post, own)


def _place(row: Any) -> CopiedBody:
    """Return where a record whose body was erased here stands in the node's journal."""
    journal_id, _, branch = row.origin.partition(":")[2].partition("~")
    return {
        "journal_id": journal_id,
        "branch": int(branch or 0),
        "sequence": row.number,
        "known_at": row.recorded_at,
        "leaf": row.leaf.hex(),
        "previous": "",
        "chain": row.chain.hex(),
    }


def _of_last_branch(found: Sequence[NodeRecord]) -> list[NodeRecord]:
    """Return the records that the node has: what a restored disk lost is left out."""
    kept: list[NodeRecord] = []
    first: int | None = None
    for branch in sorted({one.copied["branch"] for one in found}, reverse=True):
        of_it = [one for one in found if one.copied["branch"] == branch]
        of_it = [one for one in of_it if first is None or one.copied["sequence"] < first]
        kept += of_it
        first = min([one.copied["sequence"] for one in of_it], default=first)
    return sorted(kept, key=lambda one: one.copied["sequence"])


@dataclass(frozen=True, slots=True)
class NodeCopy:
    """The node's journal and counters, put together from copies."""

    connection: Connection
    features: OnlineFeatures
    unread: Collection[int]
    """Numbers of records that count and whose bodies are not here."""


@contextmanager
def open_node_copy(
    found: Sequence[NodeRecord], plan: Plan, *, network: Network, history: Tables | None
) -> Iterator[NodeCopy]:
    """Put the node's records into a store of their own, with what was counted of them.

    ``network`` is that of the centre, for a node that declared none; ``history`` is what was
    loaded, None without a load.
    """
    with open_scratch_store() as scratch:
        _insert_records(scratch, found)
        declared = read_declared_networks(scratch)
        network = parse_network(declared[-1].text) if declared else network
        features = OnlineFeatures(plan, network)
        if history is not None:
            log = read_log(replace(history, network=network), plan)
            backfill(scratch, log, plan, searches=read_searches(history))
            row = {"one": 1, "epoch": history.digest, "definitions": plan.digest}
            scratch.execute(insert(EPOCH), [row])
        _count_records(scratch, found, features, plan)
        unread = [
            one.copied["sequence"] for one in found if one.body is None and one.kind in _COUNTED
        ]
        yield NodeCopy(scratch, features, tuple(unread))


def _insert_records(scratch: Connection, found: Sequence[NodeRecord]) -> None:
    """Write the records as a journal: the node's numbers and times, and the bytes of bodies."""
    if found:
        identity = {"journal_id": found[0].copied["journal_id"], "created": 0}
        scratch.execute(insert(IDENTITY), [identity])
    rows, bodies = [], []
    for one in found:
        copied = one.copied
        seq, leaf, chain = copied["sequence"], copied["leaf"], copied["chain"]
        about = seq, copied["known_at"], one.kind, one.subject, one.post
        rows.append((*about, "", None, bytes.fromhex(leaf), bytes.fromhex(chain)))
        if one.body is not None:
            bodies.append((seq, bytes.fromhex(copied.get("salt", "")), canonical(one.body)))
    insert_rows(scratch, JOURNAL, rows)
    insert_rows(scratch, BODIES, bodies)


def _count_records(
    scratch: Connection, found: Sequence[NodeRecord], features: OnlineFeatures, plan: Plan
) -> None:
    """Apply what features and declarations ahead are read from."""
    pairs = [
        _to_pair(one, one.body, read_event(features, one.kind, one.body))
        for one in found
        if one.body is not None
    ]
    for start in range(0, len(pairs), _TOGETHER):
        for projection in (project_declarations, CounterProjection(plan)):
            projection(scratch, pairs[start : start + _TOGETHER])
    if found:
        last = max(one.copied["known_at"] for one in found)
        CounterProjection(plan).make_due(scratch, last)


def _to_pair(
    one: NodeRecord, body: Mapping[str, Any], event: ProjectionInput | None = None
) -> tuple[Entry, Draft[Any]]:
    about = one.kind, one.subject, one.post
    entry = Entry("", one.copied["sequence"], one.copied["known_at"], *about, b"", b"")
    return entry, Draft(*about, dict(body), extra=event)


def _recompute(
    copy: NodeCopy, replay: DecisionReplay, one: NodeRecord, *, plan: Plan
) -> CentreRecomputation:
    """Make one decision again, or name what is missing for it."""
    seq = one.copied["sequence"]
    body: Mapping[str, Any] = one.body or {}
    missing = [f"body of record {number}" for number in copy.unread if number < seq]
    if body["inputs"]["definitions"] != plan.digest:
        missing.append(f"feature definitions {body['inputs']['definitions']}")
    if missing:
        return CentreRecomputation(one.subject, False, tuple(missing))
    try:
        made = replay.decision(copy.connection, seq)
    except (NoModelError, TamperedBundleError, NotFoundError) as error:
        return CentreRecomputation(one.subject, False, (str(error),))
    return CentreRecomputation(one.subject, made.is_identical, (), made.differences)
