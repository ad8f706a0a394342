"""Compare ways of searching for settings, and measure how the search grows.

``python -m benchmarks.search`` runs the functions of chapters/search.md in PyTorch, for
about half an hour on two cores, writes benchmarks/search.json, and shows the results
in the chapter. With ``--show`` it only shows those that are there.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import Any

import dask
import matplotlib.pyplot as plt
import numpy as np
import optuna
from distributed import Client, LocalCluster, as_completed
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from benchmarks.report import ROOT, markdown_table, show, with_blocks
from booktools.source.sections import read_section
from d2lutils import plotting

RESULTS = ROOT / "benchmarks" / "search.json"
PAGE = ROOT / "chapters" / "search.md"
PICTURES = tuple(
    ROOT / "chapters" / "images" / f"search-{name}.svg" for name in ("cost", "growth")
)

FULL = 16  # epochs of a full training
BUDGET = 24 * FULL
SEEDS = range(6)
WORKERS = (1, 2, 4, 8, 16, 32, 64)
TITLES = {
    "grid": "grid",
    "random": "random search",
    "halving": "successive halving",
    "tpe": "TPE",
    "hyperband": "TPE and Hyperband",
}
SOURCE = "% figures: benchmarks/search.json"  # of what stands in the next paragraph
Settings = dict[str, Any]
Point = tuple[int, float]  # epochs spent so far, best accuracy so far


@functools.cache
def chapter(framework: str | None = "pytorch") -> dict[str, Any]:
    """Return what the cells of the chapter define, without its searches.

    Without a framework, it is what those define that all frameworks share.
    """
    names: dict[str, Any] = {"__name__": "chapter_search"}
    section = read_section(PAGE.read_text("utf-8"), PAGE)
    for cell in section.code_cells(framework or "pytorch"):
        shared = set(cell.frameworks) == set(section.frameworks)
        starts = ("from ", "import ", "def ", "class ", "space", "NUM_")
        defines = cell.source.startswith(starts)
        if defines and (framework or shared):
            exec(compile(cell.source, str(PAGE), "exec"), names)
    return names


class Spent:
    """Counts epochs, and keeps the curve of the best accuracy over them."""

    def __init__(self) -> None:
        self.epochs, self.best = 0, 0.0
        self.curve: list[Point] = []
        self.winner: Settings = {}
        self.tried: list[tuple[Settings, float]] = []

    def left(self) -> int:
        """Return how many epochs are left."""
        return BUDGET - self.epochs

    def train(self, run: Iterator[float], epochs: int, settings: Settings) -> float:
        """Train for some epochs, if they are left; return the accuracy, or 0."""
        accuracy = 0.0
        for _ in range(min(epochs, self.left())):
            self.epochs += 1
            accuracy = next(run, 0.0)
            if accuracy > self.best:
                self.best, self.winner = accuracy, settings
                self.curve.append((self.epochs, accuracy))
        return accuracy


def grid(names: dict[str, Any], seed: int, spent: Spent) -> None:
    """Train all combinations of a few values of four settings; the rest is fixed."""
    combinations = list(product((0.03, 0.1, 0.3), (32, 128), (1, 2), (32, 128)))
    random.Random(seed).shuffle(combinations)
    for lr, width, depth, batch_size in combinations:
        settings = {
            "lr": lr,
            "width": width,
            "depth": depth,
            "batch_size": batch_size,
            "weight_decay": 1e-4,  # the middles of the others' ranges
            "scale": 1.0,
            "dropout": 0.25,
        }
        spent.train(names["train"](settings, seed), FULL, settings)


def random_search(names: dict[str, Any], seed: int, spent: Spent) -> None:
    """Train random configurations in full."""
    rng = np.random.default_rng(seed)
    while spent.left():
        settings = names["draw"](rng)
        accuracy = spent.train(names["train"](settings, seed), FULL, settings)
        spent.tried.append((settings, accuracy))


def halving(names: dict[str, Any], seed: int, spent: Spent) -> None:
    """Halve sixteen random configurations, again and again."""
    rng = np.random.default_rng(seed)
    while spent.left():
        drawn = [names["draw"](rng) for _ in range(FULL)]
        runs = [(names["train"](settings, seed), settings) for settings in drawn]
        new = epochs = 1
        while runs:
            scores = [spent.train(run, new, settings) for run, settings in runs]
            order = sorted(range(len(runs)), key=lambda i, s=scores: -s[i])
            runs = [runs[i] for i in order[: len(runs) // 2]]
            new, epochs = epochs, 2 * epochs


def tpe(names: dict[str, Any], seed: int, spent: Spent, prune: bool = False) -> None:
    """Let TPE propose; with ``prune``, let Hyperband stop what looks worse."""
    study = optuna.create_study(
        study_name=f"seed {seed}",  # by which Hyperband chooses its brackets
        direction="maximize",
        sampler=TPESampler(n_startup_trials=8, seed=seed),
        pruner=optuna.pruners.HyperbandPruner(1, FULL, reduction_factor=2),
    )
    while spent.left():
        trial = study.ask(names["space"])
        run = names["train"](trial.params, seed)
        for epoch in range(1, FULL + 1):
            accuracy = spent.train(run, 1, trial.params)
            if prune:
                trial.report(accuracy, epoch)
                if trial.should_prune():
                    break
        if epoch < FULL:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, accuracy)


METHODS: dict[str, Callable[[dict[str, Any], int, Spent], None]] = {
    "grid": grid,
    "random": random_search,
    "halving": halving,
    "tpe": tpe,
    "hyperband": functools.partial(tpe, prune=True),
}


def one_search(method: str, seed: int) -> dict[str, Any]:
    """Search once, with all of the budget."""
    spent = Spent()
    METHODS[method](chapter(), seed, spent)
    return {
        "method": method,
        "seed": seed,
        "curve": spent.curve,
        "winner": spent.winner,
        "tried": spent.tried,
    }


def final(settings: Settings, seed: int, epochs: int) -> float:
    """Train on all 60,000 images; return the accuracy on the test images."""
    *_, accuracy = islice(chapter()["train"](settings, seed, test=True), epochs)
    return accuracy


def work(settings: Settings, seed: int) -> float:
    """Train for three epochs."""
    return [0.0, *islice(chapter()["train"](settings, seed), 3)][-1]


def cluster(workers: int, threads: int = 1, **options: Any) -> Any:
    """Start workers on this computer, each with a number of threads to compute with."""
    with dask.config.set(
        {"distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": threads}
    ):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=options.pop("threads_per_worker", 1),
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
            **options,
        )


def real_speed(rounds: int = 3) -> list[dict[str, Any]]:
    """Time the same trainings with one worker and with two, side by side."""
    rng = np.random.default_rng(0)
    settings = [chapter()["draw"](rng) for _ in range(24)]
    found = []
    for _ in range(rounds):
        for workers, threads in ((1, 1), (2, 1), (1, 2), (2, 2)):
            with cluster(workers, threads) as local, Client(local) as client:
                client.gather(client.map(work, settings[:workers], [1] * workers))
                start = time.perf_counter()
                client.gather(client.map(work, settings, [0] * len(settings)))
                seconds = time.perf_counter() - start
            found.append({"workers": workers, "threads": threads, "seconds": seconds})
    return found


def nap(params: Settings, seconds: float) -> float:
    """Take the place of a training."""
    time.sleep(seconds)
    return -abs(math.log(params["lr"] / 0.1))


def growth(workers: int, rounds: bool, client: Any) -> dict[str, Any]:
    """Let sleeping trainings be searched; return what it took.

    Args:
        workers: How many sleep at a time.
        rounds: Whether to wait for all of a round before the next is asked.
        client: Connected to as many workers.
    """
    space, num_trials = chapter()["space"], max(32, min(1000, 16 * workers))
    durations = np.random.default_rng(workers).lognormal(-0.125, 0.5, num_trials)
    seconds = iter(durations.tolist())  # 1 on average
    with tempfile.TemporaryDirectory() as folder:
        study = chapter()["open_study"](f"{folder}/journal")
        study.sampler = TPESampler(seed=0)
        asking, start = 0.0, time.perf_counter()

        def submit(number: int) -> dict[Any, Any]:
            nonlocal asking
            begun, new = time.perf_counter(), {}
            for pause in islice(seconds, number):
                trial = study.ask(space)
                new[client.submit(nap, trial.params, pause, pure=False)] = trial
            asking += time.perf_counter() - begun
            return new

        waiting = submit(workers)
        while waiting:
            arriving = as_completed(list(waiting))
            for future in arriving:
                study.tell(waiting.pop(future), future.result())
                if not rounds:
                    new = submit(1)
                    waiting |= new
                    arriving.update(new)
            if rounds:
                waiting = submit(workers)
        taken = time.perf_counter() - start
    return {
        "workers": workers,
        "rounds": rounds,
        "trials": num_trials,
        "seconds": taken,
        "asking": asking,
        "speedup": float(durations.sum()) / taken,
    }


def measure() -> dict[str, Any]:
    """Run everything."""
    results: dict[str, Any] = {"real": real_speed(), "growth": []}
    for workers in WORKERS:
        processes = min(workers, 8)
        options = {"threads_per_worker": workers // processes}
        with cluster(processes, **options) as local, Client(local) as client:
            client.wait_for_workers(processes)
            client.run(nap, {"lr": 0.1}, 0)  # each has imported what it needs
            for rounds in (True, False):
                results["growth"].append(growth(workers, rounds, client))
                print(results["growth"][-1], flush=True)
    with cluster(2) as local, Client(local) as client:
        jobs = [(method, seed) for seed in SEEDS for method in METHODS]
        futures = client.map(one_search, *zip(*jobs, strict=True))
        results["searches"] = client.gather(futures)
        best = max(results["searches"], key=lambda each: each["curve"][-1][1])
        settings = results["best"] = best["winner"]
        results["test"] = client.gather(
            [client.submit(final, settings, seed, FULL) for seed in range(3)]
        )
    return results


def at(search: dict[str, Any], epochs: int) -> float:
    """Return the best accuracy that a search had found after some epochs."""
    return max((best for spent, best in search["curve"] if spent <= epochs), default=0)


def of(results: dict[str, Any], method: str, epochs: int) -> np.ndarray:
    """Return that of each seed."""
    found = [each for each in results["searches"] if each["method"] == method]
    return np.array([at(each, epochs) for each in found])


def importances(results: dict[str, Any]) -> dict[str, float]:
    """Return how much each setting mattered among the random configurations."""
    space = chapter()["space"]
    study = optuna.create_study(direction="maximize")
    for search in results["searches"]:
        for settings, accuracy in search["tried"]:
            study.add_trial(
                optuna.create_trial(
                    params=settings, distributions=space, value=accuracy
                )
            )
    return optuna.importance.get_param_importances(
        study, evaluator=PedAnovaImportanceEvaluator()
    )


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Return the chapter's tables, by name, as Markdown."""
    budgets = [BUDGET // 8, BUDGET // 2, BUDGET]
    head = ["best accuracy after", *(f"{each} epochs" for each in budgets)]
    lines = [head, ["---"] * len(head)]
    for method, title in TITLES.items():
        cells = []
        for budget in budgets:
            found = of(results, method, budget)
            cells.append(f"{found.mean():.3f} ({found.min():.3f} to {found.max():.3f})")
        lines.append([title, *cells])
    speed = [["workers", "threads of each", "seconds", "speed-up"], ["---"] * 4]
    seconds = {
        (w, t): median(
            each["seconds"]
            for each in results["real"]
            if (each["workers"], each["threads"]) == (w, t)
        )
        for w, t in ((1, 1), (2, 1), (1, 2), (2, 2))
    }
    for (workers, threads), took in seconds.items():
        gain = f"{seconds[1, 1] / took:.2f}"
        speed.append([str(workers), str(threads), f"{took:.1f}", gain])
    mattered = [["setting", "importance"], ["---"] * 2]
    mattered += [[f"`{k}`", f"{v:.2f}"] for k, v in importances(results).items()]

    made = {"searches": lines, "speed": speed, "importances": mattered}
    return {name: f"{SOURCE}\n{markdown_table(each)}" for name, each in made.items()}


def texts(results: dict[str, Any]) -> dict[str, str]:
    """Return the chapter's sentences that hold figures, by name."""
    best, test = results["best"], results["test"]
    settings = ", ".join(f"`{name}` {value:.3g}" for name, value in best.items())
    grown = {(each["workers"], each["rounds"]): each for each in results["growth"]}
    most = max(workers for workers, _ in grown)
    many, waits = grown[most, False], grown[most, True]
    ask = many["asking"] / many["trials"]
    return {
        "best": (
            f"{SOURCE}\n"
            f"The best configuration of all: {settings}. Trained on all 60,000 images "
            f"for {FULL} epochs from three seeds, it is right on {min(test):.3f} to "
            f"{max(test):.3f} of the test images."
        ),
        "growth": (
            f"{SOURCE}\n"
            f"With {most} workers and {many['trials']:,} trials, proposing and writing "
            f"down a trial took {1000 * ask:.0f} milliseconds on average, and the "
            f"search was {many['speedup']:.0f} times as fast as one worker without "
            f"any overhead; in rounds, {waits['speedup']:.0f} times. At this pace, "
            f"{1 / ask:.0f} trainings of a second each keep the proposing process busy."
        ),
    }


def draw(results: dict[str, Any], cost: Path, growth_: Path) -> None:
    """Draw the best accuracy over the epochs spent, and the speed-up over workers."""
    plt.rcParams["font.size"] = 9
    epochs = np.arange(8, BUDGET + 1, 4)
    figure, ax = plt.subplots(figsize=(4.5, 3.2))
    looks = zip(plotting.COLORS, plotting.LINE_STYLES, strict=True)
    for (method, title), (color, style) in zip(TITLES.items(), looks, strict=False):
        curves = np.array([of(results, method, each) for each in epochs])
        ax.plot(epochs, curves.mean(axis=1), color=color, ls=style, label=title)
        ax.fill_between(
            epochs, curves.min(axis=1), curves.max(axis=1), color=color, alpha=0.1
        )
    ax.set(xlabel="epochs of training, in all", ylabel="best held-out accuracy")
    ax.set(ylim=(0.75, 0.87), xlim=(0, BUDGET))
    ax.legend(loc="lower right")
    _save(figure, cost)

    figure, ax = plt.subplots(figsize=(4.5, 3.2))
    ax.loglog(WORKERS, WORKERS, color="0.35", ls=":", label="ideal")
    for rounds, label, color, marker in (
        (False, "told one by one", plotting.COLORS[0], "o"),
        (True, "in rounds", plotting.COLORS[1], "s"),
    ):
        points = [
            (each["workers"], each["speedup"])
            for each in results["growth"]
            if each["rounds"] == rounds
        ]
        ax.loglog(
            *zip(*points, strict=True), color=color, marker=marker, label=label, ms=4
        )
    ax.set(xlabel="workers", ylabel="speed-up")
    ax.set_xticks(WORKERS, map(str, WORKERS))
    ax.set_yticks(WORKERS, map(str, WORKERS))
    ax.minorticks_off()
    ax.legend()
    _save(figure, growth_)


def _save(figure: Any, path: Path) -> None:
    figure.axes[0].grid(color="0.9")
    figure.tight_layout(pad=0.3)
    about = "Generated by `python -m benchmarks.search` from benchmarks/search.json."
    figure.savefig(path, metadata={"Date": None, "Description": about})
    # For downloaded notebooks, as neither VS Code nor Colab shows SVG in a text.
    figure.savefig(path.with_suffix(".png"), dpi=144, metadata={"Software": None})
    plt.close(figure)


def with_results(page: str, results: dict[str, Any]) -> str:
    """Return the chapter with its figures replaced."""
    blocks = {"table": tables(results), "text": texts(results)}
    return with_blocks(page, PAGE, blocks)


if __name__ == "__main__":
    if "--show" not in sys.argv[1:]:
        RESULTS.write_text(json.dumps(measure(), indent=1), "utf-8")
    show(sys.modules[__name__])
