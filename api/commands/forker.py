"""Starts the service over and over for a fault run; run as a module, ordered by lines.

Everything is imported once, with one thread and no connection open, so that a fork is safe. Each
fork is a whole service: it opens its home, its store and its port as ``darvoza serve`` does.
``start`` is answered by a process id, ``bury`` waits for the end of that process.
"""

import os
import sys
from unittest.mock import patch

import uvicorn

from api.app import create_app
from experiments.faults.planted import HastyWriter


def serve(port: int) -> None:
    """Serve until killed; what is said goes to standard error, because the orders' pipe is ours."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    uvicorn.run(create_app(), host="127.0.0.1", port=port, access_log=False, log_level="error")


def obey(port: int) -> None:
    """Start and bury services as standard input says, until it ends."""
    child = 0
    for order in sys.stdin:
        if order == "start\n":
            child = os.fork()
            if child == 0:
                serve(port)
                os._exit(0)
            sys.stdout.write(f"{child}\n")
        else:
            os.waitpid(child, 0)
            sys.stdout.write("buried\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if "--planted" in sys.argv:
        patch("api.runtime.Writer", HastyWriter).start()
    obey(int(sys.argv[-1]))
