"""Fixtures for all tests: the frameworks behind one interface, and small data.

It also marks each test with its needs, so you can select tests with ``-m``.
CONTRIBUTING.md lists the markers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

from booktools import FRAMEWORKS, chosen_frameworks
from browser import browser, new_page
from d2lutils import fashion_mnist
from d2lutils.plotting import plt  # with the style that no test may change
from frameworks import MODULES, BackendKit, open_backend

CHOSEN = chosen_frameworks()
TAGS = {each.module: tag for tag, each in FRAMEWORKS.items()}


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a framework by its tag, even if the parameter is its module."""
    return TAGS.get(val) if isinstance(val, str) else None


@pytest.fixture(params=MODULES)
def backend(request: pytest.FixtureRequest) -> BackendKit:
    """Each framework in turn; skips the test if the framework can't be imported."""
    return open_backend(request.param)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests; skip tests of the whole book if only some frameworks are chosen."""
    if "chromium" in getattr(item, "fixturenames", ()):
        item.add_marker("browser")
    named = re.split("[-/]", item.callspec.id) if hasattr(item, "callspec") else ()
    for tag in FRAMEWORKS.keys() & set(named):
        item.add_marker(tag)
    whole = item.path.parent.name in ("book", "benchmarks")
    if (
        whole
        and item.path.name != "test_notebooks.py"
        and len(CHOSEN) < len(FRAMEWORKS)
    ):
        reason = "needs the notebooks of all frameworks, but FRAMEWORK names only some"
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True, scope="session")
def _all_frameworks() -> Iterator[None]:
    """Keep FRAMEWORK from affecting the small books that tests make.

    It must run before any other fixture, because module and session fixtures make
    books too.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BOOKTOOLS_FRAMEWORK", raising=False)
        yield


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """The browser, started once."""
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def used_page(chromium) -> Iterator:
    """A page for all tests of a file, because opening another takes long."""
    with new_page(chromium) as page:
        yield page


@pytest.fixture
def first_visit(chromium) -> Iterator:
    """A page that has loaded nothing yet."""
    with new_page(chromium) as page:
        yield page


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch) -> fashion_mnist.FashionMNIST:
    """Seventy training and thirty test images of noise instead of the data set."""
    rng = np.random.default_rng(0)
    data = fashion_mnist.FashionMNIST(
        train_images=rng.integers(0, 256, (70, 28, 28), dtype=np.uint8),
        train_labels=rng.integers(0, 10, 70, dtype=np.uint8),
        test_images=rng.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        test_labels=rng.integers(0, 10, 30, dtype=np.uint8),
    )
    monkeypatch.setattr(fashion_mnist, "load", lambda: data)
    return data


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    """Close a test's figures, and let none change the style of those after it."""
    before = dict.copy(plt.rcParams)
    yield
    plt.close("all")
    now = dict.items(plt.rcParams)
    changed = {name for name, value in now if value != before[name]}
    assert changed <= {"figure.figsize"}  # as plotting.set_figsize should
