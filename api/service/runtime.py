"""The parts of a running service, which routes, pages and workers are given.

Among them are the signed answers: answers about records of the journal, each with its receipt.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from api.service.executors import Assessments, Backtests, LoopBridge, Measurements
from api.service.model_watch import ModelWatch
from api.service.readiness import Probe
from api.service.settings import Settings
from api.service.sign_in import SignInService
from engine.audit.decision_replay import DecisionReplay
from engine.criteria.policy import read_policy
from engine.criteria.profiles.profile import ProfileMatcher
from engine.decision.role_views import view
from engine.domain.network import Network, ShiftPlan
from engine.domain.time_units import rfc3339
from engine.domain.validation import MonotonicClock
from engine.errors import StoreUnavailableError
from engine.journal.batch_worker import StoredRecord, Writer
from engine.journal.journal import Journal
from engine.journal.receipts import Signer
from engine.ports import PostAuthority
from engine.queue.projection import QueueExpiry
from engine.shifts.workload import Workload
from engine.storage.database import Store
from engine.storage.home import Home
from engine.targeting.forecast import Forecasts
from engine.targeting.report_writer import ReportWriter
from engine.targeting.targeting import LateRecords, Targeting
from features.catalogue.plan import Plan
from features.online.online_features import OnlineFeatures


@dataclass(frozen=True, slots=True)
class SignedAnswers:
    """Makes answers from stored records; ``signer`` signs their receipts."""

    signer: Signer

    def view_decision(self, found: StoredRecord, *, is_blind: bool) -> dict[str, Any]:
        """Return a decision as one reader may see it, with its receipt."""
        seen = view(
            found.body["decision"],
            decided_at=found.entry.known_at,
            receipt=self.signer.sign(found.entry),
            is_blind=is_blind,
        )
        amends, ahead = (found.body["inputs"][name] for name in ("amends", "advance"))
        if ahead is not None:
            names = ("matched_by", "uses", "differences", "is_brought")
            seen["declared_ahead"] = {name: ahead[name] for name in names}
        return seen if amends is None else seen | {"amends": amends}

    def receipt(self, found: StoredRecord) -> dict[str, Any]:
        """Return the fields ``recorded_at`` and ``receipt`` of the answer about a record."""
        receipt = self.signer.sign(found.entry)
        return {"recorded_at": rfc3339(found.entry.known_at), "receipt": receipt}


@dataclass(slots=True, kw_only=True)
class Runtime(SignInService):
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
    watch: ModelWatch
    profiles: ProfileMatcher
    backtests: Backtests
    measurements: Measurements
    assessments: Assessments
    targeting: Targeting
    late_records: LateRecords
    recording: ReportWriter
    forecasts: Forecasts
    workload: Workload
    recompute: DecisionReplay
    posts: PostAuthority
    expiry: QueueExpiry
    probe: Probe
    present: MonotonicClock
    bridge: LoopBridge = field(default_factory=LoopBridge)

    @property
    def shifts(self) -> ShiftPlan:
        """When the shifts of each post change, by the policy in force."""
        with self.store.read() as connection:
            return read_policy(connection).plan_shifts(self.network)

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
        self.callers.uses.flush()
        self.writer.close()
        self.watch.close()
        self.store.dispose()
