"""A vehicle is found by half its plate, its act filed and corrected, and its order printed."""

from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.axe import grave
from tests.browser.test_forms import ECHO, fill, list_seized_grams, path
from tests.browser.users_and_vehicles import Site, signed_in

WAYS = (
    ("en", "2,300", ViewportSize(width=1280, height=900)),
    ("ru", "2 300", ViewportSize(width=390, height=844)),
)


def find_by_keys(page: Page, red: dict[str, Any]) -> None:
    """Find a vehicle from the page of its decision, by half of its plate and by keys alone."""
    page.goto(path(red))
    half = page.locator("h1").inner_text().split()[0][3:7]
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type(half.lower())
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=*")
    found = page.locator(f'a[href="{path(red)}"]')
    assert grave(page) == []
    found.press("Enter")
    page.wait_for_url(f"**{path(red)}")


def is_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.parametrize(("language", "typed", "size"), WAYS, ids=[one[0] for one in WAYS])
def test_a_vehicle_is_found_searched_corrected_and_printed(
    page: Page, site: Site, language: str, typed: str, size: ViewportSize
) -> None:
    red = site.find("red")
    signed_in(page, site, "malika", language=language)
    page.set_viewport_size(size)
    find_by_keys(page, red)
    page.click("#order-sheet")
    expect(page.locator(".code svg")).to_be_visible()
    assert grave(page) == [] and not is_wider_than_the_screen(page)
    page.emulate_media(media="print")
    expect(page.locator(".signing")).to_be_visible()
    page.emulate_media(media="null")
    page.goto(path(red))
    fill(page, "23")
    page.click("#confirm button.primary")
    page.click("#correct")
    assert grave(page) == [] and not is_wider_than_the_screen(page)
    page.fill("#quantity_g", typed)
    page.fill("#reason", "A digit was left out.")
    page.click("#act button.primary")
    expect(page.locator("#check")).to_be_focused()
    assert ECHO[language] in " ".join(page.locator("#read").inner_text().split())
    assert list_seized_grams(site, red["crossing_id"]) == [23.0]
    page.click("#confirm button.primary")
    seized = page.locator(".seized")
    assert ECHO[language] in " ".join(seized.inner_text().split())
    expect(page.locator(".corrected")).to_contain_text("A digit was left out.")
    assert grave(page) == [] and not is_wider_than_the_screen(page)
