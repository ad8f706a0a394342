"""Figures in the book's style: curves as SVG, images as PNG."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import colors, figure
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator

from d2lutils.arguments import to_numpy

__all__ = [
    "Animator",
    "plot",
    "plt",
    "set_axes",
    "set_figsize",
    "show_confusion",
    "show_images",
    "use_svg_display",
]

# Okabe and Ito's palette, safe for the color-blind (https://jfly.uni-koeln.de/color/,
# 2008). The frameworks have these colors in the order of their tabs. Where there is no
# color, line styles tell curves apart.
COLORS = ("#0072B2", "#D55E00", "#007A5A", "#9E4A7F", "#8A6D00", "#4D4D4D")
LINE_STYLES = ("-", "--", "-.", ":", (0, (4, 1, 1, 1, 1, 1)), (0, (6, 4)))
# Below zero, zero, above zero: the interactive figures use the same three.
SIGNED = colors.LinearSegmentedColormap.from_list(
    "signed", (COLORS[0], "white", COLORS[1])
)
mpl.rcParams.update(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": "0.45",
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.prop_cycle": cycler(color=COLORS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "grid.color": "0.88",
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        # Without a fixed salt, the identifiers inside an SVG differ from run to run.
        "svg.hashsalt": "d2lutils",
    }
)


def use_svg_display() -> None:
    """Make Jupyter show figures as SVG. Outside a notebook, do nothing."""
    _show_figures_as("svg", metadata={"Date": None})


def _show_figures_as(format: str, **options: Any) -> None:
    if in_notebook():
        from matplotlib_inline import backend_inline

        backend_inline.set_matplotlib_formats(format, **options)


def set_figsize(figsize: tuple[float, float] = (3.5, 2.5)) -> None:
    """Set the width and height, in inches, of all figures from now on."""
    use_svg_display()
    plt.rcParams["figure.figsize"] = figsize


class _LogLabels(LogFormatterSciNotation):
    """Labels the ticks of a logarithmic axis 0.1, 1, 10 if all of them are short."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)  # empty where there is no room
        low, high = self.axis.get_view_interval()
        return f"{x:g}" if text and low >= 1e-4 and high <= 1e5 else text


def set_axes(
    axes: Axes,
    xlabel: str | None,
    ylabel: str | None,
    xlim: tuple[float, float] | None,
    ylim: tuple[float, float] | None,
    xscale: str,
    yscale: str,
    legend: Sequence[str] | None,
) -> None:
    """Label and scale one pair of axes, and name its curves.

    Args:
        axes: What to configure.
        xlabel, ylabel: Axis labels, or ``None``.
        xlim, ylim: Lowest and highest value shown, or ``None`` for automatic.
        xscale, yscale: ``"linear"`` or ``"log"``.
        legend: One name per curve, or ``None``. Up to four short names go next to the
            ends of their curves. More names, or long ones, go into a legend.
    """
    axes.set(xlabel=xlabel or "", ylabel=ylabel or "", xscale=xscale, yscale=yscale)
    for axis, scale in ((axes.xaxis, xscale), (axes.yaxis, yscale)):
        if scale == "log":
            axis.set_major_formatter(_LogLabels())
            axis.set_minor_locator(LogLocator(subs=(2, 5)))
            axis.set_minor_formatter(_LogLabels(minor_thresholds=(1.7, 1.7)))
    if xlim is not None:
        axes.set_xlim(xlim)
    if ylim is not None:
        axes.set_ylim(ylim)
    if legend:
        _name_curves(axes, legend)


def _name_curves(axes: Axes, names: Sequence[str]) -> None:
    """Write each name next to the end of its curve, or all names into a legend."""
    names = [names] if isinstance(names, str) else names
    fig, longest = axes.figure, max(map(len, names))
    if fig.axes != [axes]:  # no room next to these axes
        axes.legend(names)
        return
    if len(names) > 4 or longest > 20:
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
        axes.legend(names, **place, ncols=2 if longest > 12 else 3)
        return
    lines = axes.get_lines()[: len(names)]
    gap = 1.6 * plt.rcParams["font.size"] / 72 / fig.get_figheight()
    heights = _spread([_end(axes, line) for line in lines], gap)
    texts, new = {text.get_gid(): text for text in axes.texts}, []
    for i, (name, line) in enumerate(zip(names, lines, strict=False)):
        if (gid := f"label_{i + 1}") not in texts:
            # Letters are thinner than curves, so they are darker.
            color = 0.8 * np.array(colors.to_rgb(line.get_color()))
            place = {"transform": axes.transAxes, "va": "center"}
            texts[gid] = axes.text(1.02, 0, name, color=color, gid=gid, **place)
            new.append(texts[gid])
        texts[gid].set_y(heights[i])
    if new and fig.get_layout_engine() is None:
        widest = max(text.get_window_extent().width for text in new)
        fig.subplots_adjust(right=0.97 - widest / fig.bbox.width)


def _end(axes: Axes, line: Line2D) -> float:
    """Return how high a curve ends, from 0 (bottom of the axes) to 1 (their top)."""
    axes.get_ylim()  # fits the axes to curves that have grown
    points = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return 0.0
    (_, y), *_ = (axes.transScale + axes.transLimits).transform(points[-1:])
    return float(np.clip(y, 0, 1))


def _spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return heights at least a gap apart, each as wanted or just below another.

    If two are nearly equal, the first one stays above, so rounding on another machine
    doesn't swap them.
    """
    order: list[int] = []  # from top to bottom
    for i, height in enumerate(wanted):
        above = [k for k, j in enumerate(order) if height <= wanted[j] + gap / 2]
        order.insert(above[-1] + 1 if above else 0, i)
    found, ceiling = {}, np.inf
    for i in order:
        found[i] = min(wanted[i], ceiling)
        ceiling = found[i] - gap
    return [found[i] for i in range(len(wanted))]


def _curves(X: Any, Y: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Split the arguments of :func:`plot` into one x and one y per curve."""

    def split(values: Any) -> list[np.ndarray]:
        curves = [to_numpy(value) for value in values]
        return curves if curves and curves[0].ndim else [np.array(curves)]

    if Y is None:
        ys = split(X)
        return [np.arange(len(y)) for y in ys], ys
    xs, ys = split(X), split(Y)
    if len(xs) == 1:
        xs = xs * len(ys)
    if len(xs) != len(ys):
        raise ValueError(
            f"X and Y must hold equally many curves (or X one for all of Y), "
            f"got {len(xs)} and {len(ys)}"
        )
    return xs, ys


def plot(
    X: Any,
    Y: Any = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    legend: Sequence[str] | None = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xscale: str = "linear",
    yscale: str = "linear",
    fmts: Sequence[str] | None = None,
    figsize: tuple[float, float] = (3.5, 2.5),
    axes: Axes | None = None,
) -> None:
    """Draw one or several curves.

    Args:
        X: Points on the x axis, ``(n,)``, or one such sequence per curve. Without
            ``Y`` these are the values, drawn over their index.
        Y: Values, ``(n,)``, or one such sequence per curve. Both may be tensors of any
            framework.
        xlabel, ylabel, legend, xlim, ylim, xscale, yscale: See :func:`set_axes`.
        fmts: One Matplotlib format string per curve, such as ``"m--"``. The default is
            the book's colors and line styles.
        figsize: Width and height in inches, for a new figure.
        axes: Where to draw. The default is the current axes if they are empty, as
            after ``plt.subplot``, and otherwise a new figure.

    Raises:
        ValueError: ``X`` and ``Y`` hold different numbers of curves.
    """
    xs, ys = _curves(X, Y)
    set_figsize(figsize)
    if axes is None and plt.get_fignums() and not plt.gca().has_data():
        axes = plt.gca()
    if axes is None:
        _, axes = plt.subplots()
    _draw(axes, xs, ys, fmts)
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


def _draw(
    axes: Axes,
    xs: Sequence[Sequence[float]],
    ys: Sequence[Sequence[float]],
    fmts: Sequence[str] | None,
) -> None:
    """Draw these curves in place of what is on the axes."""
    if axes.has_data():  # new axes need no clearing
        axes.cla()
    axes.set_prop_cycle(cycler(color=COLORS) + cycler(linestyle=LINE_STYLES))
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        axes.plot(x, y, *([fmts[i % len(fmts)]] if fmts else []))


def show_images(
    imgs: Any,
    num_rows: int,
    num_cols: int,
    titles: Sequence[str] | None = None,
    scale: float = 1.5,
    signed: bool = False,
) -> np.ndarray:
    """Show images in a grid, gray ones in gray.

    Args:
        imgs: A tensor of any framework, or a sequence of tensors or of Pillow's images.
            Gray ones are ``(height, width)``, colored ones ``(height, width, 3)``, and
            either may have its channels first, as in ``(1, height, width)``. Images
            that the grid has no room for are left out.
        num_rows, num_cols: Size of the grid. Cells without an image stay empty.
        titles: At most one per image.
        scale: Side of a grid cell in inches.
        signed: Whether to show values as colors, blue below 0, white at 0 and orange
            above, with one scale for all images and a key.

    Returns:
        The axes of the grid, row by row, ``(num_rows * num_cols,)``.

    Raises:
        ValueError: There are more titles than images, or an image has another shape.
    """
    images = list(to_numpy(imgs) if hasattr(imgs, "shape") else imgs)
    titles = list(titles) if titles is not None else []
    if len(titles) > len(images):
        raise ValueError(
            f"titles holds {len(titles)} titles for {len(images)} images: "
            "pass at most one per image"
        )
    shown = images[: num_rows * num_cols]
    images = [_image(f"imgs[{i}]", image) for i, image in enumerate(shown)]
    _show_figures_as("retina")  # PNG, sharp on dense screens
    size = (num_cols * scale, num_rows * scale)
    fig, grid = plt.subplots(
        num_rows, num_cols, figsize=size, squeeze=False, layout="constrained"
    )
    # Letters are 10 pixels high even on a phone, unless that is too wide for a cell.
    font = min(11 * scale, max(10, 2.2 * num_cols * scale))
    axes = grid.flatten()
    for ax in axes:
        ax.grid(False)
        ax.set_axis_off()
    style: dict[str, Any] = {"cmap": "gray"}
    if signed:
        limit = _round_up(max((abs(image).max() for image in images), default=1))
        style = {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
    for ax, image in zip(axes, images, strict=False):
        drawn = ax.imshow(image, **style)
    for ax, title in zip(axes, titles, strict=False):
        ax.set_title(title, fontsize=font)
    if signed and images:
        ticks = MaxNLocator(2, symmetric=True)
        key = fig.colorbar(drawn, ax=axes, aspect=30, shrink=0.8, ticks=ticks)
        key.ax.tick_params(labelsize=font)
        if min(image.min() for image in images) >= 0:
            key.ax.set_ylim(0, limit)
    return axes


def _round_up(limit: float) -> float:
    """Return the next number of two digits, so that the last bits don't move a key."""
    step = 10.0 ** (np.floor(np.log10(limit)) - 1) if limit > 0 else 1.0
    return float(np.ceil(limit / step) * step)


def _image(name: str, values: Any) -> np.ndarray:
    """Return an image in a shape for Matplotlib, ``(h, w)`` or ``(h, w, 3 or 4)``."""
    image = to_numpy(values)
    if image.ndim == 3 and image.shape[2] not in (1, 3, 4):
        image = np.moveaxis(image, 0, 2)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim != 2 and image.shape[2:] not in ((3,), (4,)):
        raise ValueError(
            f"{name} must be a gray image (height, width) or one with channels, "
            f"(height, width, 1 or 3), got an array of shape {tuple(np.shape(values))}"
        )
    return image


def show_confusion(counts: Any, names: Sequence[str]) -> None:
    """Show how often the model mistakes one class for another.

    The colors compare the mistakes with each other. The diagonal counts the right
    answers and has no color, and zeros are left blank.

    Args:
        counts: Whole numbers ``(classes, classes)``, with a row per true class and a
            column per predicted class.
        names: One per class.

    Raises:
        ValueError: ``counts`` isn't square, or there are more or fewer names.
    """
    counts = to_numpy(counts)
    if counts.shape != (len(names), len(names)):
        raise ValueError(
            f"counts must have a row and a column for each of the {len(names)} names, "
            f"got shape {counts.shape}"
        )
    _show_figures_as("retina")
    _, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.grid(False)
    axes.set_facecolor("0.88")  # shows on the diagonal
    mistakes = np.ma.masked_array(counts, np.eye(len(names), dtype=bool))
    most = max(mistakes.max(), 1) if len(names) > 1 else 1
    axes.imshow(mistakes, cmap=SIGNED, vmin=-most, vmax=most)
    for (i, j), count in np.ndenumerate(counts):
        axes.text(j, i, count or "", ha="center", va="center")
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")


class Figure(figure.Figure):
    """A figure with one output in a notebook, which is updated in place."""

    _handle: Any = None
    _shown: str = ""

    def is_open(self) -> bool:
        """Return whether its cell still runs; then the inline backend closes it."""
        return any(each.canvas.figure is self for each in Gcf.get_all_fig_managers())

    def update(self) -> None:
        """Show the figure as it is now."""
        svg = io.StringIO()
        # Like bbox_inches="tight", to a point, but without an extra drawing.
        box = self.get_tightbbox().padded(plt.rcParams["savefig.pad_inches"])
        self.savefig(svg, format="svg", bbox_inches=box, metadata={"Date": None})
        if svg.getvalue() == self._shown:
            return
        self._shown = svg.getvalue()
        bundle = {"image/svg+xml": self._shown, "text/plain": repr(self)}
        if self._handle is None:
            display = sys.modules["IPython"].display.display
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def _ipython_display_(self) -> None:
        """Show the figure at the end of a cell, if the inline backend asks for that."""
        if not self.is_open():
            self._handle, self._shown = None, ""  # a later cell, an output of its own
        elif self._handle is None:  # it has no curves yet
            return
        self.update()


class Animator:
    """A figure of curves that grow point by point.

    In a notebook (Jupyter, VS Code, Colab) the figure appears with the first point and
    is redrawn in place, which leaves exactly one output. Until its cell ends or you
    make the next ``Animator``, it is the current figure, so ``plt.title`` and
    ``plt.savefig`` find it. Outside a notebook, ``fig`` is an ordinary figure.

    Args:
        xlabel, ylabel, legend, xlim, ylim, xscale, yscale: See :func:`set_axes`.
        fmts: See :func:`plot`.
        nrows, ncols: Grid of axes. The curves are drawn on the first.
        figsize: Width and height in inches.

    Attributes:
        fig: The Matplotlib figure.
        axes: Its axes, ``nrows * ncols`` of them in a list.
        X: One list of positions per curve.
        Y: One list of values per curve.
    """

    _latest: ClassVar[Figure | None] = None  # among those that a notebook shows

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        legend: Sequence[str] | None = None,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        xscale: str = "linear",
        yscale: str = "linear",
        fmts: Sequence[str] | None = None,
        nrows: int = 1,
        ncols: int = 1,
        figsize: tuple[float, float] = (3.5, 2.5),
    ) -> None:
        kind = {"FigureClass": Figure} if in_notebook() else {}
        latest = Animator._latest
        if latest and latest.is_open():  # or many training runs leave many figures open
            latest._ipython_display_()
            plt.close(latest)
        self.fig, grid = plt.subplots(
            nrows, ncols, figsize=figsize, squeeze=False, **kind
        )
        if kind:
            Animator._latest = self.fig
        self.axes = list(grid.flatten())
        self.fmts = fmts
        self.X: list[list[float]] = []
        self.Y: list[list[float]] = []
        self._settings = (xlabel, ylabel, xlim, ylim, xscale, yscale, legend)
        self._lines: list[Any] = []

    def add(self, x: Any, y: Any, redraw: bool = True) -> None:
        """Add one point to each curve, and redraw.

        Args:
            x: Position, one for all curves or one per curve.
            y: Value per curve, or a single number for a single curve. Tensors count as
                numbers, and ``None`` leaves its curve as it is.
            redraw: Whether to draw now, or to wait for the next drawing.
        """
        xs, ys = _numbers(x), _numbers(y)
        if len(xs) == 1:
            xs = xs * len(ys)
        while len(self.X) < len(ys):
            self.X.append([])
            self.Y.append([])
        for i, (a, b) in enumerate(zip(xs, ys, strict=True)):
            if a is not None and b is not None:
                self.X[i].append(float(a))
                self.Y[i].append(float(b))
        if redraw:
            self.redraw()

    def redraw(self) -> None:
        """Draw all points that have been added, and show the figure."""
        axes = self.axes[0]
        lines = axes.get_lines()
        if lines == self._lines and len(lines) == len(self.X):
            # Longer curves on the same axes take half the time of a new drawing.
            for line, x, y in zip(lines, self.X, self.Y, strict=True):
                line.set_data(x, y)
            axes.relim()
            axes.autoscale_view()
            if self._settings[-1]:
                _name_curves(axes, self._settings[-1])
        else:
            _draw(axes, self.X, self.Y, self.fmts)
            set_axes(axes, *self._settings)
            self._lines = list(axes.get_lines())
        if isinstance(self.fig, Figure):
            self.fig.update()

    def close(self) -> None:
        """Close the figure if nobody can see it, as in a program without windows."""
        canvas = self.fig.canvas
        if not in_notebook() and canvas.required_interactive_framework is None:
            plt.close(self.fig)


def _numbers(values: Any) -> list[Any]:
    """Return a number, a sequence of numbers or a tensor as a list of numbers."""
    if isinstance(values, (list, tuple)):
        return [None if each is None else to_numpy(each).item() for each in values]
    return to_numpy(values).ravel().tolist()


def in_notebook() -> bool:
    """Return whether a front end is listening that can show and update a figure.

    If nobody has imported IPython, there is none, and importing it to ask takes long.
    """
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
