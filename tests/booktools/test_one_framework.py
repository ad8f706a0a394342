"""Whoever works with one framework makes, checks and shows nothing of the others."""

from __future__ import annotations

import shutil

import pytest
from test_sphinx import page, tabs

from booktools import __main__, missing_modules
from booktools.execution import execute
from small_book import ROOT, build, copy_book, replace, run_notebooks


def test_a_change_that_ran_in_one_framework_alone_makes_a_whole_book(
    tmp_path, monkeypatch, capsys
):
    root = copy_book(tmp_path / "book")
    run_notebooks(root, monkeypatch)
    replace(root / "chapters" / "first.md", "train loss {0.31", "train loss {0.21")
    monkeypatch.setattr(execute, "missing_modules", lambda framework: [])
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", "pytorch")
    assert __main__.main(["notebooks", "--root", str(root)]) == 0
    assert "notebooks/mxnet" not in capsys.readouterr().out
    assert __main__.main(["check", "--root", str(root)]) == 0
    done = build(root)
    assert done.returncode == 0, done.stderr
    shown = [tabs(each) for each in page(root).find_all("div", class_="sd-tab-set")]
    assert shown
    assert all(list(each) == ["PyTorch"] for each in shown)
    assert "train loss 0.26" in page(root).get_text()
    assert "Not for the third" not in page(root).get_text()
    downloads = root / "_build" / "html" / "_downloads" / "notebooks"
    names = {path.name for path in downloads.glob("*.ipynb")}
    assert names == {"first-pytorch.ipynb", "second-all.ipynb"}

    monkeypatch.delenv("BOOKTOOLS_FRAMEWORK")
    assert __main__.main(["check", "--root", str(root)]) == 1
    assert "notebooks/mxnet/first.ipynb does not match" in capsys.readouterr().err


@pytest.mark.parametrize("builds", [True, False])
def test_an_unknown_framework_is_named(tmp_path, monkeypatch, capsys, builds):
    root = copy_book(tmp_path / "book")
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", "pytorch torch")
    if builds:
        told = build(root).stderr
    else:
        assert __main__.main(["check", "--root", str(root)]) == 1
        told = capsys.readouterr().err
    assert "FRAMEWORK names 'torch'; expected one or more of mxnet, pytorch" in told


def test_the_section_that_contributing_shows_is_complete(tmp_path, monkeypatch):
    root = copy_book(tmp_path / "book")
    for path in (root / "chapters").glob("*.md"):
        if path.name != "index.md":
            path.unlink()
    shutil.rmtree(root / "interactive")
    shown = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    text = shown.split("````markdown\n")[1].split("````\n")[0]
    (root / "chapters" / "lines.md").write_text(text, "utf-8")
    (root / "chapters" / "index.md").write_text("# Home\n", "utf-8")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: chapters/index\nchapters: [{file: chapters/lines}]\n"
    )
    (root / "d2lutils").symlink_to(ROOT / "d2lutils")
    if missing_modules("pytorch"):
        pytest.skip("PyTorch is not installed")
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", "pytorch")
    run_notebooks(root, monkeypatch)
    done = build(root)
    assert done.returncode == 0, done.stderr
    assert "The best slope is 2.00." in page(root, "lines").get_text()
