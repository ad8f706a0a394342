"""Directives that depend on the framework, or write what the whole book contains."""

from __future__ import annotations

import html
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from booktools import FRAMEWORKS, SourceError, chosen_frameworks
from booktools.source.sections import named_frameworks
from booktools.sphinx.exercises import ExerciseList
from booktools.sphinx.sources import Sources, WrittenDirective

logger = logging.getLogger(__name__)


class FrameworkDirective(SphinxDirective):
    """Prose for one framework, or for several: ``:::{framework} pytorch``."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        names = self.arguments[0].split()
        path, line = self.get_source_info()
        what = "the framework directive"
        try:
            named = named_frameworks(names, FRAMEWORKS, path, line, what)
        except SourceError as error:
            logger.error("%s", error.message, location=self.get_location())
            return []
        node = nodes.container(booktools_frameworks=list(named))
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class FrameworkLinks(WrittenDirective):
    """Links that open a page in each framework; only in HTML, which has tabs."""

    required_arguments = 1

    def lines(self) -> list[str]:
        page = html.escape(self.arguments[0])
        own = self.config.booktools_framework
        links = "".join(
            f'<a href="{page}.html?framework={tag}"'
            f"{' class=primary' if tag == own else ''}>"
            f"Begin in <strong>{FRAMEWORKS[tag].title}</strong></a>"
            for tag in chosen_frameworks()
        )
        markup = f'<nav class="framework-links" aria-label="Frameworks">{links}</nav>'
        return ["````{only} builder_html", "```{raw} html", markup, "```", "````"]


class FrameworkApi(WrittenDirective):
    """The API reference of the named parts of ``d2lutils``, in each framework."""

    required_arguments = 1
    final_argument_whitespace = True

    def lines(self) -> list[str]:
        names = self.arguments[0].split()
        unknown = set(names)
        lines: list[str] = []
        for tag, framework in FRAMEWORKS.items():
            path = self.sources.book.root / "d2lutils" / f"{framework.module}.py"
            code = path.read_text("utf-8") if path.is_file() else ""
            lines += [f":::{{framework}} {tag}", "```{eval-rst}"]
            lines.append(f".. currentmodule:: d2lutils.{framework.module}")
            for name in names:
                if found := re.search(rf"^(class |def |){name}\b", code, re.M):
                    unknown.discard(name)
                    if found[1] == "class ":
                        lines += ["", f".. autoclass:: {name}"]
                        lines.append("   :special-members: __call__")
                    else:
                        lines += ["", f".. autofunction:: {name}"]
            lines += ["```", ":::"]
        if unknown:
            shown = ", ".join(sorted(unknown))
            raise self.error(f"no module of d2lutils defines {shown}; correct the name")
        return lines


class ClaimList(WrittenDirective):
    """Lists the claims of each section with the conditions that its cells assert."""

    def lines(self) -> list[str]:
        lines: list[str] = []
        for page in self.sources.book.sections:
            # Frameworks may make the same claim in cells of their own; list it once.
            found = list(dict.fromkeys(sum((c.claims for c in page.section.cells), ())))
            if found:
                count = f"{len(found)} claim{'s' if found[1:] else ''}"
                lines += [f"**{{doc}}`/{page.docname}`**, {count}", ""]
                for text, condition in found:
                    lines.append(f"- {text[0].upper()}{text[1:]}: `{condition}`")
                lines.append("")
        return lines


def setup_directives(app: Sphinx, sources: Sources) -> None:
    """Add the directives."""
    app.add_directive("framework", FrameworkDirective)
    app.add_directive("framework-links", FrameworkLinks.of(sources))
    app.add_directive("framework-api", FrameworkApi.of(sources))
    app.add_directive("claim-list", ClaimList.of(sources))
    app.add_directive("exercise-list", ExerciseList.of(sources))
