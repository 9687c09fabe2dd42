"""The bugs that the fault runs must catch; nothing of the product imports this."""

import io
import json
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.journal import Draft, Entry, Journal
from engine.writer import Writer

DELAY_SECONDS = 0.03
"""A commit that takes its time, as on a slow disk: what was answered stands open to a kill."""


class HastyWriter(Writer):
    """Answers before the commit: from within the transaction, as its last projection."""

    def __init__(self, journal: Journal) -> None:
        self._unanswered: dict[int, Future[Entry]] = {}
        journal._projections = (*journal._projections, self)
        super().__init__(journal)

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Answer, then take a while to commit; a tick is nobody's and asks for no answer."""
        hasty = [(draft, entry) for entry, draft in entries if id(draft) in self._unanswered]
        for draft, entry in hasty:
            self._unanswered.pop(id(draft)).set_result(entry)
        if hasty:
            time.sleep(DELAY_SECONDS)

    def _write(self, batch: Sequence[tuple[Draft, "Future[Entry]"]]) -> None:
        self._unanswered = {id(draft): future for draft, future in batch}
        try:
            self._journal.append([draft for draft, _ in batch])
        except Exception as error:  # what was answered stays answered: that is the bug
            for future in self._unanswered.values():
                future.set_exception(error)


def forgetful(crossing_id: str) -> str:
    """Name a request as if it had never been sent before."""
    return f"crossing:{crossing_id}:{secrets.token_hex(4)}"


def abrupt(protocol: HttpToolsProtocol) -> None:
    """Break a connection off when the service stops, whatever was asked over it."""
    protocol.transport.abort()


def trusting(folder: Path, verify_key: object) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a bundle as it lies there, whoever wrote it."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    features = json.loads(files["features.json"])
    return {"version": folder.name, "definitions": features["definitions"]}, files


def unpickling(content: bytes) -> dict[str, Any]:
    """Read an archive of arrays, of objects too."""
    with np.load(io.BytesIO(content), allow_pickle=True) as archive:
        return {name: archive[name] for name in archive.files}
