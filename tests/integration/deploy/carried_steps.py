"""Go from a carried bundle to a decision over TLS on PostgreSQL, as docs/operations.md says.

Run in a network namespace of its own: no address outside this machine exists there.
``python carried_steps.py BUNDLE KEY SCRATCH`` prints the decision as JSON.
"""

import fcntl
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from experiments.support.postgres import Cluster

PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
"""The interpreter that this one's environment was made from."""
UP, FLAGS_OF, SET_FLAGS = 0x1, 0x8913, 0x8914
ARRIVAL = {
    "crossing_id": "carried-1",
    "post": "UZ-OYB",
    "direction": "entry",
    "vehicle_class": "truck",
    "plate": "01A001BC",
    "plate_country": "TJ",
    "is_empty": False,
}


def bring_up_loopback() -> None:
    """Turn on the one interface that a new namespace has."""
    with socket.socket() as line:
        name = struct.pack("16sh", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(line, FLAGS_OF, name), 16)
        fcntl.ioctl(line, SET_FLAGS, struct.pack("16sh", b"lo", flags | UP))


def install(bundle: Path, key: Path, prefix: Path) -> Path:
    """Run the bundle's ``install.sh`` and return the command that it installed."""
    words = ["sh", str(bundle / "install.sh"), "--prefix", str(prefix)]
    words += ["--python", str(PYTHON), "--key", str(key)]
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(prefix.parent)}
    subprocess.run(words, env=clean, check=True, stdout=sys.stderr)
    return prefix / ".venv" / "bin" / "darvoza"


def write_proxy(prefix: Path, scratch: Path, *, port: int) -> Path:
    """Return nginx's configuration: the installed file, with a port and certificate of our own."""
    tls = scratch / "tls"
    tls.mkdir()
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words += ["-keyout", str(tls / "key.pem"), "-out", str(tls / "certificate.pem")]
    subprocess.run(words, check=True, capture_output=True)
    text = (prefix / "share" / "deploy" / "nginx.conf").read_text("utf-8")
    text = text.replace("/etc/darvoza/tls", str(tls)).replace("443 ssl", f"{port} ssl")
    path = scratch / "nginx.conf"
    path.write_text(
        f"pid {scratch}/nginx.pid; daemon off; error_log {scratch}/nginx.log;\n"
        "events {}\n"
        f"http {{ access_log off; client_body_temp_path {scratch}/bodies;\n{text}\n}}\n"
    )
    return path


def ask(address: str, scratch: Path, *, body: Any = None, key: str = "") -> dict[str, Any]:
    """Return what the proxy answers over TLS, trusting the test's certificate alone."""
    trust = ssl.create_default_context(cafile=str(scratch / "tls" / "certificate.pem"))
    sent = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    asked = Request(address, sent, headers if key else {})  # noqa: S310 - an address of ours
    for _ in range(600):
        try:
            with urlopen(asked, context=trust, timeout=30) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except HTTPError as error:  # of the proxy while the service starts
            if error.code not in {502, 503}:
                raise RuntimeError(error.read().decode()) from None
        except (URLError, ConnectionError):
            pass
        time.sleep(0.1)
    raise RuntimeError("no answer over TLS")


def main(bundle: Path, key: Path, scratch: Path) -> None:
    os.umask(0o022)  # PostgreSQL runs as nobody
    bring_up_loopback()
    prefix, home = scratch / "prefix", scratch / "home"
    darvoza = str(install(bundle, key, prefix))
    (scratch / "postgres").mkdir()
    database = Cluster(scratch / "postgres")
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(scratch),
        "DARVOZA_HOME": str(home),
        "DARVOZA_DATABASE_URL": database.url(),
        "DARVOZA_TRUSTED_PROXIES": "127.0.0.1",
        "NUMBA_CACHE_DIR": str(scratch / "cache"),
    }

    def run(*words: str) -> str:
        done = subprocess.run([darvoza, *words], env=env, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode()

    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        raise RuntimeError("nginx is not installed")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    run("synth", str(scratch / "history"), "--crossings", "2000", "--end", now)
    run("load", str(scratch / "history"))
    made = json.loads(run("keys", "create", "--role", "checkpoint", "--post", "UZ-OYB", "--json"))
    started = [
        subprocess.Popen([darvoza, "serve", "--host", "127.0.0.1", "--port", "8000"], env=env),
        subprocess.Popen([nginx, "-c", str(write_proxy(prefix, scratch, port=8443))]),
    ]
    try:
        ask("https://localhost:8443/readyz", scratch)
        arrival = {"crossing": ARRIVAL | {"arrived_at": now}, "declaration": None}
        decided = ask("https://localhost:8443/v1/decisions", scratch, body=arrival, key=made["key"])
    finally:
        for process in started:
            process.terminate()
            process.wait()
        database.stop()
    json.dump(decided, sys.stdout)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
