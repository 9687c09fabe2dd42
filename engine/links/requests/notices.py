"""Accepted attentions on the watch list: each as a counterpart's notice of its own.

``search`` and ``scan`` send what they name to yellow, and to red once a second person confirms
that. ``papers``, ``tell`` and ``do_not_stop`` select nothing: that the identifier was seen is in
the record of the decision, and people decide. An entry ends with its request, unless a second
person confirmed it: then it is this house's own, and ends as such an entry does.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from engine.criteria.dual_control import draft_proposal, draft_withdrawal, read_approval_states
from engine.criteria.watchlist import LONGEST_NOTICE_DAYS
from engine.domain.time_units import DAY, micros, rfc3339
from engine.journal.entries import Draft
from engine.links.codes import AttentionIdentifier
from engine.links.messages import Attention
from engine.links.state import Link

_KINDS: Mapping[AttentionIdentifier, str] = {
    "plate": "plate",
    "trailer_plate": "trailer",
    "vin": "vin",
    "container_number": "container",
    "seal_number": "seal",
    "tir_carnet": "tir_carnet",
    "driver_ref": "driver_ref",
    "carrier_id": "carrier",
    "consignee_id": "consignee",
    "consignor_id": "consignor",
}
"""What the watch list calls each identifier."""


def draft_request_notice(link: Link, attention: Attention, *, by: str, now: int) -> Draft:
    """Return the record that puts an attention onto the watch list, under its own name.

    Why the partner asks is not repeated there: decisions and their readers quote entries.
    """
    expires = min(micros(attention.until), now + LONGEST_NOTICE_DAYS * DAY)
    content = {
        _KINDS[attention.identifier]: attention.value,
        "reason": f"{link.agreement.name}: {attention.action}",
        "action": attention.action,
        "expiry": rfc3339(expires),
    }
    name = attention.attention
    return draft_proposal("watchlist", name, by=by, content=content, is_notice=True)


def draft_notice_end(connection: Connection, name: str, *, by: str, why: str) -> list[Draft]:
    """Return the record that takes an attention off the list; none where two people answer for it.

    None either where it never stood there.
    """
    now = read_approval_states(connection, "watchlist", name).get(name)
    if now is None or now.state != "in_force" or not now.is_notice:
        return []
    return [draft_withdrawal("watchlist", now, by=by, why=why)]
