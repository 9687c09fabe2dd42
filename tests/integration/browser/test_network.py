"""The overview of all posts in a real browser: the map leads to posts, at every width."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from api.network import answers
from tests.integration.browser.page_layouts import looked_at
from tests.integration.browser.users_and_vehicles import Site, signed_in
from tests.support.running_service import OTHER, POST
from tests.unit.service.reports.test_acts import act

PLACES = {POST: (40.21, 69.05), OTHER: (40.2, 69.06)}

SCROLLED = """[...document.querySelectorAll('.scroll')]
    .filter(one => one.scrollWidth > one.clientWidth)
    .map(one => [one.textContent.trim().slice(0, 40), one.scrollWidth, one.clientWidth])"""
"""Tables that are wider than their room, with both widths."""


def test_the_map_leads_to_posts(page: Page, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "KEPT_SECONDS", 0.0)
    network = site.runtime.network
    posts = {
        code: network.posts[code].model_copy(update={"lat": lat, "lon": lon})
        for code, (lat, lon) in PLACES.items()
    }
    monkeypatch.setattr(site.runtime, "network", replace(network, posts=posts))
    red = site.find("red")
    found = act(81_000, red["crossing_id"], outcome="seizure")
    assert site.sender.post("/v1/inspections", json=found).status_code == 201
    signed_in(page, site, "malika", language="ru")
    page.goto("/")
    page.click("nav.menu a[href='/network']")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    looked_at(page, "/network in Russian")
    folded = page.locator("details[data-fold]")
    for width, kind, rows in ((360, "narrow-map", 24), (1280, "broad", 7)):
        page.set_viewport_size({"width": width, "height": 800})
        is_phone = width < 641
        expect(page.locator("details[data-fold][open]")).to_have_count(0 if is_phone else 6)
        if is_phone:
            height = page.evaluate("document.documentElement.scrollHeight")
            for at in range(folded.count()):
                folded.nth(at).locator("summary").first.click()
            assert page.evaluate("document.documentElement.scrollHeight") > 1.5 * height
        assert page.locator("table.heat:visible tbody tr").count() == rows
        links = page.locator("svg.network-map a:visible")
        assert links.count() == page.locator(f"svg.{kind} a").count() == len(PLACES)
        boxes = [links.nth(at).locator("circle, rect, polygon").bounding_box() for at in range(2)]
        assert all(box is not None and min(box["width"], box["height"]) >= 24 for box in boxes)
        assert page.locator("svg.network-map:visible").evaluate(
            "map => map.getBoundingClientRect().right <= innerWidth"
        ), "no map that has to be scrolled"
        assert page.evaluate(SCROLLED) == [], "no table has to be scrolled sideways"
    links.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/posts/*/shift")
