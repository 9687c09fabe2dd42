"""Families of features: who answers for each, and what it is there to find."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def read_families() -> Mapping[str, Mapping[str, str]]:
    """Return owner, threat and reason of each family by its name, as they are shipped."""
    text = resources.files(__package__).joinpath("families.toml").read_text("utf-8")
    return tomllib.loads(text)
