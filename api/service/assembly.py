"""The service put together: the only place that knows how each part is made.

One runtime is one process: it commits its own batches, decides on its own thread, and shares the
store with other processes and with the command line.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, cast

from sqlalchemy import Connection

from api.areas import require_areas
from api.auth.agencies import agencies_by_post
from api.auth.credentials import check_database, open_pepper
from api.auth.tables import project_accounts
from api.migrations.upgrade import upgrade
from api.service.executors import Assessments, Backtests, Measurements
from api.service.metrics import Metrics
from api.service.model_watch import ModelWatch
from api.service.readiness import Probe, list_used_keys, open_keys, require_keys
from api.service.runtime import Runtime, SignedAnswers
from api.service.settings import Settings
from api.service.sign_in import open_sign_in
from api.service.structured_logging import log_event
from engine.audit.decision_replay import DecisionReplay
from engine.audit.erasures import forget_deleted, resume_removals
from engine.audit.file_anchors import adopt_network, open_network
from engine.criteria.known_lawful import LawfulMatcher
from engine.criteria.policy import (
    SILENCE,
    PolicyHistory,
    Silence,
    declare_policy,
    list_ignored,
    read_policy,
)
from engine.criteria.profiles.profile import ProfileMatcher
from engine.criteria.watchlist import WatchMatcher
from engine.declarations.projection import project_declarations
from engine.domain.network import Network
from engine.domain.records import Arrival
from engine.domain.validation import MonotonicClock
from engine.explanation.reasons import Reason
from engine.journal.areas import list_projections, open_key_carrier, sweep_areas
from engine.journal.batch_worker import Writer
from engine.journal.clock import project_anchors
from engine.journal.copies import project_copies
from engine.journal.entries import Projection
from engine.journal.idempotency import project_answers
from engine.journal.journal import Journal
from engine.journal.receipts import open_signer
from engine.ports import Contribution, Scorer, open_authority
from engine.queue.corrections import project_corrections
from engine.queue.documents_asked import project_questions
from engine.queue.identifier_index import project_identifiers
from engine.queue.lawful_trade import LawfulWatch
from engine.queue.match_outcomes import project_outcomes
from engine.queue.mirror_alerts import MirrorProjection
from engine.queue.pending_finds import project_finds
from engine.queue.projection import QueueExpiry, project_queue
from engine.queue.reviews import project_reviews, project_verdicts
from engine.queue.takings import project_takings
from engine.shifts.shift_state import MARKS_FOLDER as MARKS
from engine.shifts.shift_state import SeedChains, SeedMarks, Shifts, project_shifts
from engine.shifts.workload import Workload, project_rosters
from engine.storage.database import Store
from engine.storage.home import Home
from engine.targeting.context import DecisionContextBuilder
from engine.targeting.forecast import Forecasts
from engine.targeting.report_writer import ReportWriter
from engine.targeting.targeting import LateRecords, Targeting
from features.catalogue.plan import Plan, current_plan
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection
from features.online.spread_snapshots import SpreadSnapshots
from models.explanation.feature_wording import profile_figure
from models.lifecycle.states import OnTrial

Answer = TypeVar("Answer")


class Models(Protocol):
    """Where models come from: which one is in force, and its bundle."""

    def wanted(self, connection: Connection) -> str | None:
        """Return the version in force, None where there is none."""
        ...

    def trial(self, connection: Connection) -> OnTrial | None:
        """Return the trial that the version in force stands in, None where none runs."""
        ...

    def load(self, version: str) -> Scorer:
        """Return a model; raises ``TamperedBundleError`` or ``NoModelError``."""
        ...

    def sentences(self, found: Sequence[Contribution], arrival: Arrival, /) -> Sequence[Reason]:
        """Return contributions as reasons, the strongest first."""
        ...


def projections(plan: Plan, network: Network) -> Sequence[Projection]:
    """Return everything that is derived from the journal in its own transactions."""
    return (
        project_copies,
        project_answers,
        project_queue,
        project_identifiers,
        project_corrections,
        project_takings,
        project_shifts,
        project_rosters,
        project_reviews,
        project_verdicts,
        MirrorProjection(network),
        project_declarations,
        project_finds,
        project_accounts,
        project_outcomes,
        project_questions,
        project_anchors,
        *list_projections(),
        CounterProjection(plan),
    )


def open_store(home: Home) -> Store:
    """Open a home's store, its tables brought to the newest version, its keys there."""
    url = home.prepare().database_url
    check_database(url)
    store = Store(url)
    try:
        upgrade(store)
        open_keys(home, store)
    except BaseException:
        store.dispose()
        raise
    return store


def open_runtime(
    home: Home, settings: Settings, models: Models, *, is_serving: bool = True
) -> Runtime:
    """Put a service together and start its threads; if that fails, close the store.

    A command that takes a step for one person passes ``is_serving=False``: the watch for new models
    and the expiry of the queue are then not started.
    """
    store = open_store(home)
    try:
        return _put_together(home, store, settings, models, is_serving=is_serving)
    except BaseException:
        store.dispose()
        raise


def _put_together(
    home: Home, store: Store, settings: Settings, models: Models, *, is_serving: bool
) -> Runtime:
    adopt_network(home, store)
    network = open_network(home, store)
    keys = list_used_keys(home, store)
    require_keys(keys)
    if is_serving:
        with store.read() as connection:
            require_areas(home, connection)
    plan = current_plan()
    policy = _open_policy(store, settings, is_serving=is_serving)
    sweep_areas(home, store, is_patient=False)
    resume_removals(home, store)
    if store.dialect.is_sqlite:
        forget_deleted(store)  # what an erasure deleted, where a kill came before it did so
    journal = Journal(store, projections(plan, network))
    writer = Writer(journal)
    features = OnlineFeatures(plan, network)
    workload, metrics = Workload(features, network), Metrics()
    watch = ModelWatch(
        wanted=partial(_read, store, models.wanted),
        load=models.load,
        definitions=plan.digest,
        seconds=settings.model_seconds,
        refused=metrics.models_refused.inc,
        trial=partial(_read, store, models.trial),
    )
    profiles = ProfileMatcher(
        writer.submit,
        plan.names,
        failed=metrics.profile_failed,
        say=profile_figure,
        network=network,
    )
    pepper = open_pepper(home)
    posts = open_authority(home, cast("Silence", policy.read(SILENCE)).as_limits())
    contexts = DecisionContextBuilder(
        Shifts(
            store,
            journal,
            writer.submit,
            network,
            refused=partial(metrics.refuse_power, "shift"),
            chains=SeedChains(store, writer.submit, pepper, SeedMarks(home.keys / MARKS)),
            is_ahead=posts.has_centre,
        ),
        in_force=watch.in_force,
        definitions=plan.digest,
        sentences=models.sentences,
        workload=workload,
        features=features,
        network=network,
        matchers=(profiles, WatchMatcher(), LawfulMatcher()),
        tolerances=profiles.tolerances,
        posts=posts,
    )
    sign_in = open_sign_in(
        home,
        store,
        writer.submit,
        network=network,
        settings=settings,
        metrics=metrics,
        posts=agencies_by_post(network),
        nodes=open_key_carrier(home),
    )
    spread, signer = SpreadSnapshots(plan), open_signer(home)
    targeting = Targeting(
        store,
        journal,
        features=features,
        contexts=contexts,
        posts=posts,
        batched=metrics.batches.observe,
    )
    late_records = LateRecords(store, journal, targeting)
    expiry = QueueExpiry(
        store,
        journal,
        also=[
            late_records.judge,
            LawfulWatch(store, journal).suspend,
            partial(spread.make_early, store, journal),
        ],
    )
    if is_serving:
        watch.start()
        expiry.start()
    return Runtime(
        home=home,
        plan=plan,
        settings=settings,
        network=network,
        store=store,
        journal=journal,
        writer=writer,
        signer=signer,
        answers=SignedAnswers(signer),
        features=features,
        **sign_in,
        watch=watch,
        profiles=profiles,
        backtests=Backtests(home),
        measurements=Measurements(home),
        assessments=Assessments(home),
        targeting=targeting,
        late_records=late_records,
        workload=workload,
        recording=ReportWriter(
            store,
            journal,
            submit=writer.submit,
            features=features,
            network=network,
            posts=posts,
        ),
        forecasts=Forecasts(features, in_force=watch.in_force),
        recompute=DecisionReplay(journal, features, scorer=models.load, sentences=models.sentences),
        metrics=metrics,
        posts=posts,
        expiry=expiry,
        probe=Probe(store, keys),
        present=_present(store, journal),
    )


def _open_policy(store: Store, settings: Settings, *, is_serving: bool) -> PolicyHistory:
    """Return the policy; a service records first values, and logs what was edited in vain.

    The environment of a command is that of a person's shell: it gives no first values.
    """
    given = settings.first_policy
    if not is_serving:
        return _read(store, read_policy)
    policy = declare_policy(store, given)
    if ignored := list_ignored(policy, given):
        where = [f"{setting}.{name}" for setting, name in ignored]
        log_event("policy_ignored", where=where)
    return policy


def _present(store: Store, journal: Journal) -> MonotonicClock:
    with store.read() as connection:
        return MonotonicClock(head=journal.head(connection).known_at)


def _read(store: Store, question: Callable[[Connection], Answer]) -> Answer:
    with store.read() as connection:
        return question(connection)
