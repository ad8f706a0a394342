"""What belongs to one framework stands in tabs, or alone where there are no tabs.

A figure whose picture is what cells put out holds their tabs.
"""

from __future__ import annotations

import html
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_design.shared import create_component, is_component

from booktools import DEFAULT, FRAMEWORKS, SourceError, chosen_frameworks
from booktools.source.sections import named_frameworks
from booktools.sphinx.sources import stop

logger = logging.getLogger(__name__)


class FrameworkDirective(SphinxDirective):
    """Prose for one framework, or for several: ``:::{framework} pytorch``."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            named = named_frameworks(
                self.arguments[0].split(),
                FRAMEWORKS,
                *self.get_source_info(),
                "the framework directive",
            )
        except SourceError as error:
            logger.error("%s", error.message, location=self.get_location())
            return []
        node = nodes.container(booktools_frameworks=list(named))
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class FrameworkLinksDirective(SphinxDirective):
    """Links that open a page in each framework, where there are tabs."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        page = html.escape(self.arguments[0])
        own = self.config.booktools_framework
        links = "".join(
            f'<a href="{page}.html?framework={tag}"'
            f"{' class=primary' if tag == own else ''}>"
            f"Begin in <strong>{FRAMEWORKS[tag].title}</strong></a>"
            for tag in chosen_frameworks()
        )
        markup = f'<nav class="framework-links" aria-label="Frameworks">{links}</nav>'
        only = addnodes.only(expr="builder_html")
        only += nodes.raw("", markup, format="html")
        return [only]


class FrameworkApiDirective(SphinxDirective):
    """The reference of what ``d2lutils`` offers by some names, in each framework."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        unknown = set(self.arguments[0].split())
        for framework in FRAMEWORKS.values():
            path = Path(self.env.srcdir, "d2lutils", f"{framework.module}.py")
            code = path.read_text("utf-8") if path.is_file() else ""
            lines = ["```{eval-rst}", f".. currentmodule:: d2lutils.{framework.module}"]
            for name in self.arguments[0].split():
                if not re.search(rf"^(class |def )?{name}\b", code, re.M):
                    continue
                unknown.discard(name)
                if re.search(rf"^class {name}\b", code, re.M):
                    lines += ["", f".. autoclass:: {name}"]
                    lines.append("   :special-members: __call__")
                else:
                    lines += ["", f".. autofunction:: {name}"]
            node = nodes.container(booktools_frameworks=[framework.tag])
            self.set_source_info(node)
            content = StringList([*lines, "```"], self.get_source_info()[0])
            self.state.nested_parse(content, self.content_offset, node)
            found.append(node)
        if unknown:
            shown = ", ".join(sorted(unknown))
            raise self.error(f"no module of d2lutils defines {shown}; correct the name")
        return found


def _frameworks(node: nodes.Node) -> list[str]:
    """Return the frameworks a node is for, none if it is for all."""
    if not isinstance(node, nodes.container):
        return []
    metadata = node.get("cell_metadata", {})
    if framework := metadata.get("booktools", {}).get("framework"):
        return [framework]
    return node.get("booktools_frameworks", [])


def _offered(run: list[nodes.Element]) -> list[str]:
    """Return which of the chosen frameworks some nodes are for, in the book's order."""
    whose = {framework for node in run for framework in _frameworks(node)}
    return [framework for framework in chosen_frameworks() if framework in whose]


def _run(node: nodes.Node) -> tuple[bool, Any]:
    """Return what neighbors of one run have in common."""
    frameworks = _frameworks(node)
    metadata = node.get("cell_metadata", {}) if frameworks else {}
    return bool(frameworks), metadata.get("booktools", {}).get("group")


class GatherTabs(SphinxTransform):
    """Gathers each run of frameworks' nodes into a tab set."""

    # Before figures get their numbers (210).
    default_priority = 205

    def apply(self, **kwargs: Any) -> None:
        special = [node for node in self.document.findall() if _frameworks(node)]
        for parent in dict.fromkeys(node.parent for node in special):
            children = []
            for (in_tabs, _), run in groupby(list(parent.children), _run):
                neighbors = list(run)
                if not in_tabs:
                    children += neighbors
                elif _offered(neighbors):
                    children.append(self._tab_set(neighbors))
            parent.children = []
            parent.extend(children)

    def _tab_set(self, run: list[nodes.Element]) -> nodes.Element:
        offered = _offered(run)
        tab_set = create_component(
            "tab-set",
            classes=[
                "sd-tab-set",
                "frameworks",
                *(f"has-{tag}" for tag in sorted(offered)),
            ],
        )
        tab_set.source, tab_set.line = run[0].source, run[0].line
        for framework in (FRAMEWORKS[tag] for tag in offered):
            own = [node for node in run if framework.tag in _frameworks(node)]
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


class OutputFigureDirective(SphinxDirective):
    """A caption that makes a figure of the cells just before it."""

    required_arguments = 1
    has_content = True
    option_spec = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
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
        shown = [each for each in parsed if not isinstance(each, nodes.comment)]
        first, *rest = shown
        caption = nodes.caption(first.rawsource, "", *first.children)
        caption.source, caption.line = figure.source, figure.line
        figure += caption
        if rest:
            figure += nodes.legend("", *rest)
        return [figure]


def _output_figures(document: nodes.document) -> list[nodes.figure]:
    figures = document.findall(nodes.figure)
    return [figure for figure in figures if "booktools_alt" in figure]


class FillFigures(SphinxTransform):
    """Puts into each figure what the cells before it put out."""

    # After the tabs are gathered (205), before figures get their numbers (210).
    default_priority = 207

    def apply(self, **kwargs: Any) -> None:
        for figure in _output_figures(self.document):
            self._fill(figure)
        self._check_images()

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
        if not images and not self.env.temp_data.get("booktools_outdated"):
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


class UnfloatCode(SphinxPostTransform):
    """Leaves only the pictures in a figure in LaTeX: code may not float."""

    # After one framework was kept (150).
    default_priority = 160
    formats = ("latex",)

    def run(self, **kwargs: Any) -> None:
        for figure in _output_figures(self.document):
            self._unfloat(figure)

    def _unfloat(self, figure: nodes.figure) -> None:
        cells = [
            node
            for node in figure.children
            if not isinstance(node, nodes.caption | nodes.legend)
        ]
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


def _choose_framework(app: Sphinx, config: Config) -> None:
    try:
        chosen = chosen_frameworks()
    except ValueError as error:
        stop(str(error))
    if config.booktools_framework in FRAMEWORKS and len(chosen) < len(FRAMEWORKS):
        config.booktools_framework = chosen[0]
    if config.booktools_framework not in FRAMEWORKS:
        stop(
            f"booktools_framework is {config.booktools_framework!r}; expected one of "
            f"{', '.join(FRAMEWORKS)}"
        )
    # The reference of d2lutils is made without the frameworks.
    config.autodoc_mock_imports = [each.module for each in FRAMEWORKS.values()]


def setup_tabs(app: Sphinx) -> None:
    """Add the tabs and the figures.

    The option ``booktools_framework`` names the framework that stands in LaTeX and
    EPUB, and whose tab is open where a reader has not chosen yet. Where the environment
    variable of that name, in capitals, leaves out some, it is the first of the others.
    """
    app.add_config_value("booktools_framework", DEFAULT.tag, "env", [str])
    app.connect("config-inited", _choose_framework, priority=400)
    app.add_directive("framework", FrameworkDirective)
    app.add_directive("framework-links", FrameworkLinksDirective)
    app.add_directive("framework-api", FrameworkApiDirective)
    app.add_transform(GatherTabs)
    app.add_post_transform(KeepOneFramework)
    app.add_directive("output-figure", OutputFigureDirective)
    app.add_transform(FillFigures)
    app.add_post_transform(UnfloatCode)
