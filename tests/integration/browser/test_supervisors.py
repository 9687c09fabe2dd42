"""A supervisor in a real browser: account, notifications, roster and handover, by keys alone."""

import pytest
from playwright.sync_api import Page, expect

from api.web.i18n import LANGUAGES
from tests.integration.browser.page_layouts import grave, looked_at
from tests.integration.browser.users_and_vehicles import Site, signed_in
from tests.support.running_service import OTHER, POST


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


OUTSIDE = """[...document.querySelectorAll(".scroll")].filter(
  (box) => box.scrollWidth > box.clientWidth).length"""
"""Tables that have to be moved sideways to be read."""


def test_a_table_that_does_not_fit_a_phone_is_shown_row_below_row(page: Page, site: Site) -> None:
    site.find("red")
    signed_in(page, site, "malika", language="ru")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/posts/{POST}/shift")
    stacked = page.locator("table.stacked")
    expect(stacked.first).to_be_visible()
    assert page.evaluate(OUTSIDE) == 0
    head = stacked.first.locator("thead th").nth(1).text_content() or ""
    cell = stacked.first.locator("tbody tr > :nth-child(2)").first
    assert cell.get_attribute("data-column") == head.strip() != ""


ROWS = (
    """new Set([...document.querySelectorAll("nav.menu a")].map((link) => link.offsetTop)).size"""
)


def test_the_menu_has_one_row_and_its_end_is_folded_away(page: Page, site: Site) -> None:
    signed_in(page, site, "malika")
    page.set_viewport_size({"width": 1280, "height": 800})
    for language in LANGUAGES:
        page.goto(f"/language/{language}?back=/posts/{POST}/shift")
        assert page.evaluate(ROWS) == 1, language
    more = page.locator("details.more")
    more.locator("summary").press("Enter")
    last = more.locator("a").last
    expect(last).to_be_visible()
    assert grave(page) == []
    last.press("Escape")
    expect(last).to_be_hidden()
    expect(more.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#search").focus()
    expect(last).to_be_hidden()
    page.goto("/quality")
    expect(more.locator("summary.here")).to_be_visible()
