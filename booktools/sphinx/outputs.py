"""Turns outputs of code cells into figures."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from booktools.sphinx.tabs import is_tab_set

logger = logging.getLogger(__name__)


def _is_cell(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


class OutputFigure(Figure, SphinxDirective):
    """A caption that turns the cells just before it into a figure."""

    option_spec = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        for number, line in enumerate(self.content):
            if line.startswith("%"):  # a comment is no caption
                self.content[number] = ""
        if not self.options.get("alt") or not self.content:
            logger.error(
                "output-figure needs a caption, and in :alt: what the figure shows",
                location=self.get_location(),
            )
            return []
        self.options["name"] = self.arguments[0]
        figure, *others = super().run()
        # The cells take the place of the picture.
        figure["booktools_alt"] = figure.pop(0)["alt"]
        return [figure, *others]


def _output_figures(document: nodes.document) -> list[nodes.figure]:
    figures = document.findall(nodes.figure)
    return [figure for figure in figures if "booktools_alt" in figure]


class FillFigures(SphinxTransform):
    """Moves the cells before a caption, or their tabs, into its figure."""

    # After the tabs are gathered (205), before figures get their numbers (210).
    default_priority = 207

    def apply(self, **kwargs: Any) -> None:
        for figure in _output_figures(self.document):
            self._fill(figure)
        for image in self.document.findall(nodes.image):
            if not image.get("alt"):
                place = image  # those in paragraphs and cells have no line
                while not place.line and place.parent:
                    place = place.parent
                logger.warning(
                    "the picture has no text alternative; say what it shows in :alt: "
                    "or ![...], or after a cell that draws it in an {output-figure}",
                    location=place,
                )

    def _fill(self, figure: nodes.figure) -> None:
        before = figure.parent.index(figure) - 1
        picture = figure.parent[before] if before >= 0 else None
        if not (is_tab_set(picture) or _is_cell(picture)):
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
                "output-figure follows cells that show no picture", location=figure
            )
        for image in images:
            image["alt"] = figure["booktools_alt"]


class UnfloatCode(SphinxPostTransform):
    """Moves code out of figures in LaTeX, where only the pictures may float."""

    # After KeepOneFramework (150).
    default_priority = 160
    formats = ("latex",)

    def run(self, **kwargs: Any) -> None:
        for figure in _output_figures(self.document):
            self._unfloat(figure)

    def _unfloat(self, figure: nodes.figure) -> None:
        end = figure.first_child_matching_class(nodes.caption)
        cells = figure[:end]
        images = [image for cell in cells for image in cell.findall(nodes.image)]
        for image in images:
            output = image.parent
            output.remove(image)
            if not output.children:
                output.parent.remove(output)
        figure[:end] = images
        place = figure.parent.index(figure)
        figure.parent[place:place] = cells


def setup_outputs(app: Sphinx) -> None:
    """Add the directive ``output-figure``."""
    app.add_directive("output-figure", OutputFigure)
    app.add_transform(FillFigures)
    app.add_post_transform(UnfloatCode)
