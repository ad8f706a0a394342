"""Tests of the interactive figures: their controls, results and error messages.

Here each figure has a page of its own. test_pages.py checks them in the book.
"""

from __future__ import annotations

import ast
import base64
import functools
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from booktools.source.book import Book
from booktools.sphinx.interactive import place_of, write_files
from browser import served
from d2lutils import fashion_mnist
from frameworks import MODULES, open_backend
from small_book import ROOT

TAGS = {"torch": "pytorch"}  # tags that differ from the module's name


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Write a page for each figure, with a still picture above and a gap below."""
    folder = tmp_path_factory.mktemp("figures")
    book = Book(ROOT)
    write_files(book, folder)
    for name in ("plane", "folds", "descent", "clothes"):
        figure = book.figures[name]
        files = [
            *(f'<link rel="stylesheet" href="interactive/{s}">' for s in figure.styles),
            *(f'<script defer src="interactive/{s}"></script>' for s in figure.scripts),
        ]
        (folder / f"{name}.html").write_text(
            '<!doctype html><html lang="en" data-framework="pytorch">'
            '<meta charset="utf-8"><title>x</title>'
            f"{''.join(files)}<body>"
            f'<figure id="still">still</figure>{place_of(name, figure.markup)}'
            '<div style="height: 3000px"></div></body></html>'
        )
    return folder


@pytest.fixture(scope="module")
def site(folder):
    """Serve these pages, because pages on disk can't use the clipboard."""
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def used_page(used_page):
    used_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return used_page


@pytest.fixture
def page(used_page):
    """Reset the shared page. Opening another would take long."""
    page = used_page
    page.set_viewport_size({"width": 900, "height": 900})
    page.emulate_media(media="null", reduced_motion="null")
    page.mouse.move(0, 0)
    page.unroute_all()
    page.errors.clear()
    yield page
    assert page.errors == []


@pytest.fixture
def first_visit(first_visit):
    yield first_visit
    assert first_visit.errors == []


def figure(page, folder, name, address=""):
    page.goto("about:blank")
    page.goto(f"{(folder / f'{name}.html').as_uri()}{address}")
    return page.locator(f"#{name}")


def status(figure):
    return figure.get_by_role("status").first


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern, text)[1].replace("−", "-").replace(",", ""))


def boxes(elements) -> list[dict]:
    return elements.evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().toJSON())"
    )


# -- plane ---------------------------------------------------------------------


def unit(plane, j):
    return plane.locator(f"[data-unit='{j}']")


def test_every_control_of_plane_works(page, folder):
    plane = figure(page, folder, "plane")
    expect(page.locator("#still")).to_be_hidden()
    expect(status(plane)).to_contain_text("Start 3, step 0: loss ")
    before = plane.locator(".lines").inner_html()
    plane.get_by_role("button", name="Step", exact=True).click()
    expect(status(plane)).to_contain_text("Start 3, step 1: loss ")
    assert plane.locator(".lines").inner_html() != before
    plane.get_by_role("button", name="Reset").click()
    expect(status(plane)).to_contain_text("step 0")
    assert plane.locator(".lines").inner_html() == before
    plane.get_by_role("button", name="New start").click()
    expect(status(plane)).to_contain_text("Start 4, step 0")
    assert plane.locator(".lines").inner_html() != before
    plane.get_by_text("More settings").click()
    plane.get_by_label("initial scale").press("Home")
    expect(plane.get_by_label("initial scale")).to_have_attribute(
        "aria-valuetext", "0.01"
    )
    expect(status(plane)).to_contain_text("loss 0.693")
    units = plane.get_by_label("hidden units")
    for width in (0, 1, 2, 16):
        units.fill(str(width))
        expect(plane.locator("[data-unit]")).to_have_count(width)
        expect(plane.locator(".lines path")).to_have_count(width)
        says = "what the hidden layer sees" if width == 2 else "the scores"
        expect(plane.locator("[data-says=hidden]")).to_contain_text(says)
    for points, count in (("circles", 60), ("moons", 60), ("spiral", 80), ("xor", 4)):
        plane.locator("[data-name=d]").select_option(points)
        expect(status(plane)).to_contain_text(f"of {count} right")
    said = status(plane).inner_text()
    plane.locator("[data-name=a]").select_option("tanh")
    expect(status(plane)).not_to_have_text(said)
    rate = plane.get_by_role("slider", name="learning rate")
    rate.press("End")
    expect(rate).to_have_attribute("aria-valuetext", "5")


def test_edges_show_the_weights(page, folder):
    """Larger weights have wider edges. Two units also get numbers."""
    plane = figure(
        page, folder, "plane", "#plane?e=hand&h=2&w=1_2_1_-3__0_-1__0_1__0.5_0"
    )
    expect(status(plane)).to_contain_text("Start 3")  # the weights do not fit
    plane = figure(
        page, folder, "plane", "#plane?w=1_2_1.5_-3__0_-1__0.25_1_0_-2__0.5_0"
    )
    expect(status(plane)).to_contain_text("Your weights, step 0")
    numbers = plane.locator(".plane-network .number").all_text_contents()
    # By unit: the weights of its inputs, and the difference of its output weights.
    assert numbers == ["1.00", "1.50", "0.75", "2.00", "−3.00", "−2.00"]
    edges = plane.locator(".plane-network svg path")
    looks = edges.evaluate_all("all => all.map((edge) => edge.className.baseVal)")
    assert [look == "negative" for look in looks] == [n[0] == "−" for n in numbers]
    widths = edges.evaluate_all(
        "all => all.map((edge) => +edge.getAttribute('stroke-width'))"
    )
    assert widths.index(max(widths)) == 4


def test_a_unit_can_be_examined_pinned_and_moved(page, folder):
    plane = figure(page, folder, "plane")
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
    expect(status(plane)).to_contain_text("Your weights, step 0")
    plane.get_by_role("button", name="Step", exact=True).click()
    page.wait_for_url(re.compile("n=1&.*w="))
    said = status(plane).inner_text()
    assert said.startswith("Your weights, step 1")
    page.reload()
    assert status(plane).inner_text() == said
    expect(unit(plane, 1)).to_have_attribute("aria-pressed", "true")
    expect(plane.locator(".plane-unit")).to_be_visible()
    unit(plane, 1).click()
    expect(plane.locator(".plane-unit")).to_be_hidden()


@pytest.mark.parametrize(
    ("example", "steps", "says"),
    [
        ("stuck", 1000, "3 of 4 right, 1 unit dead."),
        ("hand", 0, "loss 0.474, 4 of 4 right."),
        ("dead", 400, "loss 0.693, 2 of 4 right, 2 units dead."),
        ("triangle", 74, "60 of 60 right"),
        ("spiral", 585, "80 of 80 right"),
        ("rate", 100, "8 units dead"),
    ],
)
def test_examples_are_the_points_of_the_section(page, folder, example, steps, says):
    plane = figure(page, folder, "plane")
    plane.locator("[data-name=e]").select_option(example)
    page.wait_for_url(re.compile("lr="))
    address = page.evaluate("location.hash").replace("n=0", f"n={steps}")
    expect(status(figure(page, folder, "plane", address))).to_contain_text(says)


def test_coinciding_points_are_fanned_out(page, folder):
    plane = figure(page, folder, "plane", "#plane?n=1000")
    drawings = plane.locator(".plane-hidden :is(.zero, .one)").evaluate_all(
        "all => all.map(each => each.getAttribute('d'))"
    )
    places = [each.split("m")[0] for path in drawings for each in path.split("M")[1:]]
    assert len(places) == len(set(places)) == 4


def test_no_outline_cuts_through_a_point(page, folder):
    """All points of a class are one shape, and those of the spiral overlap."""
    plane = figure(page, folder, "plane", "#plane?d=spiral&h=16")
    points = plane.locator("svg :is(.zero, .one)")
    orders = points.evaluate_all("all => all.map(p => getComputedStyle(p).paintOrder)")
    assert orders == ["stroke"] * 4


def test_numbers_stand_in_a_column_on_a_phone(page, folder):
    """Off the nodes, and off one another."""
    page.set_viewport_size({"width": 360, "height": 800})
    plane = figure(page, folder, "plane")
    expect(plane.locator(".plane-network .number")).to_have_count(6)
    numbers = boxes(plane.locator(".plane-network .number"))
    numbers = numbers[:2] + numbers[3:5]  # those of the inputs
    middles = [(each["left"] + each["right"]) / 2 for each in numbers]
    assert max(middles) - min(middles) < 1
    tops = sorted(each["top"] for each in numbers)
    assert min(np.diff(tops)) > 14


def test_each_axis_has_a_length(page, folder):
    """That is, two values, which one tick would not say."""
    plane = figure(page, folder, "plane")
    labels = plane.locator(".plane-hidden .interactive-axes text").all_text_contents()
    assert sum(label.isdecimal() for label in labels) >= 4, labels


def test_what_is_said_of_a_unit_follows_the_training(page, folder):
    plane = figure(page, folder, "plane", "#plane?h=4&u=1")
    weight = plane.locator("[data-name=w1]")
    at_first = weight.get_attribute("aria-valuetext")
    said = plane.locator("[data-says=unit]").inner_text()
    plane.get_by_role("button", name="Train").click()
    expect(weight).not_to_have_attribute("aria-valuetext", at_first)
    expect(plane.locator("[data-says=unit]")).not_to_have_text(said)
    assert plane.locator("[data-do=play]").inner_text() == "Pause"


def test_training_draws_only_what_changes(page, folder):
    """The points, the axes, the nodes and the tiles are the same elements after it."""
    plane = figure(page, folder, "plane", "#plane?h=4&a=tanh&n=10")
    stay = plane.locator(
        ".plane-output :is(.zero, .one), [data-panel=loss] .interactive-axes text,"
        " .plane-network .node, .plane-tile"
    )
    change = plane.locator(".lines, .plane-hidden .zero, [data-panel=loss] polyline")
    mark = "all => all.forEach(each => { each.stays = true; })"
    count = "all => all.filter(each => each.stays).length"
    stay.evaluate_all(mark)
    change.evaluate_all(mark)
    plane.get_by_role("button", name="Step", exact=True).click()
    expect(status(plane)).to_contain_text("step 11")
    assert stay.evaluate_all(count) == stay.count() > 12
    assert change.evaluate_all(count) == 0
    assert change.count() == 3


def test_print_shows_the_still_picture(page, folder):
    plane = figure(page, folder, "plane")
    expect(page.locator("#still")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.locator("#still")).to_be_visible()
    expect(plane).to_be_hidden()


def test_plane_trains_until_it_is_paused(page, folder):
    plane = figure(page, folder, "plane", "#plane?h=8")
    plane.get_by_role("button", name="Train").click()
    # The status updates all the time, so screen readers don't announce it.
    expect(status(plane)).to_have_text(re.compile(r"step \d\d+: .*4 of 4 right"))
    expect(status(plane)).to_have_attribute("aria-live", "off")
    plane.get_by_role("button", name="Pause").click()
    expect(status(plane)).to_have_attribute("aria-live", "polite")
    page.wait_for_timeout(300)
    said = status(plane).inner_text()
    page.wait_for_timeout(300)
    assert status(plane).inner_text() == said
    # The curve ends at the step in the status.
    step = int(number(r"step ([\d,]+)", said))
    last = plane.locator("[data-panel=loss] polyline").get_attribute("points")
    width = plane.locator("[data-panel=loss]").bounding_box()["width"]
    every = -(-step // 300)
    end = 40 + (width - 54) * ((step - 1) // every * every) / max(100, step)
    assert float(last.split()[-1].split(",")[0]) == pytest.approx(end, abs=1)


def test_plane_pauses_when_out_of_view(page, folder):
    plane = figure(page, folder, "plane")
    plane.get_by_role("button", name="Train").click()
    expect(plane.get_by_role("button", name="Pause")).to_be_visible()
    page.evaluate("window.scrollTo(0, 3000)")
    expect(plane.locator("[data-do=play]")).to_have_text("Train")


def test_plane_respects_reduced_motion(page, folder):
    page.emulate_media(reduced_motion="reduce")
    plane = figure(page, folder, "plane")
    plane.get_by_role("button", name="Train").click()
    expect(status(plane)).to_contain_text("step 1,000")
    stills = plane.locator(".plane-thumbs button")
    expect(stills).to_have_text(["0", "250", "500", "750", "1,000"])
    stills.nth(1).click()
    expect(status(plane)).to_contain_text("step 250")


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
def test_ten_starts_end_as_the_text_says(page, folder, settings, solved, text):
    assert text in (ROOT / "chapters/mlp.md").read_text("utf-8")
    plane = figure(page, folder, "plane", f"#plane?{settings}")
    plane.get_by_role("button", name="Try ten starts").click()
    expect(status(plane)).to_contain_text(
        f"Starts 1 to 10, 1,000 steps each. {solved} of 10", timeout=60_000
    )
    # A start opens in its final state.
    starts = plane.locator(".plane-thumbs button")
    expect(starts).to_have_count(10)
    assert starts.all_inner_texts().count("✓") == solved
    starts.nth(4).click()
    expect(status(plane)).to_contain_text("Start 5, step 1,000")
    counts = starts.nth(4).get_attribute("aria-label").split(": ")[1]
    assert counts in status(plane).inner_text()


def test_points_can_be_set_by_mouse_and_keyboard(page, folder):
    plane = figure(page, folder, "plane")
    panel = plane.locator("[data-panel=output]")
    box = panel.bounding_box()
    spot = {"x": box["width"] * 0.5, "y": box["height"] * 0.5}
    panel.click(position=spot)
    expect(status(plane)).to_contain_text("of 5 right")
    expect(plane.locator("[data-name=d]")).to_have_value("own")
    panel.click(position=spot)  # removes it
    expect(status(plane)).to_contain_text("of 4 right")
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(
        box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5, steps=4
    )
    page.mouse.up()
    page.wait_for_url(re.compile("0.5%2C0.5%2C1"))
    panel.focus()
    panel.press("ArrowRight")
    expect(status(plane)).to_have_text("The cross is at 0.55, 0.50.")
    panel.press("0")
    expect(status(plane)).to_contain_text("of 5 right")
    page.wait_for_url(re.compile("0.55%2C0.5%2C0"))
    said = status(plane).inner_text()
    page.reload()
    assert status(plane).inner_text() == said
    panel.press("Delete")
    expect(status(plane)).to_contain_text("of 4 right")
    plane.get_by_text("More settings").click()
    plane.get_by_role("button", name="Remove all").click()
    expect(status(plane)).to_have_text("There are no points yet.")
    expect(plane.get_by_role("button", name="Train")).to_be_disabled()


def test_the_address_of_plane_restores_its_state(page, folder):
    address = "#plane?d=moons&h=5&a=sigmoid&lr=1&s=2&seed=17&n=300"
    said = status(figure(page, folder, "plane", address)).inner_text()
    assert said.startswith("Start 17, step 300")
    assert status(figure(page, folder, "plane", address)).inner_text() == said
    for nonsense in ("n=5&p=%", "d=constructor&h=99&a=x&lr=3&seed=-1&n=-1"):
        plane = figure(page, folder, "plane", f"#plane?{nonsense}")
        assert "Start 3, step 0" in status(plane).inner_text()
        assert plane.locator("[data-name=d]").input_value() == "xor"
        units = plane.get_by_label("hidden units")
        assert units.get_attribute("aria-valuetext") == "2"


@pytest.fixture(scope="module")
def copied(used_page, site):
    """Return the status of a figure, and the code it copies for each framework."""

    @functools.cache
    def copied(name: str, address: str) -> tuple[str, dict[str, str]]:
        page = used_page
        page.goto("about:blank")
        page.goto(f"{site}/{name}.html{address}")
        place = page.locator(f"#{name}")
        said = status(place).inner_text()
        for details in place.locator("summary").all():
            details.click()
        codes = {}
        for module in MODULES:
            tag = TAGS.get(module, module)
            page.evaluate(
                "tag => document.documentElement.dataset.framework = tag", tag
            )
            page.evaluate("navigator.clipboard.writeText('')")
            place.get_by_role("button", name="Copy the code").click()
            page.wait_for_function("navigator.clipboard.readText()")
            codes[module] = page.evaluate("navigator.clipboard.readText()")
        expect(status(place)).to_contain_text("clipboard")
        return said, codes

    return copied


@pytest.mark.parametrize(
    ("settings", "module"),
    [
        *(("h=3&a=tanh&n=10", module) for module in MODULES),
        *(("h=4&a=relu&n=10&s=0.5", module) for module in MODULES),
        # These change the code in the same way in all frameworks.
        ("h=0&d=moons&n=10&lr=0.1", "torch"),
        ("n=9&w=1_1_1_1.2345678__0_-1__0_1_0_-2__0.5_0", "torch"),
    ],
)
def test_the_code_of_plane_reaches_the_same_loss(
    page, copied, module, settings, capsys
):
    open_backend(module)  # skips if it isn't installed
    said, codes = copied("plane", f"#plane?{settings}")
    exec(codes[module], {})
    printed = number(r"loss ([\d.]+)", capsys.readouterr().out)
    assert printed == pytest.approx(number(r"loss ([\d.]+)", said), abs=0.0011)


# -- folds ---------------------------------------------------------------------


def test_folds_match_the_section(page, folder):
    notebook = nbformat.read(ROOT / "notebooks/jax/mlp.ipynb", as_version=4)
    (cell,) = (c for c in notebook.cells if "def approximate" in c.source)
    source = cell.source.replace("jnp.", "np.").replace("jax.nn.relu", "relu")
    names = {"np": np, "relu": lambda z: np.maximum(z, 0)}
    exec(source, names)
    outputs = nbformat.writes(notebook)
    printed = re.search(r"4 hidden units: largest error ([\d.]+)", outputs)
    folds = figure(page, folder, "folds")
    assert f"largest distance {printed[1]}" in status(folds).inner_text()
    x = np.linspace(0, 2 * np.pi, 50)
    for units in (1, 4, 8):
        sums = page.evaluate(
            "([units, x]) => { const folds = bookFolds.place('sine', units);"
            " return x.map((at) => bookFolds.sum(folds, at)); }",
            [units, x.tolist()],
        )
        expected = names["approximate"](np.sin, units, 0, 2 * np.pi)(x)
        np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-8)


def distance(folds) -> float:
    return number(r"largest distance (\d+\.\d+)", status(folds).inner_text())


def test_every_control_of_folds_works(page, folder):
    folds = figure(page, folder, "folds")
    assert status(folds).inner_text().startswith("4 hidden units: largest distance")
    units = folds.get_by_label("even knots")
    for count in (1, 12, 4):
        units.fill(str(count - 1))
        expect(folds.locator("[data-vertex]")).to_have_count(count + 1)
        expect(folds.locator(".folds-terms svg")).to_have_count(count)
    folds.get_by_role("button", name="Remove").click()
    expect(folds.locator("[data-vertex]")).to_have_count(4)
    folds.locator("[data-name=f]").select_option("bump")
    folds.get_by_role("button", name="Even").click()
    page.wait_for_url(re.compile("f=bump"))
    said = status(folds).inner_text()
    page.reload()
    assert status(folds).inner_text() == said
    # Values in the address aren't rounded, and knots may have any order.
    folds = figure(page, folder, "folds", "#folds?f=sine&t=2.5_1&w=-1_0.123456789&b=0")
    said = folds.locator("[data-vertex]").last.get_attribute("aria-valuetext")
    end = 0.123456789 * (2 * np.pi - 1) - (2 * np.pi - 2.5)
    assert said == f"x 6.28, height {end:.2f}".replace("-", "−")
    folds = figure(page, folder, "folds", "#folds?f=x&t=1_2&w=99&b=z")
    assert distance(folds) == pytest.approx(0.2105)


def test_the_buttons_of_folds_stand_in_a_row_on_a_phone(page, folder):
    page.set_viewport_size({"width": 360, "height": 800})
    folds = figure(page, folder, "folds")
    buttons = folds.locator(".interactive-bar > button")
    assert len({box["top"] for box in boxes(buttons)}) == 1
    # They stay where they are, however many terms there are.
    before = boxes(buttons)
    folds.get_by_label("even knots").fill("11")
    expect(folds.locator(".folds-terms svg")).to_have_count(12)
    assert boxes(buttons) == before


def test_adding_knots_at_the_worst_place_improves_the_fit(page, folder):
    """On the sine it takes four more, because its four arcs are equally far off."""
    folds = figure(page, folder, "folds")
    expect(status(folds)).to_contain_text("Can you beat even knots (0.2105)?")
    before = distance(folds)
    for units in (5, 6, 7, 8):  # each click ends the previous animation
        assert distance(folds) == before
        folds.get_by_role("button", name="Add at the worst place").click()
        expect(status(folds)).to_contain_text(f"{units} hidden units")
    said = "largest distance 0.0556. Better than even knots (0.0704)."
    expect(status(folds)).to_contain_text(said)


@pytest.mark.parametrize("by", ["mouse", "keys"])
def test_vertices_can_be_moved(page, folder, by):
    """The others stay in place."""
    folds = figure(page, folder, "folds")
    vertices = "bookFolds.vertices(Object.fromEntries(['t', 'w'].map((name) =>"
    vertices += " [name, new URLSearchParams(location.hash.split('?')[1]).get(name)"
    vertices += ".split('_').map(Number)]).concat([['b', 0]])))"
    vertex = folds.locator("[data-vertex='1']")
    if by == "mouse":
        box = vertex.locator("circle").last.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 20, y - 20, steps=3)
        page.mouse.up()
    else:
        for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
            vertex.press(key)
        expect(vertex).to_be_focused()
    page.wait_for_timeout(600)  # then the address is up to date
    after = page.evaluate(vertices)
    assert after[1][0] < np.pi / 2 - 0.04
    assert after[1][1] > 1.09
    for j in (0, 2, 3, 4):
        expected = [j * np.pi / 2, np.sin(j * np.pi / 2)]
        assert after[j] == pytest.approx(expected, abs=1e-9)
    if by == "keys":
        assert after[1] == pytest.approx([np.pi / 2 - 0.05, 1.1], abs=1e-9)
        vertex.press("Delete")
        expect(folds.locator("[data-vertex]")).to_have_count(4)


@pytest.mark.parametrize("module", MODULES)
def test_the_code_of_folds_draws_the_sum(page, copied, module):
    open_backend(module)
    _, codes = copied("folds", "#folds?f=sine&t=0_2&w=1_-1.5&b=0.5")
    names: dict = {}
    exec(codes[module], names)
    y = names["net"](names["x"])
    y = y.asnumpy() if module == "mxnet" else np.asarray(y)
    x = np.linspace(0, 2 * np.pi, 400)
    expected = 0.5 + np.maximum(x, 0) - 1.5 * np.maximum(x - 2, 0)
    np.testing.assert_allclose(np.ravel(y), expected, atol=1e-5)


# -- descent -------------------------------------------------------------------


def section_functions(section: str, *wanted: str) -> dict:
    """Return functions that a section's cells define."""
    notebook = nbformat.read(ROOT / f"notebooks/pytorch/{section}.ipynb", as_version=4)
    names = {"numpy": np}
    for cell in notebook.cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                exec(ast.unparse(node), names)
    return names


def test_descent_matches_the_section(page, folder):
    figure(page, folder, "descent")
    walk = "([name, start, rate]) => bookDescent.walk(name, start, rate, 12)"
    names = section_functions("gradient-descent", "descend", "walk")
    for rate in (0.02, 0.15, 0.205, 0.5, 1.1):
        one = page.evaluate(walk, ["parabola", [1], rate])
        two = page.evaluate(walk, ["valley", [4, 1], rate])
        assert np.ravel(one) == pytest.approx(names["descend"](rate, 12), rel=1e-12)
        expected = np.ravel(names["walk"](rate, 12))
        assert np.ravel(two) == pytest.approx(expected, rel=1e-12)


def test_optimizers_of_descent_match_the_section(page, folder):
    figure(page, folder, "descent")
    walk = "([by, rate]) => bookDescent.walk('valley', [4, 1], rate, 20, by)"
    optimizers = ("descent", "momentum", "rmsprop", "adam")
    names = section_functions("optimizers", "walk", *optimizers)
    for by in optimizers:
        options = {"beta": 0.5} if by == "momentum" else {}
        for rate in (0.05, 0.15, 0.5):
            path = page.evaluate(walk, [by, rate])
            expected = names["walk"](names[by](rate, **options), 20)
            np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-12)


def test_every_control_of_descent_works(page, folder):
    descent = figure(page, folder, "descent")
    said = status(descent)
    expect(said).to_contain_text("Step 0: w₁ = 4.00, w₂ = 1.00, f = 13.00.")
    expect(said).to_contain_text(
        "multiplies w₁ by 0.85 and w₂ by −0.50, so it zigzags."
    )
    expect(descent.locator(".arrow")).to_have_count(1)
    descent.get_by_label("function").select_option("parabola")
    rate = descent.get_by_label("learning rate", exact=False).and_(
        descent.locator("input")
    )
    for preset, verdict in (
        ("0.1", "multiplies w − 3 by 0.80, so it arrives without overshooting"),
        ("0.5", "it arrives without overshooting"),
        ("0.9", "it jumps back and forth"),
        ("1.1", "it diverges"),
    ):
        button = descent.get_by_role("button", name=f"learning rate {preset}")
        button.click()
        expect(said).to_contain_text(verdict)
        expect(button).to_have_attribute("aria-pressed", "true")
    rate.press("ArrowLeft")  # by keyboard
    expect(rate).to_have_attribute("aria-valuetext", "1.08")
    descent.get_by_label("steps").fill("29")
    step = descent.get_by_role("button", name="Step")
    step.click()
    expect(step).to_be_disabled()
    descent.get_by_role("button", name="Reset").click()
    expect(said).to_contain_text("Step 0: w = 1.00, f = 4.00.")
    descent.get_by_role("button", name="Play").click()
    expect(said).to_have_text(re.compile("^Step [3-9]:"))
    # The slider goes along.
    steps = descent.get_by_label("steps")
    expect(steps).to_have_attribute("aria-valuetext", re.compile("[3-9]"))
    descent.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(300)
    count = int(number(r"Step (\d+)", said.inner_text()))
    expect(descent.locator("[data-panel=path] .step")).to_have_count(count)
    # The start is a point too, and the last point has a ring.
    expect(descent.locator("[data-panel=values] .step")).to_have_count(count + 2)


def test_a_short_arrow_has_no_text_over_the_minimum(page, folder):
    descent = figure(page, folder, "descent")
    step = descent.get_by_text("−η∇f")
    expect(step).to_have_count(1)
    descent.get_by_label("steps").fill("5")
    expect(status(descent)).to_contain_text("Step 5")
    expect(step).to_have_count(0)


def test_descent_compares_an_optimizer_with_gradient_descent(page, folder):
    descent = figure(page, folder, "descent", "#descent?n=10")
    plain = number(r"f = ([\d.]+\d)", status(descent).inner_text())
    descent.get_by_label("optimizer").select_option("momentum")
    said = status(descent)
    expect(said).to_contain_text(
        "gradient descent with a learning rate of 0.15 has reached f ="
    )
    first, second = re.findall(r"f = ([\d.]+\d)", said.inner_text())
    assert float(second) == plain
    assert float(first) < plain
    expect(descent.locator(".descent-bands")).to_be_hidden()
    button = descent.get_by_role("button", name="learning rate 0.305")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(descent.get_by_label("optimizer")).to_have_value("momentum")
    expect(said).to_contain_text("has reached f =")


def test_the_slider_shows_which_rates_diverge(page, folder):
    """At the end of a band, the factor of the steepest direction is 0 or -1."""
    descent = figure(page, folder, "descent")
    for name, ends in (("valley", (0.1, 0.2)), ("parabola", (0.5, 1))):
        descent.get_by_label("function").select_option(name)
        rates = page.evaluate(f"bookDescent.rates('{name}', 'descent')")
        low, high, _ = rates["range"]
        bands = descent.locator(".descent-bands span")
        widths = bands.evaluate_all("all => all.map((e) => e.clientWidth)")
        share = np.cumsum(widths) / sum(widths)
        assert low + share[:2] * (high - low) == pytest.approx(ends, abs=0.01)
        factors = page.evaluate(
            "([f, ends]) => ends.map((r) => bookDescent.factors(f, r).at(-1))",
            [name, ends],
        )
        assert factors == pytest.approx([0, -1])


def test_the_start_of_descent_can_be_moved(page, folder):
    descent = figure(page, folder, "descent", "#descent?n=12")
    box = descent.locator(".start").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 100, y - 30, steps=4)
    page.mouse.up()
    expect(status(descent)).to_contain_text("Step 12")
    descent.get_by_text("The start").click()
    starts = [descent.locator(f"[data-name=w{i}]") for i in (1, 2)]
    w1, w2 = (float(s.get_attribute("aria-valuetext")) for s in starts)
    assert -1 < w1 < 3.9
    assert 1 < w2 <= 3
    descent.locator("[data-panel=path]").press("ArrowRight")
    expect(starts[0]).to_have_attribute("aria-valuetext", f"{w1 + 0.1:g}")


def test_the_address_of_descent_restores_its_state(page, folder):
    descent = figure(page, folder, "descent")
    descent.get_by_label("steps").fill("7")
    page.wait_for_url(re.compile("n=7"))
    said = status(descent).inner_text()
    page.reload()
    assert status(descent).inner_text() == said
    parabola = "#descent?f=parabola&lr=1.1&n=3"  # the valley doesn't offer this rate
    said = status(figure(page, folder, "descent", parabola)).inner_text()
    assert said.startswith("Step 3: w = 6.46, ")
    nonsense = "#descent?f=constructor&lr=99&w1=x&n=5"
    said = status(figure(page, folder, "descent", nonsense)).inner_text()
    assert said.startswith("Step 5: ")
    assert "by 0.85" in said


@pytest.mark.parametrize("function", ["parabola", "valley"])
@pytest.mark.parametrize("by", ["descent", "momentum", "rmsprop", "adam"])
def test_the_code_of_descent_computes_the_same(page, copied, function, by, capsys):
    said, codes = copied("descent", f"#descent?f={function}&by={by}&n=12")
    names: dict = {}
    exec(codes["torch"], names)
    end = [number(r"([\d.−]+)", each) for each in re.findall(r"w.? = \S+\d", said)]
    assert np.ravel(names["w"]) == pytest.approx(end, abs=0.006)
    assert len(capsys.readouterr().out.splitlines()) == 12


def test_descent_respects_reduced_motion(page, folder):
    page.emulate_media(reduced_motion="reduce")
    descent = figure(page, folder, "descent")
    descent.get_by_role("button", name="Play").click()
    expect(descent.locator("[data-panel=path] .step")).to_have_count(30)


# -- clothes -------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    with np.load(ROOT / "interactive/clothes/mlp-scratch.npz") as saved:
        return {k: v.astype(np.float32) for k, v in saved.items()}


def hidden_of(images: np.ndarray, weights) -> np.ndarray:
    X = images.reshape(len(images), -1) / np.float32(255)
    return np.maximum(X @ weights["W1"] + weights["b1"], 0)


def probabilities(H: np.ndarray, weights) -> np.ndarray:
    scores = H @ weights["W2"] + weights["b2"]
    P = np.exp(scores - scores.max(axis=1, keepdims=True))
    return P / P.sum(axis=1, keepdims=True)


def test_sixteen_bits_change_few_answers(page, folder, weights):
    clothes = figure(page, folder, "clothes")
    clothes.get_by_role("button", name="Open the network").click()
    expect(status(clothes)).to_contain_text("Test image 13, sneaker: ")
    data = fashion_mnist.load()
    answers = page.evaluate(
        """([images, sizes, params]) => {
          const bytes = Uint8Array.from(atob(images), (c) => c.charCodeAt(0));
          const net = { widths: sizes, activation: "relu",
            params: params.map((p) => new Float32Array(
              Uint8Array.from(atob(p), (c) => c.charCodeAt(0)).buffer)) };
          const found = [];
          for (let i = 0; i < 2000; i += 1000) {
            const some = bytes.subarray(i * 784, (i + 1000) * 784);
            const X = Float32Array.from(some, (v) => v / 255);
            const O = bookNetwork.forward(net, X, 1000).at(-1);
            for (let j = 0; j < 1000; j++) {
              const row = O.subarray(j * 10, j * 10 + 10);
              found.push(row.indexOf(Math.max(...row)));
            }
          }
          return found;
        }""",
        [
            base64.b64encode(data.test_images[::5].tobytes()).decode(),
            [784, 256, 10],
            [
                base64.b64encode(weights[k].tobytes()).decode()
                for k in ("W1", "b1", "W2", "b2")
            ],
        ],
    )
    assert (np.array(answers) != weights["predicted"][::5]).sum() <= 1
    # The notebook has this accuracy, from the network in 32 bits.
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
    changed = probabilities(without, weights).argmax(axis=1) != answers
    decided = np.zeros(200, bool)
    for unit in range(256):
        one = H.copy()
        one[:, unit] = 0
        decided |= probabilities(one, weights).argmax(axis=1) != answers
    text = (ROOT / "chapters/mlp-scratch.md").read_text("utf-8")
    text = " ".join(text.split())
    assert f"Without them, {changed.sum()} of the 200 answers change" in text
    assert f"and of the {sure.sum()} answers with a probability" in text
    assert f"above 0.9 only {changed[sure].sum()}." in text
    assert f"for {decided.sum()} of the images a single unit decides" in text


def opened(page, folder, address="#clothes?i=1"):
    clothes = figure(page, folder, "clothes", address)
    expect(clothes.locator("[data-unit]").first).to_be_visible()
    return clothes


def test_the_chosen_image_is_in_sight(page, folder):
    page.set_viewport_size({"width": 360, "height": 800})
    clothes = opened(page, folder, "#clothes?i=100")
    chosen = clothes.locator(".clothes-thumbs label:has(:checked)").bounding_box()
    assert 0 <= chosen["x"] <= 360 - chosen["width"]


def shown_probabilities(clothes) -> list[float]:
    lines = clothes.locator(".clothes-bars button").all_inner_texts()
    return [float(re.search(r"\d\.\d{3}", line)[0]) for line in lines]


def test_clothes_show_the_networks_answer(page, folder, weights):
    data = fashion_mnist.load()
    H = hidden_of(data.test_images[:200], weights)
    P = probabilities(H, weights)
    clothes = opened(page, folder)
    expect(page.locator("#still")).to_be_hidden()
    images = clothes.locator("[data-thumb]")
    for i in (1, 2, 24, 200):
        images.nth(i - 1).check(force=True)
        assert shown_probabilities(clothes) == pytest.approx(P[i - 1], abs=0.0006)
    images.nth(0).check(force=True)
    added = H[0] * weights["W2"][:, P[0].argmax()]
    most = int(abs(added).argmax())
    button = clothes.locator("[data-unit]").first
    assert button.get_attribute("data-unit") == str(most)
    button.press("Enter")  # by keyboard
    without = H[:1].copy()
    without[0, most] = 0
    expected = probabilities(without, weights)[0]
    assert shown_probabilities(clothes) == pytest.approx(expected, abs=0.0006)
    expect(status(clothes)).to_contain_text(f"without unit {most}")
    # The bars of the whole network stay as outlines.
    widths = clothes.locator(".old").evaluate_all(
        "all => all.map((e) => e.style.width)"
    )
    assert [float(w[:-1]) for w in widths] == pytest.approx(100 * P[0], abs=0.06)
    button = clothes.locator(f"[data-unit='{most}']")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.wait_for_url(re.compile(f"off={most}|off%3D{most}"))
    said = status(clothes).inner_text()
    page.reload()
    expect(status(clothes)).to_have_text(said)
    clothes.locator(f"[data-unit='{most}']").click()
    assert shown_probabilities(clothes) == pytest.approx(P[0], abs=0.0006)
    clothes.get_by_label("mistakes only").check()
    wrong = np.flatnonzero(P.argmax(axis=1) != data.test_labels[:200])
    left = clothes.locator(".clothes-thumbs label:visible [data-thumb]")
    values = left.evaluate_all("all => all.map((radio) => radio.value)")
    assert values == [str(i + 1) for i in wrong]


@pytest.mark.parametrize(("image", "c"), [(13, None), (1, 9), (24, 0)])
def test_contributions_and_the_bias_sum_to_the_score(page, folder, weights, image, c):
    """They belong to the chosen class, or else to the network's answer."""
    H = hidden_of(fashion_mnist.load().test_images[image - 1 : image], weights)
    scores = (H @ weights["W2"] + weights["b2"])[0]
    clothes = opened(page, folder, f"#clothes?i={image}")
    if c is not None:
        clothes.locator(".clothes-bars button").nth(c).click()
    else:
        c = int(scores.argmax())
    added = H[0] * weights["W2"][:, c]
    order = np.argsort(-abs(added))[:8]
    tiles = clothes.locator(".clothes-units button")
    units = tiles.evaluate_all("all => all.map((tile) => +tile.dataset.unit)")
    shown = [float(t.strip().replace("−", "-")) for t in tiles.all_inner_texts()]
    assert added[units] == pytest.approx(added[order], abs=2e-3)
    assert shown == pytest.approx(added[units], abs=0.006)
    said = clothes.locator("[data-says=score]").inner_text()
    eight, others, bias, score = (
        float(v.replace("−", "-")) for v in re.findall(r"[+−]?\d+\.\d+", said)
    )
    assert eight == pytest.approx(added[units].sum(), abs=0.006)
    assert bias == pytest.approx(weights["b2"][c], abs=0.006)
    assert score == pytest.approx(scores[c], abs=0.006)
    assert eight + others + bias == pytest.approx(score, abs=0.02)


def test_a_unit_of_the_grid_can_be_inspected(page, folder):
    clothes = opened(page, folder)
    tiles = clothes.locator(".clothes-units button")
    expect(tiles).to_have_count(8)
    shown = tiles.evaluate_all("all => all.map((tile) => +tile.dataset.unit)")
    unit = next(u for u in range(256) if u not in shown)
    grid = clothes.locator(".clothes-all canvas")
    side = grid.bounding_box()["width"] / 16
    spot = {"x": (unit % 16 + 0.5) * side, "y": (unit // 16 + 0.5) * side}
    grid.click(position=spot)
    expect(tiles).to_have_count(9)
    expect(tiles.last).to_have_attribute("data-unit", str(unit))
    first = tiles.last.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    clothes.get_by_label("show").select_option("x")
    assert first != tiles.last.locator("canvas").evaluate(
        "canvas => canvas.toDataURL()"
    )


def test_pictures_can_be_drawn_by_mouse_and_keyboard(page, folder, weights):
    clothes = opened(page, folder)
    clothes.get_by_role("button", name="Blank").click()
    blank = probabilities(hidden_of(np.zeros((1, 28, 28)), weights), weights)[0]
    assert shown_probabilities(clothes) == pytest.approx(blank, abs=0.0006)
    canvas = clothes.locator(".clothes-picture")
    canvas.focus()
    for key in ("ArrowUp", "Space", "ArrowLeft", "Space", "ArrowDown", "Delete"):
        canvas.press(key)
    expect(status(clothes)).to_contain_text("Your picture: the network answers")
    by_keys = shown_probabilities(clothes)
    assert by_keys != pytest.approx(blank, abs=0.0006)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 120, steps=1)
    page.mouse.up()
    assert shown_probabilities(clothes) != pytest.approx(by_keys, abs=0.0006)
    clothes.get_by_role("button", name="Undo").click()
    assert shown_probabilities(clothes) == pytest.approx(by_keys, abs=0.0006)
    # A fast stroke has no gaps, and the eraser removes it.
    lit = """() => { const canvas = document.querySelector(".clothes-picture");
      document.activeElement.blur(); // and so the cursor is not drawn
      const column = Math.floor((80 / canvas.clientWidth) * 28);
      const data = canvas.getContext("2d").getImageData(column, 0, 1, 28).data;
      return [...data].filter((_, i) => i % 4 === 0); }"""
    for tool, light in (("draw", True), ("erase", False)):
        if tool == "erase":
            clothes.get_by_role("button", name="Eraser").click()
        page.mouse.move(box["x"] + 80, box["y"] + 5)
        page.mouse.down()
        page.mouse.move(box["x"] + 80, box["y"] + box["height"] - 5, steps=1)
        page.mouse.up()
        rows = page.evaluate(lit)
        assert all(value == (255 if light else 0) for value in rows), rows
    page.wait_for_url(re.compile("[0-9a-f]{784}"))
    said = status(clothes).inner_text().split(",")[0]
    page.reload()
    expect(status(clothes)).to_contain_text(said)


def test_clothes_train_in_the_page(page, folder):
    clothes = opened(page, folder, "#clothes?i=1&lr=0.2&b=16&e=2&off=999.x&x=zz")
    before = shown_probabilities(clothes)
    clothes.get_by_text("Train it here").click()
    report = clothes.locator("[data-says=training]")
    train = clothes.locator("[data-do=train]")
    train.click()
    line = clothes.locator("[data-panel=loss] polyline")
    expect(line).to_have_attribute("points", re.compile(","), timeout=60_000)
    train.click()
    expect(train).to_have_text("Continue")
    page.wait_for_timeout(1000)  # earlier requests may still be answered
    curve = line.get_attribute("points")
    page.wait_for_timeout(300)
    assert line.get_attribute("points") == curve
    train.click()
    expect(report).to_contain_text("images per second", timeout=240_000)
    said = report.inner_text()
    assert said.startswith("2 epochs: ")
    assert number(r"train loss ([\d.]+)", said) < 1.2
    assert number(r"test accuracy ([\d.]+)", said) > 0.6
    expect(clothes.locator("[data-panel=accuracy] .last")).to_have_count(2)
    # There are ten points per epoch. Each is the mean since the previous point, so the
    # curve doesn't jump where an epoch begins.
    heights = [float(p.split(",")[1]) for p in line.get_attribute("points").split()]
    assert len(heights) == 20
    assert heights[len(heights) // 2] > heights[0] + 10  # lower down: less loss
    assert shown_probabilities(clothes) != before
    clothes.get_by_role("button", name="Use the section's weights").click()
    assert shown_probabilities(clothes) == before


@pytest.mark.parametrize("missing", ["weights", "training"])
def test_a_script_that_does_not_load_is_reported(page, site, missing):
    page.route(f"**/clothes/{missing}.js", lambda route: route.abort())
    page.goto("about:blank")
    page.goto(f"{site}/clothes.html")
    clothes = page.locator("#clothes")
    clothes.get_by_role("button", name="Open the network").click()
    said = status(clothes)
    if missing == "training":
        clothes.get_by_text("Train it here").click()
        clothes.locator("[data-do=train]").click()
        said = clothes.locator("[data-says=training]")
    expect(said).to_have_text(f"The file clothes/{missing}.js could not be loaded.")


def test_old_browsers_get_a_message(first_visit, folder):
    first_visit.add_init_script("delete window.DecompressionStream")
    clothes = figure(first_visit, folder, "clothes")
    clothes.get_by_role("button", name="Open the network").click()
    expect(status(clothes)).to_contain_text("This browser can't unpack the weights")
    expect(clothes.locator(".clothes-poster")).to_be_visible()


def test_browsers_without_workers_get_a_message(first_visit, folder):
    first_visit.add_init_script("delete window.Worker")
    clothes = opened(first_visit, folder)
    clothes.get_by_text("Train it here").click()
    clothes.locator("[data-do=train]").click()
    expect(clothes.locator("[data-says=training]")).to_have_text(
        "This browser can't train the network."
    )


def test_nothing_is_sent_and_data_loads_only_when_needed(first_visit, site):
    page, asked = first_visit, first_visit.asked
    page.goto(f"{site}/clothes.html")
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if re.search("weights|training", url)]
    page.locator("[data-do=open]").click()
    expect(page.locator("[data-unit]").first).to_be_visible()
    assert [url for url in asked if "weights" in url]
    assert not [url for url in asked if "training" in url]
    assert all(url.startswith(site) for url in asked)
