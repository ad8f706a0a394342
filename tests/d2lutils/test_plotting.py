"""Tests of figures, in and outside notebooks."""

from __future__ import annotations

import io
import itertools
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from nbclient import NotebookClient
from PIL import Image

from booktools import FRAMEWORKS
from d2lutils import plotting
from frameworks import BackendKit

# -- curves --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "Y", "expected"),
    [
        ([1, 2, 3], None, [([0, 1, 2], [1, 2, 3])]),
        ([1, 2, 3], [4, 5, 6], [([1, 2, 3], [4, 5, 6])]),
        ([1, 2], [[4, 5], [6, 7]], [([1, 2], [4, 5]), ([1, 2], [6, 7])]),
        ([[1, 2], [3]], [[4, 5], [6]], [([1, 2], [4, 5]), ([3], [6])]),
        (np.arange(2), [np.ones(2), np.zeros(2)], [([0, 1], [1, 1]), ([0, 1], [0, 0])]),
        (np.arange(2), np.eye(2), [([0, 1], [1, 0]), ([0, 1], [0, 1])]),
    ],
)  # fmt: skip
def test_plot_takes_one_curve_or_several(X, Y, expected):
    plotting.plot(X, Y)
    drawn = [(list(a.get_xdata()), list(a.get_ydata())) for a in plt.gca().lines]
    assert drawn == expected
    with pytest.raises(ValueError, match=r"equally many curves .*, got 2 and 3"):
        plotting.plot([[1], [2]], [[1], [2], [3]])


def test_plot_labels_scales_and_sizes():
    plotting.plot(
        *([1, 10], [[1, 100], [2, 50]]),
        xlabel="x",
        ylabel="f(x)",
        legend=["a", "b"],
        xlim=(1, 10),
        ylim=(1, 1000),
        xscale="log",
        yscale="log",
        figsize=(5, 2),
        fmts=("r-", "m--"),
    )
    axes = plt.gca()
    looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
    assert looks == [("r", "-"), ("m", "--")]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "f(x)")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlim(), axes.get_ylim()) == ((1, 10), (1, 1000))
    assert [t.get_text() for t in axes.texts] == ["a", "b"]
    assert list(plt.gcf().get_size_inches()) == [5, 2]


def test_a_single_name_needs_no_list():
    plotting.plot([0, 1], [2, 3], legend="loss")
    assert [text.get_text() for text in plt.gca().texts] == ["loss"]


def test_a_name_is_next_to_the_end_of_its_curve_in_its_color():
    low, high = [0, np.nan], [5, 10]
    plotting.plot([0, 1], [[3, 4], low, high], legend=["middle", "low", "high"])
    axes = plt.gca()
    axes.figure.draw_without_rendering()
    assert axes.get_legend() is None
    bottom, top = axes.get_ylim()
    ends = {"middle": 4, "low": 0, "high": 10}  # the last value that isn't nan
    expected = {k: (y - bottom) / (top - bottom) for k, y in ends.items()}
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert heights == pytest.approx(expected)  # 0 is the bottom, 1 the top
    for text, line in zip(axes.texts, axes.lines, strict=True):
        assert text.get_window_extent().x0 >= axes.bbox.x1
        assert text.get_window_extent().x1 <= axes.figure.bbox.x1
        line, text = (to_rgb(each.get_color()) for each in (line, text))
        np.testing.assert_allclose(text, 0.8 * np.array(line))


@pytest.mark.parametrize("noise", [0, 1e-3, -1e-3])
def test_names_of_curves_with_close_ends_do_not_overlap(noise):
    """The order doesn't depend on small differences between machines."""
    ends = [0.5, 0.5 + noise, 0.5 - noise, 1]
    plotting.plot([0, 1], [[0, y] for y in ends], legend=["a", "b", "c", "top"])
    plt.gcf().draw_without_rendering()
    boxes = [text.get_window_extent() for text in plt.gca().texts]
    first, second, third, top = boxes
    for above, below in ((top, first), (first, second), (second, third)):
        assert above.y0 >= below.y1 - 0.5
    assert (first.y0 + third.y1) / 2 == pytest.approx(second.y0 / 2 + second.y1 / 2)


def test_curves_can_be_added_after_their_names():
    _, axes = plt.subplots()
    settings = ("x", "y", None, None, "linear", "linear", ["a", "b"])
    for names in ([], ["a"], ["a", "b"]):
        axes.plot([0, 1], [0, 1]) if names else None
        plotting.set_axes(axes, *settings)
        assert [text.get_text() for text in axes.texts] == names


@pytest.mark.parametrize("names", ["abcde", ["a name that is far too long", "b"]])
def test_many_or_long_names_go_into_a_legend(names):
    plotting.plot([0, 1], [[0, i] for i in range(len(names))], legend=[*names])
    axes = plt.gca()
    axes.figure.draw_without_rendering()
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [*names]
    assert axes.get_legend().get_window_extent().y0 >= axes.bbox.y1
    assert not axes.texts
    panel = plt.subplot(1, 2, 1)  # there is no room for names next to it
    plt.subplot(1, 2, 2)
    plotting.plot([0, 1], [[0, 1], [1, 0]], legend=["a", "b"], axes=panel)
    assert len(panel.get_legend().get_texts()) == 2
    assert not panel.texts


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e-3, 20], ["0.001", "0.01", "0.1", "1", "10"]),
        ([1e-9, 1e-5], [r"$\mathdefault{10^{-9}}$", r"$\mathdefault{10^{-7}}$"]),
    ],
)
def test_logarithmic_ticks_are_plain_numbers_if_short(values, expected):
    plotting.plot([0, 1], [values], yscale="log", ylim=values)
    axes = plt.gca()
    axes.figure.draw_without_rendering()
    low, high = axes.get_ylim()
    ticks = axes.yaxis.get_major_ticks()
    shown = [t.label1.get_text() for t in ticks if low <= t.get_loc() <= high]
    assert {*expected} <= {*shown}


def test_text_is_legible_on_a_phone():
    """If a figure is 328 pixels wide, its text is at least 10 pixels high."""
    animator = plotting.Animator("epoch", legend=["a", "b"], figsize=(4.5, 3))
    animator.add(1, (1, 2))
    plotting.show_images(np.zeros((10, 2, 2)), 2, 5, titles=["ankle boot"] * 10)
    plotting.show_images(np.zeros((6, 2, 2)), 2, 3, titles=["ankle boot"] * 6)
    plotting.show_confusion(np.eye(10), ["ankle boot"] * 10)
    for number in plt.get_fignums():
        picture = plt.figure(number)
        texts = [each for each in picture.findobj(Text) if each.get_text()]
        assert texts
        smallest = min(text.get_fontsize() for text in texts) / 72 * 96
        assert smallest * 328 / (picture.get_figwidth() * 96) >= 10
        picture.draw_without_rendering()
        for ax in picture.axes[: 10 * (len(picture.axes) > 1)]:  # cells of a grid
            width = ax.title.get_window_extent().width
            assert width <= picture.bbox.width / {10: 5, 6: 3}[len(picture.axes)]


def test_curves_differ_in_color_and_style():
    """A figure may show all frameworks and NumPy."""
    n = len(FRAMEWORKS) + 1
    plotting.plot([0, 1], [[i, i + 1] for i in range(n)])
    lines = plt.gca().lines
    assert len({line.get_color() for line in lines}) == n
    # Matplotlib gives all custom dashes the same name, so compare the patterns.
    assert len({str(line._dash_pattern) for line in lines}) == n


def test_colors_have_enough_contrast_on_white():
    """WCAG 2.2 (1.4.11) requires a contrast of at least 3:1 for graphics."""
    for color in plotting.COLORS:
        rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        luminance = linear @ [0.2126, 0.7152, 0.0722]
        assert 1.05 / (luminance + 0.05) >= 3, color


def test_plot_draws_on_the_readers_axes():
    for i in (1, 2):
        panel = plt.subplot(1, 2, i)
        plotting.plot([1, 2], [[3, 4], [5, 6]])
        assert len(panel.lines) == 2
    assert len(plt.get_fignums()) == 1
    plotting.plot([1, 2])  # axes that have curves aren't used again
    assert len(panel.lines) == 2
    assert len(plt.get_fignums()) == 2
    plotting.plot([1, 2], axes=panel)  # unless we ask for it
    assert len(panel.lines) == 1
    assert len(plt.get_fignums()) == 2


# -- images --------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rows", "cols"), [(1, 1, 1), (3, 1, 3), (5, 2, 3)])
def test_show_images_fills_the_grid_row_by_row(n, rows, cols):
    images = np.random.default_rng(0).random((n, 4, 4))
    titles = [str(i) for i in range(max(1, n - 1))]  # may be fewer than images
    axes = plotting.show_images(images, rows, cols, titles=titles)
    assert axes.shape == (rows * cols,)
    for i, ax in enumerate(axes):
        assert len(ax.images) == (i < n)
        assert ax.get_title() == (str(i) if i < len(titles) else "")
        assert not ax.axison
    np.testing.assert_array_equal(axes[n - 1].images[0].get_array(), images[-1])
    assert list(plt.gcf().get_size_inches()) == [cols * 1.5, rows * 1.5]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        *(((28, 20), (28, 20)), ((28, 20, 1), (28, 20)), ((1, 28, 20), (28, 20))),
        *(((28, 20, 3), (28, 20, 3)), ((3, 28, 20), (28, 20, 3))),
    ],
)
def test_images_may_have_any_shape_and_exceed_the_grid(
    backend: BackendKit, shape, expected
):
    images = np.random.default_rng(0).random((4, *shape), np.float32)
    for imgs in (backend.tensor(images), [backend.tensor(image) for image in images]):
        axes = plotting.show_images(imgs, 1, 2, titles=["a", "b", "c", "d"])
        shown = [ax.images[0].get_array() for ax in axes]
        assert [image.shape for image in shown] == [expected] * 2
        values = np.moveaxis(images[1], 0, 2) if shape[0] == 3 else images[1]
        np.testing.assert_array_equal(shown[1], values.reshape(expected))


def test_pillow_images_are_shown():
    images = Image.new("L", (5, 4), 7), Image.new("RGB", (5, 4), "red")
    axes = plotting.show_images(images, 1, 2)
    shown = [ax.images[0].get_array()[0, 0].tolist() for ax in axes]
    assert shown == [7, [255, 0, 0]]


@pytest.mark.parametrize(
    ("shape", "titles", "message"),
    [
        ((1, 4, 4), ["a", "b"], "titles holds 2 titles for 1 images"),
        ((2, 2, 4, 5), None, r"imgs\[0\] must be a gray image .* \(2, 4, 5\)"),
        ((2, 16), None, r"imgs\[0\] must be a gray image .* \(16,\)"),
    ],
)
def test_show_images_reports_wrong_arguments(shape, titles, message):
    with pytest.raises(ValueError, match=message):
        plotting.show_images(np.zeros(shape), 1, 2, titles=titles)
    assert plt.get_fignums() == []


# -- the animated figure -------------------------------------------------------


def test_outside_a_notebook_the_animator_is_a_plain_figure():
    animator = plotting.Animator(xlabel="epoch", legend=["a", "b"])
    for epoch in (1, 2, 3):
        animator.add(epoch, (epoch / 2, None if epoch == 2 else epoch))
    assert plt.get_fignums() == [animator.fig.number]
    drawn = [(list(a.get_xdata()), list(a.get_ydata())) for a in animator.axes[0].lines]
    assert drawn == [([1, 2, 3], [0.5, 1.0, 1.5]), ([1, 3], [1, 3])]
    assert animator.axes[0].get_xlabel() == "epoch"


def test_losses_can_be_plotted_as_tensors(backend: BackendKit):
    """Losses in a training loop still have gradients attached."""

    def loss(value, shape=()):
        values = np.full(shape, value, np.float32)
        if backend.name == "jax":  # JAX attaches no gradients
            return backend.tensor(values)
        return backend.parameters(values)[0]

    animator = plotting.Animator()
    animator.add(1, loss(0.5))
    animator.add(loss(2), loss(0.25, (1,)))
    animator.add(3, [loss(0.125)])
    assert (animator.X, animator.Y) == ([[1, 2, 3]], [[0.5, 0.25, 0.125]])
    plotting.plot([1, 2], [[loss(3), loss(4)], [loss(5), loss(6, (1,))[0]]])
    assert [list(line.get_ydata()) for line in plt.gca().lines] == [[3, 4], [5, 6]]


def run_notebook(*cells: str) -> list[nbformat.NotebookNode]:
    """Execute cells in a kernel, and return the outputs of each."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells]
    )
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


def test_in_a_notebook_each_figure_is_one_reproducible_output(tmp_path):
    """Curves are SVG and images are PNG, and running a cell again gives the same."""
    setup = (
        "%matplotlib inline\n"
        "import io, warnings; warnings.simplefilter('error')\n"
        "from d2lutils import plotting\n"
        "from matplotlib import pyplot as plt\n"
        "import numpy as np\n"
        "def train():\n"
        "    animator = plotting.Animator(xlabel='epoch', legend=['a', 'b'])\n"
        "    for i in range(3):\n"
        "        animator.add(i, (i, i * i))\n"
        "    return animator"
    )
    figures = [
        "_ = train()",
        "_ = plotting.show_images(np.eye(4)[None], 1, 1)",
        "plotting.plot([0, 1], [[0, 1], [1, 0]], legend=['a', 'b'])",
    ]
    # A training figure is the current figure until its cell ends.
    titled = (
        "last = train()\n"
        f"plt.title('my title'); plt.savefig({str(tmp_path / 'saved.svg')!r})"
    )
    others = [titled, "print(plt.get_fignums())", "for _ in range(25): train()"]
    # Figures are cropped like Matplotlib's tight bounding box.
    wide = (
        "animator = plotting.Animator(xlabel='x', ylabel='y')\n"
        "_ = animator.fig.text(1.2, 0.5, 'beside the figure')\n"
        "animator.add(1, 1)"
    )
    tight = (
        "file = io.StringIO()\n"
        "animator.fig.savefig(file, format='svg', bbox_inches={!r})\n"
        "print(file.getvalue())"
    )
    boxes = [wide, tight.format("tight"), tight.format(None)]
    _, *found = run_notebook(setup, *figures, *figures, *others, *boxes)
    mimes = ["image/svg+xml", "image/png", "image/svg+xml"]
    for outputs, again, mime in zip(found[:3], found[3:6], mimes, strict=True):
        (output,) = outputs
        assert output.output_type == "display_data"
        assert set(output.data) == {mime, "text/plain"}
        assert output.data["text/plain"].startswith("<Figure size")
        assert again == outputs
    assert "dc:date" not in found[0][0].data["image/svg+xml"]
    shown, left, many, box, tight, whole = found[6:]
    (output,) = shown
    for drawn in (output.data["image/svg+xml"], (tmp_path / "saved.svg").read_text()):
        assert "<!-- my title -->" in drawn
        # In the last state, the curve has three points.
        curves = re.findall('<path d="([^"]*)" clip-path', drawn)
        assert max(len(re.findall("[ML]", curve)) for curve in curves) == 3
    assert left[0].text == "[]\n"
    assert [each.output_type for each in many] == ["display_data"] * 25
    size = size_of(box[0].data["image/svg+xml"])
    assert size == pytest.approx(size_of(tight[0].text), abs=2)
    assert size_of(whole[0].text)[0] < size[0] - 50


def size_of(svg: str) -> tuple[float, ...]:
    return tuple(map(float, re.findall(r'(?:width|height)="([\d.]+)pt"', svg)[:2]))


@pytest.mark.parametrize(
    "values", [[8, 64, 512], [9, 128], [0.02, 0.1, 0.5], [1, 1600]]
)
def test_labels_of_logarithmic_ticks_do_not_overlap(values):
    plotting.plot(values, values, xscale="log", legend=["held-out accuracy"])
    axes = plt.gca()
    axes.figure.draw_without_rendering()
    low, high = axes.get_xlim()
    ticks = [*axes.xaxis.get_major_ticks(), *axes.xaxis.get_minor_ticks()]
    labels = [t.label1 for t in ticks if low <= t.get_loc() <= high]
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    boxes.sort(key=lambda box: box.x0)
    assert len(boxes) > 1
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("settings", [{}, {"xlim": (1, 6), "yscale": "log"}])
def test_curves_drawn_step_by_step_look_the_same(settings):
    def animator():
        return plotting.Animator("epoch", legend=["a", "b"], **settings)

    points = [(x, (1 / x, 3.0 * x * x)) for x in range(1, 7)]
    growing, at_once = animator(), animator()
    for x, y in points:
        growing.add(x, y)
        at_once.add(x, y, redraw=x == 6)
    assert svg(growing.fig) == svg(at_once.fig)
    # A new curve redraws the axes, without the curve that the reader drew.
    growing.axes[0].plot([1, 2], [1, 2])
    growing.add(7, (1, 2, 3))
    assert len(growing.axes[0].get_lines()) == 3


def svg(figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def test_signed_images_share_one_scale_around_zero():
    images = [np.full((2, 2), -3.0), np.eye(2)]
    axes = plotting.show_images(images, 1, 2, signed=True)
    shown = [ax.get_images()[0] for ax in axes]
    assert [image.get_clim() for image in shown] == [(-3, 3), (-3, 3)]
    below, zero, above = (shown[0].cmap(x)[:3] for x in (0.0, 0.5, 1.0))
    assert below[2] > below[0]  # blue
    assert above[0] > above[2]  # red
    assert min(zero) > 0.95
    *_, key = plt.gcf().axes
    assert key.get_ylim() == (-3, 3)
    assert 0 in key.get_yticks()
    # Unsigned images have a scale each.
    images = [3.0 * np.eye(2), np.eye(2)]
    shown = [ax.get_images()[0] for ax in plotting.show_images(images, 1, 2)]
    assert [image.get_clim() for image in shown] == [(0, 3), (0, 1)]


def test_a_confusion_matrix_shows_every_count_in_its_cell():
    counts = np.array([[7, 1, 0], [2, 5, 3], [0, 4, 9]])
    plotting.show_confusion(counts, ["a", "b", "c"])
    axes = plt.gca()
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    cells = [(i, j) for i in range(3) for j in range(3)]
    assert shown == {(j, i): str(counts[i, j] or "") for i, j in cells}
    # The most frequent mistake is darkest, and correct predictions have no color.
    colors = axes.images[0].get_array()
    assert [cell for cell in cells if colors.mask[cell]] == [(0, 0), (1, 1), (2, 2)]
    assert axes.images[0].get_clim() == (-4, 4)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert [each.get_text() for each in axes.get_yticklabels()] == ["a", "b", "c"]
    for shape in [(2, 3), (3, 3), (4,)]:
        with pytest.raises(ValueError, match=r"each of the 2 names, got shape \("):
            plotting.show_confusion(np.zeros(shape, int), ["a", "b"])
