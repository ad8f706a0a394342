"""Writes formulas as MathML in EPUBs, because e-readers run no scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder
from sphinx.util.math import get_node_equation_number

from booktools.sphinx.html import align_figures, fix_body

RENDERER = "mathml"

ALIKE = {"aligned": "split", "gathered": "matrix"}
"""Environments that the converter doesn't know, and others that look the same."""


class EpubBuilder(Epub3Builder):
    """Sphinx's EPUB builder, with formulas that e-readers can show."""

    math_renderer_name = RENDERER

    def init(self) -> None:
        """Set the formulas as MathML. Other builders keep theirs."""
        # These are the website's.
        self.config.templates_path = []
        super().init()
        self.app.add_html_math_renderer(RENDERER, (_visit, None), (_visit_block, None))
        self.app.connect("html-page-context", _fix_page, priority=520)

    def build_content(self) -> None:
        """Declare which pages hold MathML, as the EPUB standard demands."""
        super().build_content()
        path = Path(self.outdir, "content.opf")
        text = path.read_text("utf-8")
        text = re.sub(
            r'href="([^"]+\.xhtml)" media-type="[^"]*" (?=/)', self._item, text
        )
        path.write_text(text, "utf-8")

    def _item(self, item: re.Match[str]) -> str:
        page = Path(self.outdir, item[1]).read_text("utf-8")
        return f'{item[0]}properties="mathml" ' if "<math " in page else item[0]


def _visit(translator: Any, node: nodes.math) -> None:
    translator.body.append(_formula(node, "inline"))
    raise nodes.SkipNode


def _visit_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append(_formula(node, "block"))
    translator.body.append("</div>")
    raise nodes.SkipNode


def _formula(node: nodes.Element, display: str) -> str:
    # The converter doesn't know that rows may be set apart.
    text = re.sub(r"\\\\\[[\d.]+\w+\]", r"\\\\", node.astext())
    for known, alike in ALIKE.items():
        text = text.replace(f"{{{known}}}", f"{{{alike}}}")
    if r"\\" in text and r"\begin" not in text:
        text = rf"\begin{{split}}{text}\end{{split}}"
    formula = convert(text, display=display)
    # As TeX does: ln 2, but ln(2).
    return re.sub(r"(<mi>ln</mi>)(?=<m(?!o\b))", r'\1<mspace width="0.17em"/>', formula)


def _fix_page(app: Sphinx, pagename: str, template: str, context, doctree) -> None:
    """Correct a page, and drop styles that come only after the EPUB is packed."""
    there = {path.name for path in Path(app.outdir, "_static").iterdir()}
    styles = context["css_files"]
    context["css_files"] = [s for s in styles if Path(s.filename).name in there]
    fix_body(app, context, fix_summaries, align_figures)


def fix_summaries(soup: BeautifulSoup) -> None:
    """Remove the paragraphs from summaries, where HTML allows none.

    MyST-NB writes two, and no style hides the other. E-readers draw the arrow.
    """
    for unwanted in soup.select(
        "summary > .expanded, summary > .sd-summary-state-marker"
    ):
        unwanted.decompose()
    for paragraph in soup.select("summary > p"):
        paragraph.unwrap()
