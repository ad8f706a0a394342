"""Adds menus to the header of a section that offer its notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from booktools import ALL, FRAMEWORKS, SourceError
from booktools.execution.downloads import build_wheel, download_name, download_notebook
from booktools.sphinx.sources import Sources, stop

DOWNLOADS = "_downloads/notebooks"
COLAB = "https://colab.research.google.com/github"


class Menus:
    """The menus and the files they link to."""

    def __init__(self, app: Sphinx, sources: Sources) -> None:
        self.sources, self.book = sources, sources.book
        self.folder = Path(app.outdir, DOWNLOADS)
        record = Path(app.doctreedir, "wheel")
        self.wheel = build_wheel(self.book.root, self.folder, record)

    def add(self, app: Sphinx, pagename: str, template: str, context, doctree) -> None:
        """Add menus with one entry per framework to the header of a section."""
        page = self.book.find(pagename)
        if page is None or page.section is None:
            return
        folder = context["pathto"](DOWNLOADS, 1)
        downloads, colab = [], []
        for tag in page.section.chosen:
            title = f"{'The' if tag == ALL else FRAMEWORKS[tag].title} notebook"
            file = f"{folder}/{download_name(page, tag)}"
            downloads.append(_link(title, file))
            if self.book.repository:
                name, branch = self.book.repository
                path = page.section.notebook_path(tag).as_posix()
                address = f"{COLAB}/{name}/blob/{branch}/{path}"
                colab.append(_link(f"{title} in Colab", address))
        if self.wheel:
            wheel = f"{folder}/{self.wheel}"
            downloads.append(_link("d2lutils, which they need", wheel))
        menus = [_menu("Download the notebook", "download", downloads)]
        if colab:
            menus.insert(0, _menu("Run the notebook", "rocket", colab))
        context["header_buttons"] = menus + context.get("header_buttons", [])
        notes = _lacking(page.section.chosen)
        context["body"] = context["body"].replace("</h1>", f"</h1>{notes}", 1)

    def write_notebooks(self, app: Sphinx, exception: Exception | None) -> None:
        """Write the notebooks that readers can download."""
        if exception:
            return
        base = app.config.html_baseurl
        base = f"{base.rstrip('/')}/{DOWNLOADS}/" if base else ""
        try:
            for job in self.sources.jobs:
                download_notebook(self.book, job, self.folder, self.wheel, base)
        except SourceError as error:
            stop(str(error))


def _lacking(chosen: Sequence[str]) -> str:
    """Return a note for each framework that a section has no code for."""
    if ALL in chosen or not chosen:
        return ""
    others = ", ".join(FRAMEWORKS[tag].title for tag in chosen)
    return "".join(
        f'<p class="lacking lacking-{tag}">'
        f"There is no code in {framework.title} here, only in {others}.</p>"
        for tag, framework in FRAMEWORKS.items()
        if tag not in chosen
    )


def _link(text: str, url: str) -> dict[str, str]:
    return {"type": "link", "text": text, "url": url}


def _menu(tooltip: str, icon: str, buttons: list[dict[str, str]]) -> dict[str, Any]:
    told = {"tooltip": tooltip, "icon": f"fas fa-{icon}", "buttons": buttons}
    return {"type": "group", "label": "booktools-menu", **told}


def setup_menus(app: Sphinx, sources: Sources) -> None:
    """Add the menus and the files they link to."""
    menus = Menus(app, sources)
    # After the theme has made its buttons (501).
    app.connect("html-page-context", menus.add, priority=510)
    app.connect("build-finished", menus.write_notebooks)
