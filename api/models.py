"""The models of a home: which one is in force, and its signed bundle."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Thread

from sqlalchemy import Connection

from engine.home import Home
from engine.ports import Contribution, Scorer
from engine.reasons import Reason
from engine.records import Arrival
from models.bundle import signing_key
from models.promotions import in_force
from models.reasons import sentences
from models.scorer import Scorer as BundleScorer
from models.shadow import seeds

_KEPT = 4
"""Bundles kept loaded: the one in force, the last good one, and what explanations ask for."""


class HomeModels:
    """Implements ``api.runtime.Models`` on a home's bundles."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._key = signing_key(home).public_key()
        self._seeds: dict[str, Mapping[str, tuple[float, ...]]] = {}
        self.load = lru_cache(maxsize=_KEPT)(self._load)

    def wanted(self, connection: Connection) -> str | None:
        """Return the version in force, None where there is none."""
        version = in_force(connection)
        if version is not None and version not in self._seeds:
            self._seeds[version] = seeds(connection, version)
        return version

    def sentences(self, found: Sequence[Contribution], arrival: Arrival, /) -> Sequence[Reason]:
        """Return contributions as reasons, the strongest first."""
        return sentences(found, arrival)

    def _load(self, version: str) -> Scorer:
        scorer = BundleScorer.load(self._home.bundles / version, key=self._key)
        # Decisions need not wait for what explains them; who needs it meanwhile waits for this.
        Thread(target=scorer.prepare, name="explaining").start()
        # Whoever asks for the model in force has asked first which it is.
        return scorer.seeded(self._seeds.get(version, {}))
