"""Pages show every framework's code and outputs in tabs, or the build fails."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest.mock import Mock

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from booktools import FRAMEWORKS
from booktools.execution.downloads import build_wheel
from booktools.execution.install import install_cell
from booktools.source.book import Page
from booktools.sphinx.html import DROPPED, Heads, fix_html, fix_summaries
from booktools.sphinx.search import framework_words
from booktools.sphinx.sources import read_page
from small_book import ROOT, build, change_output, copy_book, replace, run_notebooks

FIRST = Path("chapters", "first.md")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small book, its notebooks executed, built to HTML."""
    root = copy_book(tmp_path_factory.mktemp("built") / "book")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_notebooks(root, monkeypatch)
    done = build(root)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def root(tmp_path, built):
    """A copy of the book that a test may change, not built."""
    ignore = shutil.ignore_patterns("_build")
    return Path(shutil.copytree(built, tmp_path / "book", ignore=ignore))


def page(root, name="first"):
    html = root / "_build" / "html" / "chapters" / f"{name}.html"
    soup = BeautifulSoup(html.read_text(encoding="utf-8"), "html.parser")
    return soup.find("article")


def tabs(tab_set):
    """Return what stands in each tab of a tab set by the tab's name."""
    labels = tab_set.find_all("label", recursive=False)
    contents = tab_set.find_all("div", class_="sd-tab-content", recursive=False)
    return {
        label.get_text(strip=True): content.get_text()
        for label, content in zip(labels, contents, strict=True)
    }


def errors(done):
    """Return the lines of a build's output that report something, without colours."""
    assert done.returncode != 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    return [
        line for line in text.split("\n") if re.search("WARNING|ERROR|error:", line)
    ]


def test_a_section_says_in_which_frameworks_it_has_no_code(built):
    (note,) = page(built).select(".lacking")
    assert note["class"] == ["lacking", "lacking-jax"]
    assert note.text.endswith(
        "no code in JAX here, only in MXNet, PyTorch, TensorFlow."
    )
    assert not page(built, "second").select(".lacking")


def test_neighboring_cells_and_prose_become_one_tab_set(built):
    first = page(built).find_all("div", class_="sd-tab-set")[0]
    shown = tabs(first)
    assert list(shown) == ["MXNet", "PyTorch", "TensorFlow"]
    assert 'name = "mx"' in shown["MXNet"]
    assert 'name = "torch"' in shown["PyTorch"]
    assert "return 2 * x" in shown["TensorFlow"]
    prose = "Not for the third, see Figure 1.1."
    assert [name for name in shown if prose in shown[name]] == ["MXNet", "TensorFlow"]


def test_the_words_of_a_tab_are_known_to_the_search(tmp_path):
    path = tmp_path / "page.md"
    page = Page(
        path,
        "# Title\n\nAll take steps.\n\n"
        ":::{framework} mxnet pytorch\nRows of steps, *backward*.\n:::\n\n"
        "::::{note}\n:class: wide\n:::{framework} tensorflow\nA tape.\n:::\n::::\n",
    )
    assert framework_words(page) == dict.fromkeys(FRAMEWORKS, "") | {
        "mxnet": "backward of row",
        "pytorch": "backward of row",
        "tensorflow": "a tape",
    }
    assert framework_words(Page(path, "# Title\n\nAll take steps.\n")) == {}


def test_tab_sets_are_synchronised_and_the_default_is_open(built):
    for tab_set in page(built).find_all("div", class_="sd-tab-set"):
        labels = tab_set.find_all("label", recursive=False)
        assert {label["data-sync-group"] for label in labels} == {"framework"}
        ids = [label["data-sync-id"] for label in labels]
        assert ids == ["mxnet", "pytorch", "tensorflow"]
        chosen = tab_set.find_all("input", checked=True, recursive=False)
        assert [each["id"] for each in chosen] == [labels[1]["for"]]


def test_a_shared_cell_is_shown_once_if_its_outputs_are_equal(built):
    text = page(built).get_text()
    assert text.count("the same in all\n") == 1
    assert text.count("ZeroDivisionError: division by zero") == 1


def test_a_shared_cell_becomes_a_tab_set_if_its_outputs_differ(built):
    second = tabs(page(built).find_all("div", class_="sd-tab-set")[1])
    outputs = {name: text.strip().split("\n")[-1] for name, text in second.items()}
    assert outputs == {
        "MXNet": "mx: train loss 0.330",
        "PyTorch": "torch: train loss 0.360",
        "TensorFlow": "tf: train loss 0.330",
    }
    assert all("print(" in text for text in second.values())


def test_a_figure_holds_the_tab_set_one_caption_and_one_number(built):
    line, dot = page(built).find_all("figure")
    assert line["id"] == "fig-line"
    assert len(line.find_all("div", class_="sd-tab-set")) == 1
    assert [each["alt"] for each in line.find_all("img")] == ["A line that falls."] * 3
    assert len({each["src"] for each in line.find_all("img")}) == 3
    caption = line.find("figcaption").get_text(strip=True)
    assert caption.startswith("Figure 1.1")
    assert not dot.find("div", class_="sd-tab-set")
    assert [each["alt"] for each in dot.find_all("img")] == ["A dot."]
    assert (
        dot.find("figcaption").get_text(" ", strip=True).startswith("Figure 1.2 A dot")
    )


def test_references_lead_to_what_is_there(built):
    article = page(built)
    links = {a.get_text(): a["href"] for a in article.find_all("a", class_="reference")}
    assert links["Figure 1.1"] == "#fig-line"
    assert links["figure 1.2"] == "#fig-shared"
    assert links["(1.1)"] == "#equation-eq-line"
    assert links["The Second Section"] == "second.html#sec-second"
    assert links["Exercise 1.1"] == "#ex_slope"
    ids = {element["id"] for element in article.find_all(id=True)}
    for href in links.values():
        if href.startswith("#"):
            assert href[1:] in ids
    other = page(built, "second")
    assert other.find("a", string="Figure 1.1")["href"] == "first.html#fig-line"
    assert not other.find("div", class_="sd-tab-set")
    assert "all together" in other.get_text()


def test_a_page_loads_what_its_figure_says_and_no_other_page_does(built):
    html = built / "_build" / "html"
    assert page(built, "second").find("div", class_="interactive", id="beads")
    text = (html / "chapters" / "second.html").read_text(encoding="utf-8")
    loaded = re.findall(r'"\.\./_static/(interactive/[^"?]*)', text)
    assert loaded == ["interactive/beads/beads.css", "interactive/beads.js"]
    # All of its scripts, without what is for people.
    script = (html / "_static" / loaded[1]).read_text(encoding="utf-8")
    assert script == (
        '"use strict";\n{\nconst beads = "∘∘∘";\n'
        'document.getElementById("beads").textContent = beads;\n}\n'
    )
    learned = (html / "_static" / "interactive" / "beads" / "learned.js").read_text()
    assert learned == "const learned = [2.5, 0.0999755859375];\n"
    others = [path for path in html.rglob("*.html") if path.name != "second.html"]
    assert others
    assert not [p for p in others if "beads" in p.read_text(encoding="utf-8")]


ABACUS = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3, language: python}
booktools: {frameworks: [pytorch, abacus]}
---
# The Third Section

```{code-cell} ipython3
:tags: [abacus]
import abacus

print(abacus.count(3))
```

```{code-cell} ipython3
:tags: [pytorch]
print(3)
```

:::{framework} abacus
Move a bead.
:::
"""


def test_a_framework_more_is_a_line_in_the_list_of_frameworks(root):
    (root / "chapters" / "third.md").write_text(ABACUS, encoding="utf-8")
    (root / "abacus.py").write_text("count = 'o'.__mul__\n", encoding="utf-8")
    toc = "      - file: chapters/second\n"
    replace(root / "_toc.yml", toc, toc + toc.replace("second", "third"))
    listed = (
        "import sys; from booktools import FRAMEWORKS, Framework; "
        "FRAMEWORKS['abacus'] = Framework('abacus', 'Abacus', 'abacus'); "
        "from booktools.execution import execute; "
        "execute.missing_modules = lambda framework: []; "
    )
    run = "from booktools.__main__ import main; sys.exit(main(['notebooks']))"
    make = "from jupyter_book.cli.main import main; sys.exit(main())"
    for code, options in ((run, []), (make, ["build", ".", "-W", "-n"])):
        done = subprocess.run(
            [sys.executable, "-c", listed + code, *options],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout + done.stderr
    shown = tabs(page(root, "third").find("div", class_="sd-tab-set"))
    assert list(shown) == ["PyTorch", "Abacus"]
    assert "ooo" in shown["Abacus"]
    assert "Move a bead." in shown["Abacus"]
    assert (root / "notebooks" / "abacus" / "third.ipynb").is_file()


def test_prose_of_a_plain_page_stands_in_tabs_too(built):
    shown = tabs(page(built, "plain").find("div", class_="sd-tab-set"))
    assert {name: text.strip() for name, text in shown.items()} == {
        "MXNet": "Or that.",
        "PyTorch": "Choose this tab.",
    }


def test_a_box_holds_tabs_too(built):
    found = page(built, "boxes")
    for link in found.find_all("a", class_="headerlink"):
        link.decompose()
    shown = [
        (box, {name: " ".join(text.split()) for name, text in tabs(tab_set).items()})
        for box in ("note", "folded", "exercise", "solution")
        for tab_set in found.select(f".{box} .sd-tab-set")
    ]
    one = "Both have it. One has a number: (1)\\[ a = b \\]"
    assert shown == [
        ("note", {"MXNet": "Both have it.", "PyTorch": one}),
        ("folded", {"MXNet": "In a dropdown."}),
        ("exercise", {"PyTorch": "In an exercise, by (1)."}),
        ("solution", {"MXNet": "In a solution."}),
    ]
    assert found.find(id=found.find("a", string="(1)")["href"][1:])


def test_a_section_offers_its_notebooks_and_no_dead_button(built):
    html = built / "_build" / "html"
    for name, expected in {
        "first": ["MXNet", "PyTorch", "TensorFlow"],
        "second": ["The"],
        "plain": [],
    }.items():
        text = (html / "chapters" / f"{name}.html").read_text(encoding="utf-8")
        header = BeautifulSoup(text, "html.parser").find(
            class_="article-header-buttons"
        )
        links = header.find_all("a")
        assert [a.get_text(strip=True) for a in links] == [
            f"{title} notebook" for title in expected
        ]
        for link in links:
            assert (html / "chapters" / link["href"]).is_file()
    offered = sorted(
        path.name for path in (html / "_downloads" / "notebooks").iterdir()
    )
    assert offered == [
        "first-mxnet.ipynb",
        "first-pytorch.ipynb",
        "first-tensorflow.ipynb",
        "second-all.ipynb",
    ]


def test_no_page_asks_another_host_for_anything(built):
    for path in (built / "_build" / "html").rglob("*.html"):
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for element in soup.find_all(["script", "img", "link", "iframe"]):
            source = element.get("src") or element.get("href") or ""
            assert not re.match("(https?:)?//", source), f"{path.name}: {source}"


def test_only_the_books_own_pages_are_built(built):
    names = {path.name for path in (built / "_build/html/chapters").glob("*.html")}
    assert names == {
        f"{name}.html" for name in ("index", "first", "second", "plain", "boxes")
    }


def test_colab_and_the_address_are_told_once_they_are_known(root):
    """Colab's notebooks begin with a cell that installs; no page shows it."""
    site = "https://example.org/book"
    replace(root / "_config.yml", "baseurl: ''", f"baseurl: {site}")
    assert "git+https" not in (root / "notebooks/pytorch/first.ipynb").read_text(
        "utf-8"
    )
    replace(root / "_config.yml", "  url: ''", "  url: https://github.com/some/book")
    # Each framework is found, also where it is not installed: nothing is fetched here.
    found = root.parent / "found"
    for framework in FRAMEWORKS.values():
        for name in (framework.module, *framework.others):
            (found / name).mkdir(parents=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", str(found))
        run_notebooks(root, monkeypatch)
    done = build(root)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (root / "_build/html/chapters/first.html").read_text(encoding="utf-8")
    prefix = "https://colab.research.google.com/github/some/book/blob/main/"
    assert f'href="{prefix}notebooks/pytorch/first.ipynb"' in text
    assert "mybinder" not in text
    for address in ("edit/main/chapters/first.md", "issues/new?"):
        assert f'href="https://github.com/some/book/{address}' in text
    notebook = nbformat.read(root / "notebooks/pytorch/first.ipynb", as_version=4)
    first = notebook.cells[0]
    assert "d2lutils{extras} @ git+https://github.com/some/book@main" in first.source
    assert (first.execution_count, first.outputs) == (1, [])
    assert "find_spec" not in text
    assert f'property="og:image" content="{site}/_static/preview.png"' in text
    assert f'property="og:url" content="{site}/chapters/first.html"' in text
    assert (root / "_build/html/_static/preview.png").is_file()
    missing = (root / "_build/html/404.html").read_text(encoding="utf-8")
    assert f'<base href="{site}/"/>' in missing


def test_a_claim_is_folded_to_a_line_and_listed(built):
    second = page(built, "second")
    (claim,) = second.find_all("div", class_="tag_claim")
    told = [each.get_text() for each in claim.summary.find_all("p")]
    assert told == ["Checked: the first is the larger"] * 2
    assert "assert learned[0]" in claim.details.pre.get_text()
    assert "open" not in claim.details.attrs
    listed = [each.get_text() for each in page(built, "plain").find_all("li")]
    assert "The first is the larger: learned[0] > learned[1]" in listed


def test_latex_keeps_one_framework_and_floats_no_code(root):
    done = build(root, "--builder", "latex")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (root / "_build" / "latex").glob("*.tex")
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"\\PYG\{[^}]*\}\{([^}]*)\}", r"\1", text)
    assert "torch: train loss 0.360" in code
    assert "What is learned first is the larger." in text
    assert r"\PYG{k}{assert}" not in text
    for other in ("mx: train", "tf: train", "Not for the third", "MXNet"):
        assert other not in code
    floats = re.findall(r"\\begin\{figure\}.*?\\end\{figure\}", text, re.S)
    assert len(floats) == 2
    assert all("caption" in each and "Verbatim" not in each for each in floats)
    assert "sphinxincludegraphics" in floats[1]


def test_another_framework_can_be_the_one(root):
    config = root / "_config.yml"
    replace(config, "    project:", "    booktools_framework: mxnet\n    project:")
    done = build(root, "--builder", "custom", "--custom-builder", "epub")
    assert done.returncode == 0, done.stdout + done.stderr
    text = (root / "_build/epub/chapters/first.xhtml").read_text(encoding="utf-8")
    assert "mx: train loss 0.330" in text
    assert "torch: train loss" not in text
    assert text.count("<figure") == 2
    second = root / "_build/epub/chapters/second.xhtml"
    assert "assert" not in second.read_text(encoding="utf-8")
    replace(root / "_config.yml", "framework: mxnet", "framework: caffe")
    assert "booktools_framework is 'caffe'; expected one of" in build(root).stderr


def pages(folder):
    """Return the pages and the notebooks in a folder by name."""
    return {
        path.relative_to(folder): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.suffix in (".html", ".ipynb")
    }


def test_nothing_of_a_failed_build_or_of_an_earlier_one_is_left(root, built, tmp_path):
    # The title stands in another section's notebook too.
    title, html = "# The First Section", root / "_build" / "html"
    replace(root / FIRST, title, "# Another Title")
    found = "".join(errors(build(root)))
    assert "ERROR: notebooks/mxnet/first.ipynb does not match" in found
    assert "ERROR: notebooks/all/second.ipynb does not match" in found
    # What a section and a page left that are no more.
    notebooks = html / "_downloads" / "notebooks"
    shutil.copy(notebooks / "first-mxnet.ipynb", notebooks / "gone-mxnet.ipynb")
    shutil.copy(html / "chapters" / "plain.html", html / "chapters" / "gone.html")
    replace(root / FIRST, "# Another Title", title)
    assert build(root).returncode == 0
    assert pages(html) == pages(built / "_build" / "html")

    # What one page says changes others: output, picture, label, order.
    change_output(root / "notebooks/pytorch/first.ipynb", "loss 0.360", "loss 0.361")
    replace(root / "chapters" / "boxes.md", "# Boxes", "# Cases")
    replace(root / "_toc.yml", "caption: Appendix", "caption: Annex")
    Image.new("L", (30, 20)).save(root / "chapters" / "dot.png")
    clean = shutil.copytree(root, tmp_path / "clean", ignore=lambda *_: ["_build"])
    assert build(root).returncode == build(clean).returncode == 0
    assert pages(html) == pages(clean / "_build" / "html")
    assert pages(html) != pages(built / "_build" / "html")


# Some of Jupyter Book's extensions do not say that they can be read in parallel.
IN_PARALLEL = """
import sys
from sphinx.application import Sphinx
from sphinx.cmd.build import main
Sphinx.is_parallel_allowed = lambda app, kind: print("in parallel:", kind) or True
sys.exit(main())
"""


def test_pages_read_in_parallel_are_the_same_and_fail_the_same(root):
    main = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", main, "config", "sphinx", root], check=True)
    # Sphinx reads five pages or fewer one after the other.
    text = "# Another Page\n\nThere is {numref}`fig_line`.\n"
    (root / "chapters" / "more.md").write_text(text, encoding="utf-8")
    toc = root / "_toc.yml"
    toc.write_text(toc.read_text("utf-8") + "      - file: chapters/more\n", "utf-8")

    def sphinx(out, *options):
        command = [sys.executable, "-c", IN_PARALLEL, "-Wn", *options, root, root / out]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    done = [sphinx("one"), sphinx("two", "-j", "2")]
    assert [each.returncode for each in done] == [0, 0], done[1].stderr
    assert "in parallel: read" in done[1].stdout
    assert pages(root / "one") == pages(root / "two")
    replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    failed = sphinx("two", "-j", "2", "--keep-going")
    assert failed.returncode == 1
    assert "pytorch/first.ipynb does not match" in failed.stderr


def test_every_notebook_that_does_not_match_is_named(root):
    (root / "notebooks" / "mxnet" / "first.ipynb").unlink()
    edited = root / "notebooks" / "tensorflow" / "first.ipynb"
    replace(edited, "tf: train loss 0.330", "tf: train loss 0.300")
    line = replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    found = errors(build(root))
    command = "run: python -m booktools notebooks first"
    assert [each.partition("first.md")[2] for each in found[:2]] == [
        ":1: ERROR: notebooks/mxnet/first.ipynb is missing or cannot be read; "
        f"{command}",
        f":{line}: ERROR: notebooks/pytorch/first.ipynb does not match: "
        f"'name = \"torch\"' there is 'name = \"pt\"' here; {command}",
    ]
    assert found[2:] == [
        "WARNING: notebooks need a new run because a cell was run or edited after "
        "booktools ran them: notebooks/tensorflow/first.ipynb; "
        "run: python -m booktools notebooks"
    ]


def test_a_stale_notebook_is_alone_without_outputs_and_fails_the_build(root):
    """Also a build that would let warnings pass."""
    replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    done = build(root, warnings_are_errors=False)
    assert done.returncode != 0
    article = page(root)
    shown = [tabs(each) for each in article.find_all("div", class_="sd-tab-set")]
    assert 'name = "pt"' in shown[0]["PyTorch"]
    assert article.get_text().count("the same in all\n") == 1
    endings = {name: text.strip().split("\n")[-1] for name, text in shown[1].items()}
    assert endings["MXNet"] == "mx: train loss 0.330"
    assert endings["TensorFlow"] == "tf: train loss 0.330"
    assert endings["PyTorch"].startswith("print(")
    assert len(article.find("figure").find_all("img")) == 2


def test_a_book_that_cannot_be_read_is_reported_in_a_line(root):
    line = replace(root / FIRST, "same-code", "smae-code")
    done = build(root)
    assert done.returncode != 0
    said = f"Book error: chapters/first.md:{line - 1}: unknown tag 'smae-code'; expect"
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("lacking", DROPPED)
def test_a_head_that_the_theme_writes_otherwise_is_reported(caplog, lacking):
    """That all are there as described, every build without warnings shows."""
    head = {
        "the scripts of icons": '<script src="a/fontawesome.js"></script>',
        "what is loaded ahead": '<link href="a" rel="preload"/>',
        "a second viewport": '<meta name="viewport" content="a"/>',
        "the words of a search service": '<meta name="docsearch:language"/>',
        "the options of a search": "<script>DOCUMENTATION_OPTIONS.a = 1;</script>",
        "the scripts of the search": '<script src="a/searchtools.js"></script>',
    }
    heads, app = Heads(), Mock(**{"builder.format": "html", "builder.name": "html"})
    assert (
        heads.strip("".join(head[each] for each in head if each != lacking), "", "")
        == ""
    )
    heads.finish(app, None)
    (said,) = caplog.messages
    assert said.startswith(f"no page's head has {lacking} any more")


@pytest.mark.parametrize(
    ("fix", "markup", "library"),
    [
        (
            lambda head: Heads().strip(head, "a", ""),
            '<script>MathJax = {}</script><script src="b/mathjax/c.js"></script>',
            "Sphinx",
        ),
        (fix_summaries, "<summary><p class='a'>Show</p></summary>", "MyST-NB"),
        (
            lambda body: fix_html(body, {}),
            "<div class='exercise' ><i id='b'></i><i id='b'></i></div>",
            "sphinx-exercise",
        ),
        (
            lambda body: fix_html(body, {}),
            "<div class='citation-list'><div><p>[Doe01]</p></div></div>",
            "docutils",
        ),
        (
            lambda body: fix_html(body, {}),
            "<div class='frameworks'><div class='sd-tab-content'>A</div></div>",
            "sphinx-design",
        ),
    ],
)
def test_markup_that_a_library_writes_otherwise_is_reported(
    caplog, fix, markup, library
):
    fix(markup)
    (said,) = caplog.messages
    assert said.startswith(f"{library} no longer writes ")


OUT = "<div class='cell'><pre>code</pre><div class='cell_output'>{}</div></div>"
CHECKED = "<div class='cell tag_claim'><details>Checked: it is so</details></div>"
TABLE = "<div class='pst-scrollable-table-container'><table></table></div>"


@pytest.mark.parametrize(
    ("after", "covered"),
    [
        # What comes before the output is no answer, nor is what follows the claim.
        (f"<p>a</p>{OUT.format(1)}<p>b</p>{CHECKED}<p>c</p>", "1 b Checked: it is so"),
        # The table after a picture, the text between them, and tabs that claim.
        (
            f"<figure>{OUT.format(1)}</figure><p>b</p>{OUT.format(2)}"
            f"<div class='frameworks'>{CHECKED}</div>",
            "1 b 2 Checked: it is so",
        ),
        # Without a claim, and before a formula or code, text says no result.
        (f"{OUT.format(1)}{OUT.format(2)}<p>b</p>", "1 2"),
        (f"{OUT.format(1)}<p>b</p><pre>x</pre>{CHECKED}", "1 Checked: it is so"),
        # A table that is there already; another question and a heading end all.
        (f"{TABLE}<p>b</p>", ""),
        (f"<details>x</details>{OUT.format(1)}", None),
        (f"<h2>x</h2>{OUT.format(1)}", None),
    ],
)
def test_all_that_answers_a_question_is_covered(after, covered):
    question = "<details class='folded'><summary>Predict: what?</summary></details>"
    page = BeautifulSoup(fix_html(question + after, {}), "html.parser")
    assert (page.details.get("data-question") is None) == (covered is None)
    for button in page("button"):
        assert button.string.startswith("Show the ")
        button.decompose()
    parts = [part.get_text() for part in page.select(".predicted[data-question='0']")]
    assert " ".join(parts).strip() == (covered or "")


def test_seconds_of_a_table_are_drawn_as_bars():
    rows = (("b", "2.50", "–"), ("a", "0.50", "1.25"), ("b / a", "5.0", "–"))
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    table = "".join(f"<tr>{row}</tr>" for row in cells)
    body = (
        f"<div class='bars'><table class='table'><tbody>{table}</tbody></table></div>"
    )
    page = BeautifulSoup(fix_html(body, {}), "html.parser")
    drawn = {cell.text: cell["style"] for cell in page.select("td[style]")}
    shares = {"2.50": "1.000", "0.50": "0.200", "1.25": "0.500"}
    assert drawn == {text: f"--share: {share}" for text, share in shares.items()}


def test_figures_are_checked(root):
    replace(root / "chapters" / "plain.md", ":::{framework} pytorch", FIGURES)
    line = replace(
        root / "chapters" / "second.md",
        'print("all together")\n\nlearned = [2.5, 0.1]',
        "from IPython.display import SVG\n\nlearned = [2.5, 0.1]\nSVG('<svg></svg>')",
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_notebooks(root, monkeypatch)
    found = "\n".join(errors(build(root)))
    assert "plain.md:4: ERROR: output-figure must follow the code cells" in found
    assert "plain.md:10: ERROR: output-figure needs a caption, and in :alt:" in found
    assert "plain.md:19: ERROR: output-figure follows cells that show no" in found
    assert f"second.md:{line}: WARNING: the picture that this cell shows" in found


FIGURES = """\
:::{output-figure} fig_nothing
:alt: Nothing.

Nothing.
:::

:::{output-figure} fig_mute

No text alternative.
:::

:::{framework} pytorch
Words only.
:::

:::{output-figure} fig_words
:alt: No picture.

No picture.
:::

:::{framework} pytorch"""


def test_a_plain_page_may_begin_with_anything():
    notebook = read_page('{"cells": 1} is not a notebook.\n')
    assert notebook.cells[0].source.startswith('{"cells": 1}')
    notebook = read_page("---\nkey: value\n---\n\n# Title\n")
    assert notebook.metadata["key"] == "value"
    assert notebook.metadata.source_map == [2]


SEARCHES = """\
from d2lutils import require
_ = require("optuna", extra="search")
_ = require("distributed", extra="search")
"""


@pytest.mark.parametrize(
    ("there", "code", "installed"),
    [
        ({"d2lutils", "torch"}, "", []),
        ({"torch"}, "", ["./d2lutils-1.whl"]),
        ({"d2lutils"}, "", ["./d2lutils-1.whl[torch]"]),
        (set(), "", ["./d2lutils-1.whl[torch]"]),
        ({"d2lutils", "torch", "optuna"}, SEARCHES, ["./d2lutils-1.whl[search]"]),
        ({"d2lutils", "torch", "optuna", "distributed"}, SEARCHES, []),
        (set(), SEARCHES, ["./d2lutils-1.whl[torch,search]"]),
    ],
)
def test_the_first_cell_installs_what_is_missing_and_only_that(
    monkeypatch, there, code, installed
):
    cells = [nbformat.v4.new_code_cell(code)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    source = install_cell(notebook, "pytorch", "./d2lutils-1.whl{extras}").source
    source = re.sub(r'!"{sys.*}" -m pip .*? (".*")', r"done.append(f\1)", source)
    done = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in there or done)
    exec(source, {"done": done})
    assert done == installed


@pytest.mark.parametrize(
    "wheel", ["./d2lutils-1.whl", "d2lutils @ https://x.org/a.whl"]
)
def test_a_first_cell_that_installs_nothing_says_what_to_do(monkeypatch, wheel):
    source = install_cell(nbformat.v4.new_notebook(), "pytorch", wheel).source
    source = re.sub(r'!"{sys.*}" -m pip .*', "pass", source)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="run this cell again") as error:
        exec(source, {})
    assert ("Save d2lutils-1.whl next to" in str(error.value)) == wheel.startswith(".")


def test_the_extension_loads_no_kernel_client():
    """Building a page takes no kernel, and so nothing that talks to one."""
    code = (
        "import sys, booktools.sphinx; "
        "print(sorted({'nbclient', 'jupyter_client', 'zmq'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


ROOMS = ["source", "execution", "sphinx"]


@pytest.mark.parametrize("room", ROOMS)
def test_data_flow_downhill(room):
    """What is further up in the list is never imported from further down."""
    above = ROOMS[ROOMS.index(room) + 1 :]
    foreign = {"source": ["nbformat", "jupytext", "nbclient", "sphinx", "docutils"]}
    foreign["execution"] = ["sphinx", "docutils", "myst_nb"]
    paths = list((ROOT / "booktools" / room).glob("*.py"))
    assert paths
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in getattr(node, "names", [])]
            module = getattr(node, "module", None) or ""
            for name in [module, *(names if isinstance(node, ast.Import) else [])]:
                assert name.split(".")[0] not in foreign.get(room, []), path
                assert not any(
                    name.startswith(f"booktools.{other}") for other in above
                ), path


def test_the_wheel_is_built_offline_and_always_the_same(tmp_path):
    names = [build_wheel(ROOT, tmp_path / x, tmp_path / f"{x}.txt") for x in "ab"]
    assert names[0] == names[1]
    first, second = (tmp_path / folder / names[0] for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as wheel:
        assert "d2lutils/torch.py" in wheel.namelist()
    assert build_wheel(tmp_path, tmp_path, tmp_path / "none.txt") is None


def test_the_wheel_is_built_again_only_when_something_in_it_changed(tmp_path):
    root, folder, record = tmp_path / "root", tmp_path / "out", tmp_path / "record"
    (root / "d2lutils").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    code = root / "d2lutils" / "__init__.py"
    code.write_text('__version__ = "1.0"\n', encoding="utf-8")
    wheel = folder / build_wheel(root, folder, record)
    built = wheel.stat().st_mtime_ns
    assert build_wheel(root, folder, record) == wheel.name
    assert wheel.stat().st_mtime_ns == built
    code.write_text('__version__ = "1.1"\n', encoding="utf-8")
    newer = folder / build_wheel(root, folder, record)
    assert newer.name != wheel.name
    assert list(folder.iterdir()) == [newer]
    newer.unlink()
    assert build_wheel(root, folder, record) == newer.name
    assert newer.is_file()
