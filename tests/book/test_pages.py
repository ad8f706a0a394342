"""Tests of the book's pages in a browser."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import axe_playwright_python
import lxml.html
import nbformat
import numpy
import pytest
from playwright.sync_api import expect

from booktools import FRAMEWORKS
from booktools.source.book import Book
from browser import served
from small_book import ROOT, built

PAGES = [page.docname for page in Book(ROOT).pages]
ALL_PAGES = [*PAGES, "genindex", "py-modindex", "search", "404"]
SECTION = "chapters/mlp-scratch"
LIGHT = "chapters/mlp-concise"  # has tabs but no interactive figure
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
SCRATCH = re.compile(r"\d+\. Implementation of Multi")  # the title of that section
WIDTHS = (360, 640, 768, 992, 1200, 1400, 2000)  # 640: a window of 1280 at 200 %


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


def faults(page, elements, **options):
    """Return the problems that axe finds in elements."""
    options |= {"preload": False, "resultTypes": ["violations"]}
    found = page.evaluate(
        "async ([e, o]) => (await axe.run(e, o)).violations", [elements, options]
    )
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found
        for node in fault["nodes"]
    ]


# A page has thousands of texts, but only a few dozen combinations of color, size and
# background. Checking contrast is slow, so mark one text of each for axe.
MARK = """() => {
    const kinds = new Map()
    for (const element of document.querySelectorAll('body *')) {
        const texts = [...element.childNodes].filter(
            (node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
        if (!texts.length && !element.matches('input, select, textarea')) continue
        if (!element.checkVisibility()) continue
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


# Formulas don't break. If one in a paragraph is wider than the line, it is cut off, and
# if a displayed one is, it has to be scrolled.
CUT_OFF = """() => [...document.querySelectorAll('span > mjx-container, div.math')]
    .filter((formula) => {
        if (formula.matches('div'))
            return [formula, ...formula.children].some(
                (part) => part.scrollWidth > part.clientWidth + 1)
        let line = formula.parentElement
        while (getComputedStyle(line).display.startsWith('inline'))
            line = line.parentElement
        const end = line.getBoundingClientRect().right
        const {paddingRight} = getComputedStyle(line)
        const {right} = formula.getBoundingClientRect()
        return formula.checkVisibility() && right > end - parseFloat(paddingRight) + 2
    })
    .map((formula) => formula.parentElement.textContent)"""

# Lines that begin with the punctuation mark after a formula.
LEFT_ALONE = """() => [...document.querySelectorAll('span.math')].filter((formula) => {
        const mark = document.createRange()
        const after = formula.nextSibling
        if (!(after instanceof Text && /^[.,;:?!)]/.test(after.data))) return false
        mark.setStart(after, 0)
        mark.setEnd(after, 1)
        return mark.getBoundingClientRect().top > formula.getBoundingClientRect().bottom
    })
    .map((formula) => formula.textContent)"""

# The names of the pages before and after this one.
CUT_NAMES = """() => [...document.querySelectorAll('.prev-next-area > a')]
    .filter((link) => link.scrollWidth > link.clientWidth)
    .map((link) => link.innerText)"""

# Code and outputs that are wider than their box.
CUT_CODE = """() => [...document.querySelectorAll('article pre')]
    .filter((block) => block.checkVisibility() && block.scrollWidth > block.clientWidth)
    .map((block) => block.textContent)"""

# The numbers of characters in the lines of paragraphs, except their last lines.
LINES = """() => {
    const range = document.createRange(), found = []
    for (const text of document.querySelectorAll('article p')) {
        if (!text.checkVisibility() || text.querySelector('.math, code')) continue
        const lines = new Map()
        const walk = document.createTreeWalker(text, NodeFilter.SHOW_TEXT)
        for (let node; (node = walk.nextNode());)
            for (let i = 0; i < node.length; i++) {
                range.setStart(node, i)
                range.setEnd(node, i + 1)
                const line = Math.round(range.getBoundingClientRect().bottom / 12)
                lines.set(line, (lines.get(line) ?? 0) + 1)
            }
        found.push(...[...lines.values()].slice(0, -1))
    }
    return found
}"""

# Open all answers and all tabs at once, or close them again.
UNFOLD = """open => {
    for (const details of document.querySelectorAll('article details'))
        details.open = open
    document.getElementById('unfolded')?.remove()
    if (!open) return
    const style = document.createElement('style')
    style.id = 'unfolded'
    style.textContent = `.frameworks > .sd-tab-content {
        display: block !important; content-visibility: visible !important}`
    document.head.append(style)
}"""


def assert_all_fits(page, widths):
    """Check that nothing is too wide for the page, or for its box."""
    page.evaluate(UNFOLD, True)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == min(WIDTHS):
            assert page.evaluate(CUT_OFF) == []
            assert page.evaluate(LEFT_ALONE) == []
            assert page.evaluate(CUT_NAMES) == []
        elif 992 <= width < 2000:
            assert page.evaluate(CUT_CODE) == [], width
    page.evaluate(UNFOLD, False)


def show(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(
        "scheme => document.documentElement.dataset.theme === scheme", arg=scheme
    )


def assert_open_to_all(page):
    page.set_viewport_size({"width": 1400, "height": 900})
    page.add_script_tag(path=AXE)
    # During a transition, colors have another contrast.
    page.add_style_tag(content="* { transition: none !important }")
    for scheme in ("dark", "light"):
        show(page, scheme)
        assert page.evaluate(MARK) > 5
    page.evaluate(THIN)
    # axe doesn't see formulas as text, so another test looks for empty headings.
    off = {"enabled": False}
    others = {"color-contrast": off, "empty-table-header": off}
    assert faults(page, "html", rules=others) == []
    for scheme in ("light", "dark"):
        show(page, scheme)
        assert faults(page, "[data-kind]", runOnly=["color-contrast"]) == [], scheme


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
    """Choose pages that have all kinds of elements, besides the pages of figures."""
    kinds = {
        name: {
            (element.tag, re.sub(r"\d", "", kind))
            for element in trees[name].iter(lxml.etree.Element)
            for kind in element.get("class", "").split() or [""]
        }
        for name in ALL_PAGES
    }
    left = set().union(*kinds.values())
    for name in FIGURES:
        left -= kinds[name]
    found = []
    while left:
        found.append(max(kinds, key=lambda name: len(kinds[name] & left)))
        left -= kinds[found[-1]]
    return found


@pytest.mark.parametrize("name", ALL_PAGES)
def test_every_page_works_offline_and_is_accessible(page, html, telling, name):
    page.set_viewport_size({"width": min(WIDTHS), "height": 900})
    page.goto(f"file://{html}/{name}.html")
    settle(page)
    # From 992 on, text has the same width. Check more only on representative pages.
    assert_all_fits(page, WIDTHS if name in telling else (360, 992))
    if name in telling:
        assert_open_to_all(page)
    assert page.wrong == []
    assert not [url for url in page.asked if urlsplit(url).scheme.startswith("http")]


def test_no_link_is_dead_and_no_id_is_repeated(html, trees):
    ids = {name: tree.xpath("//@id") for name, tree in trees.items()}
    twice = {name: len(all_) - len(set(all_)) for name, all_ in ids.items()}
    assert {name for name, repeated in twice.items() if repeated} == set()
    dead = []
    for name, tree in trees.items():
        path = html / f"{name}.html"
        for link in tree.xpath("(//a | //link)/@href | (//img | //script)/@src"):
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            there = target.is_file()
            if there and url.fragment and target.suffix == ".html":
                other = target.relative_to(html).with_suffix("").as_posix()
                there = unquote(url.fragment) in ids[other]
            if not there:
                dead.append(f"{name}: {link}")
    assert dead == []


def test_every_page_has_a_title_and_a_description(trees):
    for name in PAGES:
        [description] = trees[name].xpath("//meta[@name='description']/@content")
        assert 20 < len(description) <= 200
        [title] = trees[name].xpath("//meta[@property='og:title']/@content")
        assert title
        assert "<" not in title
        [icon] = trees[name].xpath("//link[@rel='icon']/@href")
        assert icon.endswith("_static/favicon.svg")


def test_no_heading_level_is_skipped(trees):
    tags = " or ".join(f"self::h{level}" for level in range(1, 7))
    for name in PAGES:
        levels = [
            int(each.tag[1]) for each in trees[name].xpath(f"//article//*[{tags}]")
        ]
        steps = zip([0, *levels], levels, strict=False)
        assert all(to <= level + 1 for level, to in steps), name
        assert levels.count(1) == 1, name


def test_pictures_have_a_size_and_a_text_alternative(trees):
    pictures = [image for name in PAGES for image in trees[name].iter("img")]
    assert len(pictures) > 30
    for image in pictures:
        assert int(image.get("width")) > 0
        assert int(image.get("height")) > 0
        decoration = "logo__image" in image.get("class", "")
        assert decoration == (not image.get("alt"))


def test_no_table_heading_is_empty(trees):
    headings = [cell for tree in trees.values() for cell in tree.iter("th")]
    assert headings
    assert all(cell.text_content().strip() for cell in headings)


def test_the_median_line_has_at_most_75_characters(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    for width in (992, 2000):
        page.set_viewport_size({"width": width, "height": 900})
        lines = page.evaluate(LINES)
        assert len(lines) > 50
        assert numpy.median(lines) <= 75


def test_boxes_that_scroll_on_a_phone_show_it(page, html):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"file://{html}/{SECTION}.html")
    settle(page)
    code = page.locator("pre[data-scrolls]:visible").first
    assert code.get_attribute("data-scrolls") == "on"
    mask = "code => getComputedStyle(code).maskImage"
    assert "gradient" in code.evaluate(mask)
    code.evaluate("code => code.scrollTo(9999, 0)")
    page.wait_for_selector("pre[data-scrolls=back]")
    unmarked = page.evaluate(
        """() => [...document.querySelectorAll('article *')].filter((box) =>
        box.checkVisibility() && box.scrollWidth > box.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(box).overflowX)
        && !box.dataset.scrolls).map((box) => box.outerHTML)"""
    )
    assert unmarked == []


def test_on_a_phone_the_names_of_rows_fit(page, html):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"file://{html}/chapters/performance.html")
    rows = page.locator("[data-scrolls] > table:has(td.number) > tbody > tr")
    names = rows.evaluate_all(
        """rows => rows.map(({cells: [name]}) =>
        [name.offsetWidth > 110, getComputedStyle(name).backgroundColor
        === getComputedStyle(name.parentElement).backgroundColor])"""
    )
    assert {tuple(each) for each in names} == {(True, True)}


def test_what_belongs_to_the_text_begins_where_it_does(page, html):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"file://{html}/{SECTION}.html")
    text = page.locator("article p").first.bounding_box()
    for each in (".exercise > section > p", ".tag_claim summary > p.collapsed"):
        shown = page.locator(each).locator("visible=true").first
        box = shown.bounding_box()
        padding = shown.evaluate("p => parseFloat(getComputedStyle(p).paddingLeft)")
        assert box["x"] + padding == text["x"], each
    assert page.get_by_text("Show the code", exact=True).first.is_visible()


def test_in_the_dark_outputs_and_links_in_tables_are_as_in_the_light(page, html):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"file://{html}/{SECTION}.html")
        fills = page.locator(".cell_output :is(pre, .highlight)").evaluate_all(
            "boxes => boxes.map((box) => getComputedStyle(box).backgroundColor)"
        )
        assert set(fills) == {"rgba(0, 0, 0, 0)"}, scheme
        page.goto(f"file://{html}/chapters/exercises.html")
        colors = page.locator("article :is(td a, p a)").evaluate_all(
            "links => links.map((link) => getComputedStyle(link).color)"
        )
        colors += page.locator(".prev-next-title").evaluate_all(
            "links => links.map((link) => getComputedStyle(link).color)"
        )
        assert len(set(colors)) == 1, scheme


def test_each_heading_has_one_row_of_tabs_and_then_only_marks(page, html):
    page.goto(f"file://{html}/{SECTION}.html?framework=jax")
    rows = page.evaluate(
        """() => [...document.querySelectorAll('article section')].map((section) =>
        [...section.querySelectorAll('[role="tablist"]')].filter((row) =>
        row.closest('section') === section).length)"""
    )
    assert max(rows) == 1
    sets = page.locator(".frameworks")
    assert sum(rows) < sets.count() / 1.5
    marks = sets.evaluate_all(
        """sets => sets.filter((set) => !set.querySelector('[role="tablist"]'))
        .map((set) => set.querySelector('.framework-jax'))
        .map((panel) => getComputedStyle(panel, '::before').content)"""
    )
    assert set(marks) == {'"JAX"'}


def test_answers_stay_covered_until_the_reader_asks(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    output = page.get_by_text("ratio: 25.9")
    # The text about it is covered too.
    told = page.get_by_text("Nearly all parameters of the MLP, 784", exact=False)
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


def test_figures_in_tables_are_aligned(page, html):
    page.goto(f"file://{html}/chapters/performance.html")
    cell = page.get_by_role("cell", name=re.compile(r"^\d+\.\d\d$")).first
    style = cell.evaluate("""cell => {
        const {textAlign, fontVariantNumeric, whiteSpace} = getComputedStyle(cell)
        return [textAlign, fontVariantNumeric, whiteSpace]}""")
    assert style == ["end", "tabular-nums", "nowrap"]


def test_the_first_screen_says_what_the_book_is_and_where_to_begin(page, html):
    page.goto(f"file://{html}/chapters/index.html")
    for width, height in ((360, 800), (768, 1024), (1200, 900)):
        page.set_viewport_size({"width": width, "height": height})
        for said in ("neural network", "You should know", "Begin in JAX"):
            words = page.locator(f"article :is(p, a):has-text('{said}')").first
            box = words.bounding_box()
            assert box["y"] + box["height"] <= height, (width, said)
    color = "link => getComputedStyle(link).backgroundColor"
    links = page.locator(".framework-links a")
    colors = {link.inner_text(): link.evaluate(color) for link in links.all()}
    own = colors.pop("Begin in PyTorch")
    assert own not in colors.values()


def test_the_sidebar_folds_the_solutions(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    sidebar = page.locator(".bd-sidebar-primary")
    link = sidebar.get_by_text("Solutions: Performance")
    assert link.count() == 1
    assert not link.is_visible()


def shown(page):
    """Return the frameworks with a visible tab in the text."""
    return set(
        page.evaluate(
            """() => [...document.querySelectorAll('.frameworks > .sd-tab-content')]
            .filter((panel) => panel.offsetHeight > 0)
            .map((panel) => panel.className.match(/framework-(\\w+)/)[1])"""
        )
    )


def selected(page):
    """Return the frameworks that the tabs and the switch show as chosen."""
    tabs = page.locator('.frameworks [role="tab"][aria-selected="true"]:visible')
    switch = page.locator(".framework-switch input:checked + span")
    narrow = page.locator("select.framework-switch option:checked")
    return {
        *tabs.all_inner_texts(),
        *switch.all_inner_texts(),
        *narrow.all_inner_texts(),
    }


def test_a_choice_applies_to_every_tab_and_page(page, html):
    page.goto(f"file://{html}/{LIGHT}.html")
    assert shown(page) == {"pytorch"}
    page.locator("fieldset.framework-switch").get_by_text("TensorFlow").click()
    assert shown(page) == {"tensorflow"}
    assert selected(page) == {"TensorFlow"}
    assert page.url.endswith("?framework=tensorflow")
    # Links pass it on, and the next visit remembers it.
    with page.expect_navigation():
        page.locator(".prev-next-area a").last.click()
    assert "?framework=tensorflow" in page.url
    assert shown(page) == {"tensorflow"}
    page.goto(f"file://{html}/{LIGHT}.html")
    assert selected(page) == {"TensorFlow"}
    page.goto(f"file://{html}/{LIGHT}.html?framework=mxnet")
    assert selected(page) == {"MXNet"}
    page.goto(f"file://{html}/{LIGHT}.html?framework=caffe")
    assert selected(page) == {"MXNet"}
    assert page.wrong == []


def test_the_switch_is_a_list_on_phones(page, html):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"file://{html}/{LIGHT}.html")
    page.locator("select.framework-switch").select_option("mxnet")
    assert shown(page) == {"mxnet"}
    assert not page.locator("fieldset.framework-switch").is_visible()


def test_going_back_keeps_the_latest_choice(page, server):
    page.goto(f"{server}/{LIGHT}.html?framework=mxnet")
    page.goto(f"{server}/chapters/softmax-concise.html")
    page.locator("fieldset.framework-switch").get_by_text("TensorFlow").click()
    page.go_back()
    assert selected(page) == {"TensorFlow"}
    assert page.url.endswith("mlp-concise.html?framework=tensorflow")


def test_tabs_work_by_keyboard_and_have_names(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    tabs = page.get_by_role("tablist", name="Framework").first.get_by_role("tab")
    names = [framework.title for framework in FRAMEWORKS.values()]
    assert tabs.all_inner_texts() == names
    tabs.nth(1).focus()
    for key, name in {
        "ArrowRight": names[2],
        "Home": names[0],
        "ArrowLeft": names[-1],
        "End": names[-1],
    }.items():
        page.keyboard.press(key)
        focused = page.evaluate(
            "[document.activeElement.textContent, document.activeElement.tabIndex]"
        )
        assert focused == [name, 0]
        assert selected(page) == {name}
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Tab")
    panel = page.get_by_role("tabpanel", name=names[-1]).first
    assert panel.evaluate("panel => panel === document.activeElement")


def test_the_first_tab_stop_skips_to_the_text(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")


def test_the_block_in_view_stays_in_place_when_tabs_change(page, html):
    page.goto(f"file://{html}/chapters/softmax-scratch.html")
    settle(page)
    tab = page.locator('[role="tab"][data-sync-id="mxnet"]').last
    tab.scroll_into_view_if_needed()
    before, scrolled = tab.bounding_box()["y"], page.evaluate("window.scrollY")
    tab.evaluate("tab => tab.click()")  # Playwright's click might scroll
    assert tab.bounding_box()["y"] == pytest.approx(before, abs=1.5)
    assert page.evaluate("window.scrollY") != scrolled, "nothing changed above it"


def test_no_other_framework_flashes_up_first(first_visit, server):
    """The choice shows even before the script of the tabs has loaded."""
    page = first_visit
    page.route("**/booktools.js*", lambda route: None)
    page.goto(f"{server}/{SECTION}.html?framework=mxnet", wait_until="commit")
    page.locator("article h1").wait_for()
    assert shown(page) == {"mxnet"}


def test_a_link_into_a_tab_opens_it(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    inside = page.locator(".framework-mxnet").nth(3).get_attribute("id")
    page.goto(f"file://{html}/{SECTION}.html#{inside}")
    assert shown(page) == {"mxnet"}
    assert page.locator(f"#{inside}").is_visible()


TAB = (
    "xpath=ancestor::*[contains(@class, 'sd-tab-content')]/preceding-sibling::label[1]"
)


def test_without_scripts_everything_can_be_reached(chromium, html):
    context = chromium.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 800}
    )
    page = context.new_page()
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
    contents = page.locator(".bd-sidebar-primary").get_by_text("Performance").first
    contents.click()
    assert page.url.endswith("/performance.html")
    context.close()


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
    page.locator("fieldset.framework-switch").get_by_text("TensorFlow").click()
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
    frame.locator("fieldset.framework-switch").get_by_text("JAX").click()
    expect(frame.locator(".framework-jax").first).to_be_visible()
    # Such a frame can't load fonts from this server.
    fonts = re.compile(r"\.woff|Access to font|net::ERR_FAILED")
    assert [each for each in page.wrong if not fonts.search(each)] == []


def test_two_windows_can_show_two_frameworks(page, server):
    other = page.context.new_page()
    for window, name in ((page, "MXNet"), (other, "TensorFlow")):
        window.goto(f"{server}/{LIGHT}.html")
        window.locator("fieldset.framework-switch").get_by_text(name).click()
    for window, name in ((page, "MXNet"), (other, "TensorFlow")):
        assert selected(window) == {name}
        window.reload()
        assert selected(window) == {name}
        # The address agrees, but the choice doesn't depend on it.
        assert window.url.endswith(f"?framework={name.lower()}")
        window.goto(f"{server}/chapters/softmax-concise.html")
        assert selected(window) == {name}
    other.close()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("overwrites", "chapters/softmax-scratch"),  # only in MXNet's tabs
        ("ratio: 25.9", SECTION),  # in an output that answers a question
        ("eight times as wide", SECTION),  # in a short answer
    ],
)
def test_a_link_to_words_reveals_hidden_text(page, server, text, name):
    page.goto(f"{server}/{name}.html#:~:text={quote(text)}")
    expect(page.locator("article").get_by_text(text).first).to_be_in_viewport()
    if text == "overwrites":
        assert selected(page) == {"MXNet"}
        assert "framework=mxnet" in page.url


def test_a_link_to_words_prefers_the_readers_framework(page, server):
    page.goto(f"{server}/{SECTION}.html?framework=jax#:~:text=mean%20before%20training")
    words = page.locator(".framework-jax .output", has_text="mean before training")
    expect(words).to_be_in_viewport()
    assert selected(page) == {"JAX"}


def test_an_anchor_reaches_a_folded_answer(page, html):
    page.goto(f"file://{html}/{SECTION}.html")
    answer = page.locator("details.solution").nth(1)
    identity = answer.get_attribute("id")
    page.goto(f"file://{html}/{SECTION}.html#{identity}")
    expect(answer).to_have_attribute("open", "")


def test_everything_is_visible_in_forced_colors(page, html):
    page.emulate_media(forced_colors="active")
    page.goto(f"file://{html}/{SECTION}.html")
    background = "part => getComputedStyle(part).backgroundColor"
    behind = page.locator("body").evaluate(background)
    icons = page.locator(":is(i, span)[class*='fa-']:visible")
    assert icons.count() > 3
    assert behind not in [icon.evaluate(background) for icon in icons.all()]
    chosen = page.locator(".framework-switch input:checked + span")
    other = page.locator(".framework-switch input:not(:checked) + span").first
    assert chosen.evaluate(background) != other.evaluate(background)
    line = "tab => getComputedStyle(tab).borderBottomColor"
    tabs = page.locator("[role=tablist]").first
    chosen = tabs.locator("[aria-selected=true]").evaluate(line)
    assert chosen != tabs.locator("[aria-selected=false]").first.evaluate(line)


# The lightness of each text, from 0 to 255, and its beginning.
INKS = """() => [...document.querySelectorAll('article *')].filter((part) =>
    part.checkVisibility() && [...part.childNodes].some(
        (node) => node instanceof Text && node.data.trim()))
    .map((part) => {
        const [r, g, b] = getComputedStyle(part).color.match(/[\\d.]+/g).map(Number)
        return [0.3 * r + 0.6 * g + 0.1 * b, part.textContent.slice(0, 60)]
    })"""


def test_print_is_light_and_unfolds_everything(page, html):
    page.emulate_media(color_scheme="dark")
    page.goto(f"file://{html}/{SECTION}.html")
    assert max(page.evaluate(INKS))[0] > 200
    page.emulate_media(color_scheme="dark", media="print")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert [ink for ink in page.evaluate(INKS) if ink[0] > 140] == []
    for said in ("ratio: 25.9", "203,530 in all.", "eight times as wide"):
        assert page.get_by_text(said).first.is_visible(), said
    assert not page.locator(":is(.reveal, .tag_claim):visible").count()
    covered = page.locator(".framework-pytorch .predicted > img")
    assert [img.is_visible() for img in covered.all()] == [True]
    page.emulate_media(color_scheme="dark", media="screen")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_on_paper_no_label_stands_over_a_claim_that_is_left_out(page, html):
    page.emulate_media(media="print")
    page.goto(f"file://{html}/{SECTION}.html")
    panels = page.locator(".sd-tab-content:not(:has(> :not(.tag_claim)))")
    label = "panels => panels.map((each) => getComputedStyle(each, '::before').display)"
    assert set(panels.evaluate_all(label)) == {"none"}


def test_print_shows_only_the_chosen_framework(page, html):
    page.goto(f"file://{html}/{SECTION}.html?framework=tensorflow")
    settle(page)
    page.emulate_media(media="print")
    assert shown(page) == {"tensorflow"}
    printed = page.locator(".framework-tensorflow:has(> :not(.tag_claim))").count()
    assert page.locator(".framework-tensorflow:visible").count() == printed > 0
    for other in ('[role="tab"]', ".framework-switch", ".copybtn", ".bd-sidebar"):
        assert page.locator(f"{other}:visible").count() == 0
    assert page.pdf()[:4] == b"%PDF"


def test_search_hits_name_their_framework(page, html):
    page.goto(f"file://{html}/search.html?q=requires_grad_")
    hit = page.locator("#search-results li", has_text="Softmax Regression from Scratch")
    hit.first.wait_for()
    assert hit.first.locator(".hit-framework").inner_text() == "in PyTorch"
    with page.expect_navigation(wait_until="load"):
        hit.first.locator("a").first.click()
    assert "framework=pytorch" in page.url
    # Only in the prose of a tab, as another word with the same stem.
    page.goto(f"file://{html}/search.html?q=overwriting")
    hit = page.locator("#search-results li", has_text="Softmax Regression from Scratch")
    hit.first.wait_for()
    assert hit.first.locator(".hit-framework").inner_text() == "in MXNet"
    page.goto(f"file://{html}/search.html?q=dropout")
    entry = page.locator("#search-results a", has_text="Glossary: dropout")
    expect(entry).to_have_count(1)
    page.goto(f"file://{html}/404.html")
    assert not page.get_by_text("Hide Search Matches").is_visible()
    page.goto(f"file://{html}/search.html?q=perceptron")
    page.locator("#search-results li").first.wait_for()
    assert page.locator(".hit-framework").count() == 0
    assert page.wrong == []


def hits(page, address, words, framework="pytorch"):
    """Search for words, and return the hits in order."""
    page.goto(f"{address}/search.html?q={words}&framework={framework}")
    page.get_by_text("Search finished").wait_for()
    page.wait_for_load_state("networkidle")
    return page.locator("#search-results li").all_inner_texts()


def test_a_search_hit_opens_at_its_words(page, server):
    # In the code of every framework, the hit opens the reader's own tab.
    hits(page, server, "num_hiddens", "jax")
    hit = page.locator("#search-results li", has_text=SCRATCH)
    assert hit.locator(".hit-framework").count() == 0
    with page.expect_navigation():
        hit.locator("a").click()
    assert selected(page) == {"JAX"}
    # The search finds other words with the same stem, and solutions come last.
    found = hits(page, server, "initializations")
    assert any("Initializ" in each for each in found)
    solutions = ["Solutions:" in each for each in found]
    assert solutions == sorted(solutions)
    # In a caption, the hit names the heading and opens at the caption.
    hits(page, server, "confident label")
    softmax = re.compile(r"\d+\. Softmax Regression from Scratch")
    hit = page.locator("#search-results li", has_text=softmax)
    context = re.compile(r"What Did It Learn\?: Figure \d+\.\d Six of the model")
    expect(hit.locator(".context")).to_contain_text(context)
    with page.expect_navigation():
        hit.locator("a").click()
    caption = page.get_by_text("most confident mistakes, each with its true label")
    expect(caption).to_be_in_viewport()
    assert not any("import " in each for each in hits(page, server, "nn"))
    # Formulas are plain, and of code there is the line.
    found = hits(page, server, "relu")
    assert not any("\\" in each for each in found)
    assert any("ReLU(x) = max(x, 0)" in each for each in found)
    lines = page.locator("#search-results .context code").all_inner_texts()
    assert lines
    assert all("relu" in line.lower() for line in lines)


def test_reduced_motion_is_respected(page, html):
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"file://{html}/{SECTION}.html")
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter((element) => {
          const style = getComputedStyle(element);
          return parseFloat(style.transitionDuration) > 0.001
            || style.scrollBehavior === 'smooth';
        }).map((element) => element.className)"""
    )
    assert moving == []


def test_the_menu_downloads_self_contained_notebooks(page, server, html):
    page.goto(f"{server}/{SECTION}.html")
    page.get_by_role("button", name="Download the notebook").click()
    with page.expect_download(timeout=20_000) as download:
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
WEIGHT = {  # the most bytes a page may load, compressed, and its figures
    "chapters/index": (400_000, ()),
    "chapters/d2lutils": (400_000, ()),
    "chapters/mlp": (800_000, ("plane", "folds")),
    "chapters/gradient-descent": (800_000, ("descent",)),
    SECTION: (800_000, ("clothes",)),
}
FIGURES = [name for name, (_, figures) in WEIGHT.items() if figures]


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", [*WEIGHT, "chapters/exercises"])
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
    assert len(held) > 5
    page.unroute(SCRIPTS)
    for route in held:
        route.continue_()
    page.wait_for_load_state()
    assert page.evaluate(SEEN) == before != []


@pytest.mark.parametrize("name", WEIGHT)
def test_a_first_visit_loads_little_and_nothing_shifts(first_visit, server, html, name):
    page = first_visit
    page.add_init_script(MOVED)
    page.goto(f"{server}/{name}.html?framework=tensorflow", wait_until="networkidle")
    settle(page)
    paths = {unquote(urlsplit(url).path) for url in page.asked if url[:4] == "http"}
    sizes = {path: len(gzip.compress((html / path[1:]).read_bytes())) for path in paths}
    weight, figures = WEIGHT[name]
    assert sum(sizes.values()) < weight, sizes
    moved = page.evaluate("window.moved")
    assert sum(value for value, *_ in moved) < 0.1, moved
    assert not [path for path in paths if re.search(r"fontawesome|searchindex", path)]
    # All scripts of figures come in one file, only on pages with figures.
    own = [path for path in paths if re.search(r"/interactive/.*js$", path)]
    assert len(own) == bool(figures)
    assert all(sizes[path] < 16 * 1024 for path in own)
    assert all(figure in own[0] for figure in figures)


@pytest.mark.parametrize("name", FIGURES)
def test_opened_figures_are_accessible(page, html, name):
    page.goto(f"file://{html}/{name}.html")
    for figure in WEIGHT[name][1]:
        place = page.locator(f"#{figure}")
        if figure == "clothes":
            place.get_by_role("button", name="Open the network").click()
            expect(place.locator("[data-unit]").first).to_be_visible()
        for details in place.locator("summary").all():
            details.click()
    settle(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert_open_to_all(page)
    assert page.wrong == []


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
        notebook = nbformat.read(
            ROOT / f"notebooks/{framework}/mlp-scratch.ipynb", as_version=4
        )
        cells = [c.source for c in notebook.cells if c.cell_type == "code"]
        own = "\n\n".join(cells)
        own = own.replace("batch_size = 256", "batch_size = 64")
        own = own.replace("num_epochs, lr = 10, 0.1", "num_epochs, lr = 1, 0.2")
        assert own.startswith(code.rstrip()), framework


def test_the_table_of_exercises_sorts_and_filters(page, server):
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{server}/chapters/exercises.html")
    table = page.locator(".exercise-list table")
    assert table.evaluate("t => t.scrollWidth <= t.parentElement.clientWidth")
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
