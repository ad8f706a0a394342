"""Take the pictures that stand for interactive figures on paper and in notebooks.

Run by hand after ``make book`` when a figure has changed:
``python tests/helpers/stills.py``.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from browser import browser

ROOT = Path(__file__).resolve().parents[2]

HTML = ROOT / "_build" / "html" / "chapters"
STILLS = {
    "plane": ("mlp", "n=400&h=8", ".interactive-panels"),
    "clothes": ("mlp-scratch", "i=1", ".clothes-parts"),
}
"""By figure: its page, its state, and which part of it."""


STYLE = """
    .interactive { font-size: 17px; line-height: 1.3; width: 460px; }
    .interactive p { font-size: 1em !important; }
    .clothes-units {
        font-size: 15px !important; grid-template-columns: repeat(4, 1fr) !important;
    }
    .clothes-parts, .interactive-panels { grid-template-columns: 1fr 1fr !important; }
    .clothes-parts > :nth-child(2) { grid-row: span 2; }
    .clothes-picture, .clothes-hidden { max-width: 9rem; }
    .interactive-sliders, .interactive-row { display: none !important; }
"""
"""Legible on a phone, where a third of the size is lost; without what is pressed."""


def take(page, html: Path, name: str) -> bytes:
    """Return a figure's panels in its state, as PNG, 434 pixels wide."""
    section, state, part = STILLS[name]
    page.set_viewport_size({"width": 720, "height": 1600})
    page.goto(f"{html.as_uri()}/{section}.html#{name}?{state}")
    page.add_style_tag(content=STYLE)
    return page.locator(f"#{name} {part}").screenshot()


if __name__ == "__main__":
    with browser() as running:
        page = running.new_page(color_scheme="light", device_scale_factor=2)
        for name in STILLS:
            path = ROOT / "chapters" / "images" / f"{name}.png"
            picture = Image.open(io.BytesIO(take(page, HTML, name))).convert("RGB")
            picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
            print(path.relative_to(ROOT))
