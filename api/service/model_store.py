"""The models of a home: which one is in force, and its signed bundle."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Timer

from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.explanation.reasons import Reason
from engine.ports import Contribution, Scorer
from engine.storage.home import Home
from models.bundle.bundle import signing_key
from models.bundle.scorer import Scorer as BundleScorer
from models.explanation.reason_sentences import sentences
from models.lifecycle.projection import OnTrial, in_force, on_trial
from models.monitoring.shadow_scoring import seeds

SETTLED_SECONDS = 0.5
"""How long after a model was loaded a start is over, and the processor free for what explains."""
_KEPT = 5
"""Bundles kept loaded: in force, on trial, the last good one, and what explanations ask for."""


class HomeModels:
    """Implements ``api.service.assembly.Models`` on a home's bundles."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._key = signing_key(home).public_key()
        self._seeds: dict[str, Mapping[str, tuple[float, ...]]] = {}
        self._bundle = lru_cache(maxsize=_KEPT)(self._load)

    def wanted(self, connection: Connection) -> str | None:
        """Return the version in force, None where there is none."""
        version = in_force(connection)
        if version is not None:
            self._seed(connection, version)
        return version

    def trial(self, connection: Connection) -> OnTrial | None:
        """Return the trial that the version in force stands in, None where none runs."""
        found = on_trial(connection)
        if found is not None:
            self._seed(connection, found.challenger)
        return found

    def _seed(self, connection: Connection, version: str) -> None:
        if version not in self._seeds:
            self._seeds[version] = seeds(connection, version)

    def sentences(self, found: Sequence[Contribution], arrival: Arrival, /) -> Sequence[Reason]:
        """Return contributions as reasons, the strongest first."""
        return sentences(found, arrival)

    def load(self, version: str) -> Scorer:
        """Return a model; raises ``TamperedBundleError`` or ``NoModelError``.

        Its quantiles are those that are known of it now: what decides learns which model is in
        force, or on trial, before it loads that model, and a recompute may have loaded it earlier.
        """
        return self._bundle(version).with_quantiles(self._seeds.get(version, {}))

    def _load(self, version: str) -> BundleScorer:
        scorer = BundleScorer.load(self._home.bundles / version, key=self._key)
        # Neither decisions nor a start need wait for what explains them, which takes as long to
        # load as a fifth of the service; a request that needs it meanwhile puts it together.
        timer = Timer(SETTLED_SECONDS, scorer.prepare)
        timer.daemon = True  # a process that ends does not wait for it
        timer.start()
        return scorer
