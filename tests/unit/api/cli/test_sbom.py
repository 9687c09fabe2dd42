"""The list of libraries is the locks', no more and no less."""

import re

import pytest

from api.cli.sbom import DEVELOPMENT, ROOT, SERVICE, bill


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
