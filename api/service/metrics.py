"""Metrics of this process, for Prometheus; labels are closed lists, so no plate can become one.

Anybody may read it, a checkpoint too. Nothing in it tells that a partner asks for something, or
that something waits for a partner. What is known of one vehicle that its checkpoint may not know
(that it is a random check, how high its risk is) is published for many together, and later: a
reader before and after a decision learns nothing of it.

How many: a post that is alone on a process knows its red vehicles, and a batch of R of them tells
it that K are random checks. To it each is one with probability K / R from then on, which differs
from what it was before by more than ``BOUND`` in less than one batch of a thousand, whatever the
share of random checks among the red ones: 31 too many or too few of 300 fair coins is that rare.
"""

from functools import partial
from typing import Any, NamedTuple, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from api.areas import list_parts
from api.service.structured_logging import log_event
from engine.decision.decision import Mode
from engine.domain.time_units import SECOND
from engine.errors import OtherSideError, StoreUnavailableError
from engine.journal.areas import UNCOUNTED
from engine.journal.batch_worker import StoredRecord
from engine.journal.journal import Journal
from engine.ports import PostAuthority
from engine.queue.queue import waiting_at_posts
from engine.storage.database import Store

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_UNBACKED = "a table of the store claims what no journal record states: run darvoza verify"
MODES: tuple[str, ...] = get_args(Mode)
BOUND = 0.10
"""By which the probability that one red vehicle is a random check may move with a batch."""
REDS_TOGETHER = 300
"""Red vehicles in a batch, whose figures come out at once; they wait for as many more."""


_WEBHOOKS = {
    "_waiting": "Events that receivers have not acknowledged; watch-list hits are not told.",
    "_dead_letters": "Events that were set aside after the last attempt; no watch-list hits.",
    "_oldest_seconds": "Age of the oldest event that waits; watch-list hits are not told.",
    "s_failing": "Webhooks at which nothing arrived for a day, disabled ones included.",
}


class _Secret(NamedTuple):
    """What is told of a decision, and later."""

    is_red: bool
    is_random: bool
    percentile: float | None


class Metrics:
    """Counters and histograms of one process."""

    def __init__(self, *, together: int = REDS_TOGETHER) -> None:
        """``together`` counts red vehicles."""
        self.registry = CollectorRegistry()
        self._together = together
        self._kept: dict[int, _Secret] = {}
        """Decisions whose secret figures are not out yet, by their records' numbers."""
        self._reds = 0
        """How many of them are red."""
        self._published = 0
        """The newest record whose figures are out."""
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.decisions = counter(
            "darvoza_decisions",
            "Decisions answered, repeated answers included.",
            ["channel", "mode"],
        )
        self.random = counter(
            "darvoza_random_checks",
            "Decisions on members of the random stream, told of 300 red vehicles at once, later.",
        )
        self.profile_failures = counter(
            "darvoza_profile_failures",
            "Evaluations of profiles that failed: such a profile fits nothing.",
        )
        self.profile_failed = self.profile_failures.inc
        self.models_refused = counter(
            "darvoza_models_refused",
            "Looks at which a model in force or on trial was missing, changed or did not fit.",
        )
        self.power_refused = counter(
            "darvoza_power_refused",
            "Claims of a table to power that no journal record backs.",
            ["kind"],
        )
        self.sign_on_refused = counter(
            "darvoza_sign_on_refused",
            "Sign-ons by the identity provider that opened no session.",
            ["kind"],
        )
        self.percentiles = histogram(
            "darvoza_risk_percentile",
            "Percentiles of the risk at its post, told as random checks are; even without drift.",
            buckets=_TENTHS,
        )
        self.batches = histogram(
            "darvoza_decision_batch", "Arrivals decided together.", buckets=_SIZES
        )
        self.lodgings = counter(
            "darvoza_advance_declarations",
            "Declarations ahead of their vehicles: lodged, amended or cancelled.",
            ["step"],
        )
        self.matches = counter(
            "darvoza_advance_matches",
            "Decisions with a declaration ahead, by what it was found; none where it was not used.",
            ["matched_by"],
        )
        self.waiting = Gauge(
            "darvoza_waiting",
            "Vehicles that wait for officers at a post, whichever process decided on them.",
            ["post"],
            registry=self.registry,
        )
        self.deliveries = counter(
            "darvoza_webhook_attempts",
            "Attempts of this process to deliver events but watch-list hits and approvals.",
            ["state"],
        )
        self.webhooks = {
            name: Gauge(f"darvoza_webhook{name}", text, registry=self.registry)
            for name, text in _WEBHOOKS.items()
        }
        gauge = partial(Gauge, registry=self.registry)
        self.links_silent = gauge(
            "darvoza_link_silent_seconds",
            "Longest time since this process heard the other side of a link, 0 without one.",
        )
        self.centre_silent = gauge(
            "darvoza_centre_silent_seconds",
            "Longest time since the centre of a node was heard, 0 without a centre.",
        )
        self.links_unreachable = gauge(
            "darvoza_links_unreachable",
            "Links whose other side was not reached in the last exchange, by cause.",
            ["cause"],
        )
        self.ready = gauge(
            "darvoza_ready", "1 while a decision can be recorded, as /readyz says, otherwise 0."
        )
        self.clock_ahead = gauge(
            "darvoza_clock_ahead_seconds",
            "How far the wall clock is ahead of the journal's time while it is not followed.",
        )
        self.mode = gauge(
            "darvoza_mode", "1 at what makes decisions now, 0 at the other modes.", ["mode"]
        )
        self.trial_stopped = gauge(
            "darvoza_trial_stopped", "1 while the model on trial decides nothing, otherwise 0."
        )
        self.links_failing: dict[str, OtherSideError] = {}
        """Why the last exchange with a link failed."""
        self.links_expected: dict[str, int] = {}
        """Since when this process exchanges with each link in force: UTC microseconds."""
        self.requests = histogram(
            "darvoza_request_seconds",
            "Time to answer a request.",
            ["method", "route", "status"],
            buckets=_SECONDS,
        )

    def refuse_power(self, kind: str) -> None:
        """Count and log a claim of a table that no record backs; ``kind`` is from a closed list."""
        self.power_refused.labels(kind).inc()
        log_event("power_refused", kind=kind, why=_UNBACKED)

    def refuse_sign_on(self, kind: str) -> None:
        """Count and log a sign-on that opened no session; ``kind`` is from a closed list."""
        self.sign_on_refused.labels(kind).inc()
        log_event("sign_on_refused", kind=kind)

    def count_delivery(self, event_type: str, state: str) -> None:
        """Count one attempt, but for what would tell a checkpoint of its vehicle."""
        if event_type not in UNCOUNTED:
            self.deliveries.labels(state).inc()

    def show_readiness(
        self, *, is_ready: bool, mode: str, is_trial_stopped: bool, ahead: float
    ) -> None:
        """Show what ``/readyz`` says; ``ahead`` is in seconds, ``mode`` one of ``MODES``."""
        self.ready.set(is_ready)
        self.clock_ahead.set(ahead)
        self.trial_stopped.set(is_trial_stopped)
        for one in MODES:
            self.mode.labels(one).set(one == mode)

    def show_outbox(self, figures: Any, now: int) -> None:
        """Show how the outbox of events fares."""
        oldest = 0 if figures.oldest_at is None else now - figures.oldest_at
        self.webhooks["_waiting"].set(figures.waiting)
        self.webhooks["_dead_letters"].set(figures.dead)
        self.webhooks["_oldest_seconds"].set(oldest / SECOND)
        self.webhooks["s_failing"].set(figures.failing)

    def count_decision(self, found: StoredRecord) -> None:
        """Count one answered decision; an answer that is repeated brings its secrets no nearer."""
        decision: dict[str, Any] = found.body["decision"]
        self.decisions.labels(decision["channel"], decision["mode"]).inc()
        if (match := found.body["inputs"]["advance"]) is not None:
            self.matches.labels(match["matched_by"] or "none").inc()
        if found.entry.seq > self._published and found.entry.seq not in self._kept:
            is_red = decision["channel"] == "red"
            secret = _Secret(is_red, decision["is_random"], decision["risk"]["percentile"])
            self._kept[found.entry.seq] = secret
            self._reds += is_red
            if self._reds >= 2 * self._together:
                self._publish()

    def _publish(self) -> None:
        """Let out the oldest decisions, as many as it takes for one batch of red ones."""
        value = 0
        for seq in sorted(self._kept):
            secret = self._kept.pop(seq)
            self._published = seq
            if secret.is_random:
                self.random.inc()
            if secret.percentile is not None:
                self.percentiles.observe(secret.percentile)
            value += secret.is_red
            if value == self._together:
                break
        self._reds -= value


def exposition(metrics: Metrics, store: Store, journal: Journal, posts: PostAuthority) -> bytes:
    """Return every metric as text; what waits is left out while the store does not answer."""
    metrics.waiting.clear()
    try:
        with store.read() as connection:
            found = waiting_at_posts(connection, as_of=journal.head(connection).as_of)
            now = journal.now(connection)
            metrics.centre_silent.set(posts.measure_longest(connection, now=now) / SECOND)
            metrics.links_silent.set(posts.measure_since(metrics.links_expected, now=now) / SECOND)
            for read_figures in list_parts("outbox_figures"):
                metrics.show_outbox(read_figures(connection, now=now), now)
    except StoreUnavailableError:
        found = {}
    metrics.links_unreachable.clear()
    for failure in tuple(metrics.links_failing.values()):
        metrics.links_unreachable.labels(failure.cause).inc()
    for post, number in found.items():
        metrics.waiting.labels(post).set(number)
    return generate_latest(metrics.registry)
