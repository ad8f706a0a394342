"""An offline stand-in for Fashion-MNIST: ten kinds of garment drawn by rule.

Every machine must draw the same bytes. So the random bits are the raw output of
PCG64 (NumPy keeps that stream fixed; what its Generator methods make of it may
change), and the drawing uses only operations that IEEE 754 rounds exactly:
+ - * /, sqrt, minimum, maximum, floor, comparisons, one array at a time. No sin or
exp (they differ between processors), no sums over an axis (their order differs).

The stand-in is calibrated so that models learn from it about as they do from the real
images: `_SHIFT` decides how much a network gains over a linear model, `_TRADES` how
much no model can tell apart. A changed number changes checksum and calibration.

A picture is made of parts. A part is a *distance*: an array that is negative inside
the shape and positive outside, in units where the picture spans [-1, 1] in both
directions, x to the right and y downwards. Joining two parts is their minimum,
cutting one out of another is a maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["SHA256", "SHAPES", "make"]

# SHA-256 over the bytes of the four arrays that `make` returns, in their order.
SHA256 = "dfe38e1e9c03f5b64d12ecdb0e1050ebe77586d037e991161f2cfdd5bf97de44"

SIDE = 28
TRAIN_PER_CLASS, TEST_PER_CLASS = 6000, 1000
SHAPES = ((60000, SIDE, SIDE), (60000,), (10000, SIDE, SIDE), (10000,))

_SEED = 20170825  # the day on which Fashion-MNIST was published
# How far a garment may lie from the middle, where the picture is 2 wide. A linear model
# suffers from it most: it has one template per class.
_SHIFT = 0.31

# Two classes, and the share of each that changes places with the other: shirts that
# look like t-shirts, sandals as closed as a sneaker. The shares are larger for shoes,
# since small garments make small gradients and so disturb training less.
_TRADES = (
    ("sandal", "sneaker", 0.17),
    ("sneaker", "ankle boot", 0.10),
    ("t-shirt", "shirt", 0.045),
    ("pullover", "coat", 0.045),
)
_CHUNK = 250  # pictures drawn at a time: their arrays fit the processor's cache


class _Draw:
    """Random numbers for one chunk of `n` pictures, one per picture."""

    def __init__(self, bits: np.random.PCG64, n: int) -> None:
        self.bits, self.n = bits, n

    def uniform(self, low: float, high: float) -> np.ndarray:
        """(n, 1, 1) float32, uniform in [low, high)."""
        raw = self.bits.random_raw(self.n) >> np.uint64(40)  # 24 bits: exact in float32
        unit = raw.astype(np.float32) * np.float32(2.0**-24)
        return (unit * (high - low) + low).reshape(-1, 1, 1)

    def bell(self, mean: float, spread: float) -> np.ndarray:
        """(n, 1, 1) float32 about `mean`, at most `spread` away, mostly near."""
        third = spread / 3.0
        parts = [self.uniform(-third, third) for _ in range(3)]
        return parts[0] + parts[1] + parts[2] + mean

    def chance(self, probability: float) -> np.ndarray:
        """(n, 1, 1) float32: 1 with this probability, else 0."""
        return (self.uniform(0.0, 1.0) < probability).astype(np.float32)

    def noise(self, height: int, width: int) -> np.ndarray:
        """(n, height, width) float32 in [-1, 1], bell-shaped (four bytes summed)."""
        count = self.n * height * width
        raw = self.bits.random_raw((count + 1) // 2).astype("<u8")
        quads = raw.view("<u4")[:count]
        total = (quads & 255) + (quads >> 8 & 255) + (quads >> 16 & 255) + (quads >> 24)
        noise = total.astype(np.float32) * (1.0 / 510.0) - 1.0
        return noise.reshape(self.n, height, width)


def _wave(u: np.ndarray) -> np.ndarray:
    """A triangle wave of period 1 between 0 (at whole numbers) and 1."""
    return 1.0 - np.abs((u - np.floor(u)) * 2.0 - 1.0)


def _line(t: np.ndarray, knots: Sequence, values: Sequence) -> np.ndarray:
    """The piecewise linear function through (knots, values), constant outside."""
    result = values[0]
    for k in range(len(knots) - 1):
        ramp = (t - knots[k]) / (knots[k + 1] - knots[k])
        ramp = np.minimum(np.maximum(ramp, 0.0), 1.0)
        result = result + (values[k + 1] - values[k]) * ramp
    return result


def _limb(x, y, start, end, radius_start, radius_end) -> np.ndarray:
    """Distance to a thick stroke from start to end, whose radius changes evenly."""
    ax, ay = start
    dx, dy = end[0] - ax, end[1] - ay
    along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
    along = np.minimum(np.maximum(along, 0.0), 1.0)
    ox, oy = x - ax - along * dx, y - ay - along * dy
    radius = radius_start + (radius_end - radius_start) * along
    return np.sqrt(ox * ox + oy * oy) - radius


def _oval(x, y, cx, cy, rx, ry) -> np.ndarray:
    """Distance, near enough, to an upright ellipse."""
    ux, uy = (x - cx) / rx, (y - cy) / ry
    return (np.sqrt(ux * ux + uy * uy) - 1.0) * np.minimum(rx, ry)


def _cover(distance: np.ndarray) -> np.ndarray:
    """How much of each pixel the shape covers, 0 to 1: smooth edges."""
    return np.minimum(np.maximum(0.5 - distance * (SIDE / 2.0), 0.0), 1.0)


def _shade(distance: np.ndarray, edge: float = 0.3) -> np.ndarray:
    """Cloth: full in the middle, darker by `edge` at the seam."""
    depth = np.minimum(np.maximum(distance * -7.0, 0.0), 1.0)
    return _cover(distance) * (1.0 - edge + edge * depth)


def _pose(draw: _Draw, larger: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (x, y) of every pixel, in a frame that differs per picture.

    The garment is shifted, leans and sways, and is sized between 0.92 and 1.06 (plus
    `larger`) in each direction.
    """
    axis = (np.arange(SIDE, dtype=np.float32) * 2.0 - (SIDE - 1)) * (1.0 / SIDE)
    row, column = axis.reshape(1, SIDE, 1), axis.reshape(1, 1, SIDE)
    lean, sway = draw.bell(0.0, 0.1), draw.bell(0.0, 0.1)
    scale_x = draw.uniform(0.92 + larger, 1.06 + larger)
    scale_y = draw.uniform(0.92 + larger, 1.06 + larger)
    u = column - draw.bell(0.0, _SHIFT)
    v = row - draw.bell(0.0, _SHIFT)
    return (u + lean * v) / scale_x, (v - sway * u) / scale_y


def _top(
    draw: _Draw,
    *,
    sleeve: np.ndarray,
    spread: np.ndarray,
    length: np.ndarray,
    width: np.ndarray,
    neck: np.ndarray,
    front: np.ndarray,
    buttons: np.ndarray,
    collar: np.ndarray,
) -> np.ndarray:
    """A garment for the upper body: torso, two sleeves, a neckline, details.

    Each argument is an (n, 1, 1) array: length of the `sleeve` (1 reaches the hip) and
    how far it is `spread`, `length` and half `width` of the torso, depth of the
    `neck`line, strength of the line down the `front`, how much that line is broken into
    `buttons`, strength of the `collar`.
    """
    x, y = _pose(draw, larger=0.04)
    ax = np.abs(x)  # both sides at once
    top = draw.uniform(-0.86, -0.76)
    hem = top + length
    shoulder = width * draw.uniform(0.92, 1.08)
    waist = width * draw.uniform(0.88, 1.02)
    flare = width * draw.uniform(0.96, 1.12)
    heights = (top, top + 0.14, top + 0.75, hem)
    half = _line(y, heights, (shoulder * 0.62, shoulder, waist, flare))
    torso = np.maximum(np.maximum(top - y, y - hem), ax - half)
    torso = np.maximum(torso, -_oval(x, y, 0.0, top, shoulder * 0.42, neck))

    start = (shoulder - 0.06, top + 0.19)
    end = (shoulder + 0.02 + spread * sleeve, top + 0.26 + 1.18 * sleeve)
    arm = _limb(ax, y, start, end, 0.17, 0.12 + 0.04 * (1.0 - sleeve))
    cloth = np.maximum(_shade(torso, 0.25), _shade(arm, 0.42))

    line = _cover(ax - 0.035) * _cover(torso + 0.02) * front
    line = line * (1.0 - buttons * _wave(y * 3.0 + 0.25))
    wings = _cover(np.abs(ax - shoulder * 0.3) + np.abs(y - top - 0.10) * 0.8 - 0.15)
    return cloth * (1.0 - 0.75 * line) * (1.0 - 0.55 * collar * wings * _cover(torso))


def _tshirt(draw: _Draw) -> np.ndarray:
    return _top(
        draw,
        sleeve=draw.bell(0.30, 0.14),
        spread=draw.uniform(0.5, 0.9),
        length=draw.uniform(1.42, 1.62),
        width=draw.uniform(0.42, 0.54),
        neck=draw.uniform(0.08, 0.30),
        front=draw.chance(0.1) * 0.5,
        buttons=draw.chance(1.0),
        collar=draw.chance(0.1),
    )


def _pullover(draw: _Draw) -> np.ndarray:
    return _top(
        draw,
        sleeve=draw.bell(1.0, 0.16),
        spread=draw.uniform(0.24, 0.44),
        length=draw.uniform(1.34, 1.54),
        width=draw.uniform(0.44, 0.54),
        neck=draw.uniform(0.04, 0.24),
        front=draw.chance(0.2) * draw.uniform(0.2, 0.8),
        buttons=draw.chance(0.5),
        collar=draw.chance(0.25),
    )


def _coat(draw: _Draw) -> np.ndarray:
    return _top(
        draw,
        sleeve=draw.bell(1.05, 0.16),
        spread=draw.uniform(0.06, 0.24),
        length=draw.uniform(1.62, 1.80),
        width=draw.uniform(0.38, 0.50),
        neck=draw.uniform(0.04, 0.30),
        front=draw.chance(0.95) * draw.uniform(0.4, 1.0),
        buttons=draw.chance(0.2),
        collar=draw.chance(0.7),
    )


def _shirt(draw: _Draw) -> np.ndarray:
    return _top(
        draw,
        sleeve=draw.bell(0.64, 0.2),
        spread=draw.uniform(0.30, 0.55),
        length=draw.uniform(1.48, 1.66),
        width=draw.uniform(0.34, 0.46),
        neck=draw.uniform(0.10, 0.34),
        front=draw.chance(0.85) * draw.uniform(0.3, 0.9),
        buttons=draw.chance(0.85),
        collar=draw.chance(0.85),
    )


def _dress(draw: _Draw) -> np.ndarray:
    x, y = _pose(draw, larger=0.04)
    ax = np.abs(x)
    top, hem = draw.uniform(-0.92, -0.82), draw.uniform(0.72, 0.92)
    shoulder, waist = draw.uniform(0.22, 0.34), draw.uniform(0.18, 0.30)
    belt, skirt = draw.uniform(-0.40, 0.0), draw.uniform(0.26, 0.62)
    heights = (top, top + 0.2, belt, hem)
    half = _line(y, heights, (shoulder * 0.7, shoulder, waist, skirt))
    body = np.maximum(np.maximum(top - y, y - hem), ax - half)
    neck = draw.uniform(0.08, 0.36)
    body = np.maximum(body, -_oval(x, y, 0.0, top, shoulder * 0.6, neck))
    band = _cover(np.abs(y - belt) - 0.04) * draw.chance(0.4) * 0.5

    has_sleeves, sleeve = draw.chance(0.45), draw.uniform(0.2, 1.0)
    start = (shoulder - 0.05, top + 0.17)
    end = (shoulder + 0.02 + 0.25 * sleeve, top + 0.2 + 0.9 * sleeve)
    arm = _limb(ax, y, start, end, 0.10, 0.09)
    return np.maximum(_shade(body, 0.25) * (1.0 - band), _shade(arm, 0.4) * has_sleeves)


def _trouser(draw: _Draw) -> np.ndarray:
    x, y = _pose(draw)
    ax = np.abs(x)
    top, hem = draw.uniform(-0.92, -0.82), draw.uniform(0.80, 0.94)
    waist, hip = draw.uniform(0.22, 0.34), draw.uniform(0.28, 0.40)
    crotch = top + draw.uniform(0.45, 0.65)
    foot = draw.uniform(0.26, 0.48)
    leg = draw.uniform(0.12, 0.24)
    outer = _line(y, (top, crotch, hem), (waist, hip, foot))
    # The gap between the legs opens at the crotch; above it there is none.
    gap = _line(y, (crotch, hem), (0.0, np.maximum(foot - leg, 0.05)))
    gap = gap - (y < crotch).astype(np.float32)
    body = np.maximum(np.maximum(top - y, y - hem), np.maximum(ax - outer, gap - ax))
    fly = _cover(ax - 0.03) * _cover(y - crotch) * 0.4
    return _shade(body, 0.35) * (1.0 - fly)


def _bag(draw: _Draw) -> np.ndarray:
    x, y = _pose(draw)
    ax = np.abs(x)
    top, bottom = draw.uniform(-0.30, 0.05), draw.uniform(0.55, 0.80)
    upper, lower = draw.uniform(0.50, 0.85), draw.uniform(0.62, 0.92)
    half = _line(y, (top, bottom), (upper, lower))
    body = np.maximum(np.maximum(top - y, y - bottom), ax - half)
    rise, reach = draw.uniform(0.10, 0.65), upper * draw.uniform(0.4, 0.85)
    handle = np.abs(_oval(x, y, 0.0, top, reach, rise)) - draw.uniform(0.04, 0.09)
    handle = np.maximum(handle, y - top)
    flap = top + (bottom - top) * draw.uniform(0.25, 0.6)
    seam = _cover(np.abs(y - flap) - 0.035) * draw.chance(0.5) * 0.45
    clasp = _cover(np.maximum(ax, np.abs(y - flap)) - 0.09) * draw.chance(0.5) * 0.5
    leather = _shade(body, 0.3) * (1.0 - seam) * (1.0 - clasp)
    return np.maximum(leather, _shade(handle, 0.2))


def _shoe(
    draw: _Draw,
    *,
    shaft: np.ndarray,
    heel: np.ndarray,
    straps: np.ndarray,
    laces: np.ndarray,
) -> np.ndarray:
    """A shoe in profile, its toe to the left or to the right.

    Each argument is an (n, 1, 1) array: how high the `shaft` rises above the ankle,
    height of the `heel`, how much of the upper is cut away between `straps` (0 to 1),
    how strongly the `laces` show (0 to 1).
    """
    x, y = _pose(draw)
    x = x * (1.0 - 2.0 * draw.chance(0.5))
    ground = draw.uniform(0.50, 0.66)
    toe, back = draw.uniform(-0.98, -0.88), draw.uniform(0.82, 0.96)
    vamp = ground - draw.uniform(0.26, 0.38) - heel * 0.2
    ankle = vamp - draw.uniform(0.22, 0.34) - heel * 0.4
    throat = draw.uniform(-0.10, 0.14)
    collar = ankle - shaft
    upper = _line(
        x,
        (toe, toe + 0.1, toe + 0.28, throat - 0.3, throat, throat + 0.14),
        (vamp + 0.2, vamp + 0.06, vamp, vamp - 0.06, ankle + 0.04, collar),
    )
    ends = np.maximum(toe - x, x - back)
    sole = ground - heel * _line(x, (-0.3, 0.3, 0.44, 0.46), (0.0, 0.8, 0.9, 0.0))
    body = np.maximum(np.maximum(upper - y, y - sole), ends)
    tread = ground - heel * _line(x, (-0.3, 0.3), (0.0, 0.8)) - draw.uniform(0.08, 0.14)
    rubber = _cover(np.maximum(np.maximum(tread - y, y - sole), ends))

    slant = x * draw.uniform(1.2, 2.2) + y * draw.uniform(-0.9, 0.9)
    pattern = _wave(slant + draw.uniform(0.0, 1.0))
    holes = _cover((1.0 - pattern - straps) * 0.35) * (straps > 0.0)
    tied = _cover(np.maximum(np.abs(x - throat + 0.12) - 0.16, y - upper - 0.3))
    lacing = tied * laces * _wave((x + y * 0.8) * 4.0)
    cloth = _shade(body, 0.35) * (1.0 - holes) * (1.0 - lacing)
    return cloth * (1.0 - rubber) + rubber * draw.uniform(0.5, 1.3)


def _sandal(draw: _Draw) -> np.ndarray:
    return _shoe(
        draw,
        shaft=draw.uniform(-0.15, 0.2),
        heel=draw.chance(0.5) * draw.uniform(0.1, 0.6),
        straps=draw.uniform(0.4, 0.75),
        laces=draw.chance(0.0),
    )


def _sneaker(draw: _Draw) -> np.ndarray:
    return _shoe(
        draw,
        shaft=draw.bell(0.02, 0.25),
        heel=draw.uniform(0.0, 0.1),
        straps=draw.chance(0.2) * draw.uniform(0.3, 0.7),
        laces=draw.chance(0.8) * draw.uniform(0.3, 0.9),
    )


def _ankle_boot(draw: _Draw) -> np.ndarray:
    return _shoe(
        draw,
        shaft=draw.bell(0.52, 0.40),
        heel=draw.chance(0.5) * draw.uniform(0.05, 0.35),
        straps=draw.chance(0.05) * 0.3,
        laces=draw.chance(0.4) * draw.uniform(0.3, 0.9),
    )


# In the order of the labels of Fashion-MNIST.
_GARMENTS = {
    "t-shirt": _tshirt,
    "trouser": _trouser,
    "pullover": _pullover,
    "dress": _dress,
    "coat": _coat,
    "sandal": _sandal,
    "shirt": _shirt,
    "sneaker": _sneaker,
    "bag": _bag,
    "ankle boot": _ankle_boot,
}


def _finish(draw: _Draw, garment: np.ndarray) -> np.ndarray:
    """Give drawn garments brightness, stripes, a print and noise; uint8, 0 to 255."""
    axis = np.arange(SIDE, dtype=np.float32)
    row, column = axis.reshape(1, SIDE, 1), axis.reshape(1, 1, SIDE)
    brightness = draw.uniform(0.35, 0.95)
    pitch_x, pitch_y = draw.uniform(-0.25, 0.25), draw.uniform(-0.25, 0.25)
    stripes = _wave(column * pitch_x + row * pitch_y + draw.uniform(0.0, 1.0))
    contrast = draw.chance(0.5) * draw.uniform(0.1, 0.6)
    light = brightness * (1.0 - contrast * stripes)

    across, down = draw.uniform(8.0, 20.0), draw.uniform(8.0, 18.0)
    print_ = np.maximum(np.abs(column - across), np.abs(row - down)) * (2.0 / SIDE)
    print_ = _cover(print_ - draw.uniform(0.05, 0.25)) * draw.chance(0.25)
    light = light + print_ * (draw.uniform(0.2, 1.0) - light)

    noise = draw.noise(SIDE, SIDE) * draw.uniform(0.04, 0.24)
    value = np.minimum(np.maximum(garment * (light + noise), 0.0), 1.0)
    return (value * 255.0 + 0.5).astype(np.uint8)


def _draw_class(label: int, name: str, count: int) -> np.ndarray:
    """`count` pictures of one class, (count, 28, 28) uint8."""
    bits = np.random.PCG64([_SEED, label])
    images = np.empty((count, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, count, _CHUNK):
        draw = _Draw(bits, min(_CHUNK, count - start))
        images[start : start + draw.n] = _finish(draw, _GARMENTS[name](draw))
    return images


def _trade(images: dict[str, np.ndarray]) -> None:
    """Let a share of each pair of similar classes change places."""
    for one, other, share in _TRADES:
        # The first of one against the last of the other: none changes places twice.
        count = int(len(images[one]) * share)
        kept = images[one][:count].copy()
        images[one][:count] = images[other][-count:]
        images[other][-count:] = kept


def _mix(images: list[np.ndarray], part: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of all classes and their labels, in mixed order."""
    labels = np.repeat(np.arange(len(images), dtype=np.uint8), len(images[0]))
    keys = np.random.PCG64([_SEED, len(images), part]).random_raw(len(labels))
    order = np.argsort(keys, kind="stable")
    return np.concatenate(images)[order], labels[order]


def make() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw the whole stand-in; a few seconds on one core.

    Returns:
        Training images (60000, 28, 28) and labels (60000,), test images (10000, 28, 28)
        and labels (10000,): uint8, of the same classes in the same order as
        Fashion-MNIST, as many of each class, in mixed order. The same bytes every time.
    """
    count = TRAIN_PER_CLASS + TEST_PER_CLASS
    images = {
        name: _draw_class(label, name, count) for label, name in enumerate(_GARMENTS)
    }
    train = {name: part[:TRAIN_PER_CLASS] for name, part in images.items()}
    test = {name: part[TRAIN_PER_CLASS:] for name, part in images.items()}
    _trade(train)
    _trade(test)
    return (*_mix(list(train.values()), 0), *_mix(list(test.values()), 1))
