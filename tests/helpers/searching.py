"""Runs the search of chapters/search.md with a quick objective, as a reader would.

``python searching.py JOURNAL WORKERS LOG SECONDS`` runs the search to its end and
prints the best hyperparameters. The objective takes SECONDS, and writes a line to LOG
whenever it starts or ends.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "chapters" / "search.md"
TRIALS = 12
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has only SIGTERM


@functools.cache
def chapter(framework: str | None = "pytorch") -> dict[str, Any]:
    """Return the names that the chapter's cells define, without running its searches.

    Without a framework, use only the cells that all frameworks share.
    """
    from booktools.source.sections import read_section  # workers don't need it

    names: dict[str, Any] = {"__name__": "chapter_search"}
    section = read_section(PAGE.read_text("utf-8"), PAGE)
    for cell in section.code_cells(framework or "pytorch"):
        shared = set(cell.frameworks) == set(section.frameworks)
        starts = ("from ", "import ", "def ", "class ", "space", "NUM_")
        if cell.source.startswith(starts) and (framework or shared):
            exec(compile(cell.source, str(PAGE), "exec"), names)
    return names


class Objective:
    """Is best at a learning rate of 0.1. It can be slow, and kill its first workers."""

    def __init__(self, log: Path, seconds: float = 0.0, kill: int = 0) -> None:
        self.log, self.seconds, self.kill = log, seconds, kill

    def note(self, word: str) -> int:
        """Add a word to the log, and return how often it occurs."""
        with self.log.open("a") as file:
            file.write(f"{word}\n")
        return self.log.read_text().splitlines().count(word)

    def __call__(self, settings: dict[str, Any]) -> float:
        if self.note("start") <= self.kill:
            os.kill(os.getpid(), KILL)
        time.sleep(self.seconds)
        self.note("end")
        return 1 - abs(settings["lr"] - 0.1) - settings["dropout"]


def main(journal: str, workers: str, log: str, seconds: str) -> None:
    """Run the search to its end, and print the best result."""
    names = chapter(None)
    study = names["open_study"](journal)
    options = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with names["Client"](n_workers=int(workers), **options) as client:
        objective = Objective(Path(log), float(seconds))
        names["search"](study, objective, names["space"], TRIALS, client)
    print("best", study.best_value, study.best_params)


if __name__ == "__main__":
    main(*sys.argv[1:])
