"""A model as signed data files, verified before use, and its scorer.

Assumes an attacker who can write to the disk but does not hold the key. Every byte that is used is
read once, checked against an Ed25519 manifest, and only then parsed; a name that is not on the
list, a link, a file too many or too large, and any changed byte refuse the whole bundle. Nothing in
it is code and nothing is unpickled here. Card and report are verified alike before they are shown.

A bundle of another home is checked against its registration, then signed by this home. The record
is the other home's, and its bytes came over a link that two people approved: the digest of the
manifest stands in the record, those of the files in the manifest. This home's own signature says
that it checked them, so that loading the bundle needs no other key.

A scorer gives the risk of an arrival and the contributions of its features. Only numpy is needed to
score, and numba to explain: no training library is imported. The explainer is put together when it
is first asked for, because a service can start to decide earlier without it.
"""

import io
import json
import os
import stat
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Self

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray

from engine.errors import HomeError, NoModelError, TamperedBundleError
from engine.journal.receipts import open_key
from engine.ports import Contribution, Scores
from engine.selection import RiskTables
from engine.storage.home import Home, file_digest, write_durably
from models.array_types import Floats, Rows
from models.data.dataset import TARGETS, Target
from models.explanation.contributions import ALL, Contributions
from models.explanation.similar_seizures import SHOWN, PastSeizures, SimilarSeizure, by_family
from models.scoring import (
    UNSEEN,
    UNSEEN_TREES,
    Head,
    Linear,
    TreeArrays,
    TreeEnsemble,
    column_of,
    fold_values,
    state_chances,
    unseen,
)

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
KEY_FILE = "bundle.key"
FORMAT = 1
_PURPOSE = b"darvoza bundle 1\n"
_MB = 1 << 20

ALWAYS: Mapping[str, int] = {
    "calibration.json": _MB,
    "features.json": _MB,
    "norms.json": 8 * _MB,
    "quantiles.json": 16 * _MB,
    "card.json": _MB,
    "card.md": _MB,
    "report.json": 16 * _MB,
    "reference.json": 4 * _MB,
    "model.skops": 256 * _MB,
    "seizures.npz": 4 * _MB,
}
"""Files that every bundle has, and the most bytes of each."""
TREES = {name: f"{name}.paths.npz" for name in (*TARGETS, UNSEEN_TREES)}
"""File of each ensemble; a target that leans on the other has none."""
_LARGEST = {
    **ALWAYS,
    **dict.fromkeys(TREES.values(), 128 * _MB),
    MANIFEST: _MB,
    SIGNATURE: 64,
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle, parsed."""

    version: str
    definitions: str
    names: tuple[str, ...]
    heads: Mapping[Target, Head]
    paths: Mapping[str, TreeArrays]
    """The trees of each ensemble."""
    lines: Mapping[str, Linear]
    """Linear parts, by name."""
    norms: Mapping[str, tuple[float, ...]]
    """Usual value of each feature, by vehicle class; ``*`` for all."""
    tables: Mapping[str, RiskTables]
    """Quantiles of both chances, by post; ``*`` for all."""
    seizures: PastSeizures
    """The last known when it was trained."""
    card: Mapping[str, Any]
    report: Mapping[str, Any]


def signing_key(home: Home) -> Ed25519PrivateKey:
    """Read this home's bundle key, made on first use; raises ``HomeError``."""
    return open_key(home.keys / KEY_FILE)


def read_verify_key(home: Home, version: str) -> Ed25519PublicKey:
    """Return what checks a bundle of this home; makes no key.

    Raises ``NoModelError`` where the home has no such bundle, ``HomeError`` where it has no key.
    """
    if not (home.bundles / version).is_dir():
        raise NoModelError(version)
    if not (home.keys / KEY_FILE).exists():
        raise HomeError(KEY_FILE, "not here; put the home's keys/ back before a bundle is read")
    return signing_key(home).public_key()


def is_bundle_file(name: str) -> bool:
    """Tell whether a bundle may have a file of this name."""
    return name in _LARGEST


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the detached signature of a manifest."""
    return key.sign(_PURPOSE + manifest)


def load_bundle(folder: Path, verify_key: Ed25519PublicKey) -> Bundle:
    """Verify a bundle by the key of the home that wrote it, and parse it.

    The folder is named by the version: an older bundle under a newer name is refused. Raises
    ``NoModelError`` where there is no such folder, ``TamperedBundleError`` if anything differs from
    what was signed.
    """
    if not folder.exists():
        raise NoModelError(folder.name)
    manifest, files = read_verified(folder, verify_key)
    try:
        return _parse(manifest, files)
    except Exception as error:  # signed, but not by this code: whatever reading it raises
        raise TamperedBundleError(folder.name, f"{type(error).__name__} while reading") from error


def read_verified(
    folder: Path, verify_key: Ed25519PublicKey
) -> tuple[Mapping[str, Any], dict[str, bytes]]:
    """Return the manifest and the bytes of every file, each checked against the signature."""
    version = folder.name
    present = _names(folder)
    raw, signature = _read(folder, MANIFEST), _read(folder, SIGNATURE)
    try:
        verify_key.verify(signature, _PURPOSE + raw)
    except InvalidSignature:
        raise TamperedBundleError(version, "the manifest's signature is not valid") from None
    manifest: Mapping[str, Any] = json.loads(raw)
    if manifest["format"] != FORMAT or manifest["version"] != version:
        raise TamperedBundleError(version, "the manifest is of another bundle")
    if present != {*manifest["files"], MANIFEST, SIGNATURE}:
        raise TamperedBundleError(version, "files are missing, or there are others")
    files = {name: _read(folder, name) for name in sorted(manifest["files"])}
    for name, content in files.items():
        if sha256(content).hexdigest() != manifest["files"][name]:
            raise TamperedBundleError(version, f"{name} was changed")
    return manifest, files


def _names(folder: Path) -> set[str]:
    """Return the names in a bundle, all of them allowed."""
    if folder.is_symlink() or not folder.is_dir():
        raise TamperedBundleError(folder.name, "not a folder of its own")
    names = {entry.name for entry in os.scandir(folder)}
    if not names <= _LARGEST.keys():
        raise TamperedBundleError(folder.name, "a file whose name is not on the list")
    return names


def _read(folder: Path, name: str) -> bytes:
    """Read a plain file once, up to the most bytes its name may have."""
    try:
        # Not followed when it is a link, not waited for when it is a pipe.
        file = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise TamperedBundleError(folder.name, f"{name} is missing, or a link") from None
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise TamperedBundleError(folder.name, f"{name} is not a plain file")
        content = opened.read(_LARGEST[name] + 1)
    if len(content) > _LARGEST[name]:
        raise TamperedBundleError(folder.name, f"{name} is too large")
    return content


def _parse(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Bundle:
    """Read the files of a verified bundle."""
    features = json.loads(files["features.json"])
    calibration = json.loads(files["calibration.json"])
    paths = {
        name: TreeArrays.from_arrays(arrays(files[file]))
        for name, file in TREES.items()
        if file in files
    }
    return Bundle(
        version=manifest["version"],
        definitions=features["definitions"],
        names=tuple(features["names"]),
        heads={target: Head.from_dict(calibration["heads"][target]) for target in TARGETS},
        paths=paths,
        lines={name: Linear.from_dict(kept) for name, kept in calibration["lines"].items()},
        norms=_table(json.loads(files["norms.json"])),
        tables={
            post: RiskTables.from_body(kept)
            for post, kept in json.loads(files["quantiles.json"]).items()
        },
        seizures=PastSeizures.from_arrays(arrays(files["seizures.npz"])),
        card=json.loads(files["card.json"]),
        report=json.loads(files["report.json"]),
    )


def _table(kept: Mapping[str, list[float | None]]) -> dict[str, tuple[float, ...]]:
    """Read rows of numbers; null is unknown."""
    return {
        name: tuple(float("nan") if value is None else float(value) for value in row)
        for name, row in kept.items()
    }


def arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Read an archive of plain arrays of any shape; objects are refused."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


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
    """Of both chances, by post."""


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
    files = sorted((one.name, one.stat().st_mtime_ns, one.stat().st_size) for one in _files(folder))
    return sha256(repr(files).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_file()] if folder.is_dir() else []


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
            write_durably(folder / name, content)
        load_bundle(folder, key.public_key())
        bundles.mkdir(exist_ok=True)
        try:
            folder.rename(bundles / version)
        except OSError:
            if not (bundles / version).is_dir():  # else another process was first
                raise


class Scorer:
    """Scores and explains by one bundle; implements :class:`engine.ports.Scorer`."""

    def __init__(self, bundle: Bundle) -> None:
        self.version = bundle.version
        self.definitions = bundle.definitions
        self.names = bundle.names
        self.seizures = bundle.seizures
        self._heads = bundle.heads
        self._tables = bundle.tables
        self._lines = bundle.lines
        self._counted = column_of(bundle.names)
        self._trees = {name: TreeEnsemble(grown) for name, grown in bundle.paths.items()}
        self._explainer = _ExplainerLoader(bundle)

    @classmethod
    def load(cls, folder: Path, *, key: Ed25519PublicKey) -> Self:
        """Verify a bundle's folder and serve it; raises ``TamperedBundleError``."""
        bundle = load_bundle(folder, key)
        try:
            return cls(bundle)
        except Exception as error:  # files of another version's shape, say, after an upgrade
            raise TamperedBundleError(folder.name, f"{type(error).__name__} in use") from error

    @property
    def contributions(self) -> Contributions:
        """Contributions of the model; the first caller waits until they are put together."""
        return self._explainer.load()

    def prepare(self) -> None:
        """Put together what explains, before anybody asks."""
        self._explainer.load()

    def score(self, values: Rows) -> Scores:
        """Return calibrated probabilities, two float64 arrays of shape (n,), each in (0, 1).

        With their intervals, where random checks set their level.

        Parameters
        ----------
        values : float32 array of shape (n, f)
            Features in the bundle's order; NaN where unknown.
        """
        margins = margins_of(self._trees, self._lines, values, column=self._counted)
        return state_chances(self._heads, margins)

    def with_tables(self, tables: Mapping[str, RiskTables]) -> Self:
        """Return the same model with other tables at some posts: those its shadow saw there."""
        other = copy(self)
        other._tables = {**self._tables, **tables}
        return other

    def tables(self, post: str) -> RiskTables:
        """Return the quantiles of both chances of this post's entries, or else of all."""
        return self._tables.get(post, self._tables[ALL])

    def explain(
        self, row: Rows, target: Target, *, vehicle_class: str, post: str
    ) -> tuple[Contribution, ...]:
        """Return the strongest contributions to the chance of a target, largest magnitude first.

        ``row`` is float32 of shape (f,), compared with the usual values of this class at this post.
        """
        added = self.contributions.target(row, target)
        return self.contributions.describe(row, added, vehicle_class=vehicle_class, post=post)

    def similar(self, row: Rows, *, as_of: int, count: int = SHOWN) -> tuple[SimilarSeizure, ...]:
        """Return the past seizures whose reasons were most like this row's, the nearest first.

        ``row`` is float32 of shape (f,). A seizure known at or after ``as_of``, the decision's time
        in UTC microseconds, is not seen; those known since the bundle was trained come with the
        next one.
        """
        reasons = by_family(self.names, self.contributions.target(row, "seizure"))
        return self.seizures.nearest(reasons, as_of=as_of, count=count)


def margins_of(
    trees: Mapping[str, TreeEnsemble],
    lines: Mapping[str, Linear],
    values: Rows,
    *,
    column: int | None,
) -> dict[str, Floats]:
    """Return each part's log-odds for rows of shape (n, f), and which rows' like is unseen.

    ``column`` counts the inspections of a row's fingerprint.
    """
    rows = np.ascontiguousarray(values, np.float32)
    grown: dict[str, Floats] = {name: one(rows) for name, one in trees.items()}
    folded = fold_values(rows) if lines else None  # for all lines at once
    drawn = {name: line.margin(rows, folded) for name, line in lines.items()}
    return grown | drawn | {UNSEEN: unseen(rows, column)}


class _ExplainerLoader:
    """A bundle's contributions, put together once."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._contributions: Contributions | None = None
        self._lock = Lock()

    def load(self) -> Contributions:
        with self._lock:
            if self._contributions is None:
                self._contributions = _contributions(self._bundle)
            return self._contributions


def _contributions(bundle: Bundle) -> Contributions:
    from models.explanation.tree_shap import (
        make_contributions,  # compiled code, loaded by the first explanation
    )

    return make_contributions(
        bundle.names,
        heads=bundle.heads,
        trees=bundle.paths,
        lines=bundle.lines,
        norms=bundle.norms,
    )
