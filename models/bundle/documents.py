"""Card and stored report of a bundle, read without loading its model.

Every byte of the bundle is verified first, as when it serves: what is shown is what was signed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.errors import NoModelError
from models.bundle.bundle import MANIFEST, file_digest, read_verified


@dataclass(frozen=True, slots=True)
class BundleDocuments:
    """What a bundle says of its model."""

    manifest: str
    """SHA-256 of its manifest."""
    card: Mapping[str, Any]
    report: Mapping[str, Any]
    reference: Mapping[str, Any]
    """How features fell when it learnt (:mod:`models.statistics.drift`)."""
    quantiles: Mapping[str, Any]
    """Of the risk, by post."""


def read_documents(folder: Path, verify_key: Ed25519PublicKey) -> BundleDocuments:
    """Read the papers of a bundle; raises ``NoModelError`` or ``TamperedBundleError``."""
    if not folder.exists():
        raise NoModelError(folder.name)
    _, files = read_verified(folder, verify_key)

    def read(name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(files.get(name, b"{}"))
        return found

    return BundleDocuments(
        manifest=file_digest(folder / MANIFEST),
        card=read("card.json"),
        report=read("report.json"),
        reference=read("reference.json"),
        quantiles=read("quantiles.json"),
    )


def stamp(folder: Path) -> str:
    """Return what changes whenever a file of a bundle is written."""
    result = sorted(
        (one.name, one.stat().st_mtime_ns, one.stat().st_size) for one in _files(folder)
    )
    return sha256(repr(result).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_file()] if folder.is_dir() else []
