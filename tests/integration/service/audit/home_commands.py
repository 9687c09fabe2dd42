"""Commands on a home in this process, by a person whose password the environment holds."""

import json
import os
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from engine.storage.home import Home


def run_command(home: Home, *arguments: str, password: str = "", by: str = "") -> dict[str, Any]:
    """Run a command; ``password`` names the variable that holds the password of ``by``."""
    with pytest.MonkeyPatch.context() as patched:
        if by:
            patched.setenv("DARVOZA_PASSWORD", os.environ[password])
            arguments = (*arguments, "--as", by)
        result = CliRunner().invoke(app, [*arguments, "--home", str(home.root), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found
