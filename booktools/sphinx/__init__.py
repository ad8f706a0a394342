"""The Sphinx extension: makes pages with a tab for each framework, and their menus.

It executes nothing and needs no framework to be installed.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from booktools.sphinx.claims import setup_claims
from booktools.sphinx.directives import setup_directives
from booktools.sphinx.epub import setup_epub
from booktools.sphinx.exercises import setup_exercises
from booktools.sphinx.html import setup_html
from booktools.sphinx.interactive import setup_interactive
from booktools.sphinx.latex import setup_latex
from booktools.sphinx.menus import setup_menus
from booktools.sphinx.outputs import setup_outputs
from booktools.sphinx.references import References
from booktools.sphinx.search import setup_search
from booktools.sphinx.sources import setup_sources
from booktools.sphinx.tabs import setup_tabs


def setup(app: Sphinx) -> dict[str, Any]:
    """Set up all parts of the extension."""
    sources = setup_sources(app)
    setup_directives(app)
    setup_tabs(app)
    setup_outputs(app)
    setup_exercises(app, sources)
    setup_claims(app, sources)
    setup_interactive(app, sources)
    setup_menus(app, sources)
    app.add_domain(References, override=True)
    setup_search(app, sources)
    setup_html(app)
    setup_latex(app)
    setup_epub(app)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
