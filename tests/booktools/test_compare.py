"""The rules by which a new output agrees with a stored one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktools.notebooks.compare import drawings_agree, figures_near, texts_agree

LINE = "epoch 10: train loss 0.382, train accuracy 0.865, test accuracy 0.848\n"


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("0.382", "0.383"),
        ("0.848", "0.851"),
        ("0.0100", "0.0101"),
        ("2.3026", "2.3025"),
        ("2.30", "2.31"),
        ("25.9", "26.0"),
        ("1.", "0.9999"),
        ("-0.012", "-0.011"),
        ("1.234e-05", "1.235e-05"),
        ("0.00", "-0.00"),
    ],
)
def test_near_figures_agree(stored, new):
    assert figures_near(stored, new)
    assert figures_near(new, stored)


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("0.382", "0.386"),
        ("0.382", "0.482"),
        ("0.848", "0.852"),
        ("2.30", "2.32"),
        ("0.1", "0.2"),
        ("1.5", "1.6"),
        ("1.", "2."),
        ("0.0100", "0.0110"),
        ("784", "785"),
        ("203530", "203531"),
        ("1", "1.0"),
        ("1e-5", "2e-5"),
        ("0.382", "-0.382"),
    ],
)
def test_other_figures_do_not_agree(stored, new):
    assert not figures_near(stored, new)
    assert not figures_near(new, stored)


@given(st.floats(-1e6, 1e6).map(lambda x: f"{x:.3f}"))
def test_a_figure_agrees_with_itself_and_not_with_one_a_hundredth_off(text):
    assert figures_near(text, text)
    off = float(text) * 1.01 + (0.005 if float(text) >= 0 else -0.005)
    assert not figures_near(text, f"{off:.3f}")


@given(st.integers(), st.integers())
def test_whole_numbers_agree_only_if_they_are_the_same(a, b):
    assert figures_near(str(a), str(b)) == (a == b)


@given(st.text())
def test_a_text_agrees_with_itself(text):
    assert texts_agree(text, text)


def test_texts_agree_by_their_words_and_each_of_their_numbers():
    assert texts_agree(LINE, LINE.replace("0.382", "0.383"))
    assert not texts_agree(LINE, LINE.replace("0.382", "0.392"))
    assert not texts_agree(LINE, LINE.replace("epoch 10", "epoch 9"))
    assert not texts_agree(LINE, LINE.replace("train loss", "test loss"))
    assert not texts_agree(LINE, LINE + LINE)
    assert not texts_agree(LINE, LINE.replace(", test accuracy 0.848", ""))
    assert not texts_agree(LINE, LINE.replace("0.382", "nan"))


def test_the_width_of_a_column_does_not_count():
    assert texts_agree("[ 9.999 -0.5]", "[10.001 -0.5]")
    assert not texts_agree("a  b", "a b")


SVG = """<svg width="252.0pt" viewBox="0 0 252 180">
<g id="line2d_14"><path d="M 33.2 50 L 60.25 49.75" style="stroke: #0072b2"/></g>
<use xlink:href="#m16fcd01a3b" x="33.2" y="162.9"/>
<g clip-path="url(#pb20be89d52)"/>
<path id="m16fcd01a3b"/><clipPath id="pb20be89d52"/></svg>"""


def test_drawings_agree_when_curves_lie_on_each_other():
    assert drawings_agree(SVG, SVG)
    assert drawings_agree(SVG, SVG.replace("33.2 50", "33.5 50.75"))
    assert drawings_agree(SVG, SVG.replace('y="162.9"', 'y="163"'))
    assert drawings_agree(SVG, SVG.replace("pb20be89d52", "pe665727cb3"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("33.2 50 L", "33.2 51.5 L"),
        ('y="162.9"', 'y="164.9"'),
        (" L 60.25 49.75", ""),
        ("L 60.25", "M 60.25"),
        ("line2d_14", "line2d_15"),
        ("#0072b2", "#0073b2"),
        ("url(#pb20be89d52)", "url(#m16fcd01a3b)"),
    ],
)
def test_drawings_that_look_different_do_not_agree(old, new):
    assert old in SVG
    assert not drawings_agree(SVG, SVG.replace(old, new))
