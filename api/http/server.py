"""Server: it listens, takes over a listening socket, and leaves without breaking a request.

Assumes that what restarts it keeps the socket open meanwhile (a service manager, or the parent
of several workers): connections then wait for the next process, and none is refused. A worker does
not outlive its parent, which alone can replace and stop it.
"""

import multiprocessing
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from threading import Thread

import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.supervisors import Multiprocess

from api.http.connection_limits import BoundedProtocol
from engine.errors import ServiceStartError

FIRST_PASSED = 3
"""The first file that a service manager hands to a process it starts (sd_listen_fds)."""
LAST_SECONDS = 0.5
"""How long an open connection may still ask, once, while the service stops."""
MOST_CONNECTIONS = 800
"""Open connections of one process, which is usually given 1,024 files; any more get 503."""
LONGEST_STOP_SECONDS = 30
"""How long a worker without a parent may take to stop before it is killed."""
_CLOSE = (b"connection", b"close")
_BACKLOG = 2048
"""Connections that wait to be taken, as the server's own default is."""


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


def open_socket(host: str, port: int) -> socket.socket:
    """Return the socket that was handed over, else one that listens; connections wait from now on.

    Raises ``ServiceStartError`` where no socket can listen there.
    """
    handed = adopt_socket()
    if handed is not None:
        return handed
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]
        raise ServiceStartError(f"port {port} of {host}: {why}") from None
    made.set_inheritable(True)  # by worker processes
    return made


def name_address(listening: socket.socket) -> str:
    """Return the address at which a socket is reached; port 0 has become a real one."""
    if listening.family not in (socket.AF_INET, socket.AF_INET6):
        return "the socket that was handed over"
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def tell_service_manager() -> None:
    """Tell the service manager that started this process that connections wait (sd_notify)."""
    if address := os.environ.pop("NOTIFY_SOCKET", ""):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(b"READY=1", address.replace("@", "\0", 1))


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


def listen(config: uvicorn.Config, listening: socket.socket) -> None:
    """Serve on a socket until stopped."""
    with suppress(KeyboardInterrupt):
        if config.workers > 1:
            Multiprocess(config, sockets=[listening]).run()
            return
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
        if not server.started:
            sys.exit(1)


def end_with_parent() -> None:
    """Let this worker stop once the process that started it has ended, even by a kill."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_stop_after, args=(parent.sentinel,), name="parent", daemon=True).start()


def _stop_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LONGEST_STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
