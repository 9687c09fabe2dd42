"""A vehicle is found by half its plate, its act filed and corrected, and its order printed."""

from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.integration.browser.page_layouts import grave
from tests.integration.browser.test_forms import ECHO, fill, list_seized_grams, path
from tests.integration.browser.users_and_vehicles import QUEUE, Site, signed_in

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
    expect(page.locator(".qr-code svg")).to_be_visible()
    assert grave(page) == [] and not is_wider_than_the_screen(page)
    page.emulate_media(media="print")
    expect(page.locator(".signing")).to_be_visible()
    page.emulate_media(media="null")
    page.goto(path(red))
    fill(page, "23")
    page.click("#confirm button.primary")
    page.click("#correct")
    assert grave(page) == [] and not is_wider_than_the_screen(page)
    page.fill("#amount", typed)
    page.fill("#reason", "A digit was left out.")
    page.click("#act button.primary")
    expect(page.locator("#check")).to_be_focused()
    expect(page.locator("#read")).to_contain_text(ECHO[language])
    assert list_seized_grams(site, red["crossing_id"]) == [23.0]
    page.click("#confirm button.primary")
    expect(page.locator(".seized")).to_contain_text(ECHO[language])
    expect(page.locator(".corrected")).to_contain_text("A digit was left out.")
    assert grave(page) == [] and not is_wider_than_the_screen(page)


def test_nothing_found_is_filed_by_a_key_and_a_confirmation(page: Page, site: Site) -> None:
    red = site.find("red")
    signed_in(page, site, "umed")
    page.goto(path(red))
    page.keyboard.press("n")
    dialog = page.locator("#nothing")
    expect(dialog).to_be_visible()
    assert grave(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.locator("#act").count() == 1, "nothing is filed before it is confirmed"
    page.keyboard.press("n")
    dialog.locator("button.primary").press("Enter")
    expect(page.locator("#done")).to_be_visible()
    page.wait_for_load_state()
    assert page.locator("#act").count() == 0
    page.keyboard.press("n")
    assert page.locator("dialog[open]").count() == 0, "no act is left to file"


def test_a_wide_screen_shows_the_vehicle_next_to_its_queue(page: Page, site: Site) -> None:
    site.find("red")
    signed_in(page, site, "malika")
    page.set_viewport_size({"width": 1920, "height": 1000})
    page.goto(QUEUE)
    pane = page.locator("[data-pane]")
    expect(pane).to_be_hidden()
    page.keyboard.press("j")
    plate = page.locator("[data-row] [data-open]").first.inner_text()
    expect(pane.locator("h2").first).to_contain_text(plate)
    assert pane.locator("form, [id]").count() == 0, "steps are taken on the vehicle's own page"
    assert grave(page) == [] and not is_wider_than_the_screen(page)
    page.set_viewport_size({"width": 1100, "height": 900})
    expect(pane).to_be_hidden()


def test_two_officers_do_not_begin_one_vehicle_unknowingly(page: Page, site: Site) -> None:
    red = site.find("red")
    signed_in(page, site, "umed")
    page.goto(path(red))
    page.keyboard.press("t")
    page.keyboard.press("Enter")
    expect(page.locator("#give-back")).to_be_visible()
    page.click(".who button")
    signed_in(page, site, "malika")
    page.goto(QUEUE)
    row = page.locator(f'[id="{red["decision_id"]}"]')
    expect(row).to_contain_text("umed")
    page.goto(path(red))
    expect(page.locator("#taken")).to_contain_text("umed")
    page.click("#take")
    asked = page.locator("main")
    expect(asked).to_contain_text("umed")
    assert grave(page) == [], "it asks before it takes the vehicle over"
    page.click("#over button.primary")
    expect(page.locator("#give-back")).to_be_visible()


LEVEL = """[...document.querySelectorAll(".queue .dots")].map(
  (dots) => dots.textContent.split("●").length)"""
"""The band of each row's risk in the order of the table."""


@pytest.mark.parametrize(("language", "_", "size"), WAYS, ids=[one[0] for one in WAYS])
def test_the_riskiest_vehicle_is_seen_within_one_look(
    page: Page, site: Site, language: str, _: str, size: ViewportSize
) -> None:
    """Sorted by risk, the first row is the riskiest, in view and where the first key leads."""
    site.find("red")
    site.find("yellow")
    signed_in(page, site, "malika", language=language)
    page.set_viewport_size(size)
    page.goto(f"{QUEUE}?order=risk")
    levels = page.evaluate(LEVEL)
    assert len(levels) > 1 and levels == sorted(levels, reverse=True)
    page.goto(QUEUE)
    first = page.locator("[data-row]").first
    for part in (".channel", "[data-open]", ".dots", ".why"):
        expect(first.locator(part).first).to_be_in_viewport(ratio=1)
    page.keyboard.press("j")
    expect(first.locator("[data-open]")).to_be_focused()


FIRST_WORDS = """() => {
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const range = document.createRange(), words = [];
  for (let text; (text = texts.nextNode());) {
    const where = text.parentElement;
    if (!where.checkVisibility() || where.closest("option, .rail")) continue;
    if (where.closest("details:not([open])") && !where.closest("summary")) continue;
    range.selectNodeContents(text);
    const box = range.getBoundingClientRect();
    if (!box.height || box.top >= innerHeight) continue;
    words.push(...text.data.split(/\\s+/).filter((word) => /[\\p{L}\\p{N}]/u.test(word)));
  }
  return words;
}"""
"""Words and numbers of the page that are seen before it is scrolled, without the site's head."""
TALL = "document.documentElement.scrollHeight"


def test_a_decisions_page_is_read_in_one_look(page: Page, site: Site) -> None:
    red = site.find("red", trailer_plate="01A91BC")
    for name, language in (("malika", "en"), ("malika", "ru"), ("umed", "en")):
        page.context.clear_cookies()
        signed_in(page, site, name, language=language)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path(red))
        assert page.evaluate(TALL) <= 1_100, (name, language)
        words = page.evaluate(FIRST_WORDS)
        assert (len(words) <= 80) == (name == "malika"), (words, "an officer's open act is counted")
        page.set_viewport_size(PHONE)
        assert page.evaluate(TALL) <= 2_500, (name, language)


COVERED = """() => {
  const button = document.querySelector("#act > .primary"), found = [];
  const fields = "#act :is(input:not([type=hidden]), select, textarea)";
  for (const one of document.querySelectorAll(fields)) {
    if (!one.checkVisibility()) continue;
    one.focus();
    const a = one.getBoundingClientRect(), b = button.getBoundingClientRect();
    if (a.top < b.bottom - 1 && b.top < a.bottom - 1) found.push(one.name);
  }
  return found;
}"""
"""Fields of the act over which its button lies while they have the focus."""


def test_a_phone_has_help_and_the_button_covers_no_field(page: Page, site: Site) -> None:
    red = site.find("red")
    signed_in(page, site, "umed")
    page.set_viewport_size({"width": 390, "height": 500})
    page.goto(path(red))
    page.click("[data-help]")
    expect(page.locator("#help")).to_contain_text("File the act here")
    expect(page.locator(".keyboard")).to_be_hidden()
    page.click("#help button")
    page.check("input[name=outcome][value=seizure]")
    assert page.evaluate(COVERED) == []
    page.evaluate("document.querySelector('#act > .primary').style.position = 'sticky'")
    page.evaluate("document.documentElement.style.scrollPadding = '0'")
    assert page.evaluate(COVERED) != [], "a seeded fault is found"


PHONE = ViewportSize(width=390, height=844)
