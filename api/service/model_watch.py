"""Models that decide: the one in force, else the last good one, else none; and the one on trial.

The service looks every few seconds which version was put into force, and takes its signed bundle
from the home. A bundle that is missing, was tampered with or was fitted on other features never
decides: the last good one goes on, and the answers say so. A challenger whose bundle is like that
never leads: the model in force decides alone. Assumes that a loaded bundle never changes; a new
model is a new version.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Timer

from sqlalchemy import Connection

from api.service.structured_logging import fault, log_event
from engine.decision.decision import Mode
from engine.domain.records import Arrival
from engine.errors import RiskError, StoreUnavailableError, TamperedBundleError
from engine.explanation.reasons import Reason
from engine.ports import Contribution, Scorer
from engine.selection import RiskTables
from engine.storage.home import Home
from engine.storage.worker_process import PeriodicWorker
from engine.targeting.context import Challenger, InForce
from models.bundle import Scorer as BundleScorer
from models.bundle import signing_key
from models.explanation.reason_sentences import sentences
from models.lifecycle.states import OnTrial, find_model_in_force, find_trial
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
        self._seeds: dict[str, Mapping[str, RiskTables]] = {}
        self._bundle = lru_cache(maxsize=_KEPT)(self._load)

    def wanted(self, connection: Connection) -> str | None:
        """Return the version in force, None where there is none."""
        version = find_model_in_force(connection)
        if version is not None:
            self._seed(connection, version)
        return version

    def trial(self, connection: Connection) -> OnTrial | None:
        """Return the trial that the version in force stands in, None where none runs."""
        found = find_trial(connection)
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

        Its tables are those that are known of it now: what decides learns which model is in
        force, or on trial, before it loads that model, and a recompute may have loaded it earlier.
        """
        return self._bundle(version).with_tables(self._seeds.get(version, {}))

    def _load(self, version: str) -> BundleScorer:
        scorer = BundleScorer.load(self._home.bundles / version, key=self._key)
        # Neither decisions nor a start need wait for what explains them, which takes as long to
        # load as a fifth of the service; a request that needs it meanwhile puts it together.
        timer = Timer(SETTLED_SECONDS, scorer.prepare)
        timer.daemon = True  # a process that ends does not wait for it
        timer.start()
        return scorer


@dataclass(frozen=True, slots=True)
class ServingState:
    """What serves, and why it is not something better."""

    in_force: InForce
    wanted: str | None
    """The version that was put into force last; None where none was."""
    why: str
    """Empty where the wanted model serves."""
    trial: OnTrial | None = None
    """The trial that the wanted model stands in; None where none runs."""
    trial_why: str = ""
    """Empty where the challenger of the trial serves."""


class ModelWatch(PeriodicWorker):
    """Keeps the model in force loaded, and the one on trial."""

    def __init__(
        self,
        *,
        wanted: Callable[[], str | None],
        load: Callable[[str], Scorer],
        definitions: str,
        seconds: float,
        refused: Callable[[], None] = lambda: None,
        trial: Callable[[], OnTrial | None] = lambda: None,
    ) -> None:
        """``wanted`` says which version is in force, ``trial`` what is on trial against it.

        ``load`` reads a bundle; ``refused`` hears of every look at which one could not serve.
        """
        super().__init__("model-watch", seconds)
        self._wanted = wanted
        self._load = load
        self._definitions = definitions
        self._refused = refused
        self._trial = trial
        self._standing = ServingState(InForce(None, "rules_only"), None, "no model is in force")

    def start(self) -> None:
        """Load what is in force, then keep watching."""
        self.look()
        super().start()

    @property
    def state(self) -> ServingState:
        """What serves now."""
        return self._standing

    def in_force(self) -> InForce:
        """Return the model that decides now, or none."""
        return self._standing.in_force

    def look(self) -> None:
        """See which model is wanted, and serve it if it can be."""
        try:
            wanted, trial = self._wanted(), self._trial()
        except StoreUnavailableError:
            return  # what serves goes on serving
        current = self._standing
        if wanted != current.wanted or current.why:
            self._standing = self._next(wanted, current)  # whatever comes of a challenger
            if _of_model(self._standing) != _of_model(current):
                mode = self._standing.in_force.mode
                log_event("model", logging.INFO, wanted=wanted, mode=mode, why=self._standing.why)
        is_alone = self._standing.in_force.mode != "model"
        if trial is not None and (is_alone or trial.champion != wanted):
            trial = None  # it is another model's
        self._standing = self._add_challenger(trial, current.in_force.challenger)
        now, before = self._standing, (current.trial, current.trial_why)
        if (now.trial, now.trial_why) != before:
            log_event("trial", logging.INFO, wanted=trial and trial.challenger, why=now.trial_why)

    def _next(self, wanted: str | None, current: ServingState) -> ServingState:
        if wanted is None:
            return ServingState(InForce(None, "rules_only"), None, "no model is in force")
        try:
            scorer = self._load_fitting(wanted)
        except RiskError as error:
            self._refused()
            scorer_before = current.in_force.scorer
            mode: Mode = "rules_only" if scorer_before is None else "last_good"
            return ServingState(InForce(scorer_before, mode), wanted, str(error))
        return ServingState(InForce(scorer, "model"), wanted, "")

    def _add_challenger(self, trial: OnTrial | None, known: Challenger | None) -> ServingState:
        """Return what serves together with the challenger of a trial, if that can serve."""
        standing = self._standing
        if trial == standing.trial and not standing.trial_why:
            return standing
        alone = replace(standing.in_force, challenger=None)
        if standing.trial is None or trial is None or trial.sequence != standing.trial.sequence:
            self._standing = replace(standing, in_force=alone, trial=None, trial_why="")
        challenger, why = None, ""
        if trial is not None:
            try:
                challenger = Challenger(
                    self._load_challenger(trial, known), trial.sequence, trial.share
                )
            except RiskError as error:
                self._refused()
                why = str(error)
        in_force = replace(alone, challenger=challenger)
        return replace(standing, in_force=in_force, trial=trial, trial_why=why)

    def _load_challenger(self, trial: OnTrial, known: Challenger | None) -> Scorer:
        if known is not None and known.scorer.version == trial.challenger:
            return known.scorer  # its share alone has changed
        return self._load_fitting(trial.challenger)

    def _load_fitting(self, version: str) -> Scorer:
        scorer = self._load(version)
        if scorer.definitions != self._definitions:
            why = "it reads other features than this version computes; train again"
            raise TamperedBundleError(version, why)
        return scorer

    def run_turn(self) -> None:
        """Look again."""
        self.look()

    def note_failure(self, error: Exception) -> None:
        """Log it; what serves goes on serving, and the next look is made."""
        fault(error, route="model-watch")


def _of_model(standing: ServingState) -> tuple[object, ...]:
    """Return what is logged of the model in force when it changes."""
    return standing.in_force.scorer, standing.in_force.mode, standing.wanted, standing.why
