"""A supervisor puts the roster and hands the shift over by keys alone, in two languages."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.page_layouts import looked_at
from tests.browser.users_and_vehicles import Site, signed_in
from tests.service.running_service import OTHER, POST

WAYS = (("en", "2,300", POST), ("ru", "2 300", OTHER))
"""Language, a number as its readers write it, and the post whose shift is handed over."""


def type_into(page: Page, field: str, text: str) -> None:
    page.locator(field).focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def sign_by_keys(page: Page, note: str) -> None:
    """Write a note and sign, without a pointer."""
    type_into(page, "#note", note)
    page.keyboard.press("Tab")
    expect(page.locator("#sign button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_visible()


@pytest.mark.parametrize(("language", "typed", "post"), WAYS, ids=[one[0] for one in WAYS])
def test_a_roster_is_put_and_a_shift_handed_over_by_keys(
    page: Page, site: Site, language: str, typed: str, post: str
) -> None:
    red = site.find("red")
    signed_in(page, site, "malika", language=language)
    page.goto(f"/posts/{post}/shift")
    page.locator("#to-roster").press("Enter")
    page.wait_for_url("**/roster")
    type_into(page, "#minutes-physical", "2.300")
    page.keyboard.press("Enter")
    expect(page.locator("#wrong")).to_be_focused()
    looked_at(page, "refused-roster")
    page.locator("#wrong a").press("Enter")
    expect(page.locator("#minutes-physical")).to_be_focused()
    type_into(page, "#minutes-physical", typed)
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_visible()
    expect(page.locator("#minutes-physical")).to_have_value("2300")
    looked_at(page, "roster")
    page.keyboard.press("u")
    page.wait_for_url("**/shift")
    page.locator("#to-handover").press("Enter")
    page.wait_for_url("**/handover?at=*")
    waits = page.locator(f"a[href='/decisions/{red['decision_id']}']")
    expect(waits).to_have_count(int(post == POST))
    sign_by_keys(page, "Lane 2 is closed.")
    expect(page.locator("#sign")).to_have_count(0)  # the same person does not sign twice
    looked_at(page, "handover")
    page.context.clear_cookies()
    signed_in(page, site, "olim", language=language)
    page.goto(f"/posts/{post}/handover")
    sign_by_keys(page, "Seen.")
    expect(page.locator("#signatures")).to_contain_text("malika")
    expect(page.locator("#signatures")).to_contain_text("olim")
    page.emulate_media(media="print")
    expect(page.locator("#signatures")).to_be_visible()
    expect(page.locator("header nav.menu")).to_be_hidden()
    page.emulate_media(media="null")
    page.goto(f"/posts/{post}/shift")
    expect(page.locator("#handover")).to_contain_text("olim")
