"""Lays out the PDF, draws its SVG pictures as vectors, and keeps exercises' numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from reportlab.graphics import renderPDF
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.transforms.post_transforms.images import ImageConverter
from sphinx_exercise.nodes import exercise_latex_number_reference
from svglib.svglib import svg2rlg

PREAMBLE = r"""
% The environments of sphinx_jupyterbook_latex around code and its output.
\newenvironment{sphinxVerbatimInput}{}{}
\newenvironment{sphinxVerbatimOutput}
  {\colorlet{VerbatimColor}{white}\colorlet{VerbatimBorderColor}{white}}{}
% Leave room for the caption below a high picture.
\makeatletter\AtBeginDocument{\spx@image@maxheight=.8\textheight}\makeatother
% Long names break in narrow columns.
\renewcommand{\_}{\textunderscore\discretionary{}{}{}}
% Figures share a page with text, unless they nearly fill it.
\renewcommand{\topfraction}{.9}
\renewcommand{\bottomfraction}{.6}
\renewcommand{\textfraction}{.1}
\renewcommand{\floatpagefraction}{.85}
% Keep together a list and its introduction, a short exercise, code's first lines.
\makeatletter
\@beginparpenalty=10000
\AddToHook{env/sphinxadmonition/before}{\needspace{8\baselineskip}}
\renewcommand{\sphinxliteralblockwithoutcaptionneedspace}{5\baselineskip}
% A chapter's last line doesn't stand on a page alone, but below the last exercise.
\let\booktoolssection\section
\newcommand{\booktoolslast}{Discussion}
\renewcommand{\section}[1]{\def\booktoolsname{#1}%
  \@secpenalty=\ifx\booktoolsname\booktoolslast 10000\else -300\fi
  \booktoolssection{#1}}
% The class would write TWENTYONE.
\renewcommand{\TheAlphaChapter}{\thechapter}
% Narrow columns are ragged, and wide enough for a word.
\newcolumntype{T}{L}
\setlength{\tymin}{5em}
% The bibliography is no chapter of its own. The text doesn't use its labels.
\renewenvironment{sphinxthebibliography}[1]
  {\renewcommand{\chapter}[2]{}\let\@mkboth\@gobbletwo\begin{thebibliography}{}}
  {\end{thebibliography}}
\renewcommand{\@biblabel}[1]{}
\makeatother
"""


class SvgConverter(ImageConverter):
    """Converts SVG to PDF for builders that can't show SVG, in Python alone."""

    conversion_rules = [("image/svg+xml", "application/pdf")]

    def is_available(self) -> bool:
        """Return True, because the conversion needs no other program."""
        return True

    def convert(self, _from: str, _to: str) -> bool:
        """Convert a picture; raise ExtensionError if it cannot be read."""
        drawing = svg2rlg(_from)
        if drawing is None:
            raise ExtensionError(f"{_from}: cannot be read as SVG, for the PDF")
        Path(_to).parent.mkdir(parents=True, exist_ok=True)
        # Make the page as large as the drawing.
        renderPDF.drawToFile(drawing, _to, autoSize=1)
        return True


class NumberExercises(SphinxPostTransform):
    """Makes references to exercises of other sections show the number in their title.

    sphinx-exercise does this within a section. LaTeX would use numbers of its own.
    """

    # After references are resolved (10) and sphinx-exercise has done its part (22).
    default_priority = 23
    formats = ("latex",)

    def run(self, **kwargs: Any) -> None:
        known = getattr(self.env, "sphinx_exercise_registry", {})
        for node in list(self.document.findall(addnodes.number_reference)):
            label = node.get("refuri", "").partition("#")[2]
            if label in known:
                text = nodes.Text(node.astext())
                node.replace_self(
                    exercise_latex_number_reference("", "", text, refid=label)
                )


def _choose_class(app: Sphinx, config: Config) -> None:
    """Use Sphinx's document class, because Jupyter Book's needs 500 MB of fonts."""
    config.latex_theme = "manual"
    config.latex_elements["preamble"] = (
        config.latex_elements.get("preamble", "") + PREAMBLE
    )


def setup_latex(app: Sphinx) -> None:
    """Add the converter and the settings for the PDF."""
    # After sphinx_jupyterbook_latex has set its class.
    app.connect("config-inited", _choose_class, priority=900)
    app.add_post_transform(SvgConverter)
    app.add_post_transform(NumberExercises)
