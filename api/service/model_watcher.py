"""Models that decide: the one in force, else the last good, else none; and the one on trial.

The service looks every few seconds which version was put into force. A bundle that is missing, was
tampered with or was fitted on other features never decides: the last good one goes on, and the
answers say so. A challenger whose bundle is like that never leads: the model in force decides
alone. Assumes that a loaded bundle never changes; a new model is a new version.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from api.service.structured_logging import fault
from engine.decision.decision import Mode
from engine.errors import NoModelError, RiskError, StoreUnavailableError
from engine.ports import Scorer
from engine.targeting.context import Challenger, InForce
from models.lifecycle.projection import OnTrial

_LOG = structlog.get_logger()


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


class ModelWatch:
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
        self._wanted = wanted
        self._load = load
        self._definitions = definitions
        self._seconds = seconds
        self._refused = refused
        self._trial = trial
        self._standing = ServingState(InForce(None, "rules_only"), None, "no model is in force")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-watch", daemon=True)

    def start(self) -> None:
        """Load what is in force, then keep watching."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

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
                _LOG.info("model", wanted=wanted, mode=mode, why=self._standing.why)
        is_alone = self._standing.in_force.mode != "model"
        if trial is not None and (is_alone or trial.champion != wanted):
            trial = None  # it is another model's
        self._standing = self._add_challenger(trial, current.in_force.challenger)
        now, before = self._standing, (current.trial, current.trial_why)
        if (now.trial, now.trial_why) != before:
            _LOG.info("trial", wanted=trial and trial.challenger, why=now.trial_why)

    def _next(self, wanted: str | None, current: ServingState) -> ServingState:
        if wanted is None:
            return ServingState(InForce(None, "rules_only"), None, "no model is in force")
        try:
            scorer = self._load(wanted)
            if scorer.definitions != self._definitions:
                raise NoModelError(wanted)
        except RiskError as error:
            self._refused()
            scorer_before = current.in_force.scorer
            mode: Mode = "rules_only" if scorer_before is None else "last_good"
            return ServingState(InForce(scorer_before, mode), wanted, type(error).__name__)
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
                why = type(error).__name__
        in_force = replace(alone, challenger=challenger)
        return replace(standing, in_force=in_force, trial=trial, trial_why=why)

    def _load_challenger(self, trial: OnTrial, known: Challenger | None) -> Scorer:
        if known is not None and known.scorer.version == trial.challenger:
            return known.scorer  # its share alone has changed
        scorer = self._load(trial.challenger)
        if scorer.definitions != self._definitions:
            raise NoModelError(trial.challenger)
        return scorer

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except Exception as error:  # what serves goes on serving, and the next look is made
                fault(error, route="model-watch")


def _of_model(standing: ServingState) -> tuple[object, ...]:
    """Return what is logged of the model in force when it changes."""
    return standing.in_force.scorer, standing.in_force.mode, standing.wanted, standing.why
