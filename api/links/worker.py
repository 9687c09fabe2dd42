"""Exchange with the other side of every link in the background of a running service.

Each process of a service may exchange: a second one finds nothing left, because what is sent twice
is recorded once. A link that cannot be reached waits for the next turn and holds up no other.
"""

from time import monotonic
from typing import TYPE_CHECKING

from api.links.routes import log_foreign
from api.service.runtime import Runtime
from api.service.structured_logging import fault, log_event
from engine.errors import ConflictError, OtherSideError, RiskError
from engine.storage.worker_process import PeriodicWorker

if TYPE_CHECKING:
    from engine.links.exchange import LinkExchange
    from engine.links.state import Link

FIRST_SECONDS = 5.0
"""When the first exchange begins: a start is not held up by it."""
COMPARE_SECONDS = 3600.0
"""How often the watch list is looked through for entries that partners were not asked about."""


class LinkWorker(PeriodicWorker):
    """Exchanges parcels with every reachable link, at intervals, on a thread of its own."""

    def __init__(self, service: Runtime, *, seconds: float | None = None) -> None:
        """Take the interval from the settings if it is not given; with 0 nothing is exchanged."""
        every = service.settings.link_seconds if seconds is None else seconds
        super().__init__("links", every, first_after=min(FIRST_SECONDS, every))
        self._service = service
        self._announced: dict[str, int] = {}
        """By link, the record up to which nothing is due."""
        self._answered: dict[str, int] = {}
        """By link, when the other side made its last answer, by its journal."""
        self._compared: dict[str, float] = {}
        """When each link's list was last looked through, by the monotonic clock."""

    def start(self) -> None:
        """Exchange soon, then at intervals."""
        if self._every:
            super().start()

    def run_turn(self) -> None:
        """Exchange once with every link that has an address."""
        service = self._service
        if not service.home.link_keys.exists():
            return
        from api.links.exchanges import open_exchange

        exchange = open_exchange(service.home, service.store, service.journal)
        with service.store.read() as connection:
            now = service.journal.now(connection)
            links = exchange.read_links(connection).values()
        for link in links:
            if self._stop.is_set():
                return
            if link.phase(now) == "in_force":
                self._announce(exchange, link)
                self._compare(exchange, link)
            self._expect(link, now=now)
            is_live = link.phase(now) in ("in_force", "stopped")
            if is_live and link.them.url is not None:
                self._exchange(exchange, link)

    def _expect(self, link: "Link", *, now: int) -> None:
        """Let the figures of lines count a link from its first turn until it is over."""
        metrics = self._service.metrics
        has_line = link.us.url is not None or link.them.url is not None
        if has_line and link.phase(now) in ("in_force", "stopped"):
            metrics.links_expected.setdefault(link.name, now)
        else:
            metrics.links_expected.pop(link.name, None)
            metrics.links_failing.pop(link.name, None)

    def _announce(self, exchange: "LinkExchange", link: "Link") -> None:
        """Record what left for the other side; it travels now, or when the other side asks."""
        from api.links.announcements import announce_movements

        try:
            after = self._announced.get(link.name, 0)
            self._announced[link.name] = announce_movements(exchange, link, after=after)
        except RiskError as error:
            log_event("link_not_announced", why=type(error).__name__)
        except Exception as error:  # what waits still travels
            fault(error, route="links")

    def _exchange(self, exchange: "LinkExchange", link: "Link") -> None:
        from api.links.exchanges import exchange_all, open_carrier

        service, name = self._service, link.name
        answered_at = self._answered.get(link.name, 0)
        try:
            carry = open_carrier(service.home, link)
            result = exchange_all(exchange, link, carry, answered_at=answered_at)
            if result.is_stopped:
                log_event("link_stopped")
            if result.foreign:
                log_foreign()
            self._answered[name] = result.answered_at
            service.posts.note_heard(name, result.heard)
            service.metrics.links_failing.pop(name, None)
        except OtherSideError as error:
            service.metrics.links_failing[name] = error
            log_event("link_unreachable", why=error.cause)
        except RiskError as error:  # the store is away, or a file here cannot be read
            log_event("links_waiting", why=type(error).__name__)
        except Exception as error:  # the other links go on, and this one has its next turn
            fault(error, route="links")

    def _compare(self, exchange: "LinkExchange", link: "Link") -> None:
        """Ask about new shareable entries, at most once an hour; the limits permit fewer."""
        from engine.links.list_comparison import ListComparison, is_agreed

        due = self._compared.get(link.name, -COMPARE_SECONDS) + COMPARE_SECONDS
        if not is_agreed(link) or monotonic() < due:
            return
        self._compared[link.name] = monotonic()
        try:
            ListComparison(exchange).begin(link.name)
        except ConflictError:
            pass  # the link's page shows what it waits for
        except RiskError as error:
            log_event("lists_not_compared", why=type(error).__name__)
        except Exception as error:  # what waits still travels
            fault(error, route="links")

    def note_failure(self, error: Exception) -> None:
        """Log it; where the store is away, the next turn finds what waits."""
        if isinstance(error, RiskError):
            log_event("links_waiting", why=type(error).__name__)
        else:
            fault(error, route="links")
