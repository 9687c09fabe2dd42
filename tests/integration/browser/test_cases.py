"""A case from the page of its find, reported and agreed to by keys alone, in two languages."""

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.integration.browser.page_layouts import looked_at
from tests.integration.browser.users_and_vehicles import Site, signed_in
from tests.support.running_service import POST
from tests.unit.service.cases.sample_files import SVG, picture, report
from tests.unit.service.reports.test_acts import act

WAYS = (("en", "1.5"), ("ru", "1,5"))
"""Language, and a number as its readers write it."""


REPORT = (
    "2021-yil 3-iyun kuni chegara bojxona postida yengil avtomobil (davlat raqami 01 A 777 BC) "
    "koʻzdan kechirildi. Zaxira gʻildirak ichidan jami 1,25 kg geroin topildi."
)


def file_find(site: Site, number: int) -> str:
    """Report a find as a machine does, and return the page of its decision."""
    found = site.find("red")
    crossing = found["crossing_id"]
    filed = act(number, crossing, outcome="seizure", methods=["physical"])
    assert site.sender.post("/v1/inspections", json=filed).status_code == 201
    goods = {"substance_class": "narcotic", "substance": "heroin", "quantity_g": 2300.0}
    of = {"seizure_id": f"case-find-{number}", "inspection_id": filed["inspection_id"]}
    about = {"crossing_id": crossing, "recorded_at": filed["recorded_at"]}
    answer = site.sender.post("/v1/seizures", json=goods | of | about)
    assert answer.status_code == 201, answer.text
    return f"/decisions/{found['decision_id']}"


def type_into(page: Page, field: str, text: str) -> None:
    page.locator(field).focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def open_form(page: Page, kind: str) -> None:
    page.locator(f"#kinds a[href$='kind={kind}']").press("Enter")
    page.wait_for_url(f"**/events?kind={kind}")


def confirm(page: Page) -> None:
    page.locator("#event button.primary").press("Enter")
    expect(page.locator("#check")).to_be_focused()
    page.locator("#confirm button.primary").press("Enter")
    expect(page.locator("#done")).to_be_visible()


@pytest.mark.parametrize(("language", "typed"), WAYS, ids=[one[0] for one in WAYS])
def test_a_find_becomes_a_case_by_keys(page: Page, site: Site, language: str, typed: str) -> None:
    where = file_find(site, 800 + len(typed) + WAYS.index((language, typed)))
    signed_in(page, site, "malika", language=language)
    page.goto(where)
    looked_at(page, "decision-with-find")
    page.locator(".open-case button").press("Enter")  # one step
    page.wait_for_url("**/cases/case-*")
    expect(page.locator("#done")).to_be_visible()
    looked_at(page, "case")
    open_form(page, "sample")
    type_into(page, "#event-quantity_g", "much")
    type_into(page, "#event-sample", "s-1")
    page.keyboard.press("Enter")
    expect(page.locator("#wrong")).to_be_focused()
    looked_at(page, "refused-event")
    page.locator("#wrong a").press("Enter")
    expect(page.locator("#event-quantity_g")).to_be_focused()
    type_into(page, "#event-quantity_g", typed)
    page.locator("#event button.primary").press("Enter")
    expect(page.locator("#check")).to_be_focused()
    looked_at(page, "checked-event")
    page.locator("#confirm button.primary").press("Enter")
    expect(page.locator("section", has=page.locator("#timeline"))).to_contain_text("s-1")
    open_form(page, "note")
    type_into(page, "#event-text", "Anvar Karimov")
    page.locator("#event button.primary").press("Enter")
    expect(page.locator("#named")).to_be_visible()
    page.locator("#confirm button[value=change]").press("Enter")
    expect(page.locator("#event-text")).to_have_value("Anvar Karimov")
    type_into(page, "#event-text", "sealed")
    confirm(page)
    for kind in ("second_search", "controlled_delivery"):
        open_form(page, kind)
        looked_at(page, f"form-{kind}")
        page.go_back()
    page.keyboard.press("u")
    page.wait_for_url("**/cases")
    page.keyboard.press("j")
    expect(page.locator("[data-open]").first).to_be_focused()
    looked_at(page, "cases")
    page.locator("#open").press("Enter")
    looked_at(page, "case-by-hand")


def test_a_second_person_agrees_on_the_page(page: Page, site: Site) -> None:
    signed_in(page, site, "umed")
    page.goto("/cases/new")
    page.fill("#event-summary", "a find in the tank")
    page.click("#opening button.primary")
    page.wait_for_url("**/cases/case-*")
    case = page.url.partition("?")[0]
    open_form(page, "controlled_delivery")
    page.fill("#event-route_countries", "uz, kz")
    page.fill("#event-until", "2099-01-01T10:00")
    confirm(page)
    assert page.locator(".agree").count() == 0
    looked_at(page, "case-of-a-checkpoint")
    page.context.clear_cookies()
    signed_in(page, site, "malika")
    page.goto(case)
    page.locator(".agree button").press("Enter")
    expect(page.locator("#read")).to_contain_text("UZ → KZ")
    page.locator("#confirm button.primary").press("Enter")
    expect(page.locator("section", has=page.locator("#timeline"))).to_contain_text("malika")
    page.wait_for_load_state()
    assert page.locator(".agree").count() == 0
    assert POST in page.locator("section", has=page.locator("#facts")).inner_text()


def test_an_old_report_is_confirmed_by_keys(page: Page, site: Site) -> None:
    signed_in(page, site, "malika", language="uz")
    page.goto("/cases")
    page.locator("#reports").press("Enter")
    page.wait_for_url("**/cases/reports")
    page.fill("#event-text", REPORT)
    page.locator("#read-report button").press("Enter")
    expect(page.locator("#passages mark").first).to_be_visible()
    expect(page.locator("#event-amount-0")).to_have_value("1250")
    looked_at(page, "old-report")
    type_into(page, "#event-amount-0", "1,2,5")
    page.locator(".confirm button.primary").press("Enter")
    expect(page.locator("#wrong")).to_be_visible()
    looked_at(page, "refused-report")
    type_into(page, "#event-amount-0", "1260")
    page.locator(".confirm button.primary").press("Enter")
    expect(page.locator("#done")).to_be_visible()


def test_files_are_added_by_keys_and_what_runs_is_refused(page: Page, site: Site) -> None:
    signed_in(page, site, "malika", language="ru")
    page.goto("/cases/new")
    page.fill("#event-summary", "находка в баке")
    page.click("#opening button.primary")
    page.wait_for_url("**/cases/case-*")
    timeline = page.locator("section", has=page.locator("#timeline"))

    def send(name: str, media_type: str, content: bytes) -> None:
        page.wait_for_load_state()
        if not page.locator("#upload").is_visible():
            page.locator("section[aria-labelledby=add-file] summary").press("Enter")
        page.select_option("#event-shows", "photograph")
        sent = FilePayload(name=name, mimeType=media_type, buffer=content)
        page.set_input_files("#event-file", files=[sent])
        page.locator("#upload button.primary").press("Enter")

    send("Karimov.svg", "image/svg+xml", SVG)
    expect(page.locator("#wrong")).to_be_focused()
    looked_at(page, "refused-file")
    page.locator("#wrong a").press("Enter")
    expect(page.locator("#event-file")).to_be_focused()
    for number, (name, media_type, content) in enumerate(
        (("photo.jpg", "image/jpeg", picture("JPEG", shade=77)),
         ("lab.pdf", "application/pdf", report("exhibit 5"))), 1
    ):  # fmt: skip
        send(name, media_type, content)
        expect(page.locator("#done")).to_be_visible()
        expect(timeline.locator("a[href*='/files/']")).to_have_count(number)
    assert "Karimov" not in page.content() and "photo.jpg" not in page.content()
    with page.expect_download() as waited:
        timeline.locator("a[href*='/files/']").first.click()
    assert waited.value.suggested_filename.endswith(".jpg")
    looked_at(page, "case-with-files")
