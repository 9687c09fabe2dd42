"""Models of a centre at its post's node: in parts, checked, in force by the journal alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.links import post_nodes
from api.links.post_nodes import BundleLine
from engine.errors import TamperedBundleError
from engine.journal.kinds import COPIED, MODEL_REGISTERED
from engine.links.area import LINK_RECEIVED
from engine.storage.home import file_digest
from experiments.support.deployment import Analysts
from models.bundle import MANIFEST, SIGNATURE, keep_bundle, load_bundle, signing_key
from models.lifecycle.states import bundle_faults, find_model_in_force, read_state
from models.lifecycle.transitions import register
from tests.integration.service.links.post_and_centre import (
    Installation,
    agree,
    make_centre,
    open_installation,
    sync,
)
from tests.support.running_service import NETWORK
from tests.unit.engine.links.links import post_content


@dataclass(frozen=True)
class Post:
    """An empty node and its centre, with a model that two people of the centre approved."""

    node: Installation
    centre: Installation
    analysts: Analysts
    version: str

    def in_force(self) -> str | None:
        with self.node.store.read() as connection:
            return find_model_in_force(connection)

    def faults(self) -> list[Any]:
        with self.node.store.read() as connection:
            return list(bundle_faults(self.node.home, connection))


def open_post(tmp_path: Path, sqlite_template: Path, url: str | None = None) -> Iterator[Post]:
    """Open both, the centre on a store of its own; the model comes into force after the link."""
    homes = [make_centre(tmp_path / name, NETWORK) for name in ("node", "centre")]
    for home in homes:
        Path(home.database_url.removeprefix("sqlite:///")).write_bytes(sqlite_template.read_bytes())
    for node in open_installation(homes[0]):
        for centre in open_installation(homes[1], url):
            agree(node, centre)
            analysts = Analysts(centre.home, centre.store)
            yield Post(node, centre, analysts, analysts.promote(analysts.make()))


@pytest.fixture
def post(tmp_path: Path, sqlite_template: Path) -> Iterator[Post]:
    yield from open_post(tmp_path, sqlite_template)


@pytest.fixture
def stored_post(tmp_path: Path, sqlite_template: Path, store_url: str) -> Iterator[Post]:
    """The same, the centre on each kind of store."""
    yield from open_post(tmp_path, sqlite_template, store_url)


def test_a_model_of_the_centre_comes_into_force_at_its_node(stored_post: Post) -> None:
    """The files are those of the centre, byte for byte; the signature is the node's own."""
    post = stored_post
    sync(post.node, post.centre)
    assert post.in_force() == post.version
    ours, theirs = (one.home.bundles / post.version for one in (post.node, post.centre))
    files = {path.name: path.read_bytes() for path in ours.iterdir()}
    assert files.pop(SIGNATURE) != (theirs / SIGNATURE).read_bytes()
    assert files == {
        path.name: path.read_bytes() for path in theirs.iterdir() if path.name != SIGNATURE
    }
    loaded = load_bundle(ours, signing_key(post.node.home).public_key())
    assert loaded.version == post.version
    parts = [body for _, body in post.node.bodies(LINK_RECEIVED) if body["message"] == "bundle"]
    sizes = sum(
        (one.stat().st_size + post_nodes.PART - 1) // post_nodes.PART for one in theirs.iterdir()
    )
    assert 10 < len(parts) <= sizes
    assert post.faults() == []
    ((registered, record),) = post.node.bodies(MODEL_REGISTERED)
    assert (registered, COPIED in record) == (post.version, True)
    sync(post.node, post.centre)
    again = [body for _, body in post.node.bodies(LINK_RECEIVED) if body["message"] == "bundle"]
    assert len(again) == len(parts), "nothing is sent twice"


def test_a_candidate_stays_at_the_centre_and_a_second_model_follows(post: Post) -> None:
    sync(post.node, post.centre)
    candidate = post.analysts.make()
    about = {"manifest": file_digest(candidate / MANIFEST), "evaluation": "-", "card": "-"}
    post.analysts._record(lambda now: register(now, candidate.name, by="trainer", **about))
    second = post.analysts.promote(post.analysts.make())
    sync(post.node, post.centre)
    assert post.in_force() == second
    assert {path.name for path in post.node.home.bundles.iterdir()} == {post.version, second}
    with post.node.store.read() as connection:
        models = read_state(connection).models
    assert models[candidate.name].role == "candidate"
    assert models[post.version].role == "retired"
    assert post.faults() == [], "a bundle that does not travel is not missing"


@pytest.mark.parametrize("file", [MANIFEST, "calibration.json"])
def test_parts_that_are_not_what_was_registered_are_not_kept(
    post: Post, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """The centre's link key alone puts no model into force."""
    cut = BundleLine._cut

    def change(line: BundleLine, version: str, wanted: Any) -> Any:
        found = cut(line, version, wanted)
        kept = [one for one in found if one.file != file]
        changed = list(post_nodes._cut_file(version, file, b'{"format": 2}'))
        return sorted([*kept, *changed], key=lambda one: one.file == MANIFEST)

    monkeypatch.setattr(BundleLine, "_cut", change)
    sync(post.node, post.centre)
    assert post.in_force() == post.version, "the journal says so"
    assert list(post.node.home.bundles.glob("*")) == [], "and there is nothing that could decide"
    assert [fault.rule for fault in post.faults()] == ["bundle"]


def test_a_link_that_names_no_bundles_moves_no_model(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of models without their bundles would leave the node without any."""
    content = post_content

    def without(*keys: Any, **changes: Any) -> Any:
        found = content(*keys, **changes)
        return found | {"messages": [m for m in found["messages"] if m["kind"] != "bundle"]}

    monkeypatch.setattr("tests.integration.service.links.post_and_centre.post_content", without)
    for one in open_post(tmp_path, sqlite_template):
        sync(one.node, one.centre)
        assert one.in_force() is None
        assert not one.node.home.bundles.exists() or not list(one.node.home.bundles.iterdir())


def test_names_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    for version, files in (("../outside", {MANIFEST: b"{}"}), ("v1", {"../outside": b""})):
        with pytest.raises(TamperedBundleError):
            keep_bundle(tmp_path / "bundles", version, files, manifest="", key=key)
    assert list(tmp_path.iterdir()) == []
