"""Times on pages are those of the post that they concern."""

from datetime import datetime

import pytest

from api.web.i18n import ReaderLocale
from engine.domain.network import BorderPost, Network

NETWORK = Network(
    {
        code: BorderPost(code=code, name=code, country=code[:2])
        for code in ("UZ-OYB", "TJ-FOT", "KG-DOS", "AF-HAI")
    }
)
AT = datetime.fromisoformat("2026-03-01T16:30Z")


def page_of(post: str | None) -> ReaderLocale:
    return ReaderLocale("en", 300, NETWORK, post)


@pytest.mark.parametrize(
    ("post", "shown", "zone"),
    [
        ("KG-DOS", "1 Mar 2026, 22:30", "UTC+06:00 (Asia/Bishkek)"),
        ("UZ-OYB", "1 Mar 2026, 21:30", "UTC+05:00 (Asia/Tashkent)"),
        ("AF-HAI", "1 Mar 2026, 21:00", "UTC+04:30 (Asia/Kabul)"),
        ("NOWHERE", "1 Mar 2026, 21:30", "UTC+05:00"),
        (None, "1 Mar 2026, 21:30", "UTC+05:00"),
    ],
)
def test_a_page_has_the_clocks_of_its_post(post: str | None, shown: str, zone: str) -> None:
    assert page_of(post).moment(AT) == shown
    assert page_of(post).zone == zone


def test_a_row_of_another_post_names_its_clocks_where_they_differ() -> None:
    page = page_of("UZ-OYB")
    assert page.at("KG-DOS").moment(AT) == "1 Mar 2026, 22:30 (UTC+06:00)"
    assert page.at("KG-DOS").second(AT) == "1 Mar 2026, 22:30:00 (UTC+06:00)"
    assert page.at("AF-HAI").time(AT) == "21:00 (UTC+04:30)"
    assert page.at("TJ-FOT").moment(AT) == page.moment(AT)
    assert page.at(None).moment(AT) == page.moment(AT)
