"""Tests that the page of d2lutils is complete.

If it lists something that doesn't exist, Sphinx fails.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from frameworks import BackendKit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "chapters" / "d2lutils.md").read_text("utf-8")


def test_the_page_lists_everything_in_a_module(backend: BackendKit):
    offered = dir(backend.module)  # as after d2l.<Tab>
    assert {"train_ch3", "Animator", "sgd", "History", "plt", "reshape"} < {*offered}
    assert {*offered}.isdisjoint({"Any", "annotations", "Backend", "require", "os"})
    assert [name for name in offered if f"`{name}`" not in PAGE] == []
    imported = {}
    exec(f"from {backend.module.__name__} import *", imported)
    assert {*offered} == imported.keys() - {"__builtins__"}


@pytest.mark.parametrize("name", ["train_ch3", "load_data_fashion_mnist", "sgd"])
def test_functions_have_docstrings_and_show_no_self(backend: BackendKit, name):
    function = getattr(backend.module, name)
    assert "Args:" in function.__doc__
    assert "self" not in function.__code__.co_varnames[:1] or function.__self__
