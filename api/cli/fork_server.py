"""Starts the service over and over for a fault run; run as a module, ordered by lines of JSON.

Everything is imported once, compiled code too, with one thread and no connection open, so that a
fork is safe. Each fork is a whole service: it opens its home, its store and its port as ``darvoza
serve`` does.

``{"start": variables, "port": N, "planted": fault, "handed": false}`` starts a service, with that
fault's bug if one is named; where ``handed`` is true, on a socket that this process keeps open and
hands over, as a service manager does. ``{"bury": pid}`` waits for its end. Both are answered by the
process id.
"""

import gc
import json
import os
import socket
import sys
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
from fastapi import FastAPI

from api.app import create_app, load_late_routes
from api.http.server import FIRST_PASSED, configured, listen, open_socket
from engine.storage.home import DATABASE_VARIABLE, VARIABLE
from experiments.faults.seeded_bugs import PLANTED
from experiments.support.processes import HOST
from models.explanation.tree_shap import TreeShap
from models.scoring import TreeArrays


def serve(variables: dict[str, str], *, port: int, planted: str) -> None:
    """Serve until killed; what is said goes to standard error, because the orders' pipe is ours."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for name in (VARIABLE, DATABASE_VARIABLE):
        os.environ.pop(name, None)
    os.environ.update(variables)
    for name, bug in PLANTED.get(planted, {}).items():
        patch(name, bug).start()
    config = configured(application(), host=HOST, port=port, log_level="error")
    listen(config, open_socket(HOST, port))


@cache
def application() -> FastAPI:
    """Return the application that every fork serves: it opens nothing before it is served."""
    app = create_app()
    load_late_routes(app)
    return app


@cache
def kept_open(port: int) -> socket.socket:
    """Return a socket that listens for the life of this process; any process may answer on it."""
    return socket.create_server((HOST, port), backlog=128)


def handed_over(port: int) -> dict[str, str]:
    """Put the open socket where a started process finds it; return what says so."""
    os.dup2(kept_open(port).fileno(), FIRST_PASSED)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}


def obey(order: dict[str, Any]) -> int:
    """Start or bury one service; return its process id."""
    if "bury" in order:
        return os.waitpid(order["bury"], 0)[0]
    if order["handed"]:
        kept_open(order["port"])
    child = os.fork()
    if child == 0:
        more = handed_over(order["port"]) if order["handed"] else {}
        serve(order["start"] | more, port=order["port"], planted=order["planted"])
        os._exit(0)
    return child


def warm() -> None:
    """Load what explains, by a tree of one leaf; a service does so in the background."""
    none, leaf = np.full(1, -1, np.int32), np.zeros(1)
    stump = TreeArrays(
        root=np.zeros(1, np.int32),
        feature=none,
        cut=leaf,
        missing_left=np.zeros(1, np.bool_),
        left=none,
        right=none,
        share=np.ones(1),
        value=leaf,
        base=leaf,
    )
    TreeShap(stump, 1)(np.zeros(1, np.float32))


if __name__ == "__main__":
    warm()
    application()
    gc.freeze()  # a fork that looks through what was imported would copy all of it
    for line in sys.stdin:
        sys.stdout.write(f"{obey(json.loads(line))}\n")
        sys.stdout.flush()
