"""Check of bundles on the disk against the records that name them.

A record of a registration holds the digest of the bundle's manifest, and the manifest those of its
files. The service refuses a bundle that was changed when it loads it; this finds one before that,
and one that is gone, so that a decision of that model could not be computed again.
"""

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select

from engine.audit.file_anchors import find_links
from engine.errors import NoModelError, TamperedBundleError
from engine.journal.entries import JournalFault
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import MODEL_REGISTERED
from engine.journal.payloads import COPIED
from engine.journal.power_records import read_records
from engine.storage.file_digests import file_digest
from engine.storage.home import Home
from models.bundle.bundle import KEY_FILE, MANIFEST, read_verified, signing_key
from models.lifecycle.projection import read_state


def registered_bundles(connection: Connection) -> dict[str, tuple[int, str]]:
    """Return each registered version with the number of its record and its manifest's digest."""
    found: dict[str, tuple[int, str]] = {}
    query = select(JOURNAL.c.seq, JOURNAL.c.subject).where(JOURNAL.c.kind == MODEL_REGISTERED)
    versions = {row.seq: row.subject for row in connection.execute(query)}
    for seq, body in JournalReader(connection).bodies_of(MODEL_REGISTERED):
        if body.get("manifest"):
            found.setdefault(versions[seq], (seq, str(body["manifest"])))
    return found


def bundle_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield each bundle that is gone, changed or reached by a link."""
    yield from find_links(home.bundles)
    key = signing_key(home).public_key() if (home.keys / KEY_FILE).exists() else None
    elsewhere = _list_elsewhere(connection)
    for version, (seq, manifest) in registered_bundles(connection).items():
        if version in elsewhere and not (home.bundles / version).is_dir():
            continue
        why = _difference(home, version, manifest=manifest, key=key)
        if why is not None:
            yield JournalFault(seq, "bundle", f"bundle {version} {why}")


def _list_elsewhere(connection: Connection) -> set[str]:
    """Return the versions of a node's centre that never decided here: theirs may not arrive."""
    registered = read_records(connection, (MODEL_REGISTERED,))
    copied = {one.subject for one in registered if COPIED in (one.body or {})}
    return copied - set(read_state(connection).history)


def _difference(
    home: Home, version: str, *, manifest: str, key: Ed25519PublicKey | None
) -> str | None:
    folder = home.bundles / version
    if not folder.is_dir():
        return "is gone"
    if folder.is_symlink() or (folder / MANIFEST).is_symlink():
        return None  # named as a link
    try:
        if file_digest(folder / MANIFEST) != manifest:
            return "has another manifest than was registered"
        if key is not None:
            read_verified(folder, key)
    except (OSError, NoModelError, TamperedBundleError, ValueError, KeyError) as error:
        return f"is not as it was registered ({getattr(error, 'why', type(error).__name__)})"
    return None
