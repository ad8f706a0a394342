"""A browser, the built book, and a server for it, shared by the tests of the pages."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
"""The first browser of the Chromium family found on this system, if any."""

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]


@contextmanager
def browser() -> Iterator:
    """Run the system's Chromium; without one, skip the test, or fail in CI."""
    if CHROMIUM is None:
        how = "no Chromium is installed; install it, for example: apt-get install"
        if os.environ.get("CI"):
            pytest.fail(f"{how} chromium")
        pytest.skip(f"{how} chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # the processors may be busy
    with sync_playwright() as run:
        running = run.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield running
        running.close()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves notebooks with a type that browsers show, and logs nothing."""

    extensions_map = {".ipynb": "text/plain", ".js": "text/javascript"}

    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this computer only, and yield its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def new_page(chromium) -> Iterator:
    """Open a page without stored data.

    It has lists of the ``errors`` in its scripts, of everything that goes ``wrong``,
    and of the addresses that it ``asked`` for.
    """
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.errors, page.wrong, page.asked = [], [], []
    page.on("request", lambda request: page.asked.append(request.url))

    def failed(request) -> None:
        # A request that was canceled by going to another page didn't fail.
        if request.failure != "net::ERR_ABORTED":
            page.wrong.append(request.url)

    def said(message) -> None:
        if message.type in ("error", "warning"):
            page.wrong.append(message.text)

    page.on("requestfailed", failed)
    page.on("console", said)
    for kept in (page.errors, page.wrong):
        page.on("pageerror", lambda error, kept=kept: kept.append(str(error)))
    yield page
    context.close()
