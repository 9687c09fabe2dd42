"""Inspection order on paper: what to search and where, with a code that leads back to the vehicle.

It is the same for every reader: a vehicle's papers and the places of its search order, and neither
reasons nor figures, so that a printed sheet tells no more than a checkpoint may see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from markupsafe import Markup

from api.decisions.page_data import read_page
from api.http.dependencies import TheService
from api.web.page_route import PageRoute, TheVisit
from engine.domain.time_units import moment

router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)
_SHOWN = ("plate", "plate_country", "trailer_plate", "vin", "container_numbers", "seal_numbers")


@dataclass(frozen=True, slots=True)
class InspectionOrder:
    """All that the sheet says of a vehicle."""

    number: str
    decision_id: str
    channel: str
    team: str | None
    crossing: Mapping[str, Any]
    steps: Sequence[tuple[str, str]]
    """(place, method) in the order of the search."""
    code: Markup
    """The QR code, as SVG."""


@router.get("/{decision_id}/order")
def show(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Show the order as it is printed."""
    found = read_page(service, decision_id, visit.caller)
    seen, crossing = found.seen, found.crossing
    address = f"{visit.request.base_url!s}search?{urlencode({'q': decision_id})}"
    order = InspectionOrder(
        number=f"{seen['post']}-{seen['receipt']['sequence']}",
        decision_id=decision_id,
        channel=found.channel,
        team=seen.get("team"),
        crossing={name: crossing.get(name) for name in (*_SHOWN, "vehicle_class", "direction")},
        steps=[(step["place"], step["method"]) for step in seen["search_order"]],
        code=draw_code(address),
    )
    with service.store.read() as snapshot:
        now = moment(service.journal.now(snapshot))
    return visit.page("order.html", post=seen["post"], order=order, now=now)


def draw_code(address: str) -> Markup:
    """Return an address as a QR code: an SVG without a style of its own."""
    import segno

    drawn = segno.make(address, error="m", micro=False).svg_inline(scale=4, omitsize=True)
    return Markup(drawn)  # noqa: S704 - made of squares, the address is not in it as text
