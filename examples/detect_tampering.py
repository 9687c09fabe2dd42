"""Append records to a journal, edit one behind its back, and find the edit.

The journal is a hash chain: each record holds the digest of its body and of the record before it.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from api.migrations.upgrade import upgrade
from engine.audit.verification import verify
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.storage.database import Store


def main() -> None:
    """Print the verdict before and after the edit."""
    with TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'journal.db'}")
        upgrade(store)
        Journal(store).append(
            [Draft("roster", f"note-{number}", "UZ-OYB", {"number": number}) for number in range(3)]
        )
        print("before the edit:", verify(store).faults or "no fault")
        with store.write() as connection:
            connection.execute(text("UPDATE journal_bodies SET body = :body"), {"body": b"{}"})
        for fault in verify(store).faults:
            print(f"after the edit: record {fault.seq}, {fault.rule}: {fault.message}")
        store.dispose()


if __name__ == "__main__":
    main()
