"""Hostile documents: refused by name in a sealed process, within a second and 200 MB."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.features.messages.sealed_process import translate_sealed
from tests.support.sizes import PROOF
from tests.unit.features.messages.hostile_documents import DECOYS, HOSTILE, Canaries, point_at

MOST_KILOBYTES = 200 << 10
OPENING = ("a file as an entity", "a DTD from a file", "a parameter entity from a file")


@pytest.fixture
def canaries(tmp_path: Path) -> Iterator[Canaries]:
    with Canaries(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def sealed_results() -> dict[str, dict[str, Any]]:
    """Return what became of each document in a sealed process."""
    documents = {name: data for name, (data, _) in HOSTILE.items()} | DECOYS
    return dict(zip(documents, translate_sealed(list(documents.values())), strict=True))


def test_each_is_refused_by_name_in_a_second_and_200_mb_and_opens_nothing(
    sealed_results: dict[str, dict[str, Any]],
) -> None:
    assert len(HOSTILE) >= 40
    for name, (_, rule) in HOSTILE.items():
        one = sealed_results[name]
        assert (one["status"], one["rule"], one["signal"]) == ("refused", rule, 0), name
        assert one["kilobytes"] < MOST_KILOBYTES, name


def test_what_points_elsewhere_and_may_be_read_opens_nothing(
    sealed_results: dict[str, dict[str, Any]],
) -> None:
    """Schema addresses and stylesheets stand in ordinary documents, too."""
    for name in DECOYS:
        assert (sealed_results[name]["status"], sealed_results[name]["signal"]) == (
            "no_declaration",
            0,
        ), name


def test_negative_control_a_reader_that_trusts_a_dtd_is_killed() -> None:
    """Seeded bug: entities and DTDs on. The process is ended where it opens the file."""
    found = translate_sealed([HOSTILE[name][0] for name in OPENING], "entities")
    assert [one["signal"] for one in found] == [signal.SIGSYS] * len(OPENING)


def test_negative_control_a_reader_without_limits_is_seen() -> None:
    """Seeded bug: no limits. It reads the document, or is ended by the bound of its time."""
    names = ("400,000 siblings", "180,000 groups")[: 2 if PROOF else 1]
    for one in translate_sealed([HOSTILE[name][0] for name in names], "limits"):
        assert one["rule"] != "too_many_elements"
        assert one["signal"] in (0, signal.SIGKILL, signal.SIGXCPU)


def test_the_command_touches_neither_the_network_nor_a_file_that_is_named(
    tmp_path: Path, canaries: Canaries
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, data in enumerate([*(data for data, _ in HOSTILE.values()), *DECOYS.values()]):
        pointed = point_at(data, address=canaries.address, file=canaries.file)
        (folder / f"{number:03}.xml").write_bytes(pointed)
    rules = [rule for _, rule in HOSTILE.values()]
    lines = canaries.run_command("translate", str(folder), "--out", str(tmp_path / "out"))
    assert [line["rule"] for line in lines[: len(rules)]] == rules
    assert canaries.touched == []


@pytest.mark.parametrize("name", ["a file as an entity", "an entity from the network"])
def test_negative_control_a_canary_that_is_touched_says_so(canaries: Canaries, name: str) -> None:
    """Seeded bug: a parser that resolves entities, as any has it by default elsewhere."""
    data = point_at(HOSTILE[name][0], address=canaries.address, file=canaries.file)
    canaries.read_trustingly(data)
    assert canaries.touched == ["network" if "network" in name else "file"]


_WITHOUT_FILES = """
import resource, sys
from features.messages.settings import MessageSettings
from features.messages.translation import translate_document
data = sys.stdin.buffer.read()
translate_document(b"<ASYCUDA/>", MessageSettings())
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
print(translate_document(data, MessageSettings()).rule)
"""


def test_no_file_and_no_socket_is_needed_to_refuse() -> None:
    """A process that can open nothing any more refuses the same documents by the same names."""
    for name in ("a file as an entity", "a DTD from the network"):
        data, rule = HOSTILE[name]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
        done = subprocess.run(
            [sys.executable, "-c", _WITHOUT_FILES],
            input=data,
            capture_output=True,
            check=True,
            env=environment,
        )
        assert done.stdout.decode().strip() == rule
