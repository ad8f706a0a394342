"""The chapter shows what the searches measured, and they keep to their budget."""

from __future__ import annotations

import json

import pytest

from benchmarks import search
from booktools.notebooks.compare import drawings_agree


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(search.RESULTS.read_text("utf-8"))


def test_the_page_shows_what_was_measured(results):
    page = search.PAGE.read_text("utf-8")
    assert search.with_results(page, results) == page


def test_the_pictures_show_what_was_measured(results, tmp_path):
    pictures = search.COST, search.GROWTH
    search.draw(results, *(tmp_path / each.name for each in pictures))
    for each in pictures:
        stored, new = each.read_text("utf-8"), (tmp_path / each.name).read_text("utf-8")
        assert drawings_agree(stored, new)
        assert "benchmarks/search.json" in stored


def test_each_search_was_given_the_same(results):
    runs = [(each["method"], each["seed"]) for each in results["searches"]]
    assert sorted(runs) == sorted((m, s) for m in search.METHODS for s in search.SEEDS)
    for each in results["searches"]:
        spent, best = zip(*each["curve"], strict=True)
        assert spent[-1] <= search.BUDGET
        assert list(best) == sorted(best)


@pytest.mark.parametrize("method", search.METHODS)
def test_a_search_spends_its_budget_and_no_more(method, monkeypatch):
    trained: list[int] = []

    def train(settings, seed):
        while True:
            trained.append(1)
            yield 1 / (1 + abs(settings["lr"] - 0.1)) - 0.1 / len(trained)

    names = search.chapter() | {"train": train}
    monkeypatch.setattr(search, "chapter", lambda: names)
    found = search.one_search(method, seed=1)
    assert len(trained) == search.BUDGET
    assert found["curve"][-1][1] > 0.8
    assert 0.02 < found["winner"]["lr"] < 0.5
