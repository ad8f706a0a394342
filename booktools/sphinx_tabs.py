"""The Sphinx extension: pages with a tab for each framework, and their menus.

A section reaches MyST-NB as the notebook that :func:`booktools.sections.merge`
makes of it. What belongs to one framework is then gathered into tab sets.
Nothing is executed, and no framework needs to be installed.
"""

from __future__ import annotations

import hashlib
import html
import os
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_design.shared import create_component, is_component

from booktools import ALL, FRAMEWORKS, SourceError, latex, pages
from booktools.book import Book, Page
from booktools.downloads import build_wheel, download_name, download_notebook
from booktools.execute import job, read_notebook
from booktools.sections import HEADER, header, merge

logger = logging.getLogger(__name__)

NOTEBOOK = "%booktools-notebook\n"
"""Begins a text that is a merged notebook: in MyST a comment, so no page's own."""

DOWNLOADS = "_downloads/notebooks"


class BookError(SphinxError):
    """The book cannot be read."""

    category = "Book error"


def read_page(text: str) -> nbformat.NotebookNode:
    """Read a page for MyST-NB: a merged section, or a plain page as one cell."""
    if text.startswith(NOTEBOOK):
        notebook = nbformat.reads(text.removeprefix(NOTEBOOK), as_version=4)
    else:
        match = HEADER.match(text)
        start = match.end() if match else 0
        notebook = nbformat.v4.new_notebook(metadata=nbformat.from_dict(header(text)))
        notebook.cells.append(nbformat.v4.new_markdown_cell(text[start:]))
        notebook.metadata.source_map = [text.count("\n", 0, start)]
    # MyST-NB and MyST-Parser each add 1 to make lines count from 1.
    notebook.metadata.source_map = [n - 1 for n in notebook.metadata.source_map]
    return notebook


class _Sources:
    """Hands the sections to Sphinx, and tells where they are not in order."""

    def __init__(self) -> None:
        self.failed = False
        self.outdated: set[str] = set()

    def load(self, app: Sphinx) -> None:
        """Read the whole book; without it no page can be made."""
        try:
            self.book = Book(Path(app.srcdir))
        except SourceError as error:
            raise BookError(str(error)) from None

    def check(self, app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
        """Report notebooks that do not match, of every section at every build."""
        reported: set[str] = set()
        for page in self.book.sections:
            for framework in page.section.frameworks:
                problem = self._problem(page, framework)
                if problem and str(problem) not in reported:
                    reported.add(str(problem))
                    self.failed = True
                    self.outdated.add(page.docname)
                    location = (page.docname, problem.line)
                    logger.error("%s", problem.message, location=location)

    def _problem(self, page: Page, framework: str) -> SourceError | None:
        try:
            return job(self.book, page, framework).problem()
        except SourceError as error:
            return error

    def read(self, app: Sphinx, docname: str, content: list[str]) -> None:
        """Replace the text of a section by the merged notebook."""
        page = self.book.find(docname)
        if page is None or page.section is None:
            return
        notebooks = {}
        for framework in page.section.frameworks:
            path = self.book.root / page.section.notebook_path(framework)
            app.env.note_dependency(str(path))
            notebooks[framework] = read_notebook(path)
        if docname in self.outdated:
            # Shown without outputs; the build has failed already.
            app.env.temp_data["booktools_outdated"] = True
            content[0] = NOTEBOOK + nbformat.writes(_without_outputs(page))
        else:
            content[0] = NOTEBOOK + nbformat.writes(merge(page.section, notebooks))

    def finish(self, app: Sphinx, exception: Exception | None) -> None:
        """Offer the notebooks beside the pages, and fail where one did not match."""
        if exception is None and app.builder.name == "html":
            base = app.config.html_baseurl
            base = f"{base.rstrip('/')}/{DOWNLOADS}/" if base else ""
            folder = Path(app.outdir, *DOWNLOADS.split("/"))
            for page in self.book.sections:
                for framework in page.section.frameworks:
                    download_notebook(
                        self.book, page, framework, folder, self.wheel, base
                    )
        if self.failed:
            app.statuscode = 1

    def prepare_html(self, app: Sphinx) -> None:
        """Make what the pages refer to: d2lutils, and the words of the frameworks."""
        self.wheel = None
        if app.builder.name == "html":
            folder = Path(app.outdir, *DOWNLOADS.split("/"))
            self.wheel = build_wheel(self.book.root, folder)
            pages.write_words(self.book, Path(app.outdir))

    def menus(
        self,
        app: Sphinx,
        pagename: str,
        templatename: str,
        context: dict[str, Any],
        doctree: nodes.document | None,
    ) -> None:
        """Put menus with an entry per framework into the header of a section."""
        page = self.book.find(pagename)
        if page is None or page.section is None:
            return
        folder = context["pathto"](DOWNLOADS, 1)
        downloads, colab, binder = [], [], []
        repository = _repository(app.config)
        for framework in page.section.frameworks:
            title = _title(framework)
            downloads.append(
                _link(f"{title} notebook", f"{folder}/{download_name(page, framework)}")
            )
            path = page.section.notebook_path(framework).as_posix()
            if repository:
                name, branch = repository
                colab.append(
                    _link(
                        f"{title} in Colab",
                        "https://colab.research.google.com/github/"
                        f"{name}/blob/{branch}/{path}",
                    )
                )
                binder.append(
                    _link(
                        f"{title} in Binder",
                        f"https://mybinder.org/v2/gh/{name}/{branch}"
                        f"?urlpath=lab/tree/{path}",
                    )
                )
        if self.wheel:
            downloads.append(
                _link("d2lutils, which they need", f"{folder}/{self.wheel}")
            )
        menus = [_menu("Download the notebook", "fas fa-download", downloads)]
        if colab:
            menus.insert(0, _menu("Run the notebook", "fas fa-rocket", colab + binder))
        context["header_buttons"] = menus + context.get("header_buttons", [])


def _without_outputs(page: Page) -> nbformat.NotebookNode:
    cells = [cell for cell in page.section.cells if cell.kind == "code"]
    blank = {
        framework: nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell(cell.source)
                for cell in cells
                if framework in cell.frameworks
            ]
        )
        for framework in page.section.frameworks
    }
    return merge(page.section, blank)


def _title(framework: str) -> str:
    return "The" if framework == ALL else FRAMEWORKS[framework].title


def _link(text: str, url: str) -> dict[str, str]:
    return {"type": "link", "text": text, "url": url}


def _menu(tooltip: str, icon: str, buttons: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "type": "group",
        "tooltip": tooltip,
        "icon": icon,
        "label": "booktools-menu",
        "buttons": buttons,
    }


def _repository(config: Config) -> tuple[str, str] | None:
    """Return owner/name and branch of the repository, if it is on GitHub."""
    options = config.html_theme_options
    url = urlsplit(options.get("repository_url") or "")
    if url.hostname != "github.com":
        return None
    name = url.path.strip("/").removesuffix(".git")
    return name, options.get("repository_branch") or "main"


class FrameworkDirective(SphinxDirective):
    """Prose for one framework, or for several: ``:::{framework} pytorch``."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Parse the prose once for each framework that it is for."""
        named = self.arguments[0].split()
        if unknown := [name for name in named if name not in FRAMEWORKS]:
            logger.error(
                "the framework directive names %s; expected one or more of %s",
                ", ".join(unknown),
                ", ".join(FRAMEWORKS),
                location=self.get_location(),
            )
            return []
        node = nodes.container(booktools_frameworks=named)
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class WaysInDirective(SphinxDirective):
    """Links that open a page in each of the frameworks: ``{ways-in} page``.

    Where there are no tabs they would all be the same, and there are none.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the links, for the builder with tabs only."""
        page = html.escape(self.arguments[0])
        links = "".join(
            f'<a href="{page}.html?framework={framework.tag}">'
            f"Begin in <strong>{framework.title}</strong></a>"
            for framework in FRAMEWORKS.values()
        )
        markup = f'<nav class="ways-in" aria-label="Ways in">{links}</nav>'
        only = addnodes.only(expr="builder_html")
        only += nodes.raw("", markup, format="html")
        return [only]


class OutputFigureDirective(SphinxDirective):
    """A caption that makes a figure of the cells just before it."""

    required_arguments = 1
    has_content = True
    option_spec = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Make the figure, still without its picture."""
        if not self.options.get("alt") or not self.content:
            logger.error(
                "output-figure needs a caption, and in :alt: what the figure shows",
                location=self.get_location(),
            )
            return []
        figure = nodes.figure(booktools_alt=self.options["alt"])
        self.set_source_info(figure)
        self.options["name"] = self.arguments[0]
        self.add_name(figure)
        parsed = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, parsed)
        first, *rest = parsed.children
        caption = nodes.caption(first.rawsource, "", *first.children)
        caption.source, caption.line = figure.source, figure.line
        figure += caption
        if rest:
            figure += nodes.legend("", *rest)
        return [figure]


def _frameworks(node: nodes.Node) -> list[str]:
    """Return the frameworks a node is for, none if it is for all."""
    if not isinstance(node, nodes.container):
        return []
    metadata = node.get("cell_metadata", {})
    if framework := metadata.get("booktools", {}).get("framework"):
        return [framework]
    return node.get("booktools_frameworks", [])


def _run(node: nodes.Node) -> tuple[bool, Any]:
    """Return what neighbours of one run have in common."""
    frameworks = _frameworks(node)
    metadata = node.get("cell_metadata", {}) if frameworks else {}
    return bool(frameworks), metadata.get("booktools", {}).get("group")


class GatherTabs(SphinxTransform):
    """Gathers each run of frameworks' nodes into a tab set, and fills figures."""

    # Before figures get their numbers (210).
    default_priority = 205

    def apply(self, **kwargs: Any) -> None:
        """Go through the whole page."""
        parents = [self.document, *self.document.findall(nodes.section)]
        for parent in parents:
            children = []
            for (special, _), run in groupby(list(parent.children), _run):
                neighbours = list(run)
                children += [self._tab_set(neighbours)] if special else neighbours
            parent.children = []
            parent.extend(children)
        for figure in list(self.document.findall(nodes.figure)):
            if "booktools_alt" in figure:
                self._fill(figure)
        self._check_images()

    def _tab_set(self, run: list[nodes.Element]) -> nodes.Element:
        offered = {framework for node in run for framework in _frameworks(node)}
        tab_set = create_component(
            "tab-set",
            classes=[
                "sd-tab-set",
                "frameworks",
                *(f"has-{tag}" for tag in sorted(offered)),
            ],
        )
        tab_set.source, tab_set.line = run[0].source, run[0].line
        for framework in FRAMEWORKS.values():
            own = [node for node in run if framework.tag in _frameworks(node)]
            if not own:
                continue
            label = nodes.rubric(framework.title, framework.title)
            label["classes"] = ["sd-tab-label"]
            label["sync_group"], label["sync_id"] = "framework", framework.tag
            content = create_component(
                "tab-content",
                classes=["sd-tab-content", f"framework-{framework.tag}"],
                children=[_for_one(node, framework.tag) for node in own],
            )
            tab_set += create_component(
                "tab-item",
                classes=["sd-tab-item"],
                children=[label, content],
                selected=framework.tag == self.config.booktools_framework,
            )
        return tab_set

    def _fill(self, figure: nodes.figure) -> None:
        before = figure.parent.index(figure) - 1
        picture = figure.parent[before] if before >= 0 else None
        if not (_is_tab_set(picture) or _is_cell(picture)):
            logger.error(
                "output-figure must follow the code cells whose output it shows",
                location=figure,
            )
            return
        figure.parent.remove(picture)
        figure.insert(0, picture)
        figure["classes"].append("output-figure")
        images = list(picture.findall(nodes.image))
        if not images and "booktools_outdated" not in self.env.temp_data:
            logger.error(
                "output-figure follows cells that put out no picture", location=figure
            )
        for image in images:
            image["alt"] = figure["booktools_alt"]

    def _check_images(self) -> None:
        for cell in self.document.findall(_is_cell):
            for image in cell.findall(nodes.image):
                if not image.get("alt"):
                    logger.warning(
                        "the picture that this cell puts out has no text alternative; "
                        "put {output-figure} with :alt: after the cell",
                        location=cell,
                    )


def _for_one(node: nodes.Element, framework: str) -> nodes.Element:
    """Return a node, or a copy where it stands in several tabs."""
    if framework == _frameworks(node)[0]:
        return node
    copy = node.deepcopy()
    for element in copy.findall(nodes.Element):
        # What refers to them means the first.
        element["ids"], element["names"] = [], []
    return copy


def _is_tab_set(node: nodes.Node | None) -> bool:
    return is_component(node, "tab-set") and "frameworks" in node["classes"]


def _is_cell(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


class KeepOneFramework(SphinxPostTransform):
    """Keeps one framework where there are no tabs: in LaTeX and EPUB."""

    # After MyST-NB chose between the forms of an output (4), before sphinx-design
    # makes HTML of the tab sets (200).
    default_priority = 150

    def run(self, **kwargs: Any) -> None:
        """Take the tab sets of a page apart."""
        if self.app.builder.format == "html" and self.app.builder.name != "epub":
            return
        wanted = self.config.booktools_framework
        for tab_set in list(self.document.findall(_is_tab_set)):
            kept: list[nodes.Node] = []
            for item in tab_set.children:
                label, content = item.children
                if label["sync_id"] == wanted:
                    kept = content.children
            # Not replace_self: it would hand the tab set's classes on.
            place = tab_set.parent.index(tab_set)
            tab_set.parent[place : place + 1] = kept
        if self.app.builder.format == "latex":
            for figure in list(self.document.findall(nodes.figure)):
                if "booktools_alt" in figure:
                    self._unfloat(figure)

    def _unfloat(self, figure: nodes.figure) -> None:
        """Leave only the pictures in a figure: code may not float."""
        cells = [node for node in figure.children if not _is_caption(node)]
        images = [image for cell in cells for image in cell.findall(nodes.image)]
        for image in images:
            output = image.parent
            output.remove(image)
            if not output.children:
                output.parent.remove(output)
        for node in cells:
            figure.remove(node)
        place = figure.parent.index(figure)
        figure.parent[place:place] = cells
        figure[0:0] = images


def _is_caption(node: nodes.Node) -> bool:
    return isinstance(node, nodes.caption | nodes.legend)


def _prepare(app: Sphinx, config: Config) -> None:
    """Have MyST-NB read the pages by :func:`read_page`, and learn the framework."""
    config.nb_custom_formats = {".md": "booktools.sphinx_tabs.read_page"}
    if framework := os.environ.get("BOOKTOOLS_FRAMEWORK"):
        config.booktools_framework = framework
    if config.booktools_framework not in FRAMEWORKS:
        raise BookError(
            f"booktools_framework is {config.booktools_framework!r}; expected one of "
            f"{', '.join(FRAMEWORKS)}"
        )


def state(folder: Path) -> str:
    """Return a checksum of the files of a package: it changes when one of them does."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the extension to Sphinx.

    Its one option, ``booktools_framework``, names the framework that stands in
    LaTeX and EPUB, and whose tab is open where a reader has not chosen yet. The
    environment variable of that name, in capitals, stands before it.
    """
    app.add_config_value("booktools_framework", "pytorch", "env", [str])
    # Sphinx writes anew what depends on an option; every page depends on this one.
    app.add_config_value("booktools_state", state(Path(__file__).parent), "env", [str])
    app.add_directive("framework", FrameworkDirective)
    app.add_directive("output-figure", OutputFigureDirective)
    app.add_directive("ways-in", WaysInDirective)
    app.add_transform(GatherTabs)
    app.add_post_transform(KeepOneFramework)
    sources = _Sources()
    # Before MyST-NB looks at the formats.
    app.connect("config-inited", _prepare, priority=400)
    app.connect("config-inited", pages.prepare)
    app.connect("config-inited", latex.prepare, priority=400)
    # After sphinx_jupyterbook_latex has chosen its own.
    app.connect("config-inited", latex.choose_class, priority=900)
    app.add_post_transform(latex.SvgConverter)
    app.connect("builder-inited", sources.load)
    app.connect("builder-inited", sources.prepare_html)
    app.connect("builder-inited", pages.add_assets)
    app.connect("env-before-read-docs", sources.check)
    app.connect("source-read", sources.read)
    # After the theme made its buttons (501).
    app.connect("html-page-context", sources.menus, priority=510)
    app.connect("html-page-context", pages.page_context, priority=520)
    app.connect("html-collect-pages", pages.not_found)
    app.connect("build-finished", pages.mend_search)
    app.connect("build-finished", sources.finish)
    return {
        "version": "1",
        "env_version": 3,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
