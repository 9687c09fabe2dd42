"""Models for runs that need one in force: valid bundles without any skill.

Assumes that faults do not depend on how well a model ranks. Rows are those of a small synthetic
network, labels are drawn at random, and each model differs from the one before it in its name
alone.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.files import file_digest
from engine.storage.home import Home
from experiments.synthetic.folder import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import read_folder
from models.bundle import MANIFEST, SIGNATURE, sign, signing_key
from models.config import TrainConfig, Trees
from models.data.build_dataset import assemble
from models.data.dataset import Dataset
from models.evaluation.report import SYNTHETIC
from models.explanation.contributions import compute_usual_values
from models.explanation.similar_seizures import none_known
from models.learning.fit import fit
from models.lifecycle.states import read_state
from models.lifecycle.transitions import approve, register
from models.statistics.drift import reference
from models.training.bundle_writer import write_bundle
from models.training.trainer import TrainingResult, risk_tables

CROSSINGS = 1_000
FINDS = 0.3
AT_RANDOM = "Anything: its labels were drawn at random."
_TREES = Trees(iterations=5, depth=3, leaves=6, seeds=1, smallest_leaf=5)
_CHOICES = TrainConfig(
    discrepancy=_TREES, seizure=_TREES, folds=1, label_delay_days=0.0, few_seizures=10**9, jobs=1
)


class Analysts:
    """Makes models of a home and puts them into force, as a trainer and two approvers do."""

    def __init__(self, home: Home, store: Store) -> None:
        self._home = home
        self._store = store
        self._journal = Journal(store)
        self._numbers = itertools.count(1)

    def make(self) -> Path:
        """Write the next bundle: the files of the first, under another name."""
        files = _bundle_files()
        kept = json.loads(files[MANIFEST])
        kept["version"] = f"{kept['version']}-{next(self._numbers)}"
        bundle: Path = self._home.bundles / kept["version"]
        bundle.mkdir(parents=True)
        for name, content in files.items():
            (bundle / name).write_bytes(content)
        (bundle / MANIFEST).write_text(json.dumps(kept))
        self.sign_again(bundle)
        return bundle

    def promote(self, bundle: Path, *, then: Callable[[], None] = lambda: None) -> str:
        """Register a bundle and put it into force; ``then`` is done just before it comes into it.

        Returns its version.
        """
        manifest = file_digest(bundle / MANIFEST)
        self._record(
            lambda now: register(
                now, bundle.name, by="trainer", manifest=manifest, evaluation="-", card="-"
            )
        )
        self._record(lambda now: approve(now, bundle.name, by="first", manifest=manifest))
        then()
        self._record(lambda now: approve(now, bundle.name, by="second", manifest=manifest))
        return bundle.name

    def sign_again(self, bundle: Path) -> None:
        """Make the manifest fit what the files hold now, as a holder of the key could."""
        kept = json.loads((bundle / MANIFEST).read_bytes())
        kept["files"] = {
            name: sha256((bundle / name).read_bytes()).hexdigest() for name in kept["files"]
        }
        raw = json.dumps(kept).encode()
        (bundle / MANIFEST).write_bytes(raw)
        (bundle / SIGNATURE).write_bytes(sign(raw, signing_key(self._home)))

    def _record(self, step: Callable[..., tuple[Draft, ...]]) -> None:
        with self._store.read() as connection:
            now = read_state(connection)
        self._journal.append(step(now))


@cache
def fit_synthetic() -> TrainingResult:
    """Fit once in a process the model of every bundle."""
    data = _rows()
    until = int(data.as_of[-1]) + 2
    model = fit(data, _CHOICES, until=until, known_before=until)
    return TrainingResult(
        model=model,
        config=_CHOICES,
        report={"synthetic": True, "notice": SYNTHETIC, "targets": {}, "cannot_tell": [AT_RANDOM]},
        data_digest=data.digest(),
        cutoff=until,
        norms=compute_usual_values(data),
        tables=risk_tables(data, model),
        checked=data.values,
        synthetic=True,
        reference=reference(data.take(data.entries).values, data.names, of_entries=True),
        seizures=none_known(model.names),
    )


@cache
def _bundle_files() -> Mapping[str, bytes]:
    """Write one bundle in a process, and return its files."""
    with TemporaryDirectory(prefix="darvoza-bundle-") as folder:
        made = write_bundle(Path(folder), fit_synthetic(), Ed25519PrivateKey.generate())
        return {path.name: path.read_bytes() for path in made.iterdir()}


@cache
def _rows() -> Dataset:
    """Return the features of a synthetic history, with an outcome at random for every crossing."""
    with TemporaryDirectory(prefix="darvoza-rows-") as folder:
        write(Path(folder), crossings=CROSSINGS, seed=1)
        rows = assemble(read_folder(Path(folder)).tables, Plan(CATALOGUE))
    number = len(rows.as_of)
    found = np.random.default_rng(1).random(number) < FINDS
    return replace(
        rows,
        discrepancy=found.astype(np.int8),
        seizure=np.zeros(number, np.int8),
        label_known_at=rows.as_of + 1,
        basis=np.full(number, "score", object),
        propensity=np.ones(number),
        is_full=np.ones(number, np.bool_),
    )
