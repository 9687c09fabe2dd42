"""Every page of every role in every language, with something on it to show.

The pages are those of each role's menu, and those behind them that need a record; what a language
makes too wide or lays over its neighbour is seen here, and what axe-core finds.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from api.auth.permissions import MAY
from api.criteria.known_lawful import KNOWN_LAWFUL_TRADE
from api.criteria.watchlist import WATCH_BATCH, WATCH_LIST
from api.profiles.steps import PROFILE
from api.proposals.matters import ProposalMatter
from api.web.i18n import COOKIE, LANGUAGES
from api.web.menu import SECTIONS
from api.web.visitor import json_route
from engine.criteria.known_lawful import KnownLawful
from engine.criteria.profiles.profile import ProfileProposal
from engine.criteria.watchlist import WatchBatch, WatchEntry
from tests.integration.browser.conftest import DESK
from tests.integration.browser.page_layouts import WIDE, grave
from tests.integration.browser.pseudo_languages import PSEUDO, speak_pseudo_languages
from tests.integration.browser.test_cases import file_find
from tests.integration.browser.users_and_vehicles import ROLES, Site, signed_in
from tests.support.people import approve, propose
from tests.support.running_service import POST
from tests.support.sizes import PROOF

PHONE = {"width": 390, "height": 844}
OVERLAPS = """() => {
  const boxes = (cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return [...range.getClientRects()].filter((box) => box.width > 1 && box.height > 1);
  };
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  const of = "main tbody tr, main dl, main .fields, main .head, main ol.order li";
  const rows = [...document.querySelectorAll(of)];
  return rows.filter((row) => row.checkVisibility()).flatMap((row) => {
    const shown = [...row.children].filter((cell) => cell.checkVisibility());
    const cells = shown.map((cell) => [cell, boxes(cell)]);
    return cells.flatMap(([cell, all], at) => cells.slice(at + 1)
      .filter(([, others]) => all.some((one) => others.some((other) => meet(one, other))))
      .map(([other]) => [cell, other].map((one) => one.textContent.trim().slice(0, 40))));
  });
}"""
"""Pairs of cells of one row that are drawn over each other."""
UNFOLD = """async () => {
  document.querySelectorAll("main details").forEach((part) => { part.open = true; });
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""
"""Opens all that is folded, and lets the page lay out what came."""
LAID_OVER = """() => {
  const [first, second] = document.querySelector("main tbody tr").children;
  const [to, from] = [first, second].map((cell) => cell.getBoundingClientRect());
  second.style.transform = `translate(${to.left - from.left}px, ${to.top - from.top}px)`;
}"""
WAYS = (
    list(product(ROLES, LANGUAGES))
    if PROOF
    else list(zip(ROLES, ("ru", "uz", "tg", "en", "ru", "tg"), strict=True))
)
"""At small sizes each role in one language, so that each language is read by somebody."""


@pytest.fixture(scope="module")
def filled(site: Site) -> SimpleNamespace:
    """Fill the lists: a case, documents asked for, profiles, lists, known lawful trade."""
    runtime, later = site.runtime, datetime.now(UTC) + timedelta(days=30)
    red, seized = site.find("red"), file_find(site, 4_700)
    asked = {
        "inspection_id": "asked-4700",
        "crossing_id": site.find("yellow")["crossing_id"],
        "outcome": "documents_asked",
        "documents": ["invoice", "certificate of origin"],
        "due_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "reason": "The value is low for the mass.",
    }
    assert site.sender.post("/v1/inspections", json=asked).status_code == 201
    terms: dict[str, Any] = {"reason": "seen with a false tank twice this year", "expiry": later}
    entry = WatchEntry(plate="01 A 777 BC", look_alikes=True, **terms)
    rows = [{"plate": f"01 B {number:03d} CD"} for number in range(30)]
    batch = WatchBatch.model_validate(
        {"list": "False tanks, spring", "owner": "Risk unit", "rows": rows, **terms}, strict=False
    )
    lawful = KnownLawful(carrier="k-99", dispatch_country="TJ", **terms)
    profile = ProfileProposal(
        code="EVERY-PAGE-1",
        title="Heavy lorries that say that they are empty",
        expression="crossing.is_empty && crossing.weighed_mass_kg > 17000.0",
        channel="red",
        valid_until=later,
    )
    every: tuple[tuple[ProposalMatter[Any], Any], ...] = (
        (WATCH_LIST, entry), (WATCH_BATCH, batch), (KNOWN_LAWFUL_TRADE, lawful), (PROFILE, profile),
    )  # fmt: skip
    made = [propose(runtime, matter, content, by="malika") for matter, content in every]
    for (matter, _), subject in zip(every[:3], made, strict=False):
        approve(runtime, matter, subject, by="olim")
    return SimpleNamespace(
        red=f"/decisions/{red['decision_id']}", seized=seized, batch=made[1], profile=made[3],
        key=refuse_sender(site),
    )  # fmt: skip


def refuse_sender(site: Site) -> str:
    """Let the sender's key be refused, and return its page."""
    assert site.sender.post("/v1/decisions", json={"crossing": {}}).status_code == 422
    return f"/people/keys/{site.runtime.accounts.every_key()[0].key_id}"


BEHIND: Mapping[str, tuple[str, ...]] = {
    "supervisor": (
        "{red}", "/help", "/docs", "{seized}", "{red}/order", "/account", "/search?q=01A",
        "/entities/plate/01A777BC", "/watchlist/lists", "/watchlist/{batch}/rows",
        "/profiles/{profile}", "/profiles/new",
        "/policy?setting=shares#form", "/policy?setting=goods_classes#form",
        f"/posts/{POST}/roster", f"/posts/{POST}/handover", "/cases/new",
    ),
    "checkpoint": ("{red}", "/help", "{seized}", "{red}/order", "{red}/release", "/search?q=01A"),
    "analyst": ("{red}", "/watchlist/lists", "/profiles/{profile}", "/search?q=01A"),
    "integrity": (f"/posts/{POST}/integrity", "/journal/3", "/account"),
    "administrator": ("/account", "{key}"),
}  # fmt: skip


def list_pages(name: str) -> list[str]:
    menu = [one for one in SECTIONS if one == "/" or ROLES[name] in MAY[json_route("GET", one)]]
    return [*(one.replace("{post}", POST) for one in menu), *BEHIND[ROLES[name].value]]


@pytest.mark.parametrize(("name", "language"), WAYS)
def test_no_cells_overlap_on_a_phone_in_any_language(
    page: Page, site: Site, filled: SimpleNamespace, name: str, language: str
) -> None:
    signed_in(page, site, name, language=language)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    wrong: list[Any] = []
    for at, where in enumerate(list_pages(name)):
        page.emulate_media(color_scheme=("light", "dark")[at % 2])
        answer = page.goto(where.format(**vars(filled)))
        assert answer is not None and answer.status == 200, where
        expect(page.locator("html")).to_have_attribute("lang", language)
        page.evaluate(UNFOLD)
        found = [page.evaluate(OVERLAPS), page.evaluate(WIDE), grave(page)]
        wrong += [(where, *found)] if any(found) else []
    assert wrong == []


@pytest.fixture(scope="module")
def pseudo_languages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with speak_pseudo_languages(tmp_path_factory.mktemp("pseudo") / "locale"):
        yield


@pytest.mark.usefixtures("pseudo_languages")
@pytest.mark.parametrize(("name", "language"), list(product(ROLES, PSEUDO)))
def test_no_page_is_too_wide_in_a_longer_language_or_from_right_to_left(
    page: Page, site: Site, filled: SimpleNamespace, name: str, language: str
) -> None:
    signed_in(page, site, name)
    page.context.add_cookies([{"name": COOKIE, "value": language, "url": site.address}])
    wrong: list[Any] = []
    for where in list_pages(name):
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.goto(where.format(**vars(filled)))
        expect(page.locator("html")).to_have_attribute("lang", language)
        for width in (PHONE["width"], DESK["width"]):
            page.set_viewport_size({"width": width, "height": DESK["height"]})
            page.evaluate(UNFOLD)
            found = [page.evaluate(OVERLAPS), page.evaluate(WIDE)]
            wrong += [(where, width, *found)] if any(found) else []
    assert wrong == []


def test_a_cell_that_is_laid_over_another_is_found(
    page: Page, site: Site, filled: SimpleNamespace
) -> None:
    """Negative control."""
    signed_in(page, site, "malika")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"/watchlist/{filled.batch}/rows")
    assert page.evaluate(OVERLAPS) == []
    page.evaluate(LAID_OVER)
    assert page.evaluate(OVERLAPS) != []
