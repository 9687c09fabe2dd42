"""A supervisor's own account and notifications, by keys, in two languages and both appearances."""

import pytest
from playwright.sync_api import Page, expect

from tests.integration.browser.page_layouts import looked_at
from tests.integration.browser.users_and_vehicles import Site, signed_in


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_waits_and_what_a_browser_keeps(page: Page, site: Site, language: str) -> None:
    site.find("red")
    signed_in(page, site, "malika", language=language)
    page.goto("/notifications")
    expect(page.locator(".menu a[aria-current]")).to_be_visible()
    looked_at(page, "notifications")
    page.goto("/quality")
    looked_at(page, "quality")
    page.locator(".who a").press("Enter")
    page.wait_for_url("**/account")
    looked_at(page, "account")
    page.emulate_media(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    by_day = page.evaluate(ground)
    page.locator("#appearance").select_option("dark")
    page.locator("#preferences button").press("Enter")
    expect(page.locator("#done")).to_be_visible()
    assert page.evaluate(ground) != by_day, "dark whatever the system has"
    page.locator("#password").fill("not mine")
    page.locator("#renew button").press("Enter")
    expect(page.locator("#wrong")).to_be_focused()
    looked_at(page, "account-refused")
    page.locator("#appearance").select_option("")
    page.locator("#preferences button").press("Enter")
    expect(page.locator("#done")).to_be_visible()
