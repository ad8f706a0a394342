"""Take the pictures that stand for interactive figures on paper and in notebooks.

Run by hand after ``make book`` when a figure has changed:
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
"""Legible on a phone, where a third of the size is lost; without what is pressed."""


def take(page, name: str, still: dict[str, str]) -> bytes:
    """Return a part of a figure, in a state of it, as PNG, 434 pixels wide."""
    page.set_viewport_size({"width": 720, "height": 1600})
    page.goto(f"{(HTML / still['page']).as_uri()}.html#{name}?{still['state']}")
    page.add_style_tag(content=STYLE + still["style"])
    page.wait_for_timeout(500)  # It draws itself anew in this width.
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
