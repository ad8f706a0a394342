"""Tests of the interactive figures: their controls, results and error messages.

Here each figure has a page of its own. test_pages.py checks them in the book.
"""

from __future__ import annotations

import ast
import re
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from booktools import FRAMEWORKS
from booktools.sphinx.interactive import place_of, write_files
from d2lutils import fashion_mnist
from frameworks import open_backend
from small_book import ROOT, real_book

PAGE = """<!doctype html><html lang="en" data-framework="pytorch">
<meta charset="utf-8"><title>x</title>{files}
<body><figure id="still">still</figure>{place}<div style="height: 3000px"></div></html>
"""
STYLE = '<link rel="stylesheet" href="interactive/{}">'
SCRIPT = '<script defer src="interactive/{}"></script>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Write a page for each figure, with a still picture above and a gap below."""
    folder = tmp_path_factory.mktemp("figures")
    book = real_book()
    write_files(book, folder)
    for name, figure in book.figures.items():
        files = [*map(STYLE.format, figure.styles), *map(SCRIPT.format, figure.scripts)]
        page = PAGE.format(files="".join(files), place=place_of(name, figure.markup))
        (folder / f"{name}.html").write_text(page)
    return folder


@pytest.fixture
def page(used_page):
    """Reset the shared page. Opening another would take long."""
    page = used_page
    page.set_viewport_size({"width": 900, "height": 900})
    page.emulate_media(media="null", reduced_motion="null")
    page.mouse.move(0, 0)
    page.errors.clear()
    yield page
    assert page.errors == []


@pytest.fixture
def show(page, folder):
    """Show a figure by its name, in a state as in an address."""
    return partial(opened, page, folder)


def opened(page, folder: Path, name: str, state: str = ""):
    page.goto("about:blank")
    page.goto(f"{(folder / name).as_uri()}.html{state and f'#{name}?{state}'}")
    return page.locator(f"#{name}")


def status(figure):
    return figure.get_by_role("status").first


def says(figure, text: str | re.Pattern) -> None:
    expect(status(figure)).to_contain_text(text)


def press(figure, name: str, then: str = "") -> None:
    """Press a button, and assert what the figure says then."""
    figure.get_by_role("button", name=name, exact=True).click()
    says(figure, then)


def survives_a_reload(figure, address: str) -> None:
    """Wait for an address, and assert that the figure says the same there."""
    figure.page.wait_for_url(re.compile(address))
    said = status(figure).inner_text()
    figure.page.reload()
    expect(status(figure)).to_have_text(said)


def drag(page, x: float, y: float, right: float, down: float, steps: int = 4) -> None:
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=steps)
    page.mouse.up()


def middle(element) -> tuple[float, float]:
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def pass_frames(page) -> None:
    """Wait until what plays would have drawn something else."""
    page.evaluate(
        """() => new Promise(done => requestAnimationFrame(() =>
          requestAnimationFrame(() => requestAnimationFrame(done))))"""
    )


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern, text)[1].replace("−", "-").replace(",", ""))


def boxes(elements) -> list[dict]:
    return elements.evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().toJSON())"
    )


def functions_of(notebook: str, *wanted: str, **names) -> dict:
    """Return functions that a notebook defines, which see these names."""
    read = nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4)
    for cell in read.cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                exec(ast.unparse(node), names)
    return names


def copied(figure, framework: str) -> str:
    """Return the code that a figure copies for a framework.

    We replace the clipboard, because pages on disk can't use it.
    """
    figure.page.evaluate(
        """framework => {
          document.documentElement.dataset.framework = framework;
          navigator.clipboard.writeText = async text => { window.copied = text; };
        }""",
        framework,
    )
    figure.locator("[data-do=code]").dispatch_event("click")
    return figure.page.wait_for_function("window.copied").json_value()


# -- all -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "state", "text"),
    [
        ("plane", "d=moons&h=5&a=sigmoid&lr=1&s=2&seed=17&n=300", "Start 17, step 300"),
        ("descent", "f=parabola&lr=1.1&n=3", "Step 3: w = 6.46, "),
        # What makes no sense is ignored, such as weights of another shape.
        ("plane", "n=5&p=%", "Start 3, step 0: loss 1.356, 3 of 4 right"),
        (
            "plane",
            "d=constructor&h=99&a=x&lr=3&seed=-1&n=-1",
            "loss 1.356, 3 of 4 right",
        ),
        ("plane", "e=hand&h=2&w=1_2_1_-3__0_-1__0_1__0.5_0", "Start 3"),
        ("folds", "f=x&t=1_2&w=99&b=z", "4 hidden units: largest distance 0.2105"),
        ("descent", "f=constructor&lr=99&w1=x&n=5", re.compile("^Step 5: .* by 0.85")),
    ],
)
def test_an_address_restores_a_state(show, name, state, text):
    says(show(name, state), text)


def test_figures_respect_reduced_motion(page, show):
    page.emulate_media(reduced_motion="reduce")
    descent = show("descent")
    press(descent, "Play")
    expect(descent.locator("[data-panel=path] .step")).to_have_count(30)
    plane = show("plane")
    press(plane, "Train", "step 1,000")
    stills = plane.locator(".plane-thumbs button")
    expect(stills).to_have_text(["0", "250", "500", "750", "1,000"])
    stills.nth(1).click()
    says(plane, "step 250")


# -- plane ---------------------------------------------------------------------


def unit(plane, j):
    return plane.locator(f"[data-unit='{j}']")


def test_every_control_of_plane_works(page, show):
    plane = show("plane")
    says(plane, "Start 3, step 0: loss ")
    lines = plane.locator(".lines")
    before = lines.inner_html()
    for button, text in (
        ("Step", "Start 3, step 1: loss "),
        ("Reset", "Start 3, step 0"),
        ("New start", "Start 4, step 0"),
    ):
        press(plane, button, text)
        assert (lines.inner_html() == before) == (button == "Reset")
    plane.get_by_text("More settings").click()
    for label, key, text in (("learning rate", "End", "5"), ("scale", "Home", "0.01")):
        slider = plane.get_by_label(label).and_(plane.get_by_role("slider"))
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuetext", text)
    says(plane, "loss 0.693")
    for width in (0, 1, 2, 16):
        plane.get_by_label("hidden units").fill(str(width))
        expect(plane.locator("[data-unit]")).to_have_count(width)
        expect(plane.locator(".lines path")).to_have_count(width)
        drawn = "what the hidden layer sees" if width == 2 else "the scores"
        expect(plane.locator("[data-says=hidden]")).to_contain_text(drawn)
    for points, count in (("circles", 60), ("moons", 60), ("spiral", 80), ("xor", 4)):
        plane.locator("[data-name=d]").select_option(points)
        says(plane, f"of {count} right")
    said = status(plane).inner_text()
    plane.locator("[data-name=a]").select_option("tanh")
    expect(status(plane)).not_to_have_text(said)
    # Only paper shows the still picture.
    expect(page.locator("#still")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.locator("#still")).to_be_visible()
    expect(plane).to_be_hidden()


def test_edges_show_the_weights(show):
    """Larger weights have wider edges. Two units also get numbers."""
    plane = show("plane", "w=1_2_1.5_-3__0_-1__0.25_1_0_-2__0.5_0")
    says(plane, "Your weights, step 0")
    numbers = plane.locator(".plane-network .number").all_text_contents()
    # By unit: the weights of its inputs, and the difference of its output weights.
    assert numbers == ["1.00", "1.50", "0.75", "2.00", "−3.00", "−2.00"]
    looks, widths = plane.locator(".plane-network svg path").evaluate_all(
        """all => [all.map(edge => edge.className.baseVal),
          all.map(edge => Number(edge.getAttribute('stroke-width')))]"""
    )
    assert [look == "negative" for look in looks] == [n[0] == "−" for n in numbers]
    assert widths.index(max(widths)) == 4


def test_a_unit_can_be_examined_pinned_and_moved(show):
    plane = show("plane")
    unit(plane, 0).hover()
    expect(unit(plane, 1)).to_have_class(re.compile("faded"))
    expect(plane.locator(".plane-network .number")).to_have_count(3)
    expect(plane.locator("[data-says=to]")).to_contain_text("unit 1")
    plane.locator("figcaption").hover()
    expect(unit(plane, 1)).not_to_have_class(re.compile("faded"))
    unit(plane, 1).press("Enter")
    expect(unit(plane, 1)).to_have_attribute("aria-pressed", "true")
    said = plane.locator("[data-says=unit]").inner_text()
    numbers = plane.locator(".plane-network .number").all_text_contents()
    assert said.startswith(f"Unit 2: weights {numbers[0]} and {numbers[1]}, bias 0.00")
    bias = plane.locator("[data-name=b]")
    bias.press("ArrowRight")
    expect(bias).to_have_attribute("aria-valuetext", "0.10")
    says(plane, "Your weights, step 0")
    press(plane, "Step", "Your weights, step 1")
    survives_a_reload(plane, "n=1&.*w=")
    expect(unit(plane, 1)).to_have_attribute("aria-pressed", "true")
    expect(plane.locator(".plane-unit")).to_be_visible()
    unit(plane, 1).click()
    expect(plane.locator(".plane-unit")).to_be_hidden()


def test_examples_are_the_points_of_the_section(page, show):
    plane = show("plane")
    for example, steps, text in (
        ("stuck", 1000, "3 of 4 right, 1 unit dead."),
        ("hand", 0, "loss 0.474, 4 of 4 right."),
        ("dead", 400, "loss 0.693, 2 of 4 right, 2 units dead."),
        ("triangle", 74, "60 of 60 right"),
        ("spiral", 585, "80 of 80 right"),
        ("rate", 100, "8 units dead"),
    ):
        page.evaluate("location.hash = ''")
        plane.locator("[data-name=e]").select_option(example)
        page.wait_for_url(re.compile("lr="))
        state = page.url.split("?")[1]
        plane = show("plane", state.replace("n=0", f"n={steps}"))
        says(plane, text)


def test_drawings_of_plane_are_legible(page, show):
    plane = show("plane", "n=1000")
    points = "svg :is(.zero, .one)"
    drawings = plane.locator(f".plane-hidden {points}").evaluate_all(
        "all => all.map(each => each.getAttribute('d')).join('')"
    )
    places = re.findall("M(.*?)m", drawings)
    assert len(places) == len(set(places)) == 4  # those that coincide are fanned out
    # All points of a class are one shape. No outline in it cuts through a point.
    orders = plane.locator(points).evaluate_all(
        "all => all.map(each => getComputedStyle(each).paintOrder)"
    )
    assert orders == ["stroke"] * 4
    # On a phone, numbers stand in a column, off the nodes and off one another.
    page.set_viewport_size({"width": 360, "height": 800})
    plane = show("plane")
    expect(plane.locator(".plane-network .number")).to_have_count(6)
    numbers = boxes(plane.locator(".plane-network .number"))
    numbers = numbers[:2] + numbers[3:5]  # those of the inputs
    middles = [(each["left"] + each["right"]) / 2 for each in numbers]
    assert max(middles) - min(middles) < 1
    tops = sorted(each["top"] for each in numbers)
    assert min(np.diff(tops)) > 14
    # Each axis has two values, which say how long it is.
    labels = plane.locator(".plane-hidden .interactive-axes text").all_text_contents()
    assert sum(label.isdecimal() for label in labels) >= 4, labels


def test_training_draws_only_what_changes(show):
    """The points, the axes, the nodes and the tiles are the same elements after it."""
    plane = show("plane", "h=4&a=tanh&n=10")
    stay = plane.locator(
        ".plane-output :is(.zero, .one), [data-panel=loss] .interactive-axes text,"
        " .plane-network .node, .plane-tile"
    )
    change = plane.locator(".lines, .plane-hidden .zero, [data-panel=loss] polyline")
    for elements in (stay, change):
        elements.evaluate_all("all => all.forEach(each => { each.stays = true; })")
    press(plane, "Step", "step 11")
    count = "all => all.filter(each => each.stays).length"
    assert stay.evaluate_all(count) == stay.count() > 12
    assert change.evaluate_all(count) == 0
    assert change.count() == 3


def test_plane_trains_until_it_is_paused(page, show):
    plane = show("plane", "h=8&u=1")
    said = status(plane)
    about = plane.locator("[data-says=unit]")
    about_at_first = about.inner_text()
    weight = plane.locator("[data-name=w1]")
    weight_at_first = weight.get_attribute("aria-valuetext")
    press(plane, "Train")
    # The status updates all the time, so screen readers don't announce it.
    expect(said).to_have_text(re.compile(r"step \d\d+: .*4 of 4 right"))
    expect(said).to_have_attribute("aria-live", "off")
    expect(about).not_to_have_text(about_at_first)
    expect(weight).not_to_have_attribute("aria-valuetext", weight_at_first)
    press(plane, "Pause")
    expect(said).to_have_attribute("aria-live", "polite")
    curve = plane.locator("[data-panel=loss] polyline")
    points = curve.get_attribute("points")
    pass_frames(page)
    assert curve.get_attribute("points") == points
    # The curve ends at the step in the status.
    step = int(number(r"step ([\d,]+)", said.inner_text()))
    every = -(-step // 300)
    assert len(points.split()) == -(-step // every)
    # It pauses by itself if it's out of view.
    press(plane, "Train")
    expect(plane.locator("[data-do=play]")).to_have_text("Pause")
    page.evaluate("window.scrollTo(0, 3000)")
    expect(plane.locator("[data-do=play]")).to_have_text("Train")


@pytest.mark.parametrize(
    ("settings", "solved", "text"),
    [
        ("d=circles&h=2", 0, "none succeeds\nwith two units"),
        ("d=circles&h=3", 4, "4 do with three"),
        ("d=circles&h=4", 8, "8 with four"),
        ("d=circles&h=8", 10, "all with eight"),
        ("h=8&lr=5", 0, "a rate of 5 ruins all ten"),
        ("h=8&s=0.01", 10, "The small scale ruins none"),
        ("h=8&a=none", 0, "Only points that a single straight line can"),
    ],
)
def test_ten_starts_end_as_the_text_says(show, settings, solved, text):
    assert text in (ROOT / "chapters/mlp.md").read_text("utf-8")
    plane = show("plane", settings)
    press(plane, "Try ten starts")
    expect(status(plane)).to_contain_text(
        f"Starts 1 to 10, 1,000 steps each. {solved} of 10", timeout=60_000
    )
    # A start opens in its final state.
    starts = plane.locator(".plane-thumbs button")
    expect(starts).to_have_count(10)
    assert starts.all_inner_texts().count("✓") == solved
    counts = starts.nth(4).get_attribute("aria-label").split(": ")[1]
    starts.nth(4).click()
    says(plane, re.compile(f"Start 5, step 1,000: .*{counts}"))


def test_points_can_be_set_by_mouse_and_keyboard(page, show):
    plane = show("plane")
    panel = plane.locator("[data-panel=output]")
    panel.click()
    says(plane, "of 5 right")
    expect(plane.locator("[data-name=d]")).to_have_value("own")
    panel.click()  # removes it
    says(plane, "of 4 right")
    x, y = middle(panel)
    quarter = panel.bounding_box()["width"] / 4
    drag(page, x - quarter, y - quarter, quarter, quarter)
    page.wait_for_url(re.compile("0.5%2C0.5%2C1"))
    panel.press("ArrowRight")
    expect(status(plane)).to_have_text("The cross is at 0.55, 0.50.")
    panel.press("0")
    says(plane, "of 5 right")
    survives_a_reload(plane, "0.55%2C0.5%2C0")
    panel.press("Delete")
    says(plane, "of 4 right")
    plane.get_by_text("More settings").click()
    press(plane, "Remove all points")
    expect(status(plane)).to_have_text("There are no points yet.")
    expect(plane.get_by_role("button", name="Train")).to_be_disabled()


@pytest.mark.parametrize(
    ("framework", "state"),
    [
        *product(FRAMEWORKS, ("h=3&a=tanh&n=10", "h=4&a=sigmoid&n=10&s=0.5")),
        # These change the code in the same way in all frameworks.
        ("pytorch", "h=0&d=moons&n=10&lr=0.1"),
        ("pytorch", "n=9&w=1_1_1_1.2345678__0_-1__0_1_0_-2__0.5_0"),
    ],
)
def test_the_code_of_plane_reaches_the_same_loss(show, framework, state, capsys):
    open_backend(FRAMEWORKS[framework].module)  # skips if it isn't installed
    plane = show("plane", state)
    shown = number(r"loss ([\d.]+)", status(plane).inner_text())
    exec(copied(plane, framework), {})
    printed = number(r"loss ([\d.]+)", capsys.readouterr().out)
    assert printed == pytest.approx(shown, abs=0.0011)


# -- folds ---------------------------------------------------------------------


def test_folds_match_the_section(page, show):
    relu = SimpleNamespace(relu=lambda z: np.maximum(z, 0))
    names = {"jnp": np, "jax": SimpleNamespace(nn=relu)}
    approximate = functions_of("jax/mlp", "approximate", **names)["approximate"]
    outputs = (ROOT / "notebooks/jax/mlp.ipynb").read_text("utf-8")
    printed = re.search(r"4 hidden units: largest error ([\d.]+)", outputs)
    says(show("folds"), f"largest distance {printed[1]}")
    x = np.linspace(0, 2 * np.pi, 50)
    for units in (1, 4, 8):
        sums = page.evaluate(
            "([units, x]) => { const folds = bookFolds.place('sine', units);"
            " return x.map((at) => bookFolds.sum(folds, at)); }",
            [units, x.tolist()],
        )
        expected = approximate(np.sin, units, 0, 2 * np.pi)(x)
        np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-8)


def test_every_control_of_folds_works(page, show):
    page.set_viewport_size({"width": 360, "height": 800})
    folds = show("folds")
    says(folds, "4 hidden units: largest distance")
    # The buttons stay in one row, however many terms there are.
    buttons = folds.locator(".interactive-bar > button")
    before = boxes(buttons)
    assert len({box["top"] for box in before}) == 1
    vertices = folds.locator("[data-vertex]")
    for count in (1, 12, 4):
        folds.get_by_label("even knots").fill(str(count - 1))
        expect(vertices).to_have_count(count + 1)
        expect(folds.locator(".folds-terms svg")).to_have_count(count)
        assert boxes(buttons) == before
    press(folds, "Remove")
    expect(vertices).to_have_count(4)
    folds.locator("[data-name=f]").select_option("bump")
    press(folds, "Even knots")
    survives_a_reload(folds, "f=bump")
    # Values in the address aren't rounded, and knots may have any order.
    folds = show("folds", "f=sine&t=2.5_1&w=-1_0.123456789&b=0")
    end = 0.123456789 * (2 * np.pi - 1) - (2 * np.pi - 2.5)
    places = ["x 1.00, height 0.00", "x 2.50, height 0.19", f"x 6.28, height {end:.2f}"]
    for vertex, place in zip(vertices.all(), places, strict=True):
        expect(vertex).to_have_attribute("aria-valuetext", place.replace("-", "−"))


def test_adding_knots_at_the_worst_place_improves_the_fit(show):
    """On the sine it takes four more, because its four arcs are equally far off."""
    folds = show("folds")
    says(folds, "Can you beat even knots (0.2105)?")
    add = folds.get_by_role("button", name="Add at the worst place")
    # Each click ends the animation of the one before it.
    add.evaluate("add => { for (let i = 0; i < 3; i++) add.click(); }")
    says(folds, "7 hidden units: largest distance 0.2105")
    add.click()
    says(folds, "distance 0.0556. Better than even knots (0.0704).")


def test_vertices_can_be_moved_by_mouse_and_keyboard(page, show):
    """The others stay in place."""
    folds = show("folds")
    vertices = folds.locator("[data-vertex]")
    vertex = vertices.nth(1)

    def places() -> np.ndarray:
        said = vertices.evaluate_all("all => all.map(each => each.ariaValueText)")
        return np.array([re.findall(r"[\d.]+\d", each) for each in said], float)

    before = places()
    drag(page, *middle(vertex.locator("circle").last), -20, -20)
    dragged = places()
    assert dragged[1, 0] < before[1, 0] - 0.04
    assert dragged[1, 1] > before[1, 1] + 0.09
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
        vertex.press(key)
    expect(vertex).to_be_focused()
    assert places()[1] - dragged[1] == pytest.approx([-0.05, 0.1], abs=0.011)
    assert np.delete(places(), 1, axis=0).tolist() == np.delete(before, 1, 0).tolist()
    vertex.press("Delete")
    expect(vertices).to_have_count(4)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_code_of_folds_draws_the_sum(show, framework):
    open_backend(FRAMEWORKS[framework].module)
    folds = show("folds", "f=sine&t=0_2&w=1_-1.5&b=0.5")
    names: dict = {}
    exec(copied(folds, framework), names)
    says(folds, "The code is on the clipboard.")
    y = names["net"](names["x"])
    y = y.asnumpy() if framework == "mxnet" else np.asarray(y)
    x = np.linspace(0, 2 * np.pi, 400)
    expected = 0.5 + np.maximum(x, 0) - 1.5 * np.maximum(x - 2, 0)
    np.testing.assert_allclose(np.ravel(y), expected, atol=1e-5)


# -- descent -------------------------------------------------------------------

OPTIMIZERS = ("descent", "momentum", "rmsprop", "adam")


def test_paths_of_descent_match_the_sections(page, show):
    show("descent")
    first = functions_of("pytorch/gradient-descent", "descend", "walk", numpy=np)
    second = functions_of("pytorch/optimizers", "walk", *OPTIMIZERS, numpy=np)
    for rate in (0.02, 0.15, 0.205, 0.5, 1.1):
        paths = [
            (["parabola", [1], rate, 12], first["descend"](rate, 12)),
            (["valley", [4, 1], rate, 12], first["walk"](rate, 12)),
        ]
        for by in OPTIMIZERS:
            options = {"beta": 0.5} if by == "momentum" else {}
            path = second["walk"](second[by](rate, **options), 20)
            paths.append((["valley", [4, 1], rate, 20, by], path))
        for asked, expected in paths:
            path = page.evaluate("asked => bookDescent.walk(...asked)", asked)
            path = np.array(path, float).reshape(np.shape(expected))
            np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-12)


def test_every_control_of_descent_works(page, show):
    descent = show("descent")
    said = status(descent)
    says(descent, "Step 0: w₁ = 4.00, w₂ = 1.00, f = 13.00.")
    says(descent, "multiplies w₁ by 0.85 and w₂ by −0.50, so it zigzags.")
    expect(descent.locator(".arrow")).to_have_count(1)
    steps = descent.get_by_label("steps")
    expect(descent.get_by_text("−η∇f")).to_have_count(1)
    steps.fill("5")  # Its arrow is too short for a text, which would hide the minimum.
    says(descent, "Step 5")
    expect(descent.get_by_text("−η∇f")).to_have_count(0)
    survives_a_reload(descent, "n=5")
    descent.get_by_label("function").select_option("parabola")
    for preset, verdict in (
        ("0.1", "multiplies w − 3 by 0.80, so it arrives without overshooting"),
        ("0.5", "by 0.00, so it arrives without overshooting"),
        ("0.9", "it jumps back and forth"),
        ("1.1", "it diverges"),
    ):
        button = descent.get_by_role("button", name=f"learning rate {preset}")
        button.click()
        says(descent, verdict)
        expect(button).to_have_attribute("aria-pressed", "true")
    rate = descent.locator("[data-name=lr]")
    rate.press("ArrowLeft")  # by keyboard
    expect(rate).to_have_attribute("aria-valuetext", "1.08")
    steps.fill("29")
    press(descent, "Step")
    expect(descent.get_by_role("button", name="Step")).to_be_disabled()
    press(descent, "Reset", "Step 0: w = 1.00, f = 4.00.")
    press(descent, "Play")
    expect(said).to_have_text(re.compile(r"^Step ([3-9]|\d\d):"))
    # The slider goes along.
    expect(steps).to_have_attribute("aria-valuetext", re.compile(r"[3-9]|\d\d"))
    press(descent, "Pause")
    expect(said).to_have_attribute("aria-live", "polite")
    count = int(number(r"Step (\d+)", said.inner_text()))
    expect(descent.locator("[data-panel=path] .step")).to_have_count(count)
    # The start is a point too, and the last point has a ring.
    expect(descent.locator("[data-panel=values] .step")).to_have_count(count + 2)


def test_descent_compares_an_optimizer_with_gradient_descent(show):
    descent = show("descent", "n=10")
    plain = number(r"f = ([\d.]+\d)", status(descent).inner_text())
    descent.get_by_label("optimizer").select_option("momentum")
    says(descent, "gradient descent with a learning rate of 0.15 has reached f =")
    first, second = re.findall(r"f = ([\d.]+\d)", status(descent).inner_text())
    assert float(first) < float(second) == plain
    expect(descent.locator(".descent-bands")).to_be_hidden()
    button = descent.get_by_role("button", name="learning rate 0.305")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    survives_a_reload(descent, "by=momentum&lr=0.305")
    expect(descent.get_by_label("optimizer")).to_have_value("momentum")


def test_the_slider_shows_which_rates_diverge(page, show):
    """At the end of a band, the factor of the steepest direction is 0 or -1."""
    descent = show("descent")
    for name, ends in (("valley", (0.1, 0.2)), ("parabola", (0.5, 1))):
        descent.get_by_label("function").select_option(name)
        (low, high, _), factors = page.evaluate(
            """([name, ends]) => [bookDescent.rates(name, 'descent').range,
              ends.map(rate => bookDescent.factors(name, rate).at(-1))]""",
            [name, ends],
        )
        assert factors == pytest.approx([0, -1])
        bands = boxes(descent.locator(".descent-bands span"))
        share = np.cumsum([band["width"] for band in bands])
        share /= share[-1]
        assert low + share[:2] * (high - low) == pytest.approx(ends, abs=0.01)


def test_the_start_of_descent_can_be_moved(page, show):
    descent = show("descent", "n=12")
    drag(page, *middle(descent.locator(".start")), -100, -30)
    says(descent, "Step 12")
    descent.get_by_text("The start").click()
    starts = [descent.locator(f"[data-name=w{i}]") for i in (1, 2)]
    w1, w2 = (float(s.get_attribute("aria-valuetext")) for s in starts)
    assert -1 < w1 < 3.9
    assert 1 < w2 <= 3
    descent.locator("[data-panel=path]").press("ArrowRight")
    expect(starts[0]).to_have_attribute("aria-valuetext", f"{w1 + 0.1:g}")


@pytest.mark.parametrize(
    ("function", "by"), [*zip(("parabola", "valley") * 2, OPTIMIZERS, strict=True)]
)
def test_the_code_of_descent_computes_the_same(show, function, by, capsys):
    descent = show("descent", f"f={function}&by={by}&n=12")
    said = status(descent).inner_text()
    names: dict = {}
    exec(copied(descent, "pytorch"), names)
    end = [number(r"([\d.−]+)", each) for each in re.findall(r"w.? = \S+\d", said)]
    assert np.ravel(names["w"]) == pytest.approx(end, abs=0.006)
    assert len(capsys.readouterr().out.splitlines()) == 12


# -- clothes -------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    with np.load(ROOT / "interactive/clothes/mlp-scratch.npz") as saved:
        return {name: bits.astype(np.float32) for name, bits in saved.items()}


def hidden_of(images: np.ndarray, weights) -> np.ndarray:
    X = images.reshape(len(images), -1) / np.float32(255)
    return np.maximum(X @ weights["W1"] + weights["b1"], 0)


def scores_of(H: np.ndarray, weights) -> np.ndarray:
    return H @ weights["W2"] + weights["b2"]


def probabilities(H: np.ndarray, weights) -> np.ndarray:
    P = np.exp(scores_of(H, weights))
    return P / P.sum(axis=1, keepdims=True)


def test_sixteen_bits_change_few_answers(weights):
    data = fashion_mnist.load()
    answers = scores_of(hidden_of(data.test_images, weights), weights).argmax(axis=1)
    # The network in 32 bits predicted these, and has this accuracy in the notebook.
    assert (answers != weights["predicted"]).sum() <= 5
    right = (weights["predicted"] == data.test_labels).mean()
    text = (ROOT / "notebooks/pytorch/mlp-scratch.ipynb").read_text("utf-8")
    assert f"test accuracy {right:.3f}" in text


def test_switching_off_units_has_the_effect_the_text_says(weights):
    H = hidden_of(fashion_mnist.load().test_images[:200], weights)
    P = probabilities(H, weights)
    answers, sure = P.argmax(axis=1), P.max(axis=1) > 0.9
    without = H.copy()
    added = H * weights["W2"][:, answers].T  # to the score of the answer
    np.put_along_axis(without, np.argsort(-abs(added), axis=1)[:, :8], 0, axis=1)
    changed = scores_of(without, weights).argmax(axis=1) != answers
    # images x units x classes: the scores without one unit
    without_one = scores_of(H, weights)[:, None] - H[:, :, None] * weights["W2"]
    decided = (without_one.argmax(axis=2) != answers[:, None]).any(axis=1)
    assert 1 / 4 < changed.mean() < 1 / 3
    assert changed[sure].mean() < 1 / 10
    assert 20 < decided.sum() < 30


def show_clothes(show, state: str = "i=1"):
    """Show the figure once it has loaded its weights."""
    clothes = show("clothes", state)
    expect(clothes.locator("[data-unit]").first).to_be_visible()
    return clothes


def shown_probabilities(clothes) -> list[float]:
    lines = clothes.locator(".clothes-bars button").all_inner_texts()
    return [float(re.search(r"\d\.\d{3}", line)[0]) for line in lines]


def test_clothes_show_the_networks_answer(page, show, weights):
    data = fashion_mnist.load()
    H = hidden_of(data.test_images[:200], weights)
    P = probabilities(H, weights)
    clothes = show_clothes(show)
    expect(page.locator("#still")).to_be_hidden()
    images = clothes.locator("[data-thumb]")
    for i in (2, 24, 200, 1):
        images.nth(i - 1).check(force=True)
        assert shown_probabilities(clothes) == pytest.approx(P[i - 1], abs=0.0006)
    most = abs(H[0] * weights["W2"][:, P[0].argmax()]).argmax()
    button = clothes.locator("[data-unit]").first
    expect(button).to_have_attribute("data-unit", str(most))
    button.press("Enter")  # by keyboard
    without = H[:1].copy()
    without[0, most] = 0
    expected = probabilities(without, weights)[0]
    assert shown_probabilities(clothes) == pytest.approx(expected, abs=0.0006)
    says(clothes, f"without unit {most}")
    # The bars of the whole network stay as outlines.
    widths = clothes.locator(".old").evaluate_all(
        "all => all.map(each => parseFloat(each.style.width))"
    )
    assert widths == pytest.approx(100 * P[0], abs=0.06)
    survives_a_reload(clothes, f"off={most}|off%3D{most}")
    button = clothes.locator(f"[data-unit='{most}']")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    assert shown_probabilities(clothes) == pytest.approx(P[0], abs=0.0006)
    clothes.get_by_label("mistakes only").check()
    wrong = np.flatnonzero(P.argmax(axis=1) != data.test_labels[:200])
    left = clothes.locator(".clothes-thumbs label:visible [data-thumb]")
    values = left.evaluate_all("all => all.map(radio => Number(radio.value) - 1)")
    assert values == wrong.tolist()


def test_contributions_and_the_bias_sum_to_the_score(show, weights):
    """They belong to the chosen class, or else to the network's answer."""
    clothes = show_clothes(show, "i=13")
    tiles = clothes.locator(".clothes-units button")
    for image, c in ((13, None), (1, 9), (24, 0)):
        clothes.locator("[data-thumb]").nth(image - 1).check(force=True)
        H = hidden_of(fashion_mnist.load().test_images[image - 1 : image], weights)
        scores = scores_of(H, weights)[0]
        if c is not None:
            clothes.locator(".clothes-bars button").nth(c).click()
        else:
            c = int(scores.argmax())
        added = H[0] * weights["W2"][:, c]
        units = tiles.evaluate_all("all => all.map(tile => +tile.dataset.unit)")
        most = np.argsort(-abs(added))[:8]
        assert added[units] == pytest.approx(added[most], abs=2e-3)
        shown = [float(t.strip().replace("−", "-")) for t in tiles.all_inner_texts()]
        assert shown == pytest.approx(added[units], abs=0.006)
        said = clothes.locator("[data-says=score]").inner_text().replace("−", "-")
        eight, others, bias, score = map(float, re.findall(r"[+-]?\d+\.\d+", said))
        expected = [added[units].sum(), weights["b2"][c], scores[c]]
        assert [eight, bias, score] == pytest.approx(expected, abs=0.006)
        assert eight + others + bias == pytest.approx(score, abs=0.02)


def test_a_unit_of_the_grid_can_be_inspected_on_a_phone(page, show):
    page.set_viewport_size({"width": 360, "height": 800})
    clothes = show_clothes(show, "i=100")
    chosen = clothes.locator(".clothes-thumbs label:has(:checked)").bounding_box()
    assert 0 <= chosen["x"] <= 360 - chosen["width"]
    tiles = clothes.locator(".clothes-units button")
    expect(tiles).to_have_count(8)
    shown = tiles.evaluate_all("all => all.map(tile => +tile.dataset.unit)")
    unit = next(u for u in range(256) if u not in shown)
    grid = clothes.locator(".clothes-all canvas")
    side = grid.bounding_box()["width"] / 16
    spot = {"x": (unit % 16 + 0.5) * side, "y": (unit // 16 + 0.5) * side}
    grid.click(position=spot)
    expect(tiles).to_have_count(9)
    expect(tiles.last).to_have_attribute("data-unit", str(unit))
    picture = "canvas => canvas.toDataURL()"
    first = tiles.last.locator("canvas").evaluate(picture)
    clothes.get_by_label("show").select_option("x")
    assert first != tiles.last.locator("canvas").evaluate(picture)


def test_pictures_can_be_drawn_by_mouse_and_keyboard(page, show, weights):
    clothes = show_clothes(show)
    press(clothes, "Blank")
    blank = probabilities(hidden_of(np.zeros((1, 28, 28)), weights), weights)[0]
    assert shown_probabilities(clothes) == pytest.approx(blank, abs=0.0006)
    canvas = clothes.locator(".clothes-picture")
    canvas.focus()
    for key in ("ArrowUp", "Space", "ArrowLeft", "Space", "ArrowDown", "Delete"):
        canvas.press(key)
    says(clothes, "Your picture: the network answers")
    by_keys = shown_probabilities(clothes)
    assert by_keys != pytest.approx(blank, abs=0.0006)
    box = canvas.bounding_box()
    drag(page, box["x"] + 40, box["y"] + 40, 110, 80)
    assert shown_probabilities(clothes) != pytest.approx(by_keys, abs=0.0006)
    press(clothes, "Undo")
    assert shown_probabilities(clothes) == pytest.approx(by_keys, abs=0.0006)
    # A fast stroke has no gaps, and the eraser removes it.
    column = """() => { const canvas = document.querySelector(".clothes-picture");
      document.activeElement.blur(); // and so the cursor is not drawn
      const column = Math.floor((80 / canvas.clientWidth) * 28);
      const data = canvas.getContext("2d").getImageData(column, 0, 1, 28).data;
      return [...data].filter((_, i) => i % 4 === 0); }"""
    for light in (255, 0):
        drag(page, box["x"] + 80, box["y"] + 5, 0, box["height"] - 10, steps=1)
        assert page.evaluate(column) == [light] * 28
        press(clothes, "Eraser")
    page.wait_for_url(re.compile("[0-9a-f]{784}"))
    said = status(clothes).inner_text().split(",")[0]
    page.reload()
    says(clothes, said)


def test_clothes_train_in_the_page(page, show):
    clothes = show_clothes(show, "i=1&lr=0.2&b=16&e=2&off=999.x&x=zz")
    before = shown_probabilities(clothes)
    clothes.get_by_text("Train it here").click()
    report = clothes.locator("[data-says=training]")
    train = clothes.locator("[data-do=train]")
    curve = clothes.locator("[data-panel=loss] polyline")
    page.evaluate(
        """() => {
          const post = Worker.prototype.postMessage;
          Worker.prototype.postMessage = function (message) {
            window.asked = (window.asked ?? 0) + 1;
            post.call(this, message);
          };
        }"""
    )
    train.click()
    expect(curve).to_have_attribute("points", re.compile(","), timeout=60_000)
    train.click()
    expect(train).to_have_text("Continue")
    # What was asked for is still answered, and then no more is asked for.
    answered = """document.querySelector("[data-panel=loss] polyline")
      .points.length === window.asked"""
    page.wait_for_function(answered)
    pass_frames(page)
    assert page.evaluate(answered)
    train.click()
    expect(report).to_contain_text("images per second", timeout=240_000)
    said = report.inner_text()
    assert said.startswith("2 epochs: ")
    assert number(r"train loss ([\d.]+)", said) < 1.2
    assert number(r"test accuracy ([\d.]+)", said) > 0.6
    expect(clothes.locator("[data-panel=accuracy] .last")).to_have_count(2)
    # There are ten points per epoch. Each is the mean since the previous point, so the
    # curve doesn't jump where an epoch begins.
    heights = curve.evaluate("line => Array.from(line.points, point => point.y)")
    assert len(heights) == 20
    assert heights[10] > heights[0] + 10  # lower down: less loss
    assert shown_probabilities(clothes) != before
    press(clothes, "Use the section's weights")
    assert shown_probabilities(clothes) == before


@pytest.fixture
def first_visit(first_visit):
    yield first_visit
    assert first_visit.errors == []


@pytest.mark.parametrize(
    ("missing", "trains", "text"),
    [
        ("weights.js", False, "The file clothes/weights.js could not be loaded."),
        ("training.js", True, "The file clothes/training.js could not be loaded."),
        ("DecompressionStream", False, "This browser can't unpack the weights"),
        ("Worker", True, "This browser can't train the network."),
    ],
)
def test_what_cannot_work_is_reported(first_visit, folder, missing, trains, text):
    first_visit.route(f"**/clothes/{missing}", lambda route: route.abort())
    first_visit.add_init_script(f"delete window['{missing}']")
    clothes = opened(first_visit, folder, "clothes")
    press(clothes, "Open the network (0.6 MB)")
    if trains:
        clothes.get_by_text("Train it here").click()
        press(clothes, "Train")
        expect(clothes.locator("[data-says=training]")).to_have_text(text)
    else:
        says(clothes, text)
        expect(clothes.locator(".clothes-poster")).to_be_visible()


def test_nothing_is_sent_and_data_loads_only_when_needed(first_visit, folder):
    asked = first_visit.asked
    clothes = opened(first_visit, folder, "clothes")
    first_visit.wait_for_load_state("networkidle")
    assert not re.findall("weights|training", " ".join(asked))
    clothes.locator("[data-do=open]").click()
    expect(clothes.locator("[data-unit]").first).to_be_visible()
    assert re.findall("weights|training", " ".join(asked)) == ["weights"]
    own = (folder.as_uri(), "data:", "blob:", "about:")
    assert all(url.startswith(own) for url in asked)
