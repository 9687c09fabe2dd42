"""The manual names what the pages show, in every language; the interface is whole and local."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from lxml import html

from api.web.i18n import LANGUAGES, translations
from api.web.page_help import HELP
from api.web.templates_env import HERE
from engine.domain.rights import Role
from tests.catalogues import list_texts
from tests.support.people import at_desk
from tests.support.running_service import World

TEMPLATES = HERE / "templates"
MANUAL = (TEMPLATES / "help.html").read_text("utf-8")
LABEL = re.compile(r"\b(?:b|word)\('([^']+)'\)")
SENTENCE = re.compile(r"\.(?: |$)")
WITHOUT_HELP = {"help.html", "interface.html", "refused.html"} | {
    f"{name}.html" for name in ("login", "invitation", "signed_on", "signed_out")
}
"""Pages of nobody, and those that are help themselves. Exercises have a course of their own."""


def list_pages(folder: Path) -> set[str]:
    """Return the templates that are whole pages for somebody who is signed in."""
    every = (
        one for one in folder.glob("*.html") if "extends 'base.html'" in one.read_text("utf-8")
    )
    return {one.name for one in every if not one.name.startswith("training_")} - WITHOUT_HELP


def find_unknown(labels: Iterable[str]) -> set[str]:
    """Return the labels that no page shows: the manual marks none of its own by these calls."""
    texts = list_texts()
    return {one for one in labels if not {one, one[:1].lower() + one[1:]} & texts}


def test_every_page_says_what_it_is_for_in_at_most_three_sentences() -> None:
    assert list_pages(TEMPLATES) == set(HELP)
    assert [one for one, text in HELP.items() if not 1 <= len(SENTENCE.findall(text)) <= 3] == []


def test_every_label_of_the_manual_is_a_text_of_a_page() -> None:
    labels = LABEL.findall(MANUAL)
    assert len(set(labels)) > 50 and find_unknown(labels) == set()
    assert find_unknown(["Take", "Take it all"]) == {"Take it all"}, "negative control"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_manual_is_whole_in_every_language(world: World, language: str) -> None:
    say = translations(language).gettext
    for role in (Role.SUPERVISOR, Role.CHECKPOINT):
        reader = at_desk(world, f"reads-{role}-{language}", role)
        reader.get(f"/language/{language}?back=/")
        page = html.fromstring(reader.get("/help").text)
        text = page.find(".//main").text_content()
        assert {say(HELP["queue.html"]), say(HELP["act.html"])} <= set(text.splitlines())
        assert (say("For supervisors") in text) == (role is Role.SUPERVISOR)
        places = {one.get("id") for one in page.xpath("//main//*[@id]")}
        led_to = {one.get("href")[1:] for one in page.xpath("//main//nav//a")}
        assert led_to <= places and "queue" in led_to
        if language != "en":
            assert not [one for one in HELP.values() if one in text]


def test_the_interface_is_whole_and_asks_no_other_host(world: World) -> None:
    answer = world.client.get("/docs")
    page = html.fromstring(answer.text)
    document = world.client.get("/openapi.json").json()
    shown = {one.text for one in page.xpath("//summary/code")}
    called = {f"{how.upper()} {path}" for path, one in document["paths"].items() for how in one}
    assert shown == called | set(document["components"]["schemas"])
    led_to = {one for one in page.xpath("//main//a/@href") if one.startswith("#")}
    assert led_to <= {f"#{one}" for one in page.xpath("//@id")}
    elsewhere = page.xpath("//@src | //link/@href | //a/@href")
    assert all(one.startswith(("/", "#")) and not one.startswith("//") for one in elsewhere)
