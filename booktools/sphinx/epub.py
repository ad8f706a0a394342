"""Writes formulas as MathML in EPUBs, because e-readers run no scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder
from sphinx.config import Config
from sphinx.util.math import get_node_equation_number

RENDERER = "mathml"

ALIKE = {"aligned": "split", "gathered": "matrix"}
"""Environments that the converter doesn't know, and others that look the same."""


class EpubBuilder(Epub3Builder):
    """Sphinx's EPUB builder, with formulas that e-readers can show."""

    math_renderer_name = RENDERER

    def init(self) -> None:
        """Set the formulas as MathML. Other builders keep theirs."""
        super().init()
        self.app.add_html_math_renderer(RENDERER, (_visit, None), (_visit_block, None))

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


def _add_styles(app: Sphinx, config: Config) -> None:
    config.epub_css_files = [*config.epub_css_files, "booktools-epub.css"]


def setup_epub(app: Sphinx) -> None:
    """Replace the EPUB builder."""
    app.add_builder(EpubBuilder, override=True)
    app.connect("config-inited", _add_styles)
