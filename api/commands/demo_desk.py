"""What a demonstration puts on the analysts' desk: profiles, a watch list, a measurement of drift.

Everything goes through the service, by the steps that people take; what it shows is synthetic.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from api.calls import RefusedError
from api.client import Client
from engine.domain.time_units import SystemClock, moment

IN_FORCE: Mapping[str, Any] = {
    "code": "HEAVY-1",
    "title": "Over two tonnes more than the papers and the empty vehicle",
    "expression": "features.undeclared_mass_kg > 2000 && !crossing.is_empty",
    "channel": "red",
    "percentage": 50.0,
}
PROPOSED: Mapping[str, Any] = {
    "code": "HEAVY-2",
    "title": "Over one tonne more than the papers and the empty vehicle, not here for a month",
    "expression": (
        "features.undeclared_mass_kg > 1000 && !crossing.is_empty"
        " && features.plate_crossings_30d == 0"
    ),
    "channel": "red",
    "percentage": 100.0,
    "instead_of": "HEAVY-1",
}
LISTED: Mapping[str, Any] = {
    "trailer": "01 4567 AA",
    "look_alikes": True,
    "reason": "magnets under the frame (made up)",
}
DAYS = 60


def furnish(as_analyst: Callable[[], Client], as_supervisor: Callable[[], Client]) -> None:
    """Propose and approve, as two people do; what cannot be tried now stays proposed.

    Each step opens a connection: a backtest takes longer than the service keeps an idle one.
    """
    until = (moment(SystemClock().now()) + timedelta(days=DAYS)).isoformat()
    with as_analyst() as analyst:
        analyst.propose_profile(dict(IN_FORCE) | {"valid_until": until})
    with suppress(RefusedError), as_supervisor() as supervisor:  # no backtest, no approval
        supervisor.approve("profiles", str(IN_FORCE["code"]))
    with as_analyst() as analyst:
        analyst.propose_profile(dict(PROPOSED) | {"valid_until": until})
        listed = analyst.propose_entry(dict(LISTED) | {"expiry": until})
    with suppress(RefusedError), as_supervisor() as supervisor:
        supervisor.approve("watchlist", listed.id)
        supervisor.measure_drift()
