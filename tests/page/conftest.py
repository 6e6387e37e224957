"""What the page's tests run in: Node, Chromium, and a daemon to talk to."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture(scope="session")
def node() -> Path:
    """Node: the one on PATH, or the one that comes inside playwright."""
    if found := shutil.which("node"):
        return Path(found)
    playwright = pytest.importorskip("playwright")
    bundled = Path(playwright.__file__).parent / "driver" / "node"
    return bundled if bundled.exists() else _absent("there is no node on PATH, nor in playwright")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Chromium, as `make tools` installs it."""
    found: Path | None = _tools().find("chromium")
    return found or _absent("there is no Chromium: run make tools")


def _absent(reason: str) -> Path:
    """Skip, but fail where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _tools() -> ModuleType:
    spec = importlib.util.spec_from_file_location("find_tools", Path(__file__).parents[1] / "tools/find.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]

PATIENCE = 60_000  # milliseconds: a guard against hangs, on a machine that draws without a graphics card


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Chromium without a window; gone with the module, since its event loop must not meet other tests' loops."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`open_page(address, before="a script", expected="part of a console error", width=…, height=…)` opens a page.

    When the test is over no page may have had an error that was not expected.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def report(text: str, expected: str | None) -> None:
        if expected is None or expected not in text:
            problems.append(text)

    def opened(
        address: str, *, before: str = "", expected: str | None = None, width: int = 1440, height: int = 900
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and report(message.text, expected))
        page.on("pageerror", lambda error: report(str(error), expected))
        if before:
            page.add_init_script(before)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems
