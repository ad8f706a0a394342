"""What readers can touch: every control, by mouse and keyboard, and what goes wrong.

Each figure stands on a page of its own here, with the scripts of the book;
test_pages.py looks at them in the book.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from booktools.source.book import Book
from booktools.sphinx.interactive import write_files
from browser import browser, served
from d2lutils import fashion_mnist
from frameworks import MODULES, open_backend
from small_book import ROOT

TAGS = {"torch": "pytorch"}  # where a module is called otherwise than its tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page for each figure, below a still one, and a screen of nothing above."""
    folder = tmp_path_factory.mktemp("figures")
    book = Book(ROOT)
    write_files(book, folder)
    for name in ("plane", "folds", "clothes"):
        figure = book.figures[name]
        files = [
            *(f'<link rel="stylesheet" href="interactive/{s}">' for s in figure.styles),
            *(f'<script defer src="interactive/{s}"></script>' for s in figure.scripts),
        ]
        (folder / f"{name}.html").write_text(
            '<!doctype html><html lang="en" data-framework="pytorch"><title>x</title>'
            f"{''.join(files)}<body>"
            f'<figure id="still">still</figure><div class="interactive" id="{name}">'
            '</div><div style="height: 3000px"></div></body></html>'
        )
    return folder


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 900, "height": 900})
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    yield page
    context.close()
    assert page.wrong == []


def figure(page, folder, name, address=""):
    page.goto("about:blank")
    page.goto(f"{(folder / f'{name}.html').as_uri()}{address}")
    return page.locator(f"#{name}")


def status(figure):
    return figure.get_by_role("status").first


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern, text)[1].replace("−", "-").replace(",", ""))


# -- plane ---------------------------------------------------------------------


def test_plane_obeys_every_control(page, folder):
    plane = figure(page, folder, "plane")
    expect(page.locator("#still")).to_be_hidden()
    expect(status(plane)).to_contain_text("After 0 steps: loss ")
    before = plane.locator(".lines").inner_html()
    plane.get_by_role("button", name="One step").click()
    expect(status(plane)).to_contain_text("After 1 step: loss ")
    assert plane.locator(".lines").inner_html() != before
    plane.get_by_role("button", name="Start anew").click()
    expect(status(plane)).to_contain_text("After 0 steps")
    assert plane.locator(".lines").inner_html() == before
    seed = plane.get_by_label("seed")
    seed.press("ArrowRight")
    expect(seed).to_have_attribute("aria-valuetext", "2")
    assert plane.locator(".lines").inner_html() != before
    plane.get_by_label("initial scale").press("Home")
    expect(plane.get_by_label("initial scale")).to_have_attribute(
        "aria-valuetext", "0.01"
    )
    expect(status(plane)).to_contain_text("loss 0.693")
    units = plane.get_by_label("hidden units")
    for width, says in ((0, "no hidden layer"), (1, "the hidden unit"), (2, "two"),
                        (16, "two principal components")):  # fmt: skip
        units.fill(str(width))
        expect(plane.locator("[data-says=hidden]")).to_contain_text(says)
        expect(plane.locator(".lines path")).to_have_count(width)
    for points, count in (("circles", 60), ("moons", 60), ("spiral", 80), ("xor", 4)):
        plane.locator("[data-name=d]").select_option(points)
        expect(status(plane)).to_contain_text(f"of {count} points right")
    plane.get_by_text("The parameters").click()
    expect(plane.locator("pre")).to_contain_text("W1")
    first = plane.locator("pre").inner_text()
    plane.locator("[data-name=a]").select_option("tanh")
    plane.get_by_label("learning rate").press("End")
    plane.get_by_role("button", name="One step").click()
    assert plane.locator("pre").inner_text() != first


def test_paper_shows_the_picture(page, folder):
    plane = figure(page, folder, "plane")
    expect(page.locator("#still")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.locator("#still")).to_be_visible()
    expect(plane).to_be_hidden()


def test_plane_trains_until_it_is_paused(page, folder):
    plane = figure(page, folder, "plane", "#plane?h=8")
    plane.get_by_role("button", name="Train").click()
    said = plane.locator("[data-says=steps]")
    expect(status(plane)).to_have_text(re.compile(r"^After [1-9]\d* steps"))
    expect(said).to_have_text(re.compile(r"^[2-9]\d\d steps"))
    plane.get_by_role("button", name="Pause").click()
    expect(status(plane)).to_contain_text("4 of 4 points right")
    steps = said.inner_text()
    page.wait_for_timeout(200)
    assert said.inner_text() == steps


def test_plane_rests_where_nobody_sees_it(page, folder):
    plane = figure(page, folder, "plane")
    plane.get_by_role("button", name="Train").click()
    expect(plane.get_by_role("button", name="Pause")).to_be_visible()
    page.evaluate("window.scrollTo(0, 3000)")
    expect(plane.locator("[data-do=play]")).to_have_text("Train")


def test_plane_does_not_move_for_who_wants_no_motion(page, folder):
    page.emulate_media(reduced_motion="reduce")
    plane = figure(page, folder, "plane")
    plane.get_by_role("button", name="Train").click()
    expect(status(plane)).to_contain_text("After 1,000 steps")


@pytest.mark.parametrize(
    ("settings", "solved", "text"),
    [
        ("d=circles&h=2", 0, "none succeeds\nwith two units"),
        ("d=circles&h=3", 4, "4 do with three"),
        ("d=circles&h=4", 8, "8 with four"),
        ("d=circles&h=8", 10, "all with eight"),
        ("h=8&lr=5", 0, "a rate of 5 ruins all ten"),
        ("h=8&s=0.01", 10, "The small scale ruins none"),
        ("h=8&a=none", 0, "Those that a single line can"),
    ],
)
def test_ten_starts_end_as_the_text_says(page, folder, settings, solved, text):
    assert text in (ROOT / "chapters/mlp.md").read_text("utf-8")
    plane = figure(page, folder, "plane", f"#plane?{settings}")
    plane.get_by_role("button", name="Try ten seeds").click()
    expect(status(plane)).to_contain_text(
        f"Seeds 1 to 10, 1,000 steps each: {solved} of 10", timeout=60_000
    )


def test_points_are_set_by_mouse_and_by_keyboard(page, folder):
    plane = figure(page, folder, "plane")
    panel = plane.locator("[data-panel=inputs] svg")
    box = panel.bounding_box()
    spot = {"x": box["width"] * 0.5, "y": box["height"] * 0.5}
    panel.click(position=spot)
    expect(status(plane)).to_contain_text("of 5 points right")
    expect(plane.locator("[data-name=d]")).to_have_value("own")
    panel.click(position=spot)  # removes it
    expect(status(plane)).to_contain_text("of 4 points right")
    plane.get_by_text("Set points").press("Enter")
    plane.get_by_label("class 1, square").check()
    plane.get_by_label("x1").press("ArrowRight")
    plane.get_by_role("button", name="Add at the cross").press("Enter")
    expect(status(plane)).to_contain_text("of 5 points right")
    page.wait_for_url(re.compile("0.55%2C0.5%2C1"))
    said = status(plane).inner_text()
    page.reload()
    assert status(plane).inner_text() == said
    plane.get_by_text("Set points").click()
    plane.get_by_role("button", name="Remove the nearest").click()
    expect(status(plane)).to_contain_text("of 4 points right")
    plane.get_by_role("button", name="Remove all").click()
    expect(status(plane)).to_have_text("No point is set yet.")
    expect(plane.get_by_role("button", name="Train")).to_be_disabled()


def test_the_address_of_plane_opens_the_same(page, folder):
    address = "#plane?d=moons&h=5&a=sigmoid&lr=1&s=2&seed=17&n=300"
    said = status(figure(page, folder, "plane", address)).inner_text()
    assert said.startswith("After 300 steps")
    assert status(figure(page, folder, "plane", address)).inner_text() == said
    for nonsense in ("n=5&p=%", "d=constructor&h=99&a=x&lr=3&seed=-1&n=-1"):
        plane = figure(page, folder, "plane", f"#plane?{nonsense}")
        assert "After 0 steps" in status(plane).inner_text()
        assert plane.locator("[data-name=d]").input_value() == "xor"
        units = plane.get_by_label("hidden units")
        assert units.get_attribute("aria-valuetext") == "4"


def copied(page, folder, name, module, address):
    """The code that a figure copies for a framework."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with served(folder) as server:
        page.goto(f"{server}/{name}.html{address}")
        tag = TAGS.get(module, module)
        page.evaluate("tag => document.documentElement.dataset.framework = tag", tag)
        place = page.locator(f"#{name}")
        place.get_by_role("button", name="Copy the code").click()
        expect(status(place)).to_contain_text("clipboard")
        return page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize(
    ("settings", "module"),
    [
        *(("h=3&a=tanh&n=50", module) for module in MODULES),
        *(("h=4&a=relu&n=30&s=0.5", module) for module in MODULES),
        ("h=0&d=moons&n=20&lr=0.1", "torch"),  # changes the code alike in all
    ],
)
def test_the_code_of_plane_ends_where_the_figure_does(
    page, folder, module, settings, capsys
):
    open_backend(module)  # skips where there is none
    said = status(figure(page, folder, "plane", f"#plane?{settings}")).inner_text()
    code = copied(page, folder, "plane", module, f"#plane?{settings}")
    exec(code, {})
    printed = number(r"loss ([\d.]+)", capsys.readouterr().out)
    assert printed == pytest.approx(number(r"loss ([\d.]+)", said), abs=0.0011)


# -- folds ---------------------------------------------------------------------


def test_folds_are_those_of_the_section(page, folder):
    notebook = nbformat.read(ROOT / "notebooks/jax/mlp.ipynb", as_version=4)
    (cell,) = (c for c in notebook.cells if "def approximate" in c.source)
    source = cell.source.replace("jnp.", "np.").replace("jax.nn.relu", "relu")
    names = {"np": np, "relu": lambda z: np.maximum(z, 0)}
    exec(source, names)
    figure(page, folder, "folds")
    x = np.linspace(0, 2 * np.pi, 50)
    for units in (1, 4, 8):
        sums = page.evaluate(
            "([units, x]) => { const folds = bookFolds.place('sine', units);"
            " return x.map((at) => bookFolds.sum(folds, at)); }",
            [units, x.tolist()],
        )
        expected = names["approximate"](np.sin, units, 0, 2 * np.pi)(x)
        np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-8)


def test_folds_print_the_error_that_the_section_prints(page, folder):
    text = (ROOT / "notebooks/jax/mlp.ipynb").read_text("utf-8")
    printed = re.search(r"4 hidden units: largest error ([\d.]+)", text)[1]
    said = status(figure(page, folder, "folds")).inner_text()
    assert f"largest distance {printed}" in said


def test_folds_obey_every_control(page, folder):
    folds = figure(page, folder, "folds")
    assert "4 hidden units (solid) and the sine (dashed)" in status(folds).inner_text()
    knot, weight = folds.get_by_label("knot"), folds.get_by_label("weight")
    folds.locator("[data-name=chosen]").select_option("1")
    old = folds.locator(".sum").get_attribute("points")
    for slider in (knot, weight, folds.get_by_label("bias")):
        slider.press("ArrowRight")
        new = folds.locator(".sum").get_attribute("points")
        assert new != old
        old = new
    folds.get_by_role("button", name="One unit more").click()
    expect(folds.locator("circle")).to_have_count(5)
    folds.get_by_role("button", name="One unit fewer").click()
    expect(folds.locator("circle")).to_have_count(4)
    folds.locator("[data-name=f]").select_option("bump")
    folds.get_by_role("button", name="Place them evenly").click()
    expect(status(folds)).to_contain_text("a bump")
    page.wait_for_url(re.compile("f%3Dbump|f=bump"))
    said = status(folds).inner_text()
    page.reload()
    assert status(folds).inner_text() == said
    folds = figure(page, folder, "folds", "#folds?f=x&t=1_2&w=99&b=z")
    assert "4 hidden units (solid) and the sine" in status(folds).inner_text()


def test_folds_are_dragged(page, folder):
    folds = figure(page, folder, "folds")
    drags = (
        ("[data-knot='1']", "knot", (30, 0)),
        ("[data-weight='1']", "weight", (0, -40)),
    )
    for handle, label, there in drags:
        box = folds.locator(handle).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        before = float(folds.get_by_label(label).input_value())
        page.mouse.move(x + there[0], y + there[1], steps=3)
        page.mouse.up()
        assert float(folds.get_by_label(label).input_value()) > before + 0.1


@pytest.mark.parametrize("module", MODULES)
def test_the_code_of_folds_draws_the_sum(page, folder, module):
    open_backend(module)
    code = copied(page, folder, "folds", module, "#folds?f=sine&t=0_2&w=1_-1.5&b=0.5")
    names: dict = {}
    exec(code, names)
    y = names["net"](names["x"])
    y = y.asnumpy() if module == "mxnet" else np.asarray(y)
    x = np.linspace(0, 2 * np.pi, 400)
    expected = 0.5 + np.maximum(x, 0) - 1.5 * np.maximum(x - 2, 0)
    np.testing.assert_allclose(np.ravel(y), expected, atol=1e-5)


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
    clothes.get_by_role("button", name="Open the figure").click()
    expect(status(clothes)).to_contain_text("Test image 1, ankle boot")
    data = fashion_mnist.load()
    answers = page.evaluate(
        """([images, sizes, params]) => {
          const bytes = Uint8Array.from(atob(images), (c) => c.charCodeAt(0));
          const net = { widths: sizes, activation: "relu",
            params: params.map((p) => new Float32Array(
              Uint8Array.from(atob(p), (c) => c.charCodeAt(0)).buffer)) };
          const found = [];
          for (let i = 0; i < 10000; i += 1000) {
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
            base64.b64encode(data.test_images.tobytes()).decode(),
            [784, 256, 10],
            [
                base64.b64encode(weights[k].tobytes()).decode()
                for k in ("W1", "b1", "W2", "b2")
            ],
        ],
    )
    assert (np.array(answers) != weights["predicted"]).sum() <= 5
    # The notebook says the same of the network in 32 bits.
    right = (weights["predicted"] == data.test_labels).mean()
    text = (ROOT / "notebooks/pytorch/mlp-scratch.ipynb").read_text("utf-8")
    assert f"test accuracy {right:.3f}" in text


def test_switched_off_units_count_as_the_text_says(weights):
    H = hidden_of(fashion_mnist.load().test_images[:200], weights)
    P = probabilities(H, weights)
    answers, sure = P.argmax(axis=1), P.max(axis=1) > 0.9
    without = H.copy()
    np.put_along_axis(without, np.argsort(-H, axis=1)[:, :8], 0, axis=1)
    changed = probabilities(without, weights).argmax(axis=1) != answers
    decided = np.zeros(200, bool)
    for unit in range(256):
        one = H.copy()
        one[:, unit] = 0
        decided |= probabilities(one, weights).argmax(axis=1) != answers
    text = (ROOT / "chapters/mlp-scratch.md").read_text("utf-8")
    assert f"200 answers, {changed.sum()} change without the eight" in text
    assert f"and of the {sure.sum()} with" in text
    assert f"above 0.9 only {changed[sure].sum()}." in text
    assert f"for {decided.sum()} of the images there is a single unit" in text


def opened(page, folder, address="#clothes?i=1"):
    clothes = figure(page, folder, "clothes", address)
    expect(clothes.locator("[data-unit]").first).to_be_visible()
    return clothes


def shown_probabilities(clothes) -> list[float]:
    lines = clothes.locator(".clothes-probabilities li").all_inner_texts()
    return [float(line.split()[-1]) for line in lines]


def test_clothes_show_what_the_network_makes_of_them(page, folder, weights):
    data = fashion_mnist.load()
    H = hidden_of(data.test_images[:200], weights)
    P = probabilities(H, weights)
    clothes = opened(page, folder)
    expect(page.locator("#still")).to_be_hidden()
    image = clothes.get_by_label("test image")
    for i in (1, 2, 24, 200):
        image.fill(str(i))
        assert shown_probabilities(clothes) == pytest.approx(P[i - 1], abs=0.0006)
    image.fill("1")
    most = int(H[0].argmax())
    button = clothes.locator("[data-unit]").first
    assert button.get_attribute("data-unit") == str(most)
    button.press("Enter")  # by keyboard
    without = H[:1].copy()
    without[0, most] = 0
    expected = probabilities(without, weights)[0]
    assert shown_probabilities(clothes) == pytest.approx(expected, abs=0.0006)
    expect(status(clothes)).to_contain_text(f"Without unit {most}")
    button = clothes.locator(f"[data-unit='{most}']")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.wait_for_url(re.compile(f"off={most}|off%3D{most}"))
    said = status(clothes).inner_text()
    page.reload()
    expect(status(clothes)).to_have_text(said)
    clothes.locator(f"[data-unit='{most}']").click()
    assert shown_probabilities(clothes) == pytest.approx(P[0], abs=0.0006)
    clothes.get_by_role("button", name="Next mistake").click()
    first = np.flatnonzero(P.argmax(axis=1) != data.test_labels[:200])[0] + 1
    expect(status(clothes)).to_contain_text(f"Test image {first},")


def test_pictures_are_drawn_by_mouse_and_by_keyboard(page, folder, weights):
    clothes = opened(page, folder)
    clothes.get_by_role("button", name="Blank picture").click()
    blank = probabilities(hidden_of(np.zeros((1, 28, 28)), weights), weights)[0]
    assert shown_probabilities(clothes) == pytest.approx(blank, abs=0.0006)
    canvas = clothes.locator(".clothes-picture")
    canvas.focus()
    for key in ("ArrowUp", "Space", "ArrowLeft", "Space", "ArrowDown", "Delete"):
        canvas.press(key)
    expect(status(clothes)).to_contain_text("Your picture is taken for")
    by_keys = shown_probabilities(clothes)
    assert by_keys != pytest.approx(blank, abs=0.0006)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 120, steps=8)
    page.mouse.up()
    assert shown_probabilities(clothes) != pytest.approx(by_keys, abs=0.0006)
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
    expect(clothes.locator("polyline")).to_have_count(2)
    train.click()
    expect(train).to_have_text("Go on")
    page.wait_for_timeout(1000)  # what was asked for before arrives
    curve = clothes.locator(".clothes-curves").inner_html()
    page.wait_for_timeout(300)
    assert clothes.locator(".clothes-curves").inner_html() == curve
    train.click()
    expect(report).to_contain_text("images per second", timeout=60_000)
    said = report.inner_text()
    assert said.startswith("2 epochs: ")
    assert number(r"train loss ([\d.]+)", said) < 1.2
    assert number(r"test accuracy ([\d.]+)", said) > 0.6
    expect(clothes.locator(".dot")).to_have_count(2)
    assert shown_probabilities(clothes) != before
    clothes.get_by_role("button", name="Back to the section's weights").click()
    assert shown_probabilities(clothes) == before


@pytest.mark.parametrize("missing", ["weights", "training"])
def test_what_does_not_load_is_said(page, folder, missing):
    page.route(f"**/clothes/{missing}.js", lambda route: route.abort())
    with served(folder) as server:
        page.goto(f"{server}/clothes.html")
        clothes = page.locator("#clothes")
        clothes.get_by_role("button", name="Open the figure").click()
        said = status(clothes)
        if missing == "training":
            clothes.get_by_text("Train it here").click()
            clothes.locator("[data-do=train]").click()
            said = clothes.locator("[data-says=training]")
        else:
            expect(page.locator("#still")).to_be_visible()
        expect(said).to_have_text(f"The file clothes/{missing}.js could not be loaded.")


def test_old_browsers_are_told(page, folder):
    page.add_init_script("delete window.DecompressionStream")
    clothes = figure(page, folder, "clothes")
    clothes.get_by_role("button", name="Open the figure").click()
    expect(status(clothes)).to_contain_text("This browser cannot unpack the weights")
    expect(page.locator("#still")).to_be_visible()


def test_browsers_without_workers_are_told(page, folder):
    page.add_init_script("delete window.Worker")
    clothes = opened(page, folder)
    clothes.get_by_text("Train it here").click()
    clothes.locator("[data-do=train]").click()
    expect(clothes.locator("[data-says=training]")).to_have_text(
        "This browser cannot train the network."
    )


def test_nothing_leaves_and_nothing_loads_before_it_is_needed(page, folder):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with served(folder) as server:
        page.goto(f"{server}/clothes.html")
        page.wait_for_load_state("networkidle")
        assert not [url for url in asked if re.search("weights|training", url)]
        page.locator("[data-do=open]").click()
        expect(page.locator("[data-unit]").first).to_be_visible()
        assert [url for url in asked if "weights" in url]
        assert not [url for url in asked if "training" in url]
        assert all(url.startswith(server) for url in asked)
