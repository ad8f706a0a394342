"""The searches that are compared keep to their budget."""

from __future__ import annotations

import json

import pytest

from benchmarks import search


def test_each_search_was_given_the_same():
    results = json.loads(search.RESULTS.read_text("utf-8"))
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
