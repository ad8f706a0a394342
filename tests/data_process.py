"""A process of its own that loads the small dataset: `python data_process.py CONFIG`.

Further arguments: `hang-in WHAT` stops for ever at a moment at which the test kills the
process; `twice` loads again after an interruption.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import data_fixtures

from d2lutils import cache, fashion_mnist, standin


def hang(*args: object) -> None:
    print("hanging", flush=True)
    time.sleep(60)


def hang_in(what: str) -> None:
    if what == "store":  # the part file is there, the final name is not
        cache.os.fsync = hang
    elif what.startswith("replace-"):  # before the n-th renaming
        count, replace = int(what.removeprefix("replace-")), os.replace

        def rename(*paths):
            nonlocal count
            count -= 1
            return replace(*paths) if count else hang()

        cache.os.replace = rename
    elif what == "draw":
        standin.make = hang
    else:
        raise ValueError(what)


def main(config: str, *options: str) -> None:
    data_fixtures.apply(config)
    # A shell lets what it runs in the background ignore Ctrl-C, and so its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if options[:1] == ("hang-in",):
        hang_in(options[1])
    try:
        data = fashion_mnist.load()
    except KeyboardInterrupt:
        if "twice" not in options:
            raise
        print("interrupted", flush=True)
        standin.make = data_fixtures.small_standin
        data = fashion_mnist.load()
    print(data.source, data_fixtures.digest(data), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
