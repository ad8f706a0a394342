"""Tests of the book's pages in a browser."""

from __future__ import annotations

import gzip
import io
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import lxml.html
import nbformat
import numpy
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from booktools import FRAMEWORKS
from browser import served
from small_book import ROOT, built, real_book

PAGES = [page.docname for page in real_book().pages]
ALL_PAGES = [*PAGES, "genindex", "py-modindex", "search", "404"]
SECTION = "chapters/mlp-scratch"
LIGHT = "chapters/mlp-concise"  # has tabs but no interactive figure
SCRATCH = "Softmax Regression from Scratch"  # the title of a section
WIDTHS = (360, 640, 768, 992, 1200, 1400, 2000)  # 640: a window of 1280 at 200 %
PHONE = {"width": 360, "height": 800}


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    """Build the book, or use an existing build."""
    return built(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def server(html):
    with served(html) as address:
        yield address


@pytest.fixture
def page(used_page):
    """Reset the shared page. It has a warm cache, so it loads in half the time."""
    page = used_page
    page.goto("about:blank")
    page.mouse.move(0, 0)
    page.set_viewport_size({"width": 1400, "height": 900})
    page.emulate_media(
        color_scheme="light", media="null", reduced_motion="null", forced_colors="null"
    )
    page.wrong.clear()
    page.asked.clear()
    yield page
    page.evaluate("localStorage.clear(), sessionStorage.clear()")


def settle(page):
    """Wait until formulas are typeset."""
    page.evaluate("() => window.MathJax?.startup?.promise.then(() => null)")


def styles(elements, name, part=None):
    """Return a computed property of each element, or of its pseudo-element."""
    return elements.evaluate_all(
        "(all, [name, part]) => all.map((e) => getComputedStyle(e, part)[name])",
        [name, part],
    )


# The elements with visible text of their own.
WRITTEN = """() => [...document.querySelectorAll('body *')].filter((element) =>
    element.checkVisibility() && (element.matches('input, select, textarea')
        || [...element.childNodes].some((node) =>
            node.nodeType === Node.TEXT_NODE && node.data.trim())))"""

# A page has thousands of texts, but only a few dozen combinations of color, size and
# background. Checking contrast is slow, so mark one text of each for axe.
MARK = """texts => {
    const kinds = new Map()
    for (const element of texts) {
        const {color, fontSize, fontWeight} = getComputedStyle(element)
        const kind = [color, fontSize, fontWeight]
        for (let at = element; at; at = at.parentElement) {
            const {backgroundColor, backgroundImage, opacity} = getComputedStyle(at)
            kind.push(backgroundColor, backgroundImage, opacity)
        }
        const plain = /^rgba.*, 0\\)$|^none$|^1$/
        kinds.set(kind.filter((each) => !plain.test(each)).join(), element)
    }
    for (const element of kinds.values()) element.dataset.kind = ''
    return kinds.size
}"""

# Remove the markup of all other code and formulas.
THIN = """() => {
    for (const formula of document.querySelectorAll('mjx-container'))
        if (!formula.querySelector('[data-kind]')) formula.remove()
    for (const token of document.querySelectorAll(
        ':is(.highlight, .sig, code) :is(span, em):not([data-kind])'))
        token.replaceWith(...token.childNodes)
}"""

# Boxes whose content is wider, with a certain overflow or any.
WIDE = """(boxes, overflow) => boxes
    .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1
        && RegExp(overflow).test(getComputedStyle(box).overflowX))
    .map((box) => box.outerHTML)"""

# What has to fit, and from which width on: displayed formulas, the names of the pages
# before and after this one, and code with its outputs.
FITTING = {
    360: "div.math, div.math > *, .prev-next-area > a",
    992: "article pre",
}

# Formulas in a paragraph don't break. If one is wider than the line, it is cut off.
CUT_OFF = """formulas => formulas.filter((formula) => {
        let line = formula.parentElement
        while (getComputedStyle(line).display.startsWith('inline'))
            line = line.parentElement
        const end = line.getBoundingClientRect().right
        const {paddingRight} = getComputedStyle(line)
        const {right} = formula.getBoundingClientRect()
        return formula.checkVisibility() && right > end - parseFloat(paddingRight) + 2
    })
    .map((formula) => formula.parentElement.textContent)"""

# Formulas with their punctuation, and short code, that continue on the next line.
BROKEN = """parts => parts.filter((part) => part.getClientRects().length > 1)
    .map((part) => part.textContent)"""

ALL_TABS = """.frameworks > .sd-tab-content {
    display: block !important; content-visibility: visible !important}"""


def assert_all_fits(page, widths):
    """Open all answers and tabs. Nothing is too wide for the page, or for its box."""
    page.locator("article details").evaluate_all("all => all.map((e) => e.open = true)")
    tabs = page.add_style_tag(content=ALL_TABS)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width in FITTING:
            assert page.locator(FITTING[width]).evaluate_all(WIDE, "") == [], width
            formulas = page.locator("span > mjx-container")
            assert formulas.evaluate_all(CUT_OFF) == [], width
            assert page.locator(".together").evaluate_all(BROKEN) == [], width
    tabs.evaluate("style => style.remove()")


def show_scheme(page, scheme):
    page.emulate_media(color_scheme=scheme)
    expect(page.locator("html")).to_have_attribute("data-theme", scheme)


def check(page, elements, **options):
    """Check elements with axe, and return what passed."""
    options |= {"preload": False}
    found = Axe().run(page, elements, options)
    assert found.violations_count == 0, found.generate_report()
    return found.response["passes"]


STILL = "* { transition: none !important }"  # colors change their contrast on the way


def assert_open_to_all(page):
    """Check with axe, and check the contrast in the light and in the dark."""
    page.set_viewport_size({"width": 1400, "height": 900})
    page.add_style_tag(content=STILL)
    for scheme in ("dark", "light"):
        show_scheme(page, scheme)
        assert page.evaluate(MARK, page.evaluate_handle(WRITTEN)) > 5
    page.evaluate(THIN)
    # axe doesn't see formulas as text, so another test looks for empty headings.
    off = {"enabled": False}
    rules = {"color-contrast": off, "empty-table-header": off}
    check(page, "html", rules=rules, resultTypes=["violations"])
    for scheme in ("light", "dark"):
        show_scheme(page, scheme)
        runs = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
        check(page, "[data-kind]", **runs)


FIGURES = {  # of pages that a first visit has to load fast
    "chapters/index": (),
    "chapters/d2lutils": (),
    "chapters/mlp": ("plane", "folds"),
    "chapters/gradient-descent": ("descent",),
    SECTION: ("clothes",),
}


@pytest.fixture(scope="module")
def trees(html):
    """Parse all pages, without a browser."""
    return {
        path.relative_to(html).with_suffix("").as_posix(): lxml.html.parse(
            str(path), lxml.html.HTMLParser(encoding="utf-8")
        ).getroot()
        for path in html.rglob("*.html")
        if "_static" not in path.parts
    }


@pytest.fixture(scope="module")
def telling(trees):
    """Choose pages that have all kinds of elements, among them those with figures."""
    kinds = {
        name: {
            (element.tag, re.sub(r"\d", "", kind))
            for element in trees[name].iter(lxml.etree.Element)
            for kind in element.get("class", "").split() or [""]
        }
        for name in ALL_PAGES
    }
    found, seen = [], set()
    for name in sorted(kinds, key=lambda name: -len(kinds[name])):
        if FIGURES.get(name) or not kinds[name] <= seen:
            found.append(name)
            seen |= kinds[name]
    return found


@pytest.mark.parametrize("name", ALL_PAGES)
def test_every_page_works_offline_and_is_accessible(page, html, telling, name):
    page.set_viewport_size({"width": min(WIDTHS), "height": 900})
    page.goto(f"file://{html}/{name}.html")
    if name == SECTION:
        page.get_by_role("button", name="Open the network").press("Enter")
        page.locator("#clothes [data-unit]").first.wait_for()
    settle(page)
    # From 992 on, text has the same width. Check more only on representative pages.
    assert_all_fits(page, WIDTHS if name in telling else FITTING)
    if name in telling:
        assert_open_to_all(page)
    assert page.wrong == []
    assert not [url for url in page.asked if urlsplit(url).scheme.startswith("http")]


def test_links_under_the_pointer_have_contrast(page, html):
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"file://{html}/{SECTION}.html")
    page.add_style_tag(content=STILL)
    for scheme in ("light", "dark"):
        show_scheme(page, scheme)
        for place in (".bd-links", "article p", ".page-toc", ".prev-next-area"):
            link = page.locator(f"{place} a").locator("visible=true").first
            link.hover()
            link.evaluate("link => { link.dataset.pointed = '' }")
            assert check(page, "[data-pointed]", runOnly=["color-contrast"]), place
            link.evaluate("link => { delete link.dataset.pointed }")


def test_no_link_is_dead_no_id_repeated_and_no_heading_of_a_table_empty(html, trees):
    ids = {html / f"{name}.html": tree.xpath("//@id") for name, tree in trees.items()}
    assert [path for path, all_ in ids.items() if len(all_) > len(set(all_))] == []
    dead = []
    for name, tree in trees.items():
        assert all(cell.text_content().strip() for cell in tree.iter("th")), name
        base = (html / f"{name}.html").as_uri()
        for _, _, link, _ in tree.iterlinks():
            url = urlsplit(urljoin(base, link))
            path, place = Path(unquote(url.path)), unquote(url.fragment)
            if url.scheme != "file" or (path.is_file() and not place):
                continue
            if place not in ids.get(path, ()):
                dead.append(f"{name}: {link}")
    assert dead == []


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_described_and_in_order(trees, name):
    tree = trees[name]
    [description] = tree.xpath("//meta[@name='description']/@content")
    assert 20 < len(description) <= 200
    [title] = tree.xpath("//meta[@property='og:title']/@content")
    assert re.fullmatch("[^<]+", title)
    [icon] = tree.xpath("//link[@rel='icon']/@href")
    assert icon.endswith("_static/favicon.svg")
    # No level of headings is skipped.
    headings = tree.xpath("//article//*[self::h1|self::h2|self::h3|self::h4|self::h5]")
    levels = [int(each.tag[1]) for each in headings]
    assert all(to <= level + 1 for level, to in pairwise([0, *levels]))
    assert levels.count(1) == 1
    for image in tree.iter("img"):
        assert int(image.get("width")) > 0
        assert int(image.get("height")) > 0
        decoration = "logo__image" in image.get("class", "")
        assert decoration == (not image.get("alt"))


# How many characters a line of each plain paragraph has, if its last line is half full.
LINES = """paragraphs => paragraphs
    .filter((text) => text.checkVisibility() && !text.querySelector('.math, code'))
    .map((text) => [text.textContent.length,
        text.clientHeight / parseFloat(getComputedStyle(text).lineHeight)])
    .filter(([, lines]) => lines > 1.5)
    .map(([length, lines]) => length / (lines - 0.5))"""


def test_the_median_line_has_at_most_75_characters(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    for width in (992, 2000):
        page.set_viewport_size({"width": width, "height": 900})
        lines = page.locator("article p").evaluate_all(LINES)
        assert len(lines) > 20
        assert 50 < numpy.median(lines) <= 75


def test_a_phone_shows_what_scrolls_aligned_text_and_a_short_switch(page, html):
    page.set_viewport_size(PHONE)
    page.goto(f"file://{html}/{SECTION}.html")
    settle(page)
    unmarked = page.locator("article :not([data-scrolls])").evaluate_all(
        WIDE, "auto|scroll"
    )
    assert unmarked == []
    code = page.locator("pre:visible[data-scrolls=on]").first
    assert "gradient" in styles(code, "maskImage")[0]
    code.evaluate("code => code.scrollTo(9999, 0)")
    page.wait_for_selector("pre[data-scrolls=back]")
    # What belongs to the text begins where it does.
    text = page.locator("article p").first.bounding_box()
    for each in (".exercise > section > p", ".tag_claim summary > p.collapsed"):
        beside = page.locator(each).locator("visible=true").first
        padding = float(styles(beside, "paddingLeft")[0].removesuffix("px"))
        assert beside.bounding_box()["x"] + padding == text["x"], each
    assert page.get_by_text("Show the code", exact=True).first.is_visible()
    page.locator("select.framework-switch").select_option("mxnet")
    assert shown(page) == {"mxnet"}
    assert not page.locator("fieldset.framework-switch").is_visible()


def test_tables_of_figures_fit_a_phone(page, html):
    page.set_viewport_size(PHONE)
    page.goto(f"file://{html}/chapters/performance.html")
    cell = page.get_by_role("cell", name=re.compile(r"^\d+\.\d\d$")).first
    assert styles(cell, "textAlign") == ["end"]
    assert styles(cell, "fontVariantNumeric") == ["tabular-nums"]
    assert styles(cell, "whiteSpace") == ["nowrap"]
    # The names of rows have room, and cover the figures that scroll below them.
    rows = page.locator("[data-scrolls] > table:has(td.number) > tbody > tr")
    names = rows.locator("td:first-child")
    assert names.count()
    assert names.evaluate_all("names => names.every((each) => each.offsetWidth > 110)")
    assert styles(names, "backgroundColor") == styles(rows, "backgroundColor")


def test_in_the_dark_outputs_and_links_in_tables_are_as_in_the_light(page, html):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"file://{html}/{SECTION}.html")
        outputs = page.locator(".cell_output :is(pre, .highlight)")
        assert set(styles(outputs, "backgroundColor")) == {"rgba(0, 0, 0, 0)"}, scheme
        page.goto(f"file://{html}/chapters/exercises.html")
        links = page.locator("article :is(td a, p a), .prev-next-title")
        assert len(set(styles(links, "color"))) == 1, scheme


def test_in_the_dark_a_drawing_has_the_background_of_its_page(page, html):
    page.emulate_media(color_scheme="dark")
    page.goto(f"file://{html}/chapters/gradient-descent.html")
    drawing = page.locator(".cell_output img[src$='.svg']:visible").first
    drawing.scroll_into_view_if_needed()
    drawing.evaluate("drawing => drawing.decode()")
    shot = Image.open(io.BytesIO(drawing.screenshot())).convert("RGB")
    (around,) = set(styles(page.locator("body"), "backgroundColor"))
    assert f"rgb{shot.getpixel((4, 4))}" == around


def test_each_heading_has_one_row_of_tabs_and_then_only_marks(page, html):
    page.goto(f"file://{html}/{SECTION}.html?framework=jax")
    rows = page.locator("article [role=tablist]").evaluate_all(
        "rows => rows.map((row) => row.closest('section').id)"
    )
    assert len(rows) == len(set(rows)) < page.locator(".frameworks").count() / 1.5
    marked = ".frameworks:not(:has([role=tablist])) > .framework-jax"
    assert set(styles(page.locator(marked), "content", "::before")) == {'"JAX"'}


def test_answers_stay_covered_until_the_reader_asks(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    output = page.get_by_text("ratio: 25.9")
    # The text about it is covered too.
    told = page.get_by_text("784 × 256 = 200,704")
    first, second = (
        page.locator("details", has_text=question)
        for question in ("how many parameters does this", "what will the first loss be")
    )
    assert not output.is_visible()
    assert not told.is_visible()
    first.locator("summary").click()
    expect(output).to_be_visible()
    expect(told).to_be_visible()
    # The button shows the output without opening the question, in every framework.
    assert not page.get_by_text("mean before training: 2.30").first.is_visible()
    page.get_by_role("button", name="Show the output").first.click()
    assert second.get_attribute("open") is None
    for framework in FRAMEWORKS:
        page.evaluate("framework => choose(framework, null)", framework)
        there = page.locator(f".framework-{framework}", has_text="mean before training")
        expect(there.locator(".output").first).to_be_visible()
    listed = page.locator(".bd-sidebar-primary").get_by_text("Solutions: Perf")
    expect(listed).to_have_count(1)
    expect(listed).to_be_hidden()


def test_the_first_screen_says_what_the_book_is_and_where_to_begin(page, html):
    page.goto(f"file://{html}/chapters/index.html")
    for width, height in ((360, 800), (768, 1024), (1200, 900)):
        page.set_viewport_size({"width": width, "height": height})
        for said in ("neural network", "You should know", "Begin in JAX"):
            words = page.locator(f"article :is(p, a):has-text('{said}')").first
            box = words.bounding_box()
            assert box["y"] + box["height"] <= height, (width, said)
    links = page.locator(".framework-links a")
    names, colors = links.all_inner_texts(), styles(links, "backgroundColor")
    own = colors[names.index("Begin in PyTorch")]
    assert colors.count(own) == 1


def shown(page):
    """Return the frameworks with a visible tab in the text."""
    return set(
        page.locator(".frameworks > .sd-tab-content").evaluate_all(
            """panels => panels.filter((panel) => panel.offsetHeight > 0)
            .map((panel) => panel.className.match(/framework-(\\w+)/)[1])"""
        )
    )


def selected(page):
    """Return the frameworks that the tabs and the switch show as chosen."""
    chosen = (
        ".frameworks [role=tab][aria-selected=true]:visible",
        ".framework-switch input:checked + span",
        "select.framework-switch option:checked",
    )
    return set(page.locator(", ".join(chosen)).all_inner_texts())


def choose(page, title):
    page.locator("fieldset.framework-switch").get_by_text(title).click()


def test_a_choice_applies_to_every_tab_and_page(page, server):
    page.goto(f"{server}/{LIGHT}.html")
    assert shown(page) == {"pytorch"}
    choose(page, "TensorFlow")
    assert shown(page) == {"tensorflow"}
    assert selected(page) == {"TensorFlow"}
    assert page.url.endswith("?framework=tensorflow")
    # Links pass it on, going back keeps the latest, and the next visit remembers it.
    with page.expect_navigation():
        page.locator(".prev-next-area a").last.click()
    assert "?framework=tensorflow" in page.url
    assert shown(page) == {"tensorflow"}
    choose(page, "JAX")
    page.go_back()
    assert selected(page) == {"JAX"}
    assert page.url.endswith("mlp-concise.html?framework=jax")
    page.goto(f"{server}/{LIGHT}.html")
    assert selected(page) == {"JAX"}
    for asked in ("mxnet", "caffe"):  # nobody knows the second
        page.goto(f"{server}/{LIGHT}.html?framework={asked}")
        assert selected(page) == {"MXNet"}
    assert page.wrong == []


def test_the_keyboard_reaches_the_text_and_every_tab(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")
    tabs = page.get_by_role("tablist", name="Framework").first.get_by_role("tab")
    names = [framework.title for framework in FRAMEWORKS.values()]
    assert tabs.all_inner_texts() == names
    tabs.nth(1).focus()
    pressed = {"ArrowRight": 2, "Home": 0, "ArrowLeft": -1, "End": -1}
    for key, at in pressed.items():
        page.keyboard.press(key)
        focused = page.evaluate(
            "[document.activeElement.textContent, document.activeElement.tabIndex]"
        )
        assert focused == [names[at], 0]
        assert selected(page) == {names[at]}
    assert styles(page.locator(":focus"), "outlineStyle") == ["solid"]
    page.keyboard.press("Tab")
    expect(page.get_by_role("tabpanel", name=names[-1]).first).to_be_focused()


def test_the_block_in_view_stays_in_place_when_tabs_change(page, html):
    page.goto(f"file://{html}/chapters/softmax-scratch.html")
    settle(page)
    tab = page.locator('[role="tab"][data-sync-id="mxnet"]').last
    tab.scroll_into_view_if_needed()
    before, scrolled = tab.bounding_box()["y"], page.evaluate("window.scrollY")
    tab.evaluate("tab => tab.click()")  # Playwright's click might scroll
    assert tab.bounding_box()["y"] == pytest.approx(before, abs=1.5)
    assert page.evaluate("window.scrollY") != scrolled, "nothing changed above it"


TAB = (
    "xpath=ancestor::*[contains(@class, 'sd-tab-content')]/preceding-sibling::label[1]"
)


def test_without_scripts_everything_can_be_reached(chromium, html):
    page = chromium.new_page(java_script_enabled=False, viewport=PHONE)
    page.goto(f"file://{html}/{SECTION}.html")
    first = page.locator(".frameworks").first
    assert not page.locator("fieldset.framework-switch").is_visible()
    for framework in reversed(FRAMEWORKS.values()):
        first.get_by_text(framework.title, exact=True).click()
        visible = first.locator(".sd-tab-content:visible")
        assert framework.module in visible.inner_text()
    assert page.get_by_text("ratio: 25.9").is_visible()
    for folded in page.locator("article details").all():
        if not folded.is_visible():  # in the tab of another framework
            folded.locator(TAB).click()
        folded.locator("summary").click()
        expect(folded.locator("p").last).to_be_visible()
    page.locator("button:visible").click()  # the only one, which needs no script
    expect(page.get_by_role("link", name="JAX notebook")).to_be_visible()
    page.get_by_role("link", name="Contents", exact=True).click()
    page.locator(".bd-sidebar-primary").get_by_text("Performance").first.click()
    assert page.url.endswith("/performance.html")
    page.close()


FORBIDDEN = """for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, {configurable: true, get() {
        throw new DOMException('no storage', 'SecurityError')}})"""
FULL = """Storage.prototype.setItem = () => {
    throw new DOMException('no room', 'QuotaExceededError')}"""


@pytest.mark.parametrize("kind", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_pages_work_without_storage(first_visit, server, kind):
    page = first_visit
    page.add_init_script(kind)
    page.goto(f"{server}/{LIGHT}.html")
    choose(page, "TensorFlow")
    assert shown(page) == {"tensorflow"}
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.locator(".theme-switch-button:visible").click()
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    # The next page can know the choice only from its address.
    with page.expect_navigation():
        page.locator("article a.reference.internal[href*='.html']").first.click()
    assert selected(page) == {"TensorFlow"}
    page.keyboard.press("Control+k")
    expect(page.locator("#pst-search-dialog")).to_be_visible()
    page.keyboard.type("perceptron")
    page.keyboard.press("Enter")
    page.locator("#search-results li").first.wait_for()
    assert page.wrong == []


def test_pages_work_in_a_sandboxed_frame(page, server):
    page.goto(f"{server}/404.html")
    page.set_content(
        f'<iframe sandbox="allow-scripts" width=1300 height=800 '
        f'src="{server}/{SECTION}.html"></iframe>'
    )
    frame = page.frame_locator("iframe")
    choose(frame, "JAX")
    expect(frame.locator(".framework-jax").first).to_be_visible()
    # Such a frame can't load fonts from this server.
    fonts = re.compile(r"\.woff|Access to font|net::ERR_FAILED")
    assert [each for each in page.wrong if not fonts.search(each)] == []


def test_two_windows_can_show_two_frameworks(page, server):
    windows = {"MXNet": page, "TensorFlow": page.context.new_page()}
    for title, window in windows.items():
        window.goto(f"{server}/{LIGHT}.html")
        choose(window, title)
    for title, window in windows.items():
        assert selected(window) == {title}
        window.reload()
        assert selected(window) == {title}
        # The address agrees, but the choice doesn't depend on it.
        assert window.url.endswith(f"?framework={title.lower()}")
        window.goto(f"{server}/chapters/softmax-concise.html")
        assert selected(window) == {title}
    windows["TensorFlow"].close()


@pytest.mark.parametrize(
    ("name", "own", "words", "framework"),
    [
        ("chapters/softmax-scratch", "pytorch", "overwrites", "mxnet"),  # in its tabs
        (SECTION, "jax", "mean before training", "jax"),  # in everyone's tabs
        (SECTION, "jax", "ratio: 25.9", "jax"),  # in an output that answers a question
        (SECTION, "jax", "eight times as wide", "jax"),  # in a short answer
    ],
)
def test_a_link_to_words_reveals_hidden_text(page, server, name, own, words, framework):
    page.goto(f"{server}/{name}.html?framework={own}#:~:text={quote(words)}")
    found = page.locator("article").get_by_text(words).locator("visible=true")
    expect(found.first).to_be_in_viewport()
    assert selected(page) == {FRAMEWORKS[framework].title}
    assert page.url.endswith(f"?framework={framework}")


def test_an_anchor_reaches_a_tab_and_a_folded_answer(page, html):
    address = f"file://{html}/{SECTION}.html"
    page.goto(address)
    answer = page.locator("details.solution").nth(1)
    places = page.locator(".framework-mxnet").nth(3), answer
    tab, folded = (place.get_attribute("id") for place in places)
    page.goto(f"{address}#{tab}")
    assert shown(page) == {"mxnet"}
    assert page.locator(f"#{tab}").is_visible()
    page.goto(f"{address}#{folded}")
    expect(answer).to_have_attribute("open", "")


def test_everything_is_visible_in_forced_colors(page, html):
    page.emulate_media(forced_colors="active")
    page.goto(f"file://{html}/{SECTION}.html")
    icons = page.locator(":is(i, span)[class*='fa-']:visible")
    assert icons.count() > 3
    [behind] = styles(page.locator("body"), "backgroundColor")
    assert behind not in styles(icons, "backgroundColor")
    names = page.locator(".framework-switch input + span")
    tabs = page.locator("[role=tablist]").first.get_by_role("tab")
    for choices, name in ((names, "backgroundColor"), (tabs, "borderBottomColor")):
        colors = styles(choices, name)
        one, others = 1, len(colors) - 1
        assert set(map(colors.count, colors)) == {one, others}


# The lightness of each text, from 0 to 255, and its beginning.
INKS = """texts => texts.map((text) => {
    const [r, g, b] = getComputedStyle(text).color.match(/[\\d.]+/g).map(Number)
    return [0.3 * r + 0.6 * g + 0.1 * b, text.textContent.slice(0, 60)]
})"""


def test_paper_is_light_and_shows_one_framework_unfolded(page, html):
    page.emulate_media(color_scheme="dark")
    page.goto(f"file://{html}/{SECTION}.html?framework=tensorflow")
    settle(page)
    assert max(page.evaluate(INKS, page.evaluate_handle(WRITTEN)))[0] > 200
    page.emulate_media(color_scheme="dark", media="print")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    inks = page.evaluate(INKS, page.evaluate_handle(WRITTEN))
    assert [ink for ink in inks if ink[0] > 140] == []
    for said in ("ratio: 25.9", "203,530 in all.", "eight times as wide"):
        assert page.get_by_text(said).first.is_visible(), said
    covered = page.locator(".framework-tensorflow .predicted > img")
    assert [img.is_visible() for img in covered.all()] == [True]
    controls = "[role=tab], .framework-switch, .copybtn, .bd-sidebar, .reveal"
    assert page.locator(controls).locator("visible=true").count() == 0
    assert page.locator(".tag_claim:visible").count() == 0
    # No label stands over a claim that is left out.
    assert shown(page) == {"tensorflow"}
    printed = page.locator(".framework-tensorflow:has(> :not(.tag_claim))").count()
    assert page.locator(".framework-tensorflow:visible").count() == printed > 0
    empty = page.locator(".sd-tab-content:not(:has(> :not(.tag_claim)))")
    assert set(styles(empty, "display", "::before")) == {"none"}
    page.emulate_media(color_scheme="dark", media="screen")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def hits(page, address, words, title="", framework="pytorch"):
    """Search for words, and return the hits, or those in the page with a title."""
    page.goto(f"{address}/search.html?q={words}&framework={framework}")
    page.get_by_text("Search finished").wait_for()
    page.wait_for_load_state("networkidle")
    return page.locator("#search-results li", has_text=title)


def test_search_hits_name_their_framework(page, html):
    address = f"file://{html}"
    hit = hits(page, address, "requires_grad_", SCRATCH).first
    expect(hit.locator(".hit-framework")).to_have_text("in PyTorch")
    # This is only in the prose of a tab, as another word with the same stem.
    hit = hits(page, address, "overwriting", SCRATCH).first
    expect(hit.locator(".hit-framework")).to_have_text("in MXNet")
    with page.expect_navigation(wait_until="load"):
        hit.locator("a").first.click()
    assert "framework=mxnet" in page.url
    found = hits(page, address, "dropout")
    expect(found.locator("a", has_text="Glossary: dropout")).to_have_count(1)
    page.goto(f"{address}/404.html")
    assert not page.get_by_text("Hide Search Matches").is_visible()
    found = hits(page, address, "perceptron")
    assert found.count() > 0
    assert found.locator(".hit-framework").count() == 0
    assert page.wrong == []


def test_a_search_hit_opens_at_its_words(page, server):
    # In the code of every framework, the hit opens the reader's own tab.
    hit = hits(page, server, "num_hiddens", "Implementation of Multi", "jax").first
    assert hit.locator(".hit-framework").count() == 0
    with page.expect_navigation():
        hit.locator("a").click()
    assert selected(page) == {"JAX"}
    # The search finds other words with the same stem, and solutions come last.
    found = hits(page, server, "initializations").all_inner_texts()
    assert any("Initializ" in each for each in found)
    solutions = ["Solutions:" in each for each in found]
    assert solutions == sorted(solutions)
    # In a caption, the hit names the heading and opens at the caption.
    hit = hits(page, server, "confident label", SCRATCH).first
    context = re.compile(r"What Did It Learn\?: Figure \d+\.\d Six of the model")
    expect(hit.locator(".context")).to_contain_text(context)
    with page.expect_navigation():
        hit.locator("a").click()
    caption = page.get_by_text("most confident mistakes, each with its true label")
    expect(caption).to_be_in_viewport()
    assert "import " not in "".join(hits(page, server, "nn").all_inner_texts())
    # Formulas are plain, and of code there is the line.
    found = hits(page, server, "relu")
    texts = "".join(found.all_inner_texts())
    assert "\\" not in texts
    assert "ReLU(x) = max(x, 0)" in texts
    lines = found.locator(".context code").all_inner_texts()
    assert lines
    assert all("relu" in line.lower() for line in lines)


def test_reduced_motion_is_respected(page, html):
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"file://{html}/{SECTION}.html")
    everything = page.locator("*")
    assert "smooth" not in styles(everything, "scrollBehavior")
    times = set(", ".join(styles(everything, "transitionDuration")).split(", "))
    assert max(float(time.removesuffix("s")) for time in times) <= 0.001


def test_the_menu_downloads_self_contained_notebooks(page, server, html):
    page.goto(f"{server}/{SECTION}.html")
    page.get_by_role("button", name="Download the notebook").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="TensorFlow notebook").click()
    assert download.value.suggested_filename == "mlp-scratch-tensorflow.ipynb"
    notebook = nbformat.read(download.value.path(), as_version=4)
    (wheel,) = (html / "_downloads" / "notebooks").glob("*.whl")
    first = notebook.cells[0].source
    assert "needed = {'tensorflow': ['tensorflow']}" in first
    assert f'-m pip install -qq "./{wheel.name}{{extras}}"' in first
    assert page.get_by_role("link", name="d2lutils").count() >= 1


MOVED = """window.moved = [];
    new PerformanceObserver((list) => {
      for (const {value, sources} of list.getEntries())
        window.moved.push(
          [value, ...sources.map(({node}) => node?.outerHTML?.slice(0, 99))]);
    }).observe({type: 'layout-shift', buffered: true});"""
SEEN = """() => [...document.querySelectorAll(
      'article :is(h1, h2, h3, p, li, pre, th, td, figure), .bd-header-article *')]
    .filter((element) => element.checkVisibility())
    .map((element) => [element, element.getBoundingClientRect()])
    .filter(([, {top}]) => top < window.innerHeight)
    .map(([{tagName, innerText}, {left, top}]) => [tagName, innerText, left, top])"""
SCRIPTS = re.compile(r"_static/(?!mathjax/).*\.js")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", [*FIGURES, "chapters/exercises"])
def test_scripts_shift_nothing_in_view(first_visit, server, name, width):
    page, held = first_visit, []
    page.set_viewport_size({"width": width, "height": 720})
    page.route(re.compile("/mathjax/"), lambda route: route.abort())
    page.route(SCRIPTS, lambda route: held.append(route))
    page.goto(f"{server}/{name}.html?framework=tensorflow", wait_until="commit")
    page.wait_for_function(
        """document.readyState === 'interactive' && [
          ...document.querySelectorAll('link[rel=stylesheet]')].every((l) => l.sheet)"""
    )
    before = page.evaluate(SEEN)
    # No other framework flashes up first.
    assert shown(page) <= {"tensorflow"}
    assert len(held) > 5
    page.unroute(SCRIPTS)
    for route in held:
        route.continue_()
    page.wait_for_load_state()
    assert page.evaluate(SEEN) == before != []


@pytest.mark.parametrize("name", FIGURES)
def test_a_first_visit_loads_little_and_nothing_shifts(first_visit, server, html, name):
    page = first_visit
    page.add_init_script(MOVED)
    page.goto(f"{server}/{name}.html?framework=tensorflow", wait_until="networkidle")
    settle(page)
    paths = {unquote(urlsplit(url).path) for url in page.asked if url[:4] == "http"}
    sizes = {path: len(gzip.compress((html / path[1:]).read_bytes())) for path in paths}
    figures = FIGURES[name]
    # So many bytes, compressed.
    assert sum(sizes.values()) < (800_000 if figures else 400_000), sizes
    moved = page.evaluate("window.moved")
    assert sum(value for value, *_ in moved) < 0.1, moved
    assert not [path for path in paths if re.search(r"fontawesome|searchindex", path)]
    # All scripts of figures come in one file, only on pages with figures.
    own = [path for path in paths if re.search(r"/interactive/.*js$", path)]
    assert len(own) == bool(figures)
    assert all(sizes[path] < 16 * 1024 for path in own)
    assert all(figure in own[0] for figure in figures)


def test_the_code_of_clothes_is_that_of_the_section(page, server):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server}/{SECTION}.html#clothes?lr=0.2&b=64&e=1")
    figure = page.locator("#clothes")
    figure.get_by_text("Train it here").click()
    for framework in FRAMEWORKS:
        page.evaluate("framework => choose(framework, null)", framework)
        page.evaluate("navigator.clipboard.writeText('')")
        figure.get_by_role("button", name="Copy the code").click()
        page.wait_for_function("navigator.clipboard.readText()")
        code = page.evaluate("navigator.clipboard.readText()")
        assert "batch_size = 64" in code
        assert "num_epochs, lr = 1, 0.2" in code
        path = ROOT / f"notebooks/{framework}/mlp-scratch.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        own = "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")
        own = own.replace("batch_size = 256", "batch_size = 64")
        own = own.replace("num_epochs, lr = 10, 0.1", "num_epochs, lr = 1, 0.2")
        assert own.startswith(code.rstrip()), framework


def test_the_table_of_exercises_sorts_and_filters(page, server):
    page.set_viewport_size(PHONE)
    page.goto(f"{server}/chapters/exercises.html")
    assert page.locator(".exercise-list :has(> table)").evaluate_all(WIDE, "") == []
    rows = page.locator(".exercise-list tbody tr")
    shown = """all => all.filter(row => !row.hidden)
      .map(row => [row.cells[2].innerText, Number(row.cells[3].innerText)])"""
    before = rows.evaluate_all(shown)
    heading = page.get_by_role("columnheader", name="min")
    for direction in ("ascending", "descending"):
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", direction)
        minutes = [minutes for _, minutes in rows.evaluate_all(shown)]
        expected = sorted(minutes, reverse=direction == "descending")
        assert minutes == expected != [minutes for _, minutes in before]
    page.get_by_label("kind").select_option("measure")
    kinds = [kind for kind, _ in rows.evaluate_all(shown)]
    assert set(kinds) == {"measure"}
    said = page.locator(".exercise-list [role=status]")
    expect(said).to_contain_text(f"{len(kinds)} of {len(before)} exercises")
