"""Server: it listens, takes over a listening socket, and leaves without breaking a request.

Assumes that what restarts it keeps the socket open meanwhile (a service manager, or the parent
of several workers): connections then wait for the next process, and none is refused.
"""

import os
import socket
import sys
from contextlib import suppress
from functools import partial

import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.supervisors import Multiprocess

from api.http.connection_limits import BoundedProtocol

FIRST_PASSED = 3
"""The first file that a service manager hands to a process it starts (sd_listen_fds)."""
LAST_SECONDS = 0.5
"""How long an open connection may still ask, once, while the service stops."""
MOST_CONNECTIONS = 800
"""Open connections of one process, which is usually given 1,024 files; any more get 503."""
_CLOSE = (b"connection", b"close")


class GracefulServer(BoundedProtocol):
    """Tells each connection that its next answer is the last, instead of closing it at once.

    A client that keeps its connection may have sent a request when the service begins to stop;
    closed there and then, it could not know whether it was heard.
    """

    def shutdown(self) -> None:
        """Begin to leave: every answer from now on says so, then the connection is closed."""
        state = self.server_state
        if _CLOSE not in state.default_headers:
            state.default_headers = [*state.default_headers, _CLOSE]
        asked: RequestResponseCycle | None = self.cycle
        if asked is not None and not asked.response_started:
            asked.default_headers = state.default_headers
        self.loop.call_later(LAST_SECONDS, super().shutdown)


def adopt_socket() -> socket.socket | None:
    """Return the socket that a service manager listens on for this process, or None."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    found = socket.socket(fileno=FIRST_PASSED)
    found.set_inheritable(True)  # by worker processes
    return found


configured = partial(
    uvicorn.Config,
    http=GracefulServer,
    ws="none",  # no page has any
    limit_concurrency=MOST_CONNECTIONS,
    access_log=False,  # a path may hold an identifier: nothing of a request is logged
    server_header=False,
)
"""How every service is set up; takes what differs."""


def listen(config: uvicorn.Config) -> None:
    """Serve until stopped, on the socket that was handed over or else on one of its own."""
    handed = adopt_socket()
    with suppress(KeyboardInterrupt):
        if config.workers > 1:
            Multiprocess(config, sockets=[handed or config.bind_socket()]).run()
            return
        server = uvicorn.Server(config)
        server.run(sockets=None if handed is None else [handed])
        if not server.started:
            sys.exit(1)
