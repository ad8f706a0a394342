"""``python -m booktools``: write the notebooks, or check that they are current."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from booktools import ALL, FRAMEWORKS, SourceError

try:
    from booktools.execution.execute import update_all
    from booktools.execution.figures import MARK, unfounded
    from booktools.execution.jobs import Job, jobs, orphans, outdated
    from booktools.source.book import Book, Page
    from booktools.source.claims import MARK as CLAIM_MARK
    from booktools.source.claims import unclaimed
except ModuleNotFoundError as error:
    missing = str(error.name).partition(".")[0]
    sys.exit(
        f"{sys.executable} has no module {missing!r}; run make notebooks, or use a "
        "Python that has requirements.txt installed"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 if all went well, else 1 (130 if you stopped it)."""
    options = _parse(arguments)
    if not (options.root / "_toc.yml").is_file():
        where = "run in the book's folder, or name it with --root"
        print(f"{options.root}: no _toc.yml here; {where}", file=sys.stderr)
        return 1
    try:
        book = Book(options.root)
        _check_names(book, options.sections)
        wanted = list(jobs(book, options.sections, options.framework))
    except (SourceError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return options.run(book, wanted, options)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m booktools", description=__doc__)
    commands = parser.add_subparsers(required=True)
    notebooks = commands.add_parser(
        "notebooks",
        help="write and execute the notebooks whose section changed",
        description="Write the notebooks whose section changed, and execute those "
        "whose code, outputs or d2lutils changed. Frameworks that are not installed "
        "are skipped.",
    )
    notebooks.set_defaults(run=_notebooks)
    notebooks.add_argument("--force", action="store_true", help="execute all of them")
    notebooks.add_argument(
        "--jobs", type=_positive, default=os.cpu_count(), help="how many run at a time"
    )
    notebooks.add_argument(
        "--timeout", type=_positive, default=1800, help="seconds allowed for a cell"
    )
    check = commands.add_parser(
        "check",
        help="say which notebooks no longer match their section",
        description="Say which notebooks no longer match their section or d2lutils, "
        "which figures in the prose appear in no notebook, and which comparisons have "
        "no claim. Nothing is executed or written.",
    )
    check.set_defaults(run=_check)
    for command in (notebooks, check):
        command.add_argument(
            "sections", nargs="*", metavar="SECTION", help="default: all"
        )
        command.add_argument(
            "--framework",
            action="append",
            default=[],
            choices=[*FRAMEWORKS, ALL],
            help="repeat the option for several; default: all",
        )
        command.add_argument(
            "--root", type=Path, default=Path(), help="the book's folder"
        )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return int(text)


def _check_names(book: Book, names: Sequence[str]) -> None:
    known = [page.section.name for page in book.sections]
    if unknown := [name for name in names if name not in known]:
        message = f"lists no section {unknown[0]!r}; expected one of {', '.join(known)}"
        raise SourceError("_toc.yml", 1, message)


def _notebooks(book: Book, wanted: list[Job], options: argparse.Namespace) -> int:
    start = time.perf_counter()
    unchanged: list[Job] = []

    def report(job: Job, done: str) -> None:
        if done == "unchanged":
            unchanged.append(job)
        else:
            seconds = time.perf_counter() - start
            line = f"{job.shown}: {done} ({seconds:.0f} s)\n"
            print(line, end="", flush=True)  # in one piece: threads report at once

    try:
        failed = update_all(
            wanted, options.jobs, report, force=options.force, timeout=options.timeout
        )
    except KeyboardInterrupt:
        print("\nStopped. Unfinished notebooks are unchanged.", file=sys.stderr)
        return 130
    if unchanged:
        print(f"{len(unchanged)} of {len(wanted)} notebooks: unchanged")
    for error in failed:
        print(f"\n{error}", file=sys.stderr)
    return 1 if failed else 0


def _check(book: Book, wanted: list[Job], options: argparse.Namespace) -> int:
    problems = [str(problem) for job in wanted if (problem := job.problem())]
    if not problems:
        problems += _unbacked(book, dict.fromkeys(each.page for each in wanted))
    problems += outdated(wanted)
    problems += [
        f"{path.as_posix()}: no section makes it; delete it" for path in orphans(book)
    ]
    if not problems:
        print(f"{len(wanted)} notebooks match their sections.")
        return 0
    print(*problems, sep="\n", file=sys.stderr)
    return 1


def _unbacked(book: Book, pages: Collection[Page]) -> Iterator[str]:
    """Say which figures in the prose are in no notebook, and what lacks a claim."""
    for page, line, figure, lacking in unfounded(book, pages):
        yield (
            f"{page.path}:{line}: for {', '.join(lacking)}, {figure} is in no "
            "code, output or formula of this part of the section, nor of any "
            "place the paragraph refers to; correct it, refer to its source, or "
            f"say where it comes from on the line before the paragraph: {MARK} ..."
        )
    for page in pages:
        for line, word in unclaimed(page.section):
            yield (
                f"{page.path}:{line}: {word!r} says something about results, but no "
                "cell with the tag claim below asserts it; add one, or say why it "
                f"needs none on the line before the paragraph: {CLAIM_MARK} ..."
            )


if __name__ == "__main__":
    sys.exit(main())
