"""Indicator rules, which select vehicles when no model is in force.

Each rule is a public land indicator with a percentage, as customs profiles have it: when it fires,
the crossing is selected with that probability, by a number drawn for this rule alone. The
percentages are judgement, not measurement, and are low because the World Customs Organization has
no universal weights. A feature that is not known never fires a rule.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.explanation.reasons import Reason
from engine.selection import Chance, Channel

RULES_VERSION = "rules-1"
"""Changes whenever a rule below changes; kept with every decision."""

REASONS = 3
"""Minimum of sentences, so that a referral without a fired rule states what was checked."""

QUIET = "_quiet"
"""Ends the message identifier of a rule that did not fire."""

Known = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Rule:
    """One risk indicator."""

    code: str
    channel: Channel
    probability: float
    fires: Callable[[Known], bool]
    fired: str
    """What it says when it fires."""
    quiet: str
    """What it says when it does not."""


def _any_find(known: Known) -> bool:
    parties = ("plate", "trailer", "driver", "carrier", "consignee")
    return any(known(f"{who}_finds_elsewhere") > 0 for who in parties)


def _mass_unlike_mirror(known: Known) -> bool:
    ratio = known("mirror_mass_ratio")
    return ratio < 0.85 or ratio > 1.15


RULES: tuple[Rule, ...] = (
    Rule(
        "linked_find",
        Channel.RED,
        0.5,
        _any_find,
        "A find elsewhere is linked to it or its parties.",
        "No find elsewhere is linked to it or its parties.",
    ),
    Rule(
        "mass_unlike_exit",
        Channel.RED,
        0.3,
        _mass_unlike_mirror,
        "Its mass is over 15 % off the paired post's record.",
        "No mass difference to the paired post is known.",
    ),
    Rule(
        "seal_changed",
        Channel.RED,
        0.3,
        lambda known: known("mirror_seals_differ") == 1,
        "Other seals than at the paired post.",
        "No change of seals is known.",
    ),
    Rule(
        "trailer_changed",
        Channel.YELLOW,
        0.5,
        lambda known: known("mirror_trailer_differs") == 1,
        "Another trailer than at the paired post.",
        "No change of trailer is known.",
    ),
    Rule(
        "empty_but_declared",
        Channel.YELLOW,
        0.3,
        lambda known: known("empty_but_declared") == 1,
        "Reported empty, yet goods are declared.",
        "Load and papers do not contradict.",
    ),
    Rule(
        "laden_undeclared",
        Channel.YELLOW,
        0.2,
        lambda known: known("laden_undeclared") == 1,
        "Reported laden, yet nothing is declared.",
        "Its load does not lack a declaration.",
    ),
    Rule(
        "container_check_digit",
        Channel.YELLOW,
        0.2,
        lambda known: known("bad_container") > 0,
        "A container number fails its check digit.",
        "No container number fails its check digit.",
    ),
    Rule(
        "new_driver_at_night",
        Channel.YELLOW,
        0.2,
        lambda known: known("new_driver_for_plate") == 1 and known("night") == 1,
        "New driver, by night.",
        "Driver and hour are not unusual together.",
    ),
    Rule(
        "first_crossing",
        Channel.YELLOW,
        0.1,
        lambda known: known("plate_same_way_365d") == 0,
        "First time this way in 365 days.",
        "It came this way within 365 days.",
    ),
)


def explain_rules(features: Mapping[str, float]) -> tuple[Reason, ...]:
    """Return what the rules say of an arrival: those that fire first, then those that do not."""
    fired = find_firing_rules(features)
    quiet = (rule for rule in RULES if rule not in fired)
    return tuple([_fired_reason(rule) for rule in fired] + [_quiet_reason(rule) for rule in quiet])[
        : max(REASONS, len(fired))
    ]


def _fired_reason(rule: Rule) -> Reason:
    comparison, share = f"selects {rule.probability:.0%} of such", {"share": rule.probability}
    return Reason(rule.code, rule.fired, "indicator rule", comparison, 0.0, rule.code, share)


def _quiet_reason(rule: Rule) -> Reason:
    comparison, message = "speaks neither for nor against", f"{rule.code}{QUIET}"
    return Reason(rule.code, rule.quiet, "indicator rule", comparison, 0.0, message)


def draw_purpose(rule: Rule) -> str:
    """Return what this rule draws its number for."""
    return f"rule:{rule.code}"


def find_firing_rules(features: Mapping[str, float]) -> tuple[Rule, ...]:
    """Return the rules that fire on these features."""
    return tuple(rule for rule in RULES if rule.fires(lambda name: features.get(name, math.nan)))


def rule_chances(features: Mapping[str, float]) -> tuple[Chance, ...]:
    """Return the chances of the rules that fire."""
    return tuple(
        Chance(draw_purpose(rule), rule.channel, rule.probability)
        for rule in find_firing_rules(features)
    )


def estimate_rule_risk(features: Mapping[str, float]) -> float:
    """Return a risk in [0, 1) to rank by: the probability that at least one fired rule selects."""
    return 1.0 - math.prod(1.0 - rule.probability for rule in find_firing_rules(features))


RULE_TEMPLATES: Mapping[str, str] = {
    **{rule.code: rule.fired for rule in RULES},
    **{f"{rule.code}{QUIET}": rule.quiet for rule in RULES},
}
"""What the rules say, by message identifier."""
