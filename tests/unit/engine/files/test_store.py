"""Files of a home on both stores: where a process is killed decides what is left to sweep."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from engine.cases.area import CASE_EVENT, CaseEventBody
from engine.cases.case_events import CaseFile
from engine.files.store import (
    ReceivedFile,
    count_files,
    find_file_faults,
    list_strays,
    sweep_files,
)
from engine.journal.journal import Journal
from engine.journal.kinds import COPIED
from engine.storage.database import Store
from engine.storage.home import Home

CONTENT = b"two packets, 1150 g"
DIGEST = sha256(CONTENT).hexdigest()


def draft_of(digest: str, size: int) -> CaseEventBody:
    file = CaseFile.model_validate(
        {"digest": digest, "media_type": "text/plain", "size_bytes": size, "shows": "other"}
    )
    return {
        "claim": {"names": [f"file:{digest}"], "fingerprint": "00" * 32},
        "by": "ann",
        "agency": "customs",
        "event": file.model_dump(mode="json", exclude_none=True),
    }


def add(home: Home, store: Store, content: bytes = CONTENT, *, until: str = "recorded") -> None:
    """Add a file, as far as a point at which the process ends."""
    received = ReceivedFile(home, largest=100)
    received.write(content)
    if until == "received":
        os._exit(9)
    digest = received.finish()
    if until == "on the disk":
        os._exit(9)
    with received.place():
        if until == "placed":
            os._exit(9)
        body = draft_of(digest, len(content))
        Journal(store).append([CASE_EVENT.draft("case-1", body, post="OYB")])
    received.close()


def list_names(home: Home) -> set[str]:
    return {one.name for one in home.files.iterdir()} - {".lock"}


@pytest.fixture
def home(tmp_path: Path, store: Store) -> Home:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    return home


def test_a_sweep_keeps_what_records_name_and_verify_counts_it(home: Home, store: Store) -> None:
    for content in (CONTENT, CONTENT, b"another"):
        add(home, store, content)
    (home.files / ("0" * 64)).write_bytes(b"of no record")
    assert sweep_files(home, store) == 1
    with store.read() as connection:
        assert count_files(connection) == 2
        assert list_strays(home, connection) == []
        (home.files / DIGEST).write_bytes(CONTENT[:-1] + b"h")
        found = list(find_file_faults(home, connection))
    assert [one.rule for one in found] == ["file", "file"], "each record that names it"


def test_a_copied_record_asks_for_no_file_here(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a copy is taken for a record of this home's own."""
    body = {**draft_of(DIGEST, len(CONTENT)), COPIED: {"journal_id": "j"}}
    Journal(store).append([CASE_EVENT.draft("case-1", body, post="OYB")])  # type: ignore[arg-type]
    with store.read() as connection:
        assert list(find_file_faults(home, connection)) == []
        monkeypatch.setattr("engine.cases.files.COPIED", "never")
        assert len(list(find_file_faults(home, connection))) == 1


def test_a_home_without_files_has_no_fault(home: Home, store: Store) -> None:
    assert sweep_files(home, store) == 0
    assert not home.files.exists()
    with store.read() as connection:
        assert list(find_file_faults(home, connection)) == []
