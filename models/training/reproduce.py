"""Reproduction of a model from its card, compared file by file.

Assumes that nothing is ever edited: what a home knew at a cut-off is what it knows now, less what
came since. Nothing is written, and the model that serves is only read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from engine.domain.time_units import micros
from engine.errors import RiskError
from engine.storage.database import Store
from engine.storage.file_digests import file_digest
from engine.storage.home import Home
from features.catalogue.plan import Plan
from models.bundle.bundle import load_bundle, read_verify_key
from models.config import TrainConfig
from models.training.bundle_writer import serving_files, version_of
from models.training.model_card import made_with
from models.training.pipeline import Progress, trained_on


class OtherFeaturesError(RiskError):
    """The model stands on features that this version no longer reads."""

    version: str
    TEXT = "model {version} was fitted on other features than this version reads"


@dataclass(frozen=True, slots=True)
class ReproducedModel:
    """What came out of training a model again."""

    version: str
    came_out: str
    """The version that training again would have been given: of data, choices, report and bytes."""
    same_data: bool
    same_report: bool
    files: Mapping[str, bool]
    """Each file that serves: whether its bytes are the same."""
    changed: Mapping[str, tuple[str, str]]
    """Libraries that are others now: their versions then, and now."""

    @property
    def is_identical(self) -> bool:
        """Whether everything was reproduced bit for bit."""
        return self.version == self.came_out and all(self.files.values())

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "version": self.version,
            "came_out": self.came_out,
            "identical": self.is_identical,
            "same_data": self.same_data,
            "same_report": self.same_report,
            "files": dict(self.files),
            "changed": {name: list(pair) for name, pair in self.changed.items()},
        }


def repeat(
    home: Home, store: Store, plan: Plan, *, version: str, progress: Progress
) -> ReproducedModel:
    """Train a model again from the record of a bundle in the home, and compare.

    ``progress`` is as :func:`models.training.pipeline.make_candidate` has it. Raises
    ``NoModelError`` or ``TamperedBundleError`` as :func:`models.bundle.bundle.load_bundle`, and
    ``OtherFeaturesError`` where the catalogue is another one now.
    """
    folder = home.bundles / version
    bundle = load_bundle(folder, read_verify_key(home, version))
    papers = bundle.card
    if papers["definitions"] != plan.digest:
        raise OtherFeaturesError(version)
    config = TrainConfig.from_record(papers["config"])
    cutoff = micros(datetime.fromisoformat(papers["known_until"]))
    made = trained_on(home, store, plan, config, cutoff=cutoff, progress=progress)
    files = serving_files(made)
    kept = {path.name: file_digest(path) for path in folder.iterdir()}
    then, now = papers["made_with"], made_with()
    return ReproducedModel(
        version=version,
        came_out=version_of(made, files),
        same_data=papers["data_digest"] == made.data_digest,
        same_report=json.loads(json.dumps(made.report)) == bundle.report,
        files={name: kept.get(name) == sha256(raw).hexdigest() for name, raw in files.items()},
        changed={name: (then[name], now[name]) for name in now if then[name] != now[name]},
    )
