"""The desk as people use it, in a real browser: every step, by keys alone, and the overview."""

from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from api.auth.permissions import MAY
from api.network import answers
from api.service.executors import Backtests
from api.web.i18n import LANGUAGES, ReaderLocale
from api.web.labels import TABLES
from api.web.menu import SECTIONS
from api.web.visitor import json_route
from engine.events.area import WEBHOOK_REGISTERED, WebhookBody
from engine.events.webhooks import DELIVERIES
from engine.storage.database import insert_rows
from tests.integration.browser.conftest import PATIENCE_MS
from tests.integration.browser.page_layouts import CHECK, grave, looked_at
from tests.integration.browser.users_and_vehicles import QUEUE, ROLES, Site, sign_in, signed_in
from tests.support.backtest_figures import FIGURES
from tests.support.running_service import OTHER, POST
from tests.support.sizes import PROOF
from tests.unit.engine.links.links import link_partner
from tests.unit.service.reports.test_acts import act

WORDS = {
    "en": {
        "override": "sends elsewhere",
        "waiting": "sent here by a supervisor",
        "act": "a seizure",
    },
    "tg": {
        "override": "ба долони дигар фиристод",
        "waiting": "сардори баст фиристод",
        "act": "мусодира",
    },
}


def path(decision: dict[str, Any]) -> str:
    return f"/decisions/{decision['decision_id']}"


@pytest.mark.parametrize("language", WORDS if PROOF else ["tg"])  # all else here is in English
def test_the_whole_path(
    page: Page, site: Site, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backtests, "run", lambda *_, **__: FIGURES)
    words, green = WORDS[language], site.find("green")
    site.find("red")
    sign_in(page, site, "malika", language=language)
    before = hits_of_overrides(page, language)
    page.click(f"a[href='{QUEUE}']")
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.goto(path(green))
    page.keyboard.press("v")
    page.check("input[name=verdict][value=override]")
    page.select_option("#channel", "red")
    page.select_option("#reason_code", "officer_observation")
    page.fill("#reason", "Fresh paint under the trailer.")
    page.click("#verdict button")
    expect(page.locator("#done")).to_be_visible()
    expect(page.locator("section", has=page.locator("#reviews"))).to_contain_text(words["override"])
    page.click("[data-up]")
    row = page.locator(f"#{green['decision_id']}")
    expect(row).to_contain_text(words["waiting"])
    row.locator("[data-open]").click()
    page.wait_for_url("**/decisions/*")
    page.wait_for_load_state()  # before that no key is heard
    page.keyboard.press("a")
    page.check("input[name=outcome][value=seizure]")
    page.check("input[name=methods][value=physical]")
    page.locator("input[name=places_searched]").first.check()
    page.fill("#minutes", "42")
    page.select_option("#goods_class", "narcotics")
    page.fill("#amount", "2000")
    page.select_option("#place", "fuel.tank")
    page.click("#act button")
    page.click("#confirm button.primary")
    expect(page.locator("#filed")).to_contain_text(words["act"])
    profile_into_force(page, site, f"PATH-{language.upper()}", language)
    assert hits_of_overrides(page, language) == before + 1


def profile_into_force(page: Page, site: Site, code: str, language: str) -> None:
    """Let an analyst propose a profile, and the supervisor who was here approve it."""
    page.context.clear_cookies()
    signed_in(page, site, "zafar", language=language)
    page.goto("/profiles/new")
    page.fill("#code", code)
    page.fill("#expression", f'crossing.carrier_id == "{code}"')
    page.click("#profile button.primary")
    expect(page.locator("#done")).to_be_visible()
    page.context.clear_cookies()
    signed_in(page, site, "malika", language=language)
    page.goto(f"/profiles/{code}")
    page.click("#approve button.primary")
    expect(page.locator("#approve")).to_have_count(0)


def hits_of_overrides(page: Page, language: str) -> int:
    page.goto(f"/posts/{POST}/shift")
    name = ReaderLocale(language, 0).say(TABLES["stream"]["override"])
    rows = page.locator("details", has=page.locator("#this_shift")).locator("tbody tr")
    return int(rows.filter(has_text=name).locator("td").nth(2).text_content() or "")


def test_the_queue_is_live_within_two_seconds(page: Page, site: Site) -> None:
    site.find("red")
    signed_in(page, site, "malika")
    page.goto(QUEUE)
    expect(page.locator("[data-state]")).to_have_text("live")
    page.locator("[data-open]").first.focus()
    held = page.evaluate("document.activeElement.closest('[data-row]').id")
    red = site.find("red")
    shown = page.locator(f"#{red['decision_id']}")
    shown.wait_for(timeout=2000 if PROOF else PATIENCE_MS)
    assert page.evaluate("document.activeElement.closest('[data-row]')?.id") == held


def test_without_a_script_the_queue_is_read_and_filtered(browser: Browser, site: Site) -> None:
    site.find("red")
    with browser.new_context(base_url=site.address, java_script_enabled=False) as plain:
        page = plain.new_page()
        signed_in(page, site, "malika")
        page.goto(QUEUE)
        every = page.locator("[data-row]").count()
        assert page.locator("[data-row] .channel.red").count() > 0
        page.click(".sieve summary")
        page.select_option("select[name=channel]", "yellow")
        with page.expect_navigation():
            page.click(".filters button")
        assert page.locator("[data-row]").count() < every
        assert page.locator("[data-row] .channel.red").count() == 0


def test_keys_alone_are_enough(page: Page, site: Site) -> None:
    site.find("red")
    page.goto("/login")
    expect(page.locator("[autofocus]")).to_be_focused()  # the browser's first frame may be late
    page.keyboard.type("malika")
    page.keyboard.press("Tab")
    page.keyboard.type(site.passwords["malika"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.address}/")
    page.goto(QUEUE)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    first = page.locator("[data-open]").first
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/decisions/*")
    first_page = page.url
    page.keyboard.press("j")
    page.wait_for_url(lambda url: "/decisions/" in url and url != first_page)
    page.keyboard.press("k")
    page.wait_for_url(first_page)
    page.keyboard.press("v")
    page.keyboard.press("Space")
    expect(page.locator("input[name=verdict][value=uphold]")).to_be_checked()
    page.locator("#verdict button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_visible()
    page.wait_for_load_state()  # before that no key is heard
    page.keyboard.press("u")
    page.wait_for_url(f"**{QUEUE}")


BEHIND = {
    "malika": (
        "{red}",
        "{red}/recomputation",
        "/complaints?decision={name}",
        "{seen}",
        "/profiles/new",
        "/decisions/none",
        "/entities/driver/d-500",
        "/entities/driver/d-500?purpose=audit",
        "/entities/driver/d-500/connections?purpose=audit",
    ),
    "nodira": ("/journal/1", "/links/{link}"),
    "sitora": ("/webhooks/webhook-1",),
}
"""Pages behind those of the menu, by a user who may see them."""


def pages_of(name: str) -> list[str]:
    """Return every page of a user's menu, and those behind: a new one is checked by itself."""
    menu = [one for one in SECTIONS if one == "/" or ROLES[name] in MAY[json_route("GET", one)]]
    return [*(one.replace("{post}", POST) for one in menu), *BEHIND[name]]


def register_webhook(site: Site) -> None:
    """Let events go to an address that is not reached; one has been set aside."""
    body: WebhookBody = {
        "claim": {"names": ["webhook:w-1"], "fingerprint": "00" * 32},
        "by": "sitora",
        "url": "https://127.0.0.1:9/events",
        "events": ["approval.waiting"],
        "role": "analyst",
        "secret": "s0",
    }
    draft = WEBHOOK_REGISTERED.draft("webhook-1", body)
    (entry,) = site.runtime.journal.append([draft])
    row = ("webhook-1", entry.seq, "approval.waiting", 1, entry.known_at, 10, None, "timeout")
    with site.runtime.store.write() as connection:
        insert_rows(connection, DELIVERIES, [row])


def test_every_page_can_be_used_by_everybody(page: Page, site: Site) -> None:
    register_webhook(site)
    link = link_partner(site.runtime.home, site.runtime.store)
    red, again = site.find("red"), site.find("red", plate="01A500BC", driver_ref="d-500")
    seen = site.decide(plate="01A500BC", driver_ref="d-500", trailer_plate="01A501BC")
    for where in ("/login", "/invitation"):
        page.goto(where)
        assert page.evaluate(CHECK) == []
        assert grave(page) == []
    looked = set[str]()
    for name in BEHIND:
        page.context.clear_cookies()
        signed_in(page, site, name)
        for where in pages_of(name):
            if PROOF or where not in looked:  # at small sizes what two may see is seen by one
                about = {"red": path(red), "name": red["decision_id"], "seen": path(seen)}
                page.goto(where.format(**about, link=link))
                typed = page.locator("#search").evaluate_all("all => all.map((one) => one.value)")
                assert not any(typed), "nobody searched yet"
                looked_at(page, where)
            looked.add(where)
    assert again["channel"] == "red"


LONG_LANGUAGES = ("ru", "tg")
"""Those whose words take most room, each on half of the pages; the proof looks at all."""
CUT_OFF = """() => [
  ...[...document.querySelectorAll("svg text")].filter((node) => {
    const text = node.getBBox(), all = node.ownerSVGElement.viewBox.baseVal;
    return all && all.width && (text.x < all.x || text.x + text.width > all.x + all.width);
  }),
  ...[...document.querySelectorAll(".scroll")].filter((n) => n.scrollWidth > n.clientWidth + 1),
].map((node) => node.textContent.trim().slice(0, 80))"""


def test_no_language_is_too_long_for_a_desk(page: Page, site: Site) -> None:
    """Nothing that is drawn runs out of its drawing, and no table has to be moved to be read."""
    goes = {"plate": "01A700BC", "trailer_plate": "01A701BC", "carrier_id": "k-700"}
    for driver in ("d-700", "d-701", "d-700"):  # what is found on the second is passed to the first
        seen = site.decide(None, **goes, driver_ref=driver)
        if driver == "d-701":
            found = act(700, seen["crossing_id"], outcome="discrepancy")
            assert site.sender.post("/v1/inspections", json=found).status_code == 201
    signed_in(page, site, "malika")
    party = "/entities/plate/01A700BC?purpose=audit"
    graph = "/entities/plate/01A700BC/connections?purpose=audit"
    pages = (path(seen), QUEUE, f"/posts/{POST}/shift", party, "/watchlist", graph)
    for number, language in enumerate(LANGUAGES if PROOF else LONG_LANGUAGES):
        page.goto(f"/language/{language}?back={path(seen)}")
        for where in pages if PROOF else pages[number::2]:
            if page.url != site.address + where:
                page.goto(where)
            expect(page.locator("html")).to_have_attribute("lang", language)
            assert page.evaluate(CUT_OFF) == [], (language, where)
    page.goto(path(seen))
    page.evaluate("document.querySelector('#part-past').open = true")
    page.evaluate("document.querySelector('svg.timeline text').textContent = 'long '.repeat(60)")
    assert len(page.evaluate(CUT_OFF)) == 1


REACH = """() => [...document.querySelectorAll(
  "a[href],button,input:not([type=hidden]),select,textarea,summary,[tabindex='0']"
)].filter((node) => node.checkVisibility() && !node.disabled && !node.closest("dialog:not([open])"))
  .map((node) => node.type === "radio" ? `radio ${node.name}` : node.outerHTML.slice(0, 160))"""
FOLLOW = """() => {
  document.activeElement.blur();
  window.reached = [];
  document.addEventListener("focusin", ({ target }) => reached.push(
    target.type === "radio" ? `radio ${target.name}` : target.outerHTML.slice(0, 160)));
}"""
"""Has the page keep what was focused, so that no call has to ask after each key."""


def list_unreached(page: Page) -> set[str]:
    """Walk the whole page by Tab and return what could be pressed but was never reached."""
    wanted = set(page.evaluate(REACH))
    page.evaluate(FOLLOW)
    parts = 3 * page.locator("input[type=date]").count()  # day, month and year, each of its own
    for _ in range(len(wanted) + parts + 5):
        page.keyboard.press("Tab")
    return wanted - set(page.evaluate("reached"))


def test_every_action_is_reached_by_keys(page: Page, site: Site) -> None:
    red = site.find("red")
    signed_in(page, site, "malika")
    more = ("/watchlist", "/models") if PROOF else ()
    for where in (QUEUE, path(red), *more, "/profiles/new"):
        page.goto(where)
        assert list_unreached(page) == set(), where
    page.evaluate("document.querySelector('#profile button.primary').tabIndex = -1")
    assert len(list_unreached(page)) == 1


BROKEN = """() => {
  const made = document.createElement("div");
  document.querySelector("main").append(made);
  made.innerHTML = "<input><h4>x</h4><p>pale</p><svg></svg><table><tr><th>y</th></tr></table>" +
    "<input aria-label='a' title='b' type=radio><ul><p>z</p></ul><div role=knob>k</div>" +
    "<span aria-hidden=true><button>b</button></span><details>d</details><p><a href=x>c</a></p>" +
    "<svg role=img aria-label=e><text>t</text></svg><b lang=x-y-1>l</b>" +
    "<nav>Main</nav><nav>Main</nav>";
  made.querySelector("p").style.color = made.querySelector("text").style.fill = "#ccc";
  made.querySelector("a").style.textDecoration = "none";
  made.querySelector("button").style.cssText = "height: 9px; width: 9px; padding: 0; min-width: 0";
}"""


def test_the_check_finds_what_is_wrong(page: Page, site: Site) -> None:
    sign_in(page, site, "malika")
    page.evaluate(BROKEN)
    assert any("color-contrast" in one for one in grave(page))
    found = " ".join(page.evaluate(CHECK))
    for rule in (
        "no name", "heading skips", "contrast", "drawing without", "no scope", "radio in no group",
        "not an item", "unheard of role", "reached by keys", "without summary", "colour alone",
        "too small", "<text", "no such language", "two of one name", "no label",
    ):  # fmt: skip
        assert rule in found, rule


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
    folded = page.locator("details.card")
    for width, kind, rows in ((360, "narrow-map", 24), (1280, "broad", 7)):
        page.set_viewport_size({"width": width, "height": 800})
        if width == 360:
            for at in range(folded.count()):
                folded.nth(at).locator("summary").first.click()
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
