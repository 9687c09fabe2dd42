"""A bundle is what was signed or nothing; what serves equals what was judged."""

import json
import os
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.domain.time_units import DAY
from engine.errors import NoModelError, TamperedBundleError
from models import bundle as bundles
from models.bundle import MANIFEST, SIGNATURE, Scorer, load_bundle, margins_of, sign
from models.learning import scikit_trees
from models.scoring import SEEN_BY
from models.training.bundle_writer import BundleDiffersError, write_bundle
from models.training.trainer import TrainingResult, train
from tests.support.sizes import PROOF
from tests.support.small_dataset import QUICK, START, small_world

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CUT = START + 200 * DAY
DATA = small_world(5000, seed=11)
DATA = replace(DATA, names=(*DATA.names[:-1], SEEN_BY))
"""The last feature carries no risk; where it is above nothing, the like was inspected before."""
RICH = replace(
    QUICK,
    rich=replace(QUICK.discrepancy, iterations=15, depth=3, leaves=8),
    many_discrepancies=100,
    many_unseen=50,
)
FLIPS = 1000 if PROOF else 30


@pytest.fixture(scope="module")
def training_result() -> TrainingResult:
    made = train(DATA, RICH, cutoff=CUT)
    assert made.model.heads["discrepancy"].unseen, "trees for unseen fingerprints have a share"
    return made


@pytest.fixture(scope="module")
def bundle_folder(
    training_result: TrainingResult, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles"), training_result, KEY)


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_folder, tmp_path / bundle_folder.name))


def find_refusal(folder: Path) -> str:
    with pytest.raises(TamperedBundleError) as caught:
        load_bundle(folder, KEY.public_key())
    return caught.value.why


def resign(folder: Path, key: Ed25519PrivateKey = KEY) -> None:
    """Do what an owner of the key could: make the manifest fit the files again."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    names = sorted(path.name for path in folder.iterdir() if path.name not in (MANIFEST, SIGNATURE))
    manifest["files"] = {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}
    raw = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(raw)
    (folder / SIGNATURE).write_bytes(sign(raw, key))


def test_what_serves_is_what_was_fitted(
    training_result: TrainingResult, bundle_folder: Path
) -> None:
    scorer = Scorer.load(bundle_folder, key=KEY.public_key())
    theirs, ours = training_result.model.score(DATA.values), scorer.score(DATA.values)

    np.testing.assert_allclose(ours.p_seizure, theirs.p_seizure, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.p_discrepancy, theirs.p_discrepancy, rtol=0, atol=1e-12)
    assert scorer.version == bundle_folder.name
    assert scorer.definitions == DATA.definitions
    for post in ("OYB", "nowhere"):
        assert len(scorer.tables(post).seizure) == len(scorer.tables(post).discrepancy) == 101


def test_same_data_and_choices_give_the_same_serving_bytes(
    bundle_folder: Path, tmp_path: Path
) -> None:
    again = write_bundle(tmp_path, train(DATA, RICH, cutoff=CUT), KEY)
    assert again.name == bundle_folder.name
    for path in bundle_folder.iterdir():
        if path.name not in ("model.skops", MANIFEST, SIGNATURE):
            assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_other_choices_have_another_name(
    training_result: TrainingResult, bundle_folder: Path, tmp_path: Path
) -> None:
    other = replace(training_result, config=replace(QUICK, seed=QUICK.seed + 1))
    assert write_bundle(tmp_path, other, KEY).name != bundle_folder.name


def test_every_flipped_byte_is_refused(copy: Path) -> None:
    draw = np.random.default_rng(1)
    files = sorted(copy.iterdir())
    for trial in range(FLIPS):
        path = files[trial % len(files)]
        content = path.read_bytes()
        at = int(draw.integers(len(content)))
        changed = bytearray(content)
        changed[at] ^= 1 << int(draw.integers(8))
        path.write_bytes(changed)
        find_refusal(copy)
        path.write_bytes(content)
    load_bundle(copy, KEY.public_key())


def test_the_seeded_flaw_is_seen(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without the comparison of digests, a changed byte would pass unseen."""

    class Blind:
        def __init__(self, content: bytes) -> None:
            self.name = next(p.name for p in copy.iterdir() if p.read_bytes() == content)

        def hexdigest(self) -> str:
            return str(json.loads((copy / MANIFEST).read_bytes())["files"][self.name])

    card = copy / "card.md"
    card.write_bytes(card.read_bytes() + b"approved!")
    find_refusal(copy)
    monkeypatch.setattr(bundles, "sha256", Blind)
    load_bundle(copy, KEY.public_key())


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "notes.txt", ".hidden"])
def test_files_that_are_not_on_the_list_are_refused(copy: Path, name: str) -> None:
    (copy / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "list" in find_refusal(copy)
    resign(copy)
    assert "list" in find_refusal(copy)


def test_missing_files_links_pipes_and_giants_are_refused(copy: Path, tmp_path: Path) -> None:
    card = copy / "card.md"
    kept = card.read_bytes()
    card.unlink()
    assert "missing" in find_refusal(copy)

    (tmp_path / "elsewhere").write_bytes(kept)
    card.symlink_to(tmp_path / "elsewhere")
    assert "link" in find_refusal(copy)

    card.unlink()
    os.mkfifo(card)
    assert "plain" in find_refusal(copy)

    card.unlink()
    card.write_bytes(b" " * (bundles.ALWAYS["card.md"] + 1))
    resign(copy)
    assert "large" in find_refusal(copy)


def test_a_linked_folder_an_old_bundle_and_a_strange_key_are_refused(
    copy: Path, tmp_path: Path
) -> None:
    newer = copy.rename(tmp_path / "m20990101-00000000")
    assert "another bundle" in find_refusal(newer)
    link = tmp_path / json.loads((newer / MANIFEST).read_bytes())["version"]
    link.symlink_to(newer)
    assert "folder" in find_refusal(link)
    link.unlink()
    home = newer.rename(link)
    load_bundle(home, KEY.public_key())
    resign(home, Ed25519PrivateKey.generate())
    assert "signature" in find_refusal(home)
    with pytest.raises(NoModelError):
        load_bundle(tmp_path / "m20200101-00000000", KEY.public_key())


def test_a_pickle_inside_an_archive_never_runs(copy: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    np.savez(copy / "discrepancy.paths.npz", size=np.array([Bomb()], object))
    resign(copy)
    assert "reading" in find_refusal(copy)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("junk", [b"", b"[]", b"\x80\x04junk", b"PK\x03\x04junk"])
def test_whatever_was_signed_serves_or_is_refused(copy: Path, junk: bytes) -> None:
    """No file of a bundle can end the watch for models, or keep a service from starting.

    A signature is no warrant: trees of another engine are signed and cannot be read.
    """
    refusing = set()
    for path in [path for path in copy.iterdir() if path.name not in (MANIFEST, SIGNATURE)]:
        kept = path.read_bytes()
        path.write_bytes(junk)
        resign(copy)
        try:  # files for people and analysts are not read here
            Scorer.load(copy, key=KEY.public_key())
        except TamperedBundleError:
            refusing.add(path.name)
        path.write_bytes(kept)
    assert {"calibration.json", "features.json", "seizures.npz"} <= refusing
    assert set(bundles.TREES.values()) <= refusing


def test_a_bundle_that_differs_from_the_model_is_not_written(
    training_result: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(*given: Any, column: int | None) -> object:
        made = margins_of(*given, column=column)
        return {name: margin + 1e-6 for name, margin in made.items()}

    monkeypatch.setattr("models.training.bundle_writer.margins_of", off)
    with pytest.raises(BundleDiffersError, match="probabilities"):
        write_bundle(tmp_path, training_result, KEY)
    assert not list(tmp_path.iterdir())


def test_a_walk_that_judged_by_other_bits_writes_nothing(
    tmp_path: Path, training_result: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: what the report was made from differs from scikit-learn by a last bit."""
    walk = scikit_trees.add_trees
    monkeypatch.setattr(
        scikit_trees, "add_trees", lambda trees, values: np.nextafter(walk(trees, values), np.inf)
    )
    with pytest.raises(BundleDiffersError, match="the margins"):
        write_bundle(tmp_path, training_result, KEY)
    assert not list(tmp_path.iterdir())


def test_twenty_thousand_rows_are_compared_even_of_a_short_history(
    training_result: TrainingResult,
) -> None:
    assert training_result.checked.shape == (20_000, len(DATA.names))
    for column in range(len(DATA.names)):
        checked, known = training_result.checked[:, column], DATA.values[:, column]
        assert np.isin(checked[~np.isnan(checked)], known).all()
    # Cells meet in rows that the history does not have: a flaw that no real row shows is found.
    rows = {row.tobytes() for row in DATA.values}
    assert sum(row.tobytes() not in rows for row in training_result.checked) > 10_000


def test_contributions_sum_to_the_calibrated_log_odds(
    training_result: TrainingResult, bundle_folder: Path
) -> None:
    scorer = Scorer.load(bundle_folder, key=KEY.public_key())
    rows = 10_000 if PROOF else 200
    values = np.random.default_rng(2).normal(size=(rows, 8)).astype(np.float32)
    values[::3, 1] = np.nan
    margins = training_result.model.margins(values)
    for target, head in training_result.model.heads.items():
        expected = head.log_odds(margins)
        for at in range(rows):
            summed = scorer.contributions.target(values[at], target).sum()
            assert summed == pytest.approx(expected[at], abs=1e-9)
