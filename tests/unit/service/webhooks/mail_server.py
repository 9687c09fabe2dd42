"""A mail server on this machine (RFC 5321), which answers as a test says and keeps what it got."""

import socketserver
import ssl
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from threading import Thread
from typing import cast

from experiments.support.processes import find_free_port


@dataclass
class MailReceiver:
    """What arrived, and how each line is answered."""

    answer: Callable[[str], str | None] = lambda _: None
    """An answer to a line in place of the usual one; None for the usual one."""
    port: int = field(default_factory=find_free_port)
    mails: list[EmailMessage] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    """Names and passwords that signed in."""
    clear: list[str] = field(default_factory=list)
    """Lines that came before any encryption."""
    tls: ssl.SSLContext | None = None
    """Offers STARTTLS (RFC 3207) with a certificate; without one, nothing is encrypted."""
    is_tls_from_start: bool = False

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Serve while the block runs."""
        server = _Server(("127.0.0.1", self.port), _Handler)
        server.receiver = self
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    receiver: MailReceiver


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        receiver = cast("_Server", self.server).receiver
        try:
            self._talk(receiver)
        except ssl.SSLError:
            return  # the other side does not trust the certificate
        finally:
            self.request.close()

    def _talk(self, receiver: MailReceiver) -> None:
        if receiver.is_tls_from_start:
            self._encrypt(receiver)
        self._say("220 ready")
        while line := self.rfile.readline().decode("ascii").rstrip("\r\n"):
            if not isinstance(self.request, ssl.SSLSocket):
                receiver.clear.append(line)
            if receiver.tls is not None and line.upper() == "STARTTLS":
                self._say("220 go on")
                self._encrypt(receiver)
                continue
            self._say(receiver.answer(line) or self._reply(line, receiver))
            if line.upper() == "QUIT":
                return

    def _reply(self, line: str, receiver: MailReceiver) -> str:
        verb = line.partition(" ")[0].upper()
        if verb == "EHLO":
            is_offered = receiver.tls is not None and not isinstance(self.request, ssl.SSLSocket)
            return f"250-here\r\n{'250-STARTTLS' if is_offered else '250-HELP'}\r\n250 AUTH PLAIN"
        if verb == "AUTH":
            known = b64decode(line.split()[-1]).decode()
            receiver.users.append(known.replace("\0", " ").strip())
            return "235 in"
        if verb == "DATA":
            self._say("354 go on")
            lines = iter(self.rfile.readline, b".\r\n")
            raw = b"".join(one.removeprefix(b".") for one in lines)
            receiver.mails.append(message_from_bytes(raw, policy=default))
        return "221 bye" if verb == "QUIT" else "250 taken"

    def _encrypt(self, receiver: MailReceiver) -> None:
        assert receiver.tls is not None
        self.request = receiver.tls.wrap_socket(self.request, server_side=True)
        self.setup()

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode("ascii"))
