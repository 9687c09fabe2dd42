"""The doors of the area of links, and of the requests that travel over them."""

from typing import Final

from sqlalchemy import Connection

from api.areas import Doors, MenuEntry
from engine.domain.rights import Matter, Right, Role
from engine.links.area import LINK_PROPOSED, LINK_RESUMPTION_PROPOSED, LINK_STOPPED
from engine.storage.home import Home

_OFFICERS = frozenset({Role.SUPERVISOR, Role.COUNTERPART})
_INTEGRITY = frozenset({Role.INTEGRITY})
_PEOPLE = ("GET", "/v1/people")


def find_need(home: Home, connection: Connection) -> str:
    """Return why a home needs its links: a post's node and its centre decide in turn."""
    if not home.link_keys.exists():
        return ""
    from engine.journal.power_records import read_last_known_at
    from engine.links.key_files import read_fingerprint
    from engine.links.state import read_links

    now = read_last_known_at(connection)
    posts = {
        post
        for link in read_links(connection, read_fingerprint(home)).values()
        if link.agreement.kind == "post" and link.phase(now) in ("in_force", "stopped")
        for post in link.agreement.posts
    }
    return f"a link of kind post is agreed for {', '.join(sorted(posts))}" if posts else ""


DOORS: Final = Doors(
    name="links",
    rules={
        (Matter.WATCHLIST, Right.ACT, _OFFICERS): """
            POST /v1/attentions
            POST /v1/attentions/cases
            POST /v1/attentions/{request_id}/answers
            POST /v1/attentions/{request_id}/withdrawals
            """,
        (Matter.WATCHLIST, Right.SEE, _OFFICERS | _INTEGRITY): """
            GET /v1/attentions
            GET /v1/attentions/{request_id}
            GET /v1/attentions/{request_id}/files/{digest}
            """,
        (Matter.INTEGRITY, Right.SEE, _INTEGRITY): """
            GET /v1/links
            GET /v1/links/{link}
            """,
    },
    by_person=("/v1/attentions",),
    open_routes=frozenset({("POST", "/v1/links/{link}/parcels")}),
    menu=(
        MenuEntry("/attentions", "Partners", 140),
        MenuEntry("/links", "Links", 210),
    ),
    routers=("api.attentions.routes:router", "api.links.routes:router", "api.links.routes:door"),
    page_routers=("api.attentions.page:router", "api.links.page:router"),
    parts={"decision_notes": "api.links.decision_notes:read_notes"},
    workers=("api.links.worker:LinkWorker",),
    approvals={
        LINK_PROPOSED: ("link", _PEOPLE),
        LINK_RESUMPTION_PROPOSED: ("link_resumption", _PEOPLE),
    },
    alarms={LINK_STOPPED: ("link_stopped", _PEOPLE)},
    find_need=find_need,
)
