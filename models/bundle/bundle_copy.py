"""Bundles of another home: checked against their registration, then signed by this one.

Assumes that the record is the other home's, and that its bytes came over a link that two people
approved: the digest of the manifest stands in the record, those of the files in the manifest. This
home's own signature says that it checked them, so that loading the bundle needs no other key.
"""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.errors import TamperedBundleError
from models.bundle.bundle import MANIFEST, SIGNATURE, is_bundle_file, load_bundle, sign


def keep_bundle(
    bundles: Path,
    version: str,
    files: Mapping[str, bytes],
    *,
    manifest: str,
    key: Ed25519PrivateKey,
) -> None:
    """Check the files of a bundle and keep it, whole or not at all.

    ``manifest`` is the SHA-256 of its manifest as it was registered. Raises
    ``TamperedBundleError``.
    """
    if Path(version).name != version or not all(map(is_bundle_file, files)):
        raise TamperedBundleError(version, "a name that is not on the list")
    raw = files.get(MANIFEST, b"")
    if sha256(raw).hexdigest() != manifest:
        raise TamperedBundleError(version, "its manifest is not the one that was registered")
    with TemporaryDirectory(dir=bundles.parent, prefix="arriving-") as scratch:
        folder = Path(scratch) / version
        folder.mkdir()
        for name, content in {**files, SIGNATURE: sign(raw, key)}.items():
            _write(folder / name, content)
        load_bundle(folder, key.public_key())
        bundles.mkdir(exist_ok=True)
        try:
            folder.rename(bundles / version)
        except OSError:
            if not (bundles / version).is_dir():  # else another process was first
                raise


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
