"""Effects of requests and withdrawals that arrive.

A step is taken whatever is known of its request: it counts, or not, by its time
(:mod:`engine.links.requests.facts`), so nothing that travels in another order is refused.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from engine.criteria.dual_control import read_approval_states
from engine.domain.time_units import micros
from engine.errors import NotFoundError, RecordError
from engine.journal.entries import Draft
from engine.links.inbox import ArrivedMessage
from engine.links.messages import Attention, CaseOffer, Withdraw
from engine.links.requests.facts import find_request, list_holders
from engine.links.requests.notices import draft_notice_end


def take_request(connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
    """Refuse a request by the name of another, or one that ends before it is to be answered.

    Nothing else follows from it.
    """
    message = arrived.message
    if isinstance(message, Attention):
        _check_name(connection, arrived, "attention", message.attention)
    if isinstance(message, CaseOffer):
        _check_name(connection, arrived, "case", message.case)
    if isinstance(message, Attention) and micros(message.until) < micros(message.answer_by):
        why = "must not lie before answer_by"
        raise RecordError("attention", "until", "deadline", why)
    return ()


def _check_name(connection: Connection, arrived: ArrivedMessage, kind: str, name: str) -> None:
    """Refuse the name of what is not of this link: steps by it would be about that, too."""
    held = list_holders(connection, name)
    if not held and read_approval_states(connection, "watchlist", name):
        held = {("", "")}
    if held - {(arrived.link.name, "received")}:
        raise RecordError(kind, kind, "name_taken", "is the name of something else here")


def take_withdrawal(connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
    """Return the record that takes the notice of an accepted attention off the watch list."""
    message, link = arrived.message, arrived.link
    if not isinstance(message, Withdraw):
        return ()
    try:
        held = find_request(connection, message.attention, link=link.name)
    except NotFoundError:
        return ()
    if held.is_ours or held.state(arrived.now) != "accepted":
        return ()
    by = f"{link.agreement.name}:{link.them.name}"
    return draft_notice_end(connection, held.opened.name, by=by, why="withdraw")
