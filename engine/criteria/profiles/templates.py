"""Templates of profiles, which ship switched off: a person proposes one, another approves it."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from engine.errors import NotFoundError


@cache
def read_templates() -> Mapping[str, Mapping[str, Any]]:
    """Return the fields of each template's proposal by its name; its validity is left out."""
    text = resources.files(__package__).joinpath("templates.toml").read_text("utf-8")
    return tomllib.loads(text)


def read_template(name: str) -> Mapping[str, Any]:
    """Return the fields of one template; raises ``NotFoundError``."""
    try:
        return read_templates()[name]
    except KeyError:
        raise NotFoundError("template", name) from None
