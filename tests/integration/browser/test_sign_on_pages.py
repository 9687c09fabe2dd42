"""Sign-on by an identity provider in a real browser: there, back, and out of both."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.browser.conftest import PATIENCE_MS
from tests.integration.browser.page_layouts import grave
from tests.integration.browser.users_and_vehicles import QUEUE, Site
from tests.integration.service.auth.approved_mapping import trust_provider
from tests.integration.service.auth.provider_process import PASSWORD, IdentityProvider


@pytest.fixture
def visitor(browser: Browser, site: Site, identity_provider: IdentityProvider) -> Iterator[Page]:
    """Open a page without scripts: the provider is another site, by the name of its host."""
    trust_provider(site.runtime, identity_provider, site.address)
    assert "127.0.0.1" in site.address and "localhost" in identity_provider.address
    with browser.new_context(base_url=site.address, java_script_enabled=False) as made:
        made.set_default_timeout(PATIENCE_MS)
        yield made.new_page()


def go_there_and_back(page: Page) -> None:
    page.goto(QUEUE)
    page.click("a[href^='/login/oidc']")
    page.fill("#username", "sam")
    page.fill("#password", PASSWORD)
    page.click("#go")


def test_a_person_signs_on_and_out(
    visitor: Page, identity_provider: IdentityProvider, site: Site
) -> None:
    go_there_and_back(visitor)
    visitor.wait_for_url(f"**{QUEUE}")
    expect(visitor.locator(".who a")).to_contain_text("oidc-")
    cookies: list[Any] = [one for one in visitor.context.cookies() if "session" in one["name"]]
    ours = next(one for one in cookies if one["name"] == "darvoza_session")
    assert (ours["sameSite"], ours["httpOnly"]) == ("Strict", True)
    visitor.click(".who button")
    visitor.wait_for_url(f"{identity_provider.issuer}/logout/**")
    visitor.goto(QUEUE)
    expect(visitor).to_have_url(f"{site.address}/login?next={QUEUE}")


def test_pages_of_a_sign_on_are_for_everybody(
    browser: Browser, site: Site, identity_provider: IdentityProvider
) -> None:
    trust_provider(site.runtime, identity_provider, site.address)
    with browser.new_context(base_url=site.address) as made:
        page = made.new_page()
        for address in ("/login", "/login/oidc/callback?state=x"):
            page.goto(address)
            assert grave(page) == []
            expect(page.locator("a[href^='/login/oidc']")).to_be_visible()
            expect(page.locator("#password")).to_be_visible()
