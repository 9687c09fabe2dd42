"""The running training service."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from api.auth.accounts import Accounts
from api.auth.callers import Callers
from api.auth.sessions import Sessions
from api.exercises.desk import ExerciseDesk
from api.service.executors import Executors
from api.service.metrics import Metrics
from api.service.settings import Settings
from api.service.sign_in import SignOnPort
from engine.domain.network import Network
from engine.journal.batch_worker import Writer
from engine.storage.database import Store
from engine.storage.home import Home


@dataclass(slots=True, kw_only=True)
class ExerciseRuntime:
    """Every part of a running training service."""

    home: Home
    settings: Settings
    network: Network
    store: Store
    writer: Writer
    accounts: Accounts
    callers: Callers
    sessions: Sessions
    sign_on: SignOnPort
    desk: ExerciseDesk
    opened: ExitStack
    metrics: Metrics = field(default_factory=Metrics)
    executors: Executors = field(default_factory=Executors)

    def close(self) -> None:
        """Finish what runs, then let go of the store."""
        self.executors.close()
        self.writer.close()
        self.opened.close()
