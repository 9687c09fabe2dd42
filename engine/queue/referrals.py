"""Inspection acts that answer a referral, and those that open a decision to its checkpoint.

An act counts for labels and features whatever it is. It answers a referral only where it is what
the channel asks for: on red something that could find goods, on yellow at least the papers. An act
of no minutes answers neither, so that a vehicle cannot be taken off the queue by a form.
"""

from collections.abc import Mapping
from typing import Any, cast

from engine.domain.records import InspectionAct, is_papers_only
from engine.journal.kinds import INSPECTION
from engine.journal.payloads import InspectionBody
from engine.selection.policy import Channel


def strictest_answered(act: InspectionAct) -> Channel:
    """Return the strictest channel whose referral this act answers."""
    if act.minutes == 0:
        return Channel.BLUE
    return Channel.YELLOW if is_papers_only(act.methods) else Channel.RED


def answered_by(body: InspectionBody) -> Channel:
    """Return the same of an act's record."""
    return Channel.of(body["answers"])


def answers(kind: str, body: Mapping[str, Any], channel: Channel) -> bool:
    """Tell whether a record is of an act that answers a channel's referral."""
    return kind == INSPECTION and answered_by(cast("InspectionBody", body)) >= channel


def opens(act: InspectionAct, channel: Channel) -> bool:
    """Tell whether this act opens the reasons' words of a referral to the checkpoint that filed it.

    Stricter than an answer: the act names its methods and its minutes, and on red it was a physical
    search that says where it searched.
    """
    if not act.methods or not act.minutes or is_papers_only(act.methods):
        return False
    if channel is Channel.RED:
        return "physical" in act.methods and bool(act.places_searched)
    return channel is Channel.YELLOW
