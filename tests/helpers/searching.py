"""The search of chapters/search.md, with an objective that takes no time.

``python searching.py FOLDER`` is killed when it has told the fifth result.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "chapters" / "search.md"
DEFINITIONS = ("from ", "import ", "def ", "class ", "space", "NUM_")
TRIALS = 12
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has only SIGTERM
WORKER = {
    "threads_per_worker": 1,
    "dashboard_address": ":0",
    "silence_logs": "CRITICAL",
}


def cells(framework: str | None, *more: str) -> list[str]:
    """Return the cells that define names, or begin with ``more``.

    Without a framework, return only the cells that all frameworks share.
    """
    from booktools.source.sections import read_section  # workers don't need it

    section = read_section(PAGE.read_text("utf-8"), PAGE)
    return [
        cell.source
        for cell in section.code_cells(framework or section.frameworks[0])
        if (framework or set(cell.frameworks) == set(section.frameworks))
        and cell.source.startswith(DEFINITIONS + more)
    ]


@functools.cache
def chapter(framework: str | None) -> dict[str, Any]:
    """Return the names that the cells define, without running their searches."""
    names: dict[str, Any] = {"__name__": "chapter_search"}
    exec(compile("\n".join(cells(framework)), str(PAGE), "exec"), names)
    return names


def open_study(folder: Path, *name: str) -> Any:
    """Open the study in a folder's journal."""
    return chapter(None)["open_study"](str(folder / "journal"), *name)


def search(study: Any, objective: Callable, client: Any, **options: Any) -> None:
    """Search the chapter's space, or another."""
    names = chapter(None)
    options = {"space": names["space"], "num_trials": TRIALS} | options
    names["search"](study, objective, client=client, **options)


def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), KILL)


def count(folder: Path, word: str) -> int:
    """Return how often a word occurs in a folder's log."""
    return (folder / "log").read_text().split().count(word)


class Objective:
    """Is best at a learning rate of 0.1, and logs when a trial starts or ends.

    Args:
        folder: Where the log is.
        at: What to do when a trial starts for the nth time.
    """

    def __init__(self, folder: Path, at: dict[int, Callable] | None = None) -> None:
        self.folder, self.at = folder, at or {}

    def __call__(self, settings: dict[str, Any]) -> float:
        for word, acts in ("start", self.at), ("end", {}):
            with (self.folder / "log").open("a") as file:
                file.write(f"{word}\n")
            acts.get(count(self.folder, word), int)()
        return 1 - abs(settings["lr"] - 0.1) - settings["dropout"]


def after_telling(study: Any, number: int, act: Callable[[], Any]) -> None:
    """Make a study act when it has told this many results."""
    tell, numbers = study.tell, iter(range(1, number + 1))

    def tell_and_act(*result: Any, **state: Any) -> None:
        tell(*result, **state)
        if next(numbers) == number:
            act()

    study.tell = tell_and_act


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    study = open_study(folder)
    after_telling(study, 5, die)
    with chapter(None)["Client"](n_workers=1, processes=False, **WORKER) as client:
        search(study, Objective(folder), client)
