"""Directives that depend on the framework: prose, links and the API reference."""

from __future__ import annotations

import html
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from booktools import FRAMEWORKS, SourceError, chosen_frameworks
from booktools.source.sections import named_frameworks

logger = logging.getLogger(__name__)


class FrameworkDirective(SphinxDirective):
    """Prose for one framework, or for several: ``:::{framework} pytorch``."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        path, line = self.get_source_info()
        names = self.arguments[0].split()
        try:
            named = named_frameworks(
                names, FRAMEWORKS, path, line, "the framework directive"
            )
        except SourceError as error:
            logger.error("%s", error.message, location=self.get_location())
            return []
        node = nodes.container(booktools_frameworks=list(named))
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class FrameworkLinksDirective(SphinxDirective):
    """Links that open a page in each framework; only in HTML, which has tabs."""

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
    """The API reference of the named parts of ``d2lutils``, in each framework."""

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


def setup_directives(app: Sphinx) -> None:
    """Add the directives."""
    app.add_directive("framework", FrameworkDirective)
    app.add_directive("framework-links", FrameworkLinksDirective)
    app.add_directive("framework-api", FrameworkApiDirective)
