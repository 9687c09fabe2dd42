"""Cost of translating standard messages, against parsing the same files and nothing more.

Stands on processor time, in turns with a bare parse by lxml. Without ``data`` the documents are
synthetic ASYCUDA exports of this project's own, with every box that a real export fills.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from engine.storage.home import Home
from experiments.support.benchmark_harness import Row, row
from experiments.synthetic.records.asycuda_documents import asycuda_document, write_documents
from features.intake.load import load
from features.messages.settings import MessageSettings
from features.messages.translation import translate_document

ROUNDS = 7
MOST_TIMES = 6
MOST_SECONDS = 2.5
_SIZES = (1, 1, 2, 3, 8, 40, 86)
"""Items of the synthetic documents."""
LOADED, LEAST_LOADED = 20_000, 500
LARGE = 190
"""Items of the document that the command as a whole is timed with, about 3.3 MB."""


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench messages``; ``data`` is a folder of XML documents."""
    if data is None:
        documents = [asycuda_document(items, seed=n) for n, items in enumerate(_SIZES)]
    else:
        documents = [path.read_bytes() for path in sorted(data.rglob("*.xml"))]
    return [
        row(
            f"translating {len(documents)} documents, against a bare parse of them",
            "times the processor time",
            _times_a_parse(documents),
            f"<= {MOST_TIMES}",
        ),
        row(
            f"`darvoza translate` of one document of {LARGE} items, from the command's start",
            "seconds",
            _seconds_of_command(),
            f"<= {MOST_SECONDS}",
        ),
        row(
            f"`load --format asycuda` of {LOADED:,} documents, on one core",
            "documents a second",
            _documents_loaded(),
            f">= {LEAST_LOADED}",
        ),
    ]


def _documents_loaded() -> float:
    """Return documents per second of processor time, from the folder to the home's history."""
    with TemporaryDirectory(prefix="bench-messages-") as name:
        folder = Path(name) / "documents"
        write_documents(folder, documents=LOADED, seed=1)
        started = time.process_time()
        loaded = load(Home(Path(name) / "home").prepare(), folder, format="asycuda")
        seconds = time.process_time() - started
    if loaded.accepted != {"crossings.csv": LOADED, "documents": LOADED}:
        raise ValueError(f"not every document was loaded: {loaded.accepted}")
    return LOADED / seconds


def _times_a_parse(documents: Sequence[bytes]) -> float:
    settings = MessageSettings()
    ratios = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for document in documents:
            _parse(document)
        between = time.process_time()
        for document in documents:
            translate_document(document, settings)
        ratios.append((time.process_time() - between) / (between - started))
    return statistics.median(ratios)


def _parse(document: bytes) -> None:
    try:
        etree.fromstring(document)
    except etree.XMLSyntaxError:
        return  # a document that is not well-formed costs both sides alike


def _seconds_of_command() -> float:
    with TemporaryDirectory(prefix="bench-messages-") as name:
        scratch = Path(name)
        (scratch / "large.xml").write_bytes(asycuda_document(LARGE, seed=1))
        command = [sys.executable, "-m", "api", "translate", str(scratch / "large.xml")]
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run(
                [*command, "--out", str(scratch / "out")], check=True, capture_output=True
            )
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
