"""Seeds of a node's shifts are committed to ahead, and held against it at its centre."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.links.node_recompute import verify_draws_at_centre
from engine.audit.verification import DrawFault, DrawVerifier
from engine.domain.time_units import DAY
from engine.journal.journal import JournalReader
from engine.journal.kinds import SEEDS_COMMITTED, SHIFT_OPENED, SeedPlaceBody
from engine.links.area import LINK_STOPPED, LinkStoppedBody
from engine.shifts.shift_state import (
    SeedChains,
    SeedMark,
    SeedMarks,
    ShiftNeed,
    Shifts,
)
from tests.integration.service.links.post_and_centre import Installation, sync
from tests.support.running_service import OTHER, POST, World, arrival, serving


def shifts_of(world: World) -> Shifts:
    return world.runtime.targeting._contexts._shifts


def open_later(world: World, post: str, *, days: int) -> None:
    """Open a shift of some later day; the seeds of those before it are revealed."""
    with world.runtime.store.read() as connection:
        now = world.runtime.journal.now(connection)
    shifts_of(world).open_shift(ShiftNeed(post, now + days * DAY, None))


def draw_faults(world: World) -> tuple[int, list[DrawFault]]:
    verifier = DrawVerifier()
    with world.runtime.store.read() as connection:
        return verifier.checked, list(verifier.faults(connection))


def places(world: World, post: str) -> list[SeedPlaceBody]:
    """Return where the seeds of a post's shifts stand, of those from a chain."""
    with world.runtime.store.read() as connection:
        bodies = [one.body for one in JournalReader(connection).records(SHIFT_OPENED)]
    of_post = [body for body in bodies if body["shift"].startswith(f"{post}@")]
    return [body["chain"] for body in of_post if "chain" in body]


def test_a_centre_verifies_draws_by_seeds_that_were_committed_to_before(
    world: World, node: Installation, centre: Installation, request: pytest.FixtureRequest
) -> None:
    """The shift that was open when the link began has no chain, and verifies as before."""
    first = 30 if "sqlite" in request.node.name else 130
    sync(node, centre)
    for day in (first, first + 1, first + 2):
        open_later(world, POST, days=day)
    found = places(world, POST)[-3:]
    assert [one["index"] for one in found[1:]] == [found[0]["index"] + 1, found[0]["index"] + 2]
    assert draw_faults(world)[1] == []
    sync(node, centre)
    checked, faults = verify_draws_at_centre(centre.store, centre.link)
    assert faults == []
    assert checked >= 30
    (committed,) = [body for body in bodies_of_chains(world) if body[1] == POST]
    assert committed[0] == found[0]["sequence"]


def bodies_of_chains(world: World) -> list[tuple[int, str]]:
    with world.runtime.store.read() as connection:
        found = JournalReader(connection).bodies_of(SEEDS_COMMITTED)
        return [(seq, body["post"]) for seq, body in found]


CHOOSE = SeedChains.choose_seed


def choose_own(
    chains: SeedChains, post: str, last: SeedPlaceBody | None, *, shift: str
) -> tuple[bytes, SeedPlaceBody]:
    """Seeded bug: a seed that a person chose, under the place of the chain's."""
    return bytes(32), CHOOSE(chains, post, last, shift=shift)[1]


def pass_over(
    chains: SeedChains, post: str, last: SeedPlaceBody | None, *, shift: str
) -> tuple[bytes, SeedPlaceBody]:
    """Seeded bug: a seed of the chain that suits less is passed over."""
    assert last is not None
    later: SeedPlaceBody = {"sequence": last["sequence"], "index": last["index"] + 1}
    chains.marks.write(post, SeedMark.of("passed over", later))
    return CHOOSE(chains, post, later, shift=shift)


def test_a_seed_that_is_not_from_the_chain_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bugs: a chosen seed, a place that is passed over, and a shift without a chain."""
    for world in serving(tmp_path):
        shifts = shifts_of(world)
        monkeypatch.setattr(shifts, "_is_ahead", lambda *_: True)
        assert world.decide(arrival(1)).status_code == 201
        open_later(world, POST, days=2)
        assert draw_faults(world)[1] == []
        for bug, words in (
            (choose_own, "not from the chain"),
            (pass_over, "not the next one of its chain"),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(SeedChains, "choose_seed", bug)
                open_later(world, POST, days=4 + 4 * len(draw_faults(world)[1]))
            open_later(world, POST, days=6 + 4 * len(draw_faults(world)[1]))
            assert any(words in why for _, _, why in draw_faults(world)[1]), words
        with monkeypatch.context() as patched:
            patched.setattr(shifts, "_chains", None)
            open_later(world, POST, days=60)
        assert any("from no chain" in why for _, _, why in draw_faults(world)[1])


def test_the_next_chain_is_committed_to_before_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in serving(tmp_path):
        shifts = shifts_of(world)
        monkeypatch.setattr(shifts, "_is_ahead", lambda *_: True)
        monkeypatch.setattr("engine.shifts.shift_state.CHAIN_RENEWED", 1)
        runtime, marks = world.runtime, SeedMarks(tmp_path / "marks")
        short = SeedChains(runtime.store, runtime.writer.submit, b"k" * 32, marks, length=3)
        monkeypatch.setattr(shifts, "_chains", short)
        for day in range(0, 10, 2):
            open_later(world, OTHER, days=day)
        found = places(world, OTHER)
        first, second = found[0]["sequence"], found[2]["next"]
        assert [(one["sequence"], one["index"]) for one in found] == [
            (first, 1), (first, 2), (first, 3), (second, 1), (second, 2),
        ]  # fmt: skip
        assert draw_faults(world)[1] == []
        lost = SeedChains(runtime.store, runtime.writer.submit, b"l" * 32, marks, length=3)
        monkeypatch.setattr(shifts, "_chains", lost)
        open_later(world, OTHER, days=20)
        assert places(world, OTHER)[-1]["index"] == 1, "without its key a chain cannot go on"
        assert draw_faults(world)[1] == []


@pytest.fixture(scope="module")
def open_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from serving(tmp_path_factory.mktemp("seeds"))


def make_chains(world: World, folder: Path) -> SeedChains:
    runtime = world.runtime
    return SeedChains(runtime.store, runtime.writer.submit, b"k" * 32, SeedMarks(folder))


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_restored_store_takes_no_seed_again(
    open_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_marked: bool
) -> None:
    """Seeded bug: marks that say what the store says, as before there were any."""
    chains = make_chains(open_world, tmp_path)
    first, early = chains.choose_seed(POST, None, shift="s1")
    taken, last = {first}, early
    for shift in ("s2", "s3"):
        seed, last = chains.choose_seed(POST, last, shift=shift)
        assert last["sequence"] == early["sequence"]
        taken.add(seed)
    twice = [chains.choose_seed(POST, last, shift="s4") for _ in range(2)]
    assert twice[0] == twice[1], "two processes open one shift"
    if not is_marked:
        monkeypatch.setattr(SeedMarks, "read", lambda *_: SeedMark.of("", early))
    again, place = chains.choose_seed(POST, early, shift="s5")  # as the store had it after s1
    assert (again not in taken) == is_marked
    assert (place["sequence"] != early["sequence"]) == is_marked


def test_a_chain_begins_where_none_can_be_trusted(open_world: World, tmp_path: Path) -> None:
    """A process ended before its record, marks are gone or cannot be written, a link stopped."""
    folder = tmp_path / "marks"
    chains = make_chains(open_world, folder)
    _, last = chains.choose_seed(POST, None, shift="s1")
    begun = [last["sequence"]]

    def begin(last: SeedPlaceBody, shift: str) -> SeedPlaceBody:
        _, place = chains.choose_seed(POST, last, shift=shift)
        assert place["index"] == 1
        begun.append(place["sequence"])
        return place

    chains.choose_seed(POST, last, shift="never recorded")
    last = begin(last, "s2")
    for mark in folder.iterdir():
        mark.write_text("no mark", "utf-8")
    last = begin(last, "s3")
    open_world.runtime.writer.submit(LINK_STOPPED.draft("link", ALARM)).result()
    last = begin(last, "s4")
    _, last = chains.choose_seed(POST, last, shift="s5")
    assert last["index"] == 2
    shutil.rmtree(folder)
    folder.write_text("no folder", "utf-8")
    begin(begin(last, "s6"), "s7")
    assert len({*begun}) == len(begun)


ALARM: LinkStoppedBody = {"link": "link", "rule": "other_receipt", "number": 3, "digest": "00" * 32}
