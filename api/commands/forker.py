"""Starts the service over and over for a fault run; run as a module, ordered by lines of JSON.

Everything is imported once, with one thread and no connection open, so that a fork is safe. Each
fork is a whole service: it opens its home, its store and its port as ``darvoza serve`` does.

``{"start": variables, "port": N, "planted": fault}`` starts a service, with that fault's bug if one
is named; ``{"bury": pid}`` waits for its end. Both are answered by the process id.
"""

import json
import os
import sys
from typing import Any
from unittest.mock import patch

import uvicorn

from api.app import create_app
from api.home import VARIABLE
from engine.home import DATABASE_VARIABLE
from experiments.faults.planted import HastyWriter, forgetful

PLANTED = {
    "kill": ("api.runtime.Writer", HastyWriter),
    "disk-full": ("api.runtime.Writer", HastyWriter),
    "store-restart": ("api.runtime.Writer", HastyWriter),
    "duplicate": ("api.routes.decisions.crossing_name", forgetful),
}
"""What each fault's twin has in the place of what; only a fork of this process ever does."""


def serve(variables: dict[str, str], *, port: int, planted: str) -> None:
    """Serve until killed; what is said goes to standard error, because the orders' pipe is ours."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for name in (VARIABLE, DATABASE_VARIABLE):
        os.environ.pop(name, None)
    os.environ.update(variables)
    if planted:
        patch(*PLANTED[planted]).start()
    uvicorn.run(create_app(), host="127.0.0.1", port=port, access_log=False, log_level="error")


def obey(order: dict[str, Any]) -> int:
    """Start or bury one service; return its process id."""
    if "bury" in order:
        return os.waitpid(order["bury"], 0)[0]
    child = os.fork()
    if child == 0:
        serve(order["start"], port=order["port"], planted=order["planted"])
        os._exit(0)
    return child


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{obey(json.loads(line))}\n")
        sys.stdout.flush()
