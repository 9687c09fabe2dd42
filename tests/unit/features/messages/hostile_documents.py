"""Documents that must be refused, and canaries that tell when a document reached for them."""

import gzip
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


ADDRESS, FILE = b"127.0.0.1:9", b"/etc/hostname"
WRAPPED = b"<ASYCUDA>%s</ASYCUDA>"
_CODE = b"<HScode><Commodity_code>01</Commodity_code></HScode>"
ITEM = b"<Item><Tarification>%s</Tarification></Item>" % _CODE
_INCLUDE = b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="%s" parse="text"/>'
HOSTILE: dict[str, tuple[bytes, str]] = {
    "entities that multiply": (
        b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ASYCUDA>&b;</ASYCUDA>',
        "doctype",
    ),
    "a file as an entity": (
        b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]><ASYCUDA>&f;</ASYCUDA>',
        "doctype",
    ),
    "a DTD from the network": (
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><ASYCUDA/>',
        "doctype",
    ),
    "a DOCTYPE behind comments": (b"<!-- c -->" * 20_000 + b"<!DOCTYPE a><ASYCUDA/>", "doctype"),
    "a DOCTYPE in UTF-16": (
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><ASYCUDA/>'.encode("utf-16"),
        "doctype",
    ),
    "an undeclared entity": (WRAPPED % b"&nbsp;", "not_well_formed"),
    "100,000 levels": (WRAPPED % (b"<a>" * 100_000 + b"</a>" * 100_000), "too_deep"),
    "60 levels, 8,000 times": (
        WRAPPED % ((b"<a>" * 60 + b"x" + b"</a>" * 60) * 8_000),
        "too_deep",
    ),
    "100 levels": (WRAPPED % (b"<a>" * 100 + b"x" + b"</a>" * 100), "too_deep"),
    "a million elements": (WRAPPED % (b"<a/>" * 1_100_000), "too_many_elements"),
    "300,000 attributes": (
        WRAPPED % (b"<a %s>x</a>" % b" ".join(b'a%d="1"' % i for i in range(300_000))),
        "too_many_attributes",
    ),
    "180,000 groups": (
        WRAPPED % ((b"<a>" * 20 + b"x" + b"</a>" * 20) * 9_000),
        "too_many_elements",
    ),
    "400,000 siblings": (WRAPPED % (b"<a>x</a>" * 400_000), "too_many_elements"),
    "40 attributes": (
        WRAPPED % (b"<a %s>x</a>" % b" ".join(b'a%d="1"' % i for i in range(40))),
        "too_many_attributes",
    ),
    "1,000 items": (WRAPPED % (ITEM * 1000), "too_many_items"),
    "a text of 15 MB": (WRAPPED % (b"x" * (15 << 20)), "not_well_formed"),
    "25 MB": (b"<" * (25 << 20), "too_large"),
    "NUL": (WRAPPED % b"\0", "not_well_formed"),
    "half a document": (b"<ASYCUDA><Item>", "not_well_formed"),
    "a billion of entities": (
        b"<!DOCTYPE a ["
        + b"".join(
            b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"lol") for n in range(10)
        )
        + b"]><ASYCUDA>&e9;</ASYCUDA>",
        "doctype",
    ),
    "one long entity many times": (
        b'<!DOCTYPE a [<!ENTITY a "%s">]>' % (b"x" * 100_000)
        + WRAPPED % (b"<a>" + b"&a;" * 50_000 + b"</a>"),
        "doctype",
    ),
    "an entity from the network": (
        b'<!DOCTYPE a [<!ENTITY f SYSTEM "http://%s/f">]><ASYCUDA>&f;</ASYCUDA>' % ADDRESS,
        "doctype",
    ),
    "a parameter entity from a file": (
        b'<!DOCTYPE a [<!ENTITY %% f SYSTEM "file://%s"> %%f;]><ASYCUDA/>' % FILE,
        "doctype",
    ),
    "a DTD from a file": (b'<!DOCTYPE a SYSTEM "file://%s"><ASYCUDA/>' % FILE, "doctype"),
    "a public DTD": (
        b'<!DOCTYPE a PUBLIC "-//A//B" "http://%s/a.dtd"><ASYCUDA/>' % ADDRESS,
        "doctype",
    ),
    "an entity in UTF-7": (
        b'<?xml version="1.0" encoding="UTF-7"?>'
        + '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]><ASYCUDA>&f;</ASYCUDA>'.encode(
            "utf-7"
        ),
        "doctype",
    ),
    "a DOCTYPE in UTF-16 without its mark": (
        "<!DOCTYPE a><ASYCUDA/>".encode("utf-16-le"),
        "doctype",
    ),
    "a DOCTYPE in UTF-32": ("<!DOCTYPE a><ASYCUDA/>".encode("utf-32"), "doctype"),
    "an inclusion of a file": (
        WRAPPED % (_INCLUDE % (b"file://" + FILE)),
        "inclusion",
    ),
    "an inclusion from the network": (
        WRAPPED % (_INCLUDE % (b"http://%s/a.xml" % ADDRESS)),
        "inclusion",
    ),
    "an attribute of 12 MB": (
        WRAPPED % (b'<a b="%s">x</a>' % (b"x" * (12 << 20))),
        "not_well_formed",
    ),
    "a name of one megabyte": (WRAPPED % (b"<%s>x</a>" % (b"a" * (1 << 20))), "not_well_formed"),
    "a comment of 12 MB": (WRAPPED % (b"<!--%s-->" % (b"x" * (12 << 20))), "not_well_formed"),
    "one attribute twice": (WRAPPED % b'<a b="1" b="2">x</a>', "not_well_formed"),
    "300,000 namespaces": (
        b"<ASYCUDA %s/>" % b" ".join(b'xmlns:n%d="u"' % n for n in range(300_000)),
        "too_many_attributes",
    ),
    "two roots": (b"<ASYCUDA/><ASYCUDA/>", "not_well_formed"),
    "a character that XML does not have": (WRAPPED % b"<a>&#0;</a>", "not_well_formed"),
    "a compressed document": (gzip.compress(WRAPPED % ITEM, mtime=0), "not_well_formed"),
    "bytes of no encoding": (WRAPPED % b"<a>\xff\xfe</a>", "not_well_formed"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="no"?><ASYCUDA/>', "not_well_formed"),
    "nothing": (b"", "not_well_formed"),
    "an archive": (b"PK\x03\x04", "not_well_formed"),
    "a page": (b"<html><body/></html>", "unsupported_message"),
    "our root in another namespace": (b'<ASYCUDA xmlns="urn:other"/>', "unsupported_message"),
    "JSON without end": (b'{"eCMR":' * 100_000, "not_well_formed"),
    "JSON of five megabytes": (b'{"eCMR":{"a":[' + b"1," * 2_500_000 + b"1]}}", "too_large"),
    "JSON of a million values": (
        b'{"eCMR":{"a":[' + b"1," * 1_000_000 + b"1]}}",
        "too_many_elements",
    ),
}


_INSTANCE = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
DECOYS: dict[str, bytes] = {
    "a schema on the network": (
        b'<ASYCUDA %s xsi:schemaLocation="urn:a http://%s/a.xsd"/>' % (_INSTANCE, ADDRESS)
    ),
    "a schema in a file": (
        b'<ASYCUDA %s xsi:noNamespaceSchemaLocation="file://%s"/>' % (_INSTANCE, FILE)
    ),
    "a stylesheet on the network": (
        b'<?xml-stylesheet type="text/xsl" href="http://%s/a.xsl"?><ASYCUDA/>' % ADDRESS
    ),
    "a stylesheet in a file": b'<?xml-stylesheet href="file://%s"?><ASYCUDA/>' % FILE,
    "an instruction to include": b'<ASYCUDA><?include file="%s"?></ASYCUDA>' % FILE,
    "a base of addresses": b'<ASYCUDA xml:base="http://%s/"/>' % ADDRESS,
}
"""Documents that point elsewhere in ways that ordinary ones have, too: read, and not followed."""


def point_at(data: bytes, *, address: str, file: str) -> bytes:
    """Return a document that points to another address and another file."""
    return data.replace(ADDRESS, address.encode()).replace(FILE, file.encode())
