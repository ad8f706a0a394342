"""The Sphinx extension: makes pages with a tab for each framework, and their menus.

It executes nothing and needs no framework to be installed.
"""

from __future__ import annotations

from functools import partial

from sphinx.application import Sphinx

from booktools.sphinx.directives import setup_directives
from booktools.sphinx.epub import EpubBuilder
from booktools.sphinx.html import setup_html, setup_templates
from booktools.sphinx.interactive import setup_figures, setup_interactive
from booktools.sphinx.latex import setup_latex
from booktools.sphinx.menus import setup_menus
from booktools.sphinx.outputs import setup_outputs
from booktools.sphinx.references import References
from booktools.sphinx.search import setup_search
from booktools.sphinx.sources import Sources, setup_sources
from booktools.sphinx.tabs import KeepOneFramework, setup_tabs


def setup(app: Sphinx) -> None:
    """Set up all parts of the extension."""
    sources = setup_sources(app)
    setup_directives(app, sources)
    setup_tabs(app)
    setup_outputs(app)
    setup_interactive(app)
    setup_templates(app)
    setup_latex(app)
    app.add_builder(EpubBuilder, override=True)
    app.add_domain(References, override=True)
    app.connect("builder-inited", partial(_set_up_format, sources))


def _set_up_format(sources: Sources, app: Sphinx) -> None:
    """Set up what only the website has, or only books for paper and e-readers."""
    app.add_css_file("booktools.css")
    if app.builder.format == "html" and not isinstance(app.builder, EpubBuilder):
        setup_menus(app, sources)
        setup_figures(app, sources.book)
        setup_search(app, sources.book)
        setup_html(app)
    else:
        app.add_post_transform(KeepOneFramework)
