"""That the page of d2lutils leaves nothing out.

Sphinx fails where it lists something that is not there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from frameworks import BackendKit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "chapters" / "d2lutils.md").read_text("utf-8")
# Of every framework whose module has them, and of none.
SHARED = re.findall(r"^```\{framework-api\} (.*)$", PAGE, re.M)
ENTRY = re.compile(r"^\.\. auto(?:function|class):: (?:[\w.]+\.)?(\w+)$", re.M)


def public(d2l) -> set[str]:
    """What a module offers of this package's."""
    return {
        name
        for name, value in vars(d2l).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "").startswith("d2lutils")
        and not name.endswith("Backend")
        and not name.startswith("check_")
        and name != "require"
    }


def test_the_page_lists_all_that_a_module_offers(backend: BackendKit):
    listed = {*" ".join(SHARED).split(), *ENTRY.findall(PAGE)}
    assert public(backend.module) >= {"train_ch3", "Animator", "sgd", "History"}
    assert sorted(public(backend.module) - listed) == []
    # The table at the top names them, too.
    assert [name for name in public(backend.module) if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("name", ["train_ch3", "load_data_fashion_mnist", "sgd"])
def test_help_shows_what_the_page_shows(backend: BackendKit, name):
    function = getattr(backend.module, name)
    assert "Args:" in function.__doc__
    assert "self" not in function.__code__.co_varnames[:1] or function.__self__
