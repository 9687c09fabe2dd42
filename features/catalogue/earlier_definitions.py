"""Definitions of features that counters of an earlier version of this program serve.

A home goes on with the definitions that its counters and its model were made for, until ``darvoza
load`` fills the counters for those of this version (docs/decisions/0025-clocks.md). So a home of
an earlier version opens, verifies, recomputes its decisions and serves its model.
"""

from collections.abc import Mapping
from functools import cache

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.catalogue.spec import Feature

UNIFORM_ENCODING = 4
"""Version of the encoder with one clock, UTC+5, for all posts."""

UNIFORM: Mapping[str, Feature] = CATALOGUE
"""The catalogue of those definitions."""


@cache
def plan_of(digest: str) -> Plan:
    """Return the plan of some definitions, that of this version where they are not known."""
    earlier = Plan(UNIFORM, encoding=UNIFORM_ENCODING)
    return earlier if earlier.digest == digest else Plan(CATALOGUE)
