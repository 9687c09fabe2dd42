"""A network file that changes what features mean: said by ``verify``, mended by ``load``."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from api.cli.main import app as command_line
from api.service.assembly import open_store
from engine.audit.file_anchors import declare_network
from engine.storage.home import Home

POST = '[[posts]]\ncode = "{code}"\nname = "{code}"\ncountry = "KG"\n{more}'
ROWS = """crossing_id,post,direction,arrived_at,vehicle_class,plate,driver_ref
c1,DOS,entry,2026-03-01T16:30:00Z,truck,01A123BC,d1
"""


def write_network(path: Path, more: str = "") -> None:
    path.write_text(POST.format(code="DOS", more=more) + POST.format(code="OSH", more=""), "utf-8")


def run(home: Home, *arguments: str) -> dict[str, Any]:
    made = CliRunner().invoke(command_line, [*arguments, "--home", str(home.root), "--json"])
    assert made.exit_code == 0, made.output
    found: dict[str, Any] = orjson.loads(made.stdout)
    return found


def notes(home: Home) -> list[str]:
    return [note for note in run(home, "verify")["notes"] if note.startswith("counters")]


@pytest.mark.parametrize(
    ("more", "is_said"),
    [
        ('timezone = "Asia/Tashkent"\n', True),
        ('administration = "KG-2"\n', True),
        ("[posts.equipment]\nxray = 1\n", False),
    ],
)
def test_counters_under_another_network_are_filled_again(
    tmp_path: Path, more: str, is_said: bool
) -> None:
    home, folder = Home(tmp_path / "home"), tmp_path / "folder"
    folder.mkdir()
    (folder / "crossings.csv").write_text(ROWS, "utf-8")
    write_network(folder / "network.toml")
    run(home, "load", str(folder))
    (folder / "network.toml").unlink()
    write_network(home.network, more)
    with open_store(home) as store:
        declare_network(home, store)  # as the next start of the service does
    assert bool(notes(home)) == is_said
    run(home, "load", str(folder))
    assert notes(home) == []
