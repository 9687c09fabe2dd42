"""One service a file, one Chromium for all; a page error, a dialog or a request elsewhere fails."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import httpx2 as httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from api.service.assembly import open_runtime
from api.service.runtime import Runtime
from api.service.settings import Settings
from engine.domain.rights import Role
from engine.storage.home import Home
from models.explanation.reason_sentences import sentences
from tests.integration.browser.users_and_vehicles import Site, bearer, people
from tests.integration.service.http.raw_http import listen
from tests.support.running_service import FakeModels, make_home, make_keys

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

DESK = ViewportSize(width=1280, height=900)
PATIENCE_MS = 60_000
"""How long a busy machine may take for what takes none."""
expect.set_options(timeout=PATIENCE_MS)


class SayingModels(FakeModels):
    """The same models, with the product's own sentences."""

    sentences = staticmethod(sentences)  # type: ignore[assignment]


@contextmanager
def serve(home: Home, *, port: int = 0) -> Iterator[tuple[str, Runtime]]:
    """Serve a home over HTTP; yield its address and what runs there."""

    def open_service() -> Runtime:
        return open_runtime(home, Settings(model_seconds=0.05), SayingModels())

    with listen(open_service, port=port) as (at, _, runtime):
        yield f"http://127.0.0.1:{at}", runtime


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a fresh home over HTTP."""
    home = make_home(tmp_path_factory.mktemp("home"))
    keys, _ = make_keys(home)
    key = bearer(keys[Role.CHECKPOINT])
    with (
        serve(home) as (address, runtime),
        httpx.Client(base_url=address, headers=key, timeout=PATIENCE_MS / 1000) as sender,
    ):
        yield Site(address, sender, people(runtime), runtime)


_OPEN = ExitStack()


@cache
def _open_browser(chromium: str) -> Browser:
    playwright = _OPEN.enter_context(sync_playwright())
    running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
    _OPEN.callback(running.close)
    return running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Close the browser after the last test of this folder: its loop breaks ``asyncio.run``."""
    try:
        yield
    finally:
        if nextitem is None or item.path.parent != nextitem.path.parent:
            _OPEN.close()
            _open_browser.cache_clear()


def find_chromium() -> str | None:
    """Return the path of the system's browser."""
    found = map(shutil.which, ("chromium-headless-shell", "chromium"))
    return os.environ.get("CHROMIUM") or next(filter(None, found), None)


@pytest.fixture(scope="module")
def browser() -> Browser:
    """Drive the system's Chromium, which all files in a row share.

    Its headless shell draws the same pages in half of the time.
    """
    if not (chromium := find_chromium()):
        pytest.skip("no browser: install chromium, or set CHROMIUM")
    return _open_browser(chromium)


@pytest.fixture(scope="module")
def shared_context(browser: Browser, site: Site) -> Iterator[tuple[BrowserContext, list[str]]]:
    """Open one browser profile for all tests of a module, and list what goes wrong in it."""
    wrong: list[str] = []

    def check_address(url: str) -> None:
        if not url.startswith((site.address, "about:")):
            wrong.append(f"asked elsewhere: {url}")

    def dismiss(shown: Dialog) -> None:
        wrong.append("dialog")
        shown.dismiss()

    def check_message(text: str) -> None:
        if "Content Security" in text:
            wrong.append(text)

    with browser.new_context(base_url=site.address, viewport=DESK) as opened:
        opened.set_default_timeout(PATIENCE_MS)
        opened.on("weberror", lambda error: wrong.append(f"error: {error.error}"))
        opened.on("dialog", dismiss)
        opened.on("request", lambda request: check_address(request.url))
        opened.on("console", lambda message: check_message(message.text))
        yield opened, wrong


@pytest.fixture(scope="module")
def shared_page(shared_context: tuple[BrowserContext, list[str]]) -> Page:
    """Open one page for all tests of a module: each would be a process of its own."""
    return shared_context[0].new_page()


@pytest.fixture
def page(shared_page: Page, shared_context: tuple[BrowserContext, list[str]]) -> Iterator[Page]:
    """Hand out a page without cookies, as wide as a desk; nothing may go wrong in it unseen."""
    opened, wrong = shared_context
    wrong.clear()
    yield shared_page
    shared_page.goto("about:blank")
    shared_page.set_viewport_size(DESK)
    shared_page.emulate_media(color_scheme="null")
    opened.clear_cookies()
    assert wrong == []
