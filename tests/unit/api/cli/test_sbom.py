"""The list of libraries is the locks', no more and no less."""

import json
import re

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.sbom import DEVELOPMENT, ROOT, SERVICE, bill, pins


def lines(name: str) -> set[str]:
    """Return ``name==version`` of each pin, read the plainest way."""
    text = (ROOT / name).read_text("utf-8")
    return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))


@pytest.mark.parametrize("names", [(SERVICE,), (SERVICE, DEVELOPMENT)], ids=len)
def test_every_pin_is_a_component_with_its_hashes(names: tuple[str, ...]) -> None:
    made = bill(ROOT, names)
    values = {f"{one['name']}=={one['version']}" for one in made["components"]}
    assert values == set().union(*map(lines, names))
    for one in made["components"]:
        assert one["hashes"] and one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        assert (one["scope"] == "required") == (
            f"{one['name']}=={one['version']}" in lines(SERVICE)
        )
    hashes = [hashed["content"] for one in made["components"] for hashed in one["hashes"]]
    assert len(hashes) >= (ROOT / names[-1]).read_text("utf-8").count("--hash=sha256:")


def test_the_same_locks_give_the_same_list() -> None:
    assert bill(ROOT, (SERVICE,)) == bill(ROOT, (SERVICE,))
    serial = bill(ROOT, (SERVICE,))["serialNumber"]
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", serial)
    assert serial != bill(ROOT, (SERVICE, DEVELOPMENT))["serialNumber"]


def test_markers_do_not_enter_versions() -> None:
    text = "a==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:" + "0" * 64 + "\nb==2\n"
    first, second = pins(text)
    assert (first.version, first.marker) == ("1.0", "python_full_version < '3.12'")
    assert first.hashes == ("0" * 64,) and second.hashes == ()


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(app, ["sbom"])
    assert done.exit_code == 0
    made = json.loads(done.stdout)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"]["name"] == "darvoza"
