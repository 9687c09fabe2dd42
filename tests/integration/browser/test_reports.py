"""Figures of a period, decisions, a decision's proof and complaints, in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.integration.browser.page_layouts import looked_at
from tests.integration.browser.users_and_vehicles import Site, signed_in


@pytest.mark.parametrize("language", ["en", "tg"])
def test_reports_are_read_by_everybody(page: Page, site: Site, language: str) -> None:
    decision = site.find("red")["decision_id"]
    signed_in(page, site, "malika", language=language)
    page.goto("/figures")
    expect(page.locator("#conclusions")).to_be_visible()
    looked_at(page, "figures")
    page.goto("/decisions?channel=red")
    expect(page.locator("tr[data-row]").first).to_be_visible()
    looked_at(page, "decisions")
    page.goto(f"/decisions/{decision}/recomputation")
    expect(page.locator("#verdict.note")).to_be_visible()
    looked_at(page, "recomputation")
    page.goto(f"/complaints?decision={decision}")
    looked_at(page, "complaint")
    page.locator("textarea[name=text]").fill("9 h")
    page.locator("form[action='/complaints'] button.primary").click()
    expect(page.locator("#done")).to_be_visible()
    looked_at(page, "complaints")


def test_a_period_is_chosen_by_a_link_and_by_days(page: Page, site: Site) -> None:
    signed_in(page, site, "malika", language="en")
    page.goto("/network")
    page.locator("form[action='/figures'] input[name=from]").fill("2026-01-01")
    page.locator("form[action='/figures'] button").click()
    page.wait_for_url("**/figures?from=2026-01-01*")
    page.locator("#periods a").first.click()
    page.wait_for_url("**/figures?from=*-01&to=*")
    leads_to = page.locator("#pdf").get_attribute("href") or ""
    assert leads_to.startswith("/v1/figures.pdf?from=") and "language=en" in leads_to
