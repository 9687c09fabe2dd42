"""Reasons on the opposite post's record name the post, in every language."""

import pytest

from api.web.i18n import LANGUAGES, ReaderLocale
from api.web.messages import MessageReader
from engine.domain.network import BorderPost, Network
from engine.explanation.message_templates import FACTS, NAMED
from engine.explanation.messages import Message
from engine.explanation.reasons import make_reason, name_opposite_post

TRANSIT = make_reason(
    "paired_sooner_share",
    Message(
        "paired_transit",
        {
            "value": 0.93, "unit": "share", "elapsed": 10_260_000_000, "usual": 0.5,
            "comparison": "usual_of_class", "among": "car", "strength": "raises",
        },
    ),
    0.4,
)  # fmt: skip
RATE = make_reason(
    "consignee_hit_rate",
    Message(
        "never_inspected",
        {"whom": ["consignee"], "comparison": "usual_unknown", "strength": "raises"},
    ),
    0.1,
)


def test_the_opposite_post_is_named_where_a_reason_is_about_its_record() -> None:
    named, other = name_opposite_post([TRANSIT, RATE], "Yallama")
    assert named.text == "Took 2 h 51 min from Yallama; 93% of vehicles on this line take less."
    assert named.parameters == {**TRANSIT.parameters, "opposite": "Yallama"}
    assert (named.code, named.message, named.contribution) == (
        TRANSIT.code, TRANSIT.message, TRANSIT.contribution,
    )  # fmt: skip
    assert other == RATE
    assert name_opposite_post([TRANSIT, RATE], "") == (TRANSIT, RATE), "a post without a pair"


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_name_it_in_every_language_and_still_render_earlier_records(language: str) -> None:
    reader = MessageReader(ReaderLocale(language, 300))
    named = name_opposite_post([TRANSIT], "Yallama")[0]
    records = [
        {"message": one.message, "parameters": one.parameters, "text": one.text}
        for one in (named, TRANSIT)
    ]
    now, before = (reader.reason(record) for record in records)
    assert "Yallama" in now.text and "Yallama" not in before.text
    assert not now.is_english and not before.is_english


def test_every_fact_of_the_opposite_post_has_a_form_with_its_name() -> None:
    """A new fact whose words speak of the opposite post without a place for its name fails."""
    silent = [
        name
        for name, text in FACTS.items()
        if "opposite post" in str(text) and "{opposite}" not in str(FACTS.get(f"{name}{NAMED}"))
    ]
    assert silent == []


def test_the_name_is_that_of_the_network_file() -> None:
    posts = {
        "GSH": BorderPost(code="GSH", name="Gisht-Kuprik", country="UZ", pair="YAL"),
        "YAL": BorderPost(code="YAL", name="Yallama", country="KZ"),
        "AYR": BorderPost(code="AYR", name="Ayritom", country="UZ", pair="HAI"),
    }
    network = Network(posts)
    assert [network.name_opposite(code) for code in ("GSH", "AYR", "?")] == ["Yallama", "", ""]
