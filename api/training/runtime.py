"""Service of one training home, put together: accounts, sessions, exercises, and nothing else.

It has no part that decides, reports or links, so no request can reach a live journal; its store is
opened as a training home's, which refuses any other.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from api.auth.accounts import Accounts
from api.auth.authority import Authority
from api.auth.callers import Callers
from api.auth.credentials import open_pepper
from api.auth.sessions import Sessions
from api.auth.tables import AccountProjection
from api.oidc.sign_on import SignOn
from api.service.executors import Executors
from api.service.metrics import Metrics
from api.service.runtime import open_network
from api.service.settings import Settings
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
    sign_on: SignOn
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
    settings, network, pepper = Settings(), open_network(home), open_pepper(home)
    writer = Writer(Journal(store, [AccountProjection(), ClockProjection()]))
    authority, metrics = Authority(session_hours=settings.session_hours), Metrics()
    refused = metrics.refuse_power
    sessions = Sessions(
        store,
        writer.submit,
        pepper,
        hours=settings.session_hours,
        authority=authority,
        refused=refused,
    )
    open_parts = partial(SignOn, home, store, writer.submit, sessions, authority=authority)
    return TrainingRuntime(
        home=home,
        settings=settings,
        network=network,
        store=store,
        writer=writer,
        accounts=Accounts(store, network, authority=authority, refused=refused),
        callers=Callers(
            store,
            pepper,
            believed_seconds=settings.key_seconds,
            authority=authority,
            refused=refused,
        ),
        sessions=sessions,
        sign_on=open_parts(
            pepper=pepper, seconds=settings.oidc_seconds, skew=settings.oidc_skew_seconds
        ),
        desk=TrainingDesk(home, store, truth or default_truth(home.root)),
        opened=opened,
        metrics=metrics,
    )
