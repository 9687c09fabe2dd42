"""A file and an address that tell when they are touched, for documents that point to them."""

import json
import os
import socket
from io import BytesIO
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self
from xml.sax import handler, make_parser

from typer.testing import CliRunner

from api.cli.main import app

_TEXT = b"canary"


class Canaries:
    """A named pipe whose opening is seen, and a listening socket of this machine.

    A pipe can be opened for writing only while something opens it for reading, whatever library or
    kernel call that is; a socket accepts every caller. Neither needs a trace or a privilege.
    """

    def __init__(self, folder: Path) -> None:
        self.touched: list[str] = []
        """``file`` or ``network``, in the order in which they were touched."""
        self.file = str(folder / "canary")
        os.mkfifo(self.file)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._is_closing = False
        self._threads = [Thread(target=each, daemon=True) for each in (self._feed, self._answer)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closing = True
        reader = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK)  # lets the writer's thread end
        socket.create_connection(self._listener.getsockname()).close()
        for thread in self._threads:
            thread.join(10)
        os.close(reader)
        self._listener.close()

    def run_command(self, *arguments: str) -> list[dict[str, Any]]:
        """Run ``darvoza translate`` and return the lines of its report."""
        done = CliRunner().invoke(app, [*arguments])
        assert done.exit_code == 0, done.output
        report = Path(arguments[-1]) / "records.jsonl"
        return [json.loads(line) for line in report.read_text("utf-8").splitlines()]

    def read_trustingly(self, data: bytes) -> None:
        """Read a document as a parser does that resolves entities: the negative control."""
        parser = make_parser()  # noqa: S317 - it is to be caught
        parser.setFeature(handler.feature_external_ges, True)
        parser.setContentHandler(handler.ContentHandler())
        parser.parse(BytesIO(data))

    def _feed(self) -> None:
        with Path(self.file).open("wb") as pipe:  # waits until it is opened for reading
            if not self._is_closing:
                self.touched.append("file")
                pipe.write(_TEXT)

    def _answer(self) -> None:
        while True:
            caller, _ = self._listener.accept()
            with caller:
                if self._is_closing:
                    return
                self.touched.append("network")
                caller.recv(4096)
                caller.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + _TEXT)
