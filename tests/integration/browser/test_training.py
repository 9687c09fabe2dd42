"""Pages of a training home by keys, in two languages: from the first pick to the certificate."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
import uvicorn
from playwright.sync_api import Page, expect

from api.auth.accounts import Accounts
from api.exercises.desk import default_truth
from api.exercises.service import create_exercise_app, open_exercise_runtime
from engine.audit.file_anchors import open_network
from engine.domain.rights import Role
from tests.integration.browser.page_layouts import looked_at
from tests.integration.browser.users_and_vehicles import Site
from tests.support.running_service import CHEAP


@pytest.fixture(scope="module")
def site(training_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a copy of the training home over HTTP, in the place of the live one."""
    root = tmp_path_factory.mktemp("training") / "home"
    shutil.copytree(training_home, root)
    shutil.copytree(default_truth(training_home), default_truth(root))
    app = create_exercise_app(lambda: open_exercise_runtime(root))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield Site(address, cast("Any", None), {}, app.state.runtime)
    server.should_exit = True
    thread.join()


def enter(page: Page, site: Site, name: str, role: Role) -> str:
    """Make a person, sign in as they do, and return the address of the service."""
    address, runtime = site.address, site.runtime
    with patch("api.auth.credentials._HASHER", CHEAP):
        accounts = Accounts(runtime.store, open_network(runtime.home, runtime.store))
        secret = accounts.create_user(name, role).secret
        page.goto(f"{address}/login")
        page.fill("#name", name)
        page.fill("#password", secret)
        page.locator("form.card button.primary").press("Enter")
        page.wait_for_url(f"{address}/")
    return address


def test_an_exercise_is_done_by_keys(page: Page, site: Site) -> None:
    address = enter(page, site, "trainee-1", Role.SUPERVISOR)
    page.goto(f"{address}/language/tg?back=/")
    looked_at(page, "training-course")
    page.locator("main table a").first.press("Enter")
    page.wait_for_url("**/exercises/shift-1")
    looked_at(page, "training-exercise")
    page.locator("main tbody a").first.press("Enter")
    page.wait_for_url("**/vehicles/*")
    looked_at(page, "training-vehicle")
    page.locator("#search-form button.primary").press("Enter")
    expect(page.locator("#wrong")).to_be_focused()
    looked_at(page, "training-refused")
    spot = page.locator("[data-order] [data-place]").first
    spot.click()
    expect(page.locator("#place-1")).to_have_value(str(spot.get_attribute("data-place")))
    spot.click()
    expect(page.locator("#place-1")).to_have_value("")
    page.select_option("#place-1", "papers")
    page.locator("#search-form button.primary").press("Enter")
    expect(page.locator("#done")).to_be_visible()
    page.locator("#close input[name=sure]").press("Space")
    page.locator("#close button").press("Enter")
    page.wait_for_url("**/debriefing")
    looked_at(page, "training-debriefing")
    cast("Any", site.runtime).desk.close("shift-2", "trainee-1")
    page.goto(f"{address}/skill")
    looked_at(page, "training-skill")
    with page.expect_download() as waited:
        page.locator("main a[href*='certificate.pdf']").click()
    assert Path(waited.value.path()).read_bytes().startswith(b"%PDF")
    page.context.clear_cookies()
    enter(page, site, "leader-1", Role.ADMINISTRATOR)
    page.goto(f"{address}/figures")
    expect(page.locator("main")).to_contain_text("trainee-1")
    own = page.get_by_role("rowheader", name="trainee-1", exact=True)
    digest = page.get_by_role("row").filter(has=own).locator("td.id").inner_text()
    page.fill("#digest", digest)
    page.keyboard.press("Enter")
    expect(page.locator("#checked")).to_contain_text("trainee-1")
    looked_at(page, "training-figures")
