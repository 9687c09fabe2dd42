"""Which model decides now: the one in force, else the last good one, else none.

The service looks every few seconds which version was put into force. A bundle that is missing, was
tampered with or was fitted on other features never decides: the last good one goes on, and the
answers say so. Assumes that a loaded bundle never changes; a new model is a new version.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from api.logs import fault
from engine.considering import InForce
from engine.decision import Mode
from engine.errors import NoModelError, RiskError, StoreUnavailableError
from engine.ports import Scorer

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """What serves, and why it is not something better."""

    in_force: InForce
    wanted: str | None
    """The version that was put into force last; None where none was."""
    why: str
    """Empty where the wanted model serves."""


class ModelWatch:
    """Keeps the model in force loaded."""

    def __init__(
        self,
        *,
        wanted: Callable[[], str | None],
        load: Callable[[str], Scorer],
        definitions: str,
        seconds: float,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """``wanted`` says which version is in force, ``load`` reads its bundle.

        ``refused`` hears of every look at which that model could not serve.
        """
        self._wanted = wanted
        self._load = load
        self._definitions = definitions
        self._seconds = seconds
        self._refused = refused
        self._standing = Standing(InForce(None, "rules_only"), None, "no model is in force")
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
    def standing(self) -> Standing:
        """What serves now."""
        return self._standing

    def in_force(self) -> InForce:
        """Return the model that decides now, or none."""
        return self._standing.in_force

    def look(self) -> None:
        """See which model is wanted, and serve it if it can be."""
        try:
            wanted = self._wanted()
        except StoreUnavailableError:
            return  # what serves goes on serving
        current = self._standing
        if wanted == current.wanted and not current.why:
            return
        self._standing = self._next(wanted, current)
        if self._standing != current:
            mode = self._standing.in_force.mode
            _LOG.info("model", wanted=wanted, mode=mode, why=self._standing.why)

    def _next(self, wanted: str | None, current: Standing) -> Standing:
        if wanted is None:
            return Standing(InForce(None, "rules_only"), None, "no model is in force")
        try:
            scorer = self._load(wanted)
            if scorer.definitions != self._definitions:
                raise NoModelError(wanted)
        except RiskError as error:
            self._refused()
            scorer_before = current.in_force.scorer
            mode: Mode = "rules_only" if scorer_before is None else "last_good"
            return Standing(InForce(scorer_before, mode), wanted, type(error).__name__)
        return Standing(InForce(scorer, "model"), wanted, "")

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except Exception as error:  # what serves goes on serving, and the next look is made
                fault(error, route="model-watch")
