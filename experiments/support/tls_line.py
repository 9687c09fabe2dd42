"""A line to a service: TLS with a certificate of its own; it can be cut, lose, double and kill."""

import datetime
import http.client
import json
import ssl
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST, SEEN = "127.0.0.1", 1_000


@dataclass
class Line:
    """The line to one service, and what happens to the next requests on it."""

    port: int
    """Of the service."""
    certificate: Path
    faults: list[str] = field(default_factory=list)
    """``lose`` a request, ``lose_answer``, ``double``, or ``kill`` the service after it."""
    kill: Callable[[], None] = lambda: None
    seen: deque[bytes] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The last bodies of both directions, as they passed."""
    is_cut: bool = False
    url: str = ""

    def forward(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        """Return the service's answer, None where it is lost."""
        fault = self.faults.pop(0) if self.faults else ""
        if self.is_cut or fault == "lose":
            return None
        try:
            answer = self._post(path, body, headers)
            if fault == "double":
                answer = self._post(path, body, headers)
        except (OSError, http.client.HTTPException):
            return None  # no service listens
        if fault == "kill":
            self.kill()
        return None if fault in ("kill", "lose_answer") else answer

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        # Closed whatever happens: the service may be killed while it answers.
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=30)) as connection:
            connection.request("POST", path, body, headers)
            with connection.getresponse() as answer:
                raw = answer.read()
        self.seen += [body, raw]
        return answer.status, raw


@contextmanager
def serve_tls(line: Line, folder: Path) -> Iterator[None]:
    """Serve a line over HTTPS until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found = line.forward(self.path, body, {"Content-Type": "application/json"})
            self.close_connection = True
            if found is None:
                return
            self.send_response(found[0])
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(line.certificate, folder / "tls.key")
    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    line.url = f"https://{HOST}:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_wire(line: Line) -> bytes:
    """Return everything that passed, and what the bodies of envelopes are without base 64."""
    found = list(line.seen)
    for raw in line.seen:
        parcel = json.loads(raw)
        found += [b64decode(json.loads(text)["body"]) for text in parcel.get("envelopes", ())]
    return b"\n".join(found)


def make_certificate(
    folder: Path, *, host: str = HOST, first_day: int = -1, last_day: int = 1
) -> Path:
    """Write a self-signed certificate of an address and its key; return the certificate.

    It is valid from one day to another, counted from now.
    """
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a line on this machine")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=first_day))
        .not_valid_after(now + datetime.timedelta(days=last_day))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, None)
    )
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(*form))
    path = folder / "tls.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path
