"""Fields of a message that an agreement lets travel, on sending and on receiving.

The sender leaves out what was not agreed; the receiver refuses a message that holds more. Both
read one agreement, so a fault on one side alone discloses nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from engine.domain.records import Record
from engine.domain.validation import list_faults
from engine.errors import RecordError
from engine.links.agreement import NATIONAL_FIELDS, Agreement, MessageRule, Party
from engine.links.messages import KINDS, dump_message


def select_fields(
    agreement: Agreement, *, kind: str, sender: Party, message: Record
) -> dict[str, Any]:
    """Return the body that may travel: the agreed fields of a message.

    Raises ``RecordError`` where the kind was not agreed in this direction, or where what is left
    is no valid message or names what the agreement does not cover.
    """
    rule = _find_rule(agreement, kind, sender)
    if type(message) is not KINDS[kind]:
        raise RecordError(kind, "kind", "unknown_kind", f"is no {kind}")
    body = dump_message(message)
    if rule.fields:
        body = _keep(body, frozenset(rule.fields))
    check_body(agreement, kind=kind, sender=sender, body=body)
    return body


def check_body(
    agreement: Agreement, *, kind: str, sender: Party, body: Mapping[str, Any]
) -> Record:
    """Return the message of a body that arrived; raises ``RecordError`` for the first fault."""
    rule = _find_rule(agreement, kind, sender)
    try:
        message = KINDS[kind].model_validate(dict(body))
    except ValidationError as error:
        where, broken, why = list_faults(error)[0]
        raise RecordError(kind, ".".join(map(str, where)), broken, why) from None
    if rule.fields:
        agreed = frozenset(rule.fields)
        if extra := next((path for path in list_paths(body) if path not in agreed), None):
            raise RecordError(kind, extra, "field_not_agreed", "the agreement does not name it")
    _check_values(agreement, kind, sender, message)
    return message


def _find_rule(agreement: Agreement, kind: str, sender: Party) -> MessageRule:
    if kind not in KINDS:
        raise RecordError("message", "kind", "unknown_kind", "no kind of message")
    rule = agreement.rule(kind, sender)
    if rule is None:
        why = "the agreement does not let this side send it"
        raise RecordError(kind, "kind", "kind_not_agreed", why)
    return rule


def _check_values(agreement: Agreement, kind: str, sender: Party, message: Record) -> None:
    """Refuse posts and identifiers that are outside the agreement."""
    post = getattr(message, "post", None)
    is_free = not post or (agreement.kind == "post" and sender.role == "centre")
    if not is_free and post not in agreement.posts_of(sender):
        raise RecordError(kind, "post", "post_not_agreed", "the agreement does not name this post")
    named = getattr(message, "identifier", None)
    if named in NATIONAL_FIELDS and named not in agreement.identifiers:
        why = "the agreement names no common domain of this identifier"
        raise RecordError(kind, "identifier", "not_comparable", why)


def list_paths(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of a body's fields, those of a list's items as ``list.field``."""
    for name, value in body.items():
        items = value if isinstance(value, list) and any(map(_is_object, value)) else None
        if items is None:
            yield name
        else:
            yield from dict.fromkeys(f"{name}.{key}" for item in items for key in item)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _keep(body: Mapping[str, Any], agreed: frozenset[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in body.items():
        if name in agreed:
            kept[name] = value
        elif isinstance(value, list) and any(map(_is_object, value)):
            items = [{k: v for k, v in item.items() if f"{name}.{k}" in agreed} for item in value]
            if filled := [item for item in items if item]:
                kept[name] = filled
    return kept
