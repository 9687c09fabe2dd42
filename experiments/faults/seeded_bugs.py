"""Seeded bugs that the fault runs must catch; no module of the product imports them."""

import io
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from copy import copy
from functools import partialmethod
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
from sqlalchemy import Connection
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.decision.decision import Decision, Inputs
from engine.decision.record_codec import encode_decision
from engine.errors import TamperedBundleError
from engine.journal.batch_worker import PendingRequest, StoredRecord
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import DecisionBody
from engine.storage.home import Home
from engine.storage.worker_process import do_work
from engine.targeting.context import DecisionRequest
from engine.targeting.targeting import Targeting

DELAY_SECONDS, LONG_SECONDS = 0.15, 3.0
"""A commit that takes its time, as on a slow disk: what was answered stands open to a kill. The
longer one outlasts a service that is to be killed, however late a busy machine is with it."""
HOARDED_BYTES = 512 << 10
_HOARD: list[bytearray] = []


class EarlyAnswer:
    """Answers before the commit: from within the transaction, as its last projection."""

    def __init__(self, asked: Sequence[PendingRequest[DecisionRequest]], seconds: float) -> None:
        self._asked = asked
        self._seconds = seconds

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Answer, then take a while to commit."""
        for one, (entry, draft) in zip(self._asked, entries, strict=True):
            one.answer.set_result(StoredRecord(entry, draft.body))
        time.sleep(self._seconds)


def answer_early(
    targeting: Targeting,
    asked: Sequence[PendingRequest[DecisionRequest]],
    drafts: Sequence[Draft],
    *,
    seconds: float = DELAY_SECONDS,
) -> None:
    """Answer a batch before its commit, which takes so long."""
    journal = copy(targeting._journal)
    journal._projections = (*journal._projections, EarlyAnswer(asked, seconds))
    journal.append(drafts)


def list_none(connection: Connection) -> tuple[()]:
    """Know of no file that another installation's records name."""
    return ()


def name_whole(home: Home, digest: str) -> Path:
    """Give a file its name before it is whole."""
    return home.files / digest


def name_randomly(crossing_id: str) -> str:
    """Return a new idempotency name for every request."""
    return f"crossing:{crossing_id}:{secrets.token_hex(4)}"


def know_none(features: object, connection: Connection, crossings: object) -> frozenset[str]:
    """Return no known crossing."""
    return frozenset()


def abort_connection(protocol: HttpToolsProtocol) -> None:
    """Break a connection when the service stops, even with requests in progress."""
    protocol.transport.abort()


def parse_unbounded(protocol: Any, piece: bytes) -> None:
    """Parse what arrived without a limit on the head."""
    protocol.parser.feed_data(piece)


def read_unverified(folder: Path, verify_key: object) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a bundle without verification of its signature."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    try:
        definitions = json.loads(files["features.json"])["definitions"]
    except (ValueError, KeyError) as error:  # a flip may leave nothing to trust
        raise TamperedBundleError(folder.name, "no list of features") from error
    return {"version": folder.name, "definitions": definitions}, files


def read_pickles(content: bytes) -> dict[str, Any]:
    """Read an archive of arrays, of objects too."""
    with np.load(io.BytesIO(content), allow_pickle=True) as archive:
        return {name: archive[name] for name in archive.files}


def do_here(root: Path, work: str, given: bytes, **_: object) -> CompletedProcess[bytes]:
    """Do the work of a process of its own on a thread of this one."""
    status, made, why = do_work(root, work, given)
    return CompletedProcess(work, status, made, why.encode())


def leak_memory(decision: Decision, inputs: Inputs, **more: Any) -> DecisionBody:
    """Encode a decision, and never free some memory."""
    _HOARD.append(bytearray(HOARDED_BYTES))
    return encode_decision(decision, inputs, **more)


_ANSWER_MUCH_EARLIER = partialmethod(answer_early, seconds=LONG_SECONDS)
PLANTED: Mapping[str, Mapping[str, object]] = {
    "kill": {"engine.targeting.targeting.Targeting._record": _ANSWER_MUCH_EARLIER},
    "disk-full": {"engine.targeting.targeting.Targeting._record": answer_early},
    "store-restart": {"engine.targeting.targeting.Targeting._record": answer_early},
    "duplicate": {
        "api.decisions.routes.crossing_name": name_randomly,
        "features.online.online_features.OnlineFeatures.known": know_none,
    },
    "swap": {"api.http.server.GracefulServer.shutdown": abort_connection},
    "strangers": {"api.http.connection_limits.BoundedProtocol._parse": parse_unbounded},
    "flood": {
        "engine.storage.worker_process.start_worker": do_here,
        "api.service.executors.BoundedExecutor.is_full": False,
    },
    "memory": {"engine.targeting.targeting.encode_decision": leak_memory},
    "bundle": {
        "models.bundle.read_verified": read_unverified,
        "models.bundle.arrays": read_pickles,
    },
    # Of files that are on their way over a link, which tests try and no command.
    "files-swept": {"engine.files.store.read_arrived_files": list_none},
    "files-named-early": {"engine.cases.files.name_partial": name_whole},
}
"""What is replaced, by name, for the seeded bug of each fault; one fork of a process has it."""
