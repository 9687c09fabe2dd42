"""The parts of a running service, which routes, pages and workers are given."""

from contextlib import suppress
from dataclasses import dataclass, field

from api.auth.accounts import Accounts
from api.auth.callers import Callers
from api.auth.sessions import Sessions
from api.service.executors import Executors
from api.service.metrics import Metrics
from api.service.model_watcher import ModelWatch
from api.service.settings import Settings
from api.service.sign_in import SignOnPort
from api.service.signed_answers import SignedAnswers
from api.service.store_probe import Probe
from api.service.subprocess_jobs import Assessments, Backtests, Measurements
from api.service.thread_bridge import LoopBridge
from engine.audit.decision_replay import DecisionReplay
from engine.criteria.profiles.matcher import ProfileMatcher
from engine.domain.network import Network
from engine.domain.plausibility import MonotonicClock
from engine.errors import StoreUnavailableError
from engine.journal.group_commit import Writer
from engine.journal.journal import Journal
from engine.journal.receipts import Signer
from engine.ports import PostAuthority
from engine.queue.expiry import QueueExpiry
from engine.shifts.workload import Workload
from engine.storage.database import Store
from engine.storage.home import Home
from engine.targeting.forecast import Forecasts
from engine.targeting.reports import Recording
from engine.targeting.targeting import Targeting
from features.catalogue.plan import Plan
from features.online.online_features import OnlineFeatures


@dataclass(slots=True, kw_only=True)
class Runtime:
    """Every part of a running service; routes and pages take what they need of it."""

    home: Home
    plan: Plan
    settings: Settings
    network: Network
    store: Store
    journal: Journal
    writer: Writer
    signer: Signer
    answers: SignedAnswers
    features: OnlineFeatures
    accounts: Accounts
    callers: Callers
    sessions: Sessions
    sign_on: SignOnPort
    watch: ModelWatch
    profiles: ProfileMatcher
    backtests: Backtests
    measurements: Measurements
    assessments: Assessments
    targeting: Targeting
    recording: Recording
    forecasts: Forecasts
    workload: Workload
    recompute: DecisionReplay
    metrics: Metrics
    posts: PostAuthority
    expiry: QueueExpiry
    probe: Probe
    present: MonotonicClock
    bridge: LoopBridge = field(default_factory=LoopBridge)
    executors: Executors = field(default_factory=Executors)

    def prepare(self) -> None:
        """Load what decisions in a loaded history need and no other request does: a second."""
        with self.store.read() as connection:
            self.features.prepare(connection)

    def close(self) -> None:
        """Answer what was asked, record what was decided, then let go of the store."""
        self.expiry.close()
        self.executors.close()
        self.targeting.close()
        with suppress(StoreUnavailableError):
            with self.store.read() as connection:
                now = self.journal.now(connection)
            self.profiles.flush(now)
        self.writer.close()
        self.watch.close()
        self.store.dispose()
