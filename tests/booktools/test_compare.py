"""Tests of when a new output agrees with the stored one."""

import base64
import io
import itertools
from functools import cache
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageChops

from booktools.execution.compare import (
    drawings_agree,
    figures_near,
    picture_difference,
    texts_agree,
)

LINE = "epoch 10: train loss 0.382, train accuracy 0.865, test accuracy 0.848\n"
NEAR = """
0.382 0.383; 0.848 0.851; 0.0100 0.0101; 2.3026 2.3025; 2.30 2.31;
25.9 26.0; 1. 0.9999; -0.012 -0.011; 1.234e-05 1.235e-05; 0.00 -0.00;
0.0000 0.0000; 0.00853 0.00854; 5e-07 5.1e-07; 1.2e-07 1.3e-07; 0.0001 9.99e-05;
25.0 25.1; 1,234.5 1,236.5
"""
FAR = """
0.382 0.386; 0.382 0.482; 0.848 0.852; 2.30 2.32; 0.1 0.2; 1.5 1.6;
1. 2.; 100. 101.; 0.0100 0.0110; 784 785; 203530 203531; 1 1.0; 1e-5 2e-5; 5e-07 6e-07;
5.1e-07 5.1e-06; 0.001 0.002; 0.000 0.001; 0.001 -0.001; 0.0085 0.0087;
60000.0 60100.0; 60000.0 60000.5; 60,000 60,001; 1,234.5 2,234.5; 0.382 -0.382
"""


def pairs(table, between=None):
    return [tuple(map(str.strip, pair.split(between))) for pair in table.split(";")]


@pytest.mark.parametrize(("stored", "new"), pairs(NEAR))
def test_close_numbers_agree(stored, new):
    assert figures_near(stored, new)
    assert figures_near(new, stored)


@pytest.mark.parametrize(("stored", "new"), pairs(FAR))
def test_different_numbers_do_not_agree(stored, new):
    assert not figures_near(stored, new)
    assert not figures_near(new, stored)


def test_texts_agree_if_words_match_and_numbers_are_close():
    assert texts_agree(LINE, LINE.replace("0.382", "0.383"))
    assert not texts_agree(LINE, LINE.replace("0.382", "0.392"))
    assert not texts_agree(LINE, LINE.replace("epoch 10", "epoch 9"))
    assert not texts_agree(LINE, LINE.replace("train loss", "test loss"))
    assert not texts_agree(LINE, LINE + LINE)
    assert not texts_agree(LINE, LINE.replace(", test accuracy 0.848", ""))
    assert not texts_agree(LINE, LINE.replace("0.382", "nan"))
    # The widths of columns don't count.
    assert texts_agree("[ 9.999 -0.5]", "[10.001 -0.5]")
    assert texts_agree("a  9.999 | b", "a 10.001 | b")
    assert texts_agree("9.999   |", "10.001  |")
    assert not texts_agree("a  b", "a b")


OTHER_WORDS = """
2.13.0 | 2.13.1; release 2.13.0 | release 2.130.0;
v2.130 | v2.131; 0.1 0.2 | 0.10.2; 0.5 -0.3 | 0.5-0.3;
[0.101 0.202] | [0.101, 0.202]; conv2d_100.0 | conv2d_101.0; 0x1f.5 | 0x2f.5;
2026-11-30 | 2026-11-29; 85.31 % | 85.31; inf | -inf;
1.001 | 1.001e
"""


@pytest.mark.parametrize(("stored", "new"), pairs(OTHER_WORDS, "|"))
def test_names_versions_and_the_count_of_numbers_must_match(stored, new):
    assert texts_agree(stored, stored)
    assert not texts_agree(stored, new)
    assert not texts_agree(new, stored)


SVG = """<svg width="252.0pt" viewBox="0 0 252 180">
<g id="line2d_14"><path d="M 33.2 50 L 60.25 49.75" style="stroke: #0072b2"/></g>
<use xlink:href="#m16fcd01a3b" x="33.2" y="162.9"/>
<g clip-path="url(#pb20be89d52)" transform="translate(10 20) scale(0.1 -0.1)"/>
<path id="m16fcd01a3b"/><clipPath id="pb20be89d52"/></svg>"""


def test_drawings_agree_if_their_curves_coincide():
    assert drawings_agree(SVG, SVG.replace("33.2 50", "33.5 50.75"))
    assert drawings_agree(SVG, SVG.replace('y="162.9"', 'y="163"'))
    assert drawings_agree(SVG, SVG.replace("pb20be89d52", "pe665727cb3"))


@pytest.mark.parametrize(
    "change",
    [
        "33.2 50 L>33.2 51.5 L", 'y="162.9">y="164.9"', "translate(10>translate(12",
        "scale(0.1>scale(1.0", "33.2 50>33.2 5 0", " L 60.25 49.75>", "L 60.25>M 60.25",
        "line2d_14>line2d_15", "#0072b2>#0073b2", "url(#pb20be89d52)>url(#m16fcd01a3b)",
    ],
)  # fmt: skip
def test_drawings_that_look_different_do_not_agree(change):
    old, _, new = change.partition(">")
    assert old in SVG
    assert not drawings_agree(SVG, SVG.replace(old, new))


ROOT = Path(__file__).parents[2]


@cache
def drawn(draw, shift=(0, 0), hinting=8):
    """Draw a figure as PNG in base64, with its pixels shifted."""
    with matplotlib.rc_context({"text.hinting_factor": hinting}):
        figure = Figure(figsize=(3, 2))
        draw(figure.subplots())
        file = io.BytesIO()
        figure.savefig(file, dpi=200)
    pixels = np.roll(np.asarray(Image.open(file)), shift, (0, 1))
    return encoded(Image.fromarray(pixels))


def encoded(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@cache
def titled(title, inside="536"):
    def draw(axes):
        axes.imshow([[0.1, 0.9], [0.4, 0.6]])
        axes.set_title(title)
        axes.text(0, 0, inside, fontsize=8, color="white")

    return draw


def decoded(picture):
    return Image.open(io.BytesIO(base64.b64decode(picture)))


def half_a_pixel_off(picture):
    """Smooth every edge of a picture over one more pixel."""
    image = decoded(picture)
    return encoded(Image.blend(image, ImageChops.offset(image, 1, 0), 0.5))


def cropped(picture, columns, rows):
    """Remove the first columns and rows of a picture."""
    image = decoded(picture)
    return encoded(image.crop((columns, rows, *image.size)))


def test_pictures_agree_despite_smoothing_or_a_shift_by_one_pixel():
    stored = drawn(titled("ankle boot"))
    for new in (
        drawn(titled("ankle boot"), (1, -1)),
        drawn(titled("ankle boot"), hinting=4),
        half_a_pixel_off(stored),
        cropped(stored, 1, 0),
        cropped(stored, 2, 2),
    ):
        assert new != stored
        assert picture_difference(stored, new) is None
        assert picture_difference(new, stored) is None


@pytest.mark.parametrize(
    ("draw", "other"),
    [
        (titled("shirt"), titled("t-shirt")),
        (titled("coat"), titled("boat")),
        # These digits differ least.
        (titled("coat", "536"), titled("coat", "538")),
        (titled("coat", "506"), titled("coat", "586")),
        (titled("coat", "517"), titled("coat", "577")),
        (lambda axes: axes.plot([0, 1]), lambda axes: axes.plot([1, 0])),
        (lambda axes: axes.imshow([[0, 1]]), lambda axes: axes.imshow([[1, 0]])),
    ],
)
def test_pictures_with_a_different_word_digit_or_curve_do_not_agree(draw, other):
    difference = picture_difference(drawn(draw), drawn(other))
    assert "pixels look different (columns" in difference


def test_broken_or_resized_pictures_do_not_agree():
    stored = drawn(titled("coat"))
    assert "600 × 400 pixels became 595 × 400" in picture_difference(
        stored, cropped(stored, 5, 0)
    )
    assert "picture" in picture_difference(stored, stored[:100])


def test_no_two_pictures_of_a_notebook_agree():
    path = ROOT / "notebooks" / "pytorch" / "softmax-scratch.ipynb"
    pictures = [
        output.data["image/png"]
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) > 1
    for a, b in itertools.combinations(pictures, 2):
        assert picture_difference(a, b)
