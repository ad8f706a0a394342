"""Take still pictures of interactive figures, for paper and notebooks.

If you change a figure, run this by hand after ``make book``:
``.venv/bin/python interactive/stills.py``.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import yaml
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "helpers"))

from browser import browser  # noqa: E402

HTML = HERE.parent / "_build" / "html"
STYLE = """
    .interactive { font-size: 17px; line-height: 1.3; width: 460px; }
    .interactive p { font-size: 1em !important; }
    .interactive-settings, .interactive-bar { display: none !important; }
"""
"""Enlarge the text, because phones shrink the picture by a third. Hide the controls."""


def take(page, name: str, still: dict[str, str]) -> bytes:
    """Return a screenshot of part of a figure in a given state, as a PNG.

    ``still`` names the page, the part, the state and further CSS.
    """
    page.set_viewport_size({"width": 720, "height": 1600})
    page.goto(f"{(HTML / still['page']).as_uri()}.html#{name}?{still['state']}")
    page.add_style_tag(content=STYLE + still["style"])
    page.wait_for_timeout(500)  # The figure redraws itself at its new width.
    return page.locator(f"#{name} {still['part']}").screenshot()


if __name__ == "__main__":
    with browser() as running:
        page = running.new_page(color_scheme="light", device_scale_factor=2)
        for path in sorted(HERE.glob("*/figure.yml")):
            still = yaml.safe_load(path.read_text(encoding="utf-8")).get("still")
            if still:
                name = path.parent.name
                picture = Image.open(io.BytesIO(take(page, name, still))).convert("RGB")
                picture = picture.quantize(256, dither=Image.Dither.NONE)
                picture.save(path.with_name(f"{name}.png"), optimize=True)
                print(path.with_name(f"{name}.png"))
