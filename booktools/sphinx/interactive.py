"""Figures that a reader can touch, drawn by the page itself.

    ```{interactive} descent
    ```

leaves a place on the page, empty for whoever has no scripts, and empty on paper and in
notebooks: a still figure stands beside it. The page then loads the script of that name,
``static/booktools-NAME.js``, and no other page does; before it those that all such
figures share, and those that the option ``needs`` names.
"""

from __future__ import annotations

import base64
import gzip
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from booktools.execution.weights import weights_path
from booktools.sphinx.html import STATIC
from d2lutils import fashion_mnist


class Interactive(SphinxDirective):
    """The place of an interactive figure."""

    required_arguments = 1
    option_spec = {"needs": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Leave the place.

        Raises:
            DirectiveError: There is no script of that name.
        """
        name = self.arguments[0]
        scripts = ["interactive", *self.options.get("needs", "").split(), name]
        for script in scripts:
            if not (STATIC / f"booktools-{script}.js").exists():
                raise self.error(f"there is no script {script!r} of figures")
        place = f'<div class="interactive" id="{name}"></div>'
        return [nodes.raw("", place, format="html", interactive=scripts)]


def _add_scripts(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load the scripts of the figures that a page has."""
    if not doctree or app.builder.name == "epub":
        return
    figures = [node.get("interactive", []) for node in doctree.findall(nodes.raw)]
    for script in dict.fromkeys(itertools.chain(*figures)):
        app.add_js_file(f"booktools-{script}.js", loading_method="defer")


def _write_clothes(app: Sphinx, error: Exception | None) -> None:
    """Write what the figure of the network loads: its weights, and pictures.

    ``weights``: the parameters in 16 bits, low byte first; ``images``: 200 labels of
    test images, then these. ``training``: 3,000 labels of training images, 1,000 of the
    test images that follow, then the images of both. All gzip, in base64.
    """
    weights = weights_path(Path(app.srcdir), "mlp-scratch")
    if error or app.builder.format != "html" or not weights.exists():
        return
    data = fashion_mnist.load()
    with np.load(weights) as arrays:
        params = [arrays[name].astype("<f2") for name in ("W1", "b1", "W2", "b2")]
    few, more = slice(0, 200), slice(200, 1200)
    images = [data.test_labels[few], data.test_images[few]]
    training = [data.train_labels[:3000], data.test_labels[more],
                data.train_images[:3000], data.test_images[more]]  # fmt: skip
    files = {
        "weights": {"weights": params, "images": images},
        "training": {"training": training},
    }
    for name, texts in files.items():
        lines = []
        for key, parts in texts.items():
            packed = gzip.compress(b"".join(part.tobytes() for part in parts), mtime=0)
            text = base64.b64encode(packed).decode()
            lines.append(f'bookClothes.{key} = "{text}";\n')
        path = Path(app.outdir, "_static", f"booktools-clothes-{name}.js")
        path.write_text("".join(lines), "ascii")


def setup_interactive(app: Sphinx) -> None:
    """Offer the directive ``interactive``."""
    app.add_directive("interactive", Interactive)
    app.connect("html-page-context", _add_scripts)
    app.connect("build-finished", _write_clothes)
