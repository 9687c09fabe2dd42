"""Service of one training home, put together: accounts, sessions, exercises, and nothing else.

It has no part that decides, reports or links, so no request can reach a live journal; its store is
opened as a training home's, which refuses any other.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from api.auth.accounts import Accounts
from api.auth.callers import Callers
from api.auth.sessions import Sessions
from api.auth.tables import AccountProjection
from api.service.assembly import open_network
from api.service.executors import Executors
from api.service.metrics import Metrics
from api.service.settings import Settings
from api.service.sign_in import SignOnPort, open_sign_in
from api.training.desk import TrainingDesk
from api.training.store import default_truth, open_training
from engine.domain.network import Network
from engine.journal.clock import ClockProjection
from engine.journal.group_commit import Writer
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRuntime:
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
    desk: TrainingDesk
    opened: ExitStack
    metrics: Metrics = field(default_factory=Metrics)
    executors: Executors = field(default_factory=Executors)

    def close(self) -> None:
        """Finish what runs, then let go of the store."""
        self.executors.close()
        self.writer.close()
        self.opened.close()


def open_training_runtime(root: Path, truth: Path | None = None) -> TrainingRuntime:
    """Open a training home for its service; raises ``HomeError`` or ``NotAllowedError``."""
    opened = ExitStack()
    home, store = opened.enter_context(open_training(root))
    settings, network, metrics = Settings(), open_network(home), Metrics()
    writer = Writer(Journal(store, [AccountProjection(), ClockProjection()]))
    sign_in = open_sign_in(
        home, store, writer.submit, network=network, settings=settings, metrics=metrics
    )
    return TrainingRuntime(
        home=home,
        settings=settings,
        network=network,
        store=store,
        writer=writer,
        accounts=sign_in.accounts,
        callers=sign_in.callers,
        sessions=sign_in.sessions,
        sign_on=sign_in.sign_on,
        desk=TrainingDesk(home, store, truth or default_truth(home.root)),
        opened=opened,
        metrics=metrics,
    )
