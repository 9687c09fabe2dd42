"""Whatever is typed or reported stays text: three hundred payloads, wherever a text can stand."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from typing import Any

import pytest
from jinja2 import Environment
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.web import templates_env
from tests.integration.browser.conftest import PATIENCE_MS
from tests.integration.browser.markup_payloads import PAYLOADS, WANTED, WAYS_OUT
from tests.integration.browser.users_and_vehicles import QUEUE, Site, sign_in, signed_in
from tests.support.sizes import PROOF

ITEMS = 20
"""Goods items that a decision's page shows."""
LONGEST = 64
STRANGE = """() => [...document.querySelectorAll("body *")].filter((node) =>
  node.getAttributeNames().some((name) => name.startsWith("on")) ||
  node.closest("main") && node.matches("script,img,iframe,object,meta,base,style,link,video") ||
  (node.getAttribute("href") ?? node.getAttribute("action") ?? "").trim().startsWith("javascript:")
).map((node) => node.outerHTML.slice(0, 120))"""
SHOWN = PAYLOADS if PROOF else PAYLOADS[::7]
"""At small sizes still every way out, and everything that is wanted."""
TYPED = PAYLOADS if PROOF else (f'"></textarea>{WANTED[1]}',)
"""At small sizes one that finds its way out of whatever a form shows it in."""


def test_there_are_three_hundred_that_fit_every_field() -> None:
    assert len(set(PAYLOADS)) == 300
    assert max(map(len, (*PAYLOADS, *TYPED))) <= LONGEST
    ways = {(at // len(WANTED), at % len(WANTED)) for at in map(PAYLOADS.index, SHOWN)}
    assert [len(set(one)) for one in zip(*ways, strict=True)] == [len(WAYS_OUT), len(WANTED)]


def report_vehicle(site: Site, payloads: Sequence[str]) -> str:
    """Report a vehicle whose every text is a payload, and return where its page is."""
    at = cycle(payloads)
    body: dict[str, Any] = {
        "crossing": {
            "plate": next(at),
            "trailer_plate": next(at),
            "carrier_id": next(at),
            "driver_ref": next(at),
            "seal_numbers": [next(at), next(at)],
            "container_numbers": [next(at), next(at)],
            "vin": next(at),
        },
        "declaration": {
            "declaration_id": next(at),
            "procedure": next(at),
            "declarant_id": next(at),
            "consignor_id": next(at),
            "consignee_id": next(at),
            "tir_carnet": next(at),
            "cmr_number": next(at),
            "items": [
                {"item_no": number, "hs_code": "010190", "description": text}
                for number, text in enumerate(payloads, 1)
            ],
        },
    }
    found = site.decide(declaration=body["declaration"], **body["crossing"])
    return f"/decisions/{found['decision_id']}"


def send(page: Page, to: str, **fields: Any) -> None:
    """Send a form of the page that is open, without a wait for its answer's page."""
    token = page.locator("input[name=form_token]").first.input_value()
    answer = page.request.post(to, form={"form_token": token} | fields, max_redirects=0)
    assert answer.status in (303, 422), answer.status


def list_payloads(page: Page, payloads: Sequence[str]) -> None:
    """Put payloads on the watch list, which shows all of them at once."""
    page.goto("/watchlist")
    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    for start in range(0, len(payloads), 4):
        text = " ".join(payloads[start : start + 3])[:200]
        once = os.urandom(12).hex()
        fields = {"kind": "carrier", "identifier": payloads[start], "reason": text}
        send(page, "/watchlist", once=once, expiry=day, note=payloads[start], **fields)


def test_three_hundred_payloads_are_shown_as_they_are(page: Page, site: Site) -> None:
    sign_in(page, site, "malika")
    for start in range(0, len(SHOWN), ITEMS):
        some = SHOWN[start : start + ITEMS]
        where, value = report_vehicle(site, some), " ".join(some)[:990]
        fields = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": value}
        send(page, f"{where}/reviews", once=os.urandom(12).hex(), **fields)
        page.goto(where)
        text = page.locator("main").text_content() or ""
        assert [one for one in some if one not in text] == []
        assert page.evaluate(STRANGE) == [], where
    page.goto(QUEUE)
    shown = page.locator("[data-row] a").all_text_contents()
    assert len(set(shown) & set(SHOWN)) >= len(SHOWN) // ITEMS
    assert page.evaluate(STRANGE) == []
    list_payloads(page, SHOWN[:: 5 if PROOF else 1])
    page.goto("/watchlist")
    assert page.evaluate(STRANGE) == []
    expect(page.locator("main")).to_contain_text(PAYLOADS[0])


def test_what_a_form_got_wrong_comes_back_as_text(page: Page, site: Site) -> None:
    """Type into every field of every form, through the page itself."""
    page.goto("/login")
    page.fill("#name", TYPED[0])
    page.fill("#password", TYPED[0])
    page.click("button.primary")
    expect(page.locator("[role=alert]")).to_be_visible()
    red = site.find("red", plate=TYPED[0])
    signed_in(page, site, "malika")
    forms = {
        f"/decisions/{red['decision_id']}": ("#act", "#verdict"),
        "/profiles/new": ("#profile",),
        "/watchlist": ("#entry",),
    }
    for payload, (where, those) in product(TYPED, forms.items()):
        page.goto(where)
        for form in those:  # a page that refused one form still has the other
            with page.expect_navigation():
                assert page.evaluate(TYPE, {"form": form, "payload": payload}) > 0, form
            expect(page.locator("main h1")).to_be_visible()
            assert page.evaluate(STRANGE) == [], (where, form, payload)


TYPE = """({ form, payload }) => {
  const own = document.querySelector(form);
  const fields = [...own.querySelectorAll("textarea, input:not([type]), input[type=text]")];
  for (const field of fields) {
    field.removeAttribute("pattern");
    field.value = payload.slice(0, field.maxLength > 0 ? field.maxLength : 64);
  }
  own.noValidate = true;
  for (const radio of own.querySelectorAll("input[type=radio]")) radio.checked = true;
  own.requestSubmit();
  return fields.length;
}"""


@pytest.fixture
def unescaped_templates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let templates say texts as they are, as a careless one would."""

    def careless(*args: Any, **more: Any) -> Environment:
        return Environment(*args, **more | {"autoescape": False})  # noqa: S701  # the seeded bug

    templates_env.environment.cache_clear()
    monkeypatch.setattr(templates_env, "Environment", careless)
    yield
    templates_env.environment.cache_clear()


@pytest.mark.usefixtures("unescaped_templates")
def test_a_page_that_does_not_escape_is_found(browser: Browser, site: Site) -> None:
    where = report_vehicle(site, PAYLOADS[:ITEMS])
    with browser.new_context(base_url=site.address) as made:
        made.set_default_timeout(PATIENCE_MS)
        page = plain(made)
        signed_in(page, site, "malika")
        page.goto(where)
        # A frame among the goods, which the head of the page names, swallows what comes after it.
        assert len(page.evaluate(STRANGE)) > 3


def plain(made: BrowserContext) -> Page:
    """Open a page whose dialogs are shut, not told."""
    page = made.new_page()
    page.on("dialog", lambda shown: shown.dismiss())
    return page
