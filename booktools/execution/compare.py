"""Decides whether the output of a cell agrees with the one stored in its notebook.

Words, names, versions and counts (shapes, labels, whole numbers) must be the same.
Computed numbers must be close, because another number of threads, another processor
or another build of NumPy adds floats in another order, and training builds on those
sums. Pictures must look the same.
"""

from __future__ import annotations

import re
from base64 import b64decode
from decimal import Decimal
from io import BytesIO
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

# Over ten epochs, one, two or four threads and other instruction sets moved the loss
# (0.38) and the accuracies (0.85) by at most 0.001. Another seed moves them by 0.004
# and 0.013, and by 0.07 in the first epochs. So we draw the line in between, at 0.3 %.
RELATIVE = Decimal("0.003")
# Rounding can change the last decimal by one. We allow that if it is at most 0.001 or
# 1 % of the value: 2.30 may become 2.31, but 0.1 may not become 0.2. Below 0.01 only
# the 1 % counts, because otherwise 0.001 could become 0.002.
ROUNDING, ROUNDING_RELATIVE, SMALL = Decimal("0.001"), Decimal("0.01"), Decimal("0.01")
# Scientific notation usually shows two digits, and one unit of the second is up to
# 10 % of the value: 1.2e-07 may become 1.3e-07, but 5e-07 may not become 6e-07.
ROUNDING_SCIENTIFIC = Decimal("0.1")
# A curve moves with its values: 0.003 on an axis that spans 0.6 is 0.7 pt in a figure
# 140 pt high. One point is 0.35 mm on paper, thinner than a curve.
POINTS = 1.0
# Another rasterizer moves an edge by a pixel and smooths it differently, so a tightly
# cropped picture can change its size by a pixel too. Training with another number of
# threads changed the colors of drawn weights by at most 30 of 255. The most similar
# digits in a confusion matrix, 6 and 8, differ by more than LEVELS in 6 pixels.
LEVELS, PIXELS, TILE, CROP = 64, 4, 16, 2

TOKEN = re.compile(
    r"""
    (?P<word>[^\W\d]\w*(?:\.\d\w*)*     # a name, with its digits: conv2d_1, v2.13
      | 0[xX][0-9a-fA-F]+
      | \d+(?:\.\d+){2,}\w*)            # a version
  | (?P<blank>[ ]*)
    (?P<number>[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d*)?|\d+\.?\d*|\.\d+)
      (?:[eE][-+]?\d+)?)(?!\.\d)[ ]*
    """,
    re.X,
)
POINT_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
# The factors of a scale and the degrees of a rotation aren't coordinates.
COORDINATES = re.compile(
    r'\s(?:d|x|y|points|width|height|viewBox)="[^"]*"|\btranslate\([^)]*\)'
)
HASHED = re.compile(r"\b[A-Za-z]\w*[0-9a-f]{10}\b")  # a name that Matplotlib generates


def figures_near(stored: str, new: str) -> bool:
    """Return whether two printed numbers agree. Whole numbers must be equal."""
    scientific = "e" in (stored + new).lower()
    if not (scientific or ("." in stored and "." in new)):
        return stored == new
    a, b = (Decimal(number.replace(",", "")) for number in (stored, new))
    size = max(abs(a), abs(b))
    exponents = (int(each.as_tuple().exponent) for each in (a, b))
    unit = Decimal(1).scaleb(min(exponents))
    little = ROUNDING_RELATIVE * size
    if scientific:
        little = ROUNDING_SCIENTIFIC * size
    elif size >= SMALL:
        little = max(ROUNDING, little)
    whole = [number == number.to_integral_value() for number in (a, b)]
    if all(whole):  # counts stored as floats
        return a == b
    return abs(a - b) <= (0 if any(whole) else RELATIVE * size) + min(unit, little)


def texts_agree(stored: str, new: str) -> bool:
    """Return whether two texts have the same words, and numbers that agree one by one.

    The number of blanks around a number doesn't count, because a column is as wide as
    its widest number.
    """
    (words, numbers), (new_words, new_numbers) = _taken_apart(stored), _taken_apart(new)
    return words == new_words and all(map(figures_near, numbers, new_numbers))


def _taken_apart(text: str) -> tuple[str, list[str]]:
    """Return a text with each number replaced by a mark, and the numbers."""
    numbers: list[str] = []

    def mark(match: re.Match) -> str:
        if match["word"]:
            return match[0]
        numbers.append(match["number"])
        before = text[match.start() - 1 : match.start()]
        # A blank after a word or number separates; elsewhere it only pads a column.
        apart = match["blank"] and (before.isalnum() or before in "._)%")
        ends = match[0].endswith(" ")
        return f"{' ' if apart else ''}\0{' ' if ends else ''}"

    return TOKEN.sub(mark, text), numbers


def drawings_agree(stored: str, new: str) -> bool:
    """Return whether two SVG files differ only in coordinates, and only slightly."""
    stored, new = numbered(stored), numbered(new)
    if COORDINATES.split(stored) != COORDINATES.split(new):
        return False
    parts = ["\n".join(COORDINATES.findall(svg)) for svg in (stored, new)]
    points, new_points = (map(float, POINT_NUMBER.findall(part)) for part in parts)
    return POINT_NUMBER.split(parts[0]) == POINT_NUMBER.split(parts[1]) and all(
        abs(a - b) <= POINTS for a, b in zip(points, new_points, strict=True)
    )


def numbered(svg: str) -> str:
    """Number the names that Matplotlib makes by hashing exact coordinates."""
    names: dict[str, str] = {}
    return HASHED.sub(lambda name: names.setdefault(name[0], str(len(names))), svg)


def picture_difference(stored: str, new: str) -> str | None:
    """Say where two pictures, PNG or JPEG in base64, look different, if they do.

    We compare each pixel of either picture with the same place in the other one and
    the eight pixels around it. Its color must lie in their range, give or take
    ``LEVELS`` of 255. At most ``PIXELS`` of any ``TILE`` by ``TILE`` square may fail.
    """
    import numpy as np

    if stored == new:
        return None
    try:
        a, b = _decoded(stored), _decoded(new)
    except OSError:  # Pillow raises it for data that isn't a picture
        return "one of the two can't be read as a picture"
    margins = [abs(m - n) for m, n in zip(a.size, b.size, strict=True)]
    if max(margins) > CROP:
        return "{} × {} pixels became {} × {}".format(*a.size, *b.size)
    # Crop the larger picture on whichever sides fit best.
    places = product(*(range(margin + 1) for margin in margins))
    outside = min((_outside(a, b, *place) for place in places), key=np.count_nonzero)
    sums = np.pad(outside.cumsum(0).cumsum(1), ((TILE, 0), (TILE, 0)))
    rows = sums[TILE:] - sums[:-TILE]
    if (rows[:, TILE:] - rows[:, :-TILE]).max() <= PIXELS:
        return None
    y, x = np.nonzero(outside)
    return (
        f"{outside.mean():.2%} of the pixels look different (columns {x.min()} to "
        f"{x.max()}, rows {y.min()} to {y.max()} of {a.width} × {a.height})"
    )


def _decoded(picture: str) -> Image:
    """Decode a picture, with white behind its transparent parts."""
    from PIL import Image

    image = Image.open(BytesIO(b64decode(picture))).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _outside(a: Image, b: Image, x: int, y: int) -> np.ndarray:
    """Mark the pixels of each picture that don't match the other one's surroundings.

    We leave out ``x`` columns at the left of the wider picture and ``y`` rows at the
    top of the taller one.
    """
    import numpy as np
    from PIL.ImageFilter import MaxFilter, MinFilter

    width, height = map(min, a.size, b.size)
    ranges = []
    for image in (a, b):
        left, top = x * (image.width > width), y * (image.height > height)
        image = image.convert("RGB").crop((left, top, left + width, top + height))
        around = image.filter(MinFilter(3)), image, image.filter(MaxFilter(3))
        ranges.append([np.asarray(each, dtype=np.int16) for each in around])
    (low, color, high), (other_low, other, other_high) = ranges
    far = [low - other, other - high, other_low - color, color - other_high]
    return (np.maximum.reduce(far) > LEVELS).any(axis=2)
