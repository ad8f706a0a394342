"""Says when the output of a cell agrees with the one stored in its notebook.

Words and whole numbers (shapes, counts, labels) have to be the same. What was
computed has to be near: a different number of threads, another processor or another
build of NumPy adds floats up in another order, and training carries that on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

# One, two or four threads and other instruction sets of the processor moved the loss
# and the accuracies of ten epochs by at most 0.001 (of 0.38 and 0.85); another seed
# moves them by 0.004 and 0.013, and in the first epochs by 0.07. In between lie 0.3 %
# of the value.
RELATIVE = Decimal("0.003")
# Rounding turns a last decimal over: one unit of it is allowed, as long as that is
# little, 0.001 or 1 % of the value. So 2.30 may become 2.31, but 0.1 not 0.2.
ROUNDING, ROUNDING_RELATIVE = Decimal("0.001"), Decimal("0.01")
# A drawn curve follows its figures: 0.003 of an axis that spans 0.6 is 0.7 pt in a
# figure 140 pt high. One point is 0.35 mm on paper, less than a curve is thick.
POINTS = 1.0

NUMBER = re.compile(r" *[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
COORDINATES = re.compile(r'\s(?:d|x|y|points|transform|width|height|viewBox)="[^"]*"')
HASHED = re.compile(r"\b[A-Za-z]\w*[0-9a-f]{10}\b")  # a name matplotlib makes up


def figures_near(stored: str, new: str) -> bool:
    """Whether two printed numbers agree; whole ones only if they are the same."""
    if not ("." in stored and "." in new):
        return stored == new
    a, b = Decimal(stored), Decimal(new)
    size = max(abs(a), abs(b))
    unit = Decimal(1).scaleb(min(a.as_tuple().exponent, b.as_tuple().exponent))
    rounding = min(unit, max(ROUNDING, ROUNDING_RELATIVE * size))
    return abs(a - b) <= RELATIVE * size + rounding


def points_near(stored: str, new: str) -> bool:
    """Whether two coordinates, in points, lie on the same spot to the eye."""
    return abs(float(stored) - float(new)) <= POINTS


def texts_agree(stored: str, new: str, near: Callable = figures_near) -> bool:
    """Whether texts have the same words and, one by one, near numbers.

    Blanks before a number do not count: a column is as wide as its widest number.
    """
    if NUMBER.split(stored) != NUMBER.split(new):
        return False
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(new), strict=True)
    return all(near(a.strip(), b.strip()) for a, b in pairs)


def drawings_agree(stored: str, new: str) -> bool:
    """Whether two SVG files differ in their coordinates only, and by little."""
    stored, new = numbered(stored), numbered(new)
    if COORDINATES.split(stored) != COORDINATES.split(new):
        return False
    both = ("\n".join(COORDINATES.findall(svg)) for svg in (stored, new))
    return texts_agree(*both, points_near)


def numbered(svg: str) -> str:
    """Replace names that are made of all digits of some coordinates by 1, 2, 3..."""
    names: dict[str, str] = {}
    return HASHED.sub(lambda name: names.setdefault(name[0], str(len(names))), svg)
