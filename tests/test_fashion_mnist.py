"""The dataset: whatever the folder, the network and other processes do."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import types
from pathlib import Path

import data_fixtures
import data_mirror
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from d2lutils import cache, fashion_mnist, standin
from d2lutils.fashion_mnist import DataError, read_idx

ARRAYS = data_fixtures.make_arrays()
OFFICIAL = data_fixtures.make_files(ARRAYS)
NAMES = list(OFFICIAL)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES
PROCESS = str(Path(__file__).with_name("data_process.py"))


@pytest.fixture
def use(monkeypatch, tmp_path):
    """Use the small dataset, with these mirrors, in a folder that does not exist."""

    def use(*mirrors: str, source: str = "auto", **seconds: float) -> Path:
        config = data_fixtures.settings(mirrors, **seconds)
        data_fixtures.apply(config, monkeypatch.setattr)
        monkeypatch.setenv("D2LUTILS_SOURCE", source)
        return folder

    folder = tmp_path / "cache"
    monkeypatch.setenv("D2LUTILS_DATA", str(folder))
    monkeypatch.setattr(fashion_mnist, "_kept", {})
    monkeypatch.setattr(fashion_mnist, "_current", None)
    use()
    return use


@pytest.fixture
def mirror():
    with data_mirror.serving(OFFICIAL, data_mirror.good) as server:
        yield server


def is_official(data: fashion_mnist.FashionMNIST) -> bool:
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    return data.source == "official" and all(
        np.array_equal(found, expected)
        for found, expected in zip(arrays, ARRAYS, strict=True)
    )


def leftovers(folder: Path) -> set[str]:
    """The names in the folder that are no good official files."""
    if not folder.is_dir():
        return set()
    return {
        path.name
        for path in folder.iterdir()
        if path.name != ".d2lutils.lock"
        and not (path.name in OFFICIAL and path.read_bytes() == OFFICIAL[path.name])
    }


# Reading a folder.


def test_reads_a_complete_folder_in_silence(use, capfd):
    data_fixtures.write(use(), OFFICIAL)
    data = fashion_mnist.load()
    assert is_official(data)
    assert fashion_mnist.current_source() == "official"
    assert capfd.readouterr() == ("", "")


def test_arrays_are_read_only_bytes(use):
    data_fixtures.write(use(), OFFICIAL)
    data = fashion_mnist.load()
    for array in (data.train_images, data.test_labels):
        assert array.dtype == np.uint8
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_nothing_is_written_to_a_complete_folder(use):
    folder = use()
    data_fixtures.write(folder, OFFICIAL)
    folder.chmod(0o555)
    before = folder.stat().st_mtime_ns
    fashion_mnist.load()
    assert sorted(os.listdir(folder)) == sorted(NAMES)
    assert folder.stat().st_mtime_ns == before


def test_no_source_before_the_first_call(use):
    assert fashion_mnist.current_source() is None


def test_callers_share_the_arrays(use):
    data_fixtures.write(use(), OFFICIAL)
    assert fashion_mnist.load() is fashion_mnist.load()


def test_threads_share_one_copy(use, monkeypatch):
    data_fixtures.write(use(), OFFICIAL)
    decoded = []
    monkeypatch.setattr(
        fashion_mnist,
        "read_idx",
        lambda *args: decoded.append(args) or read_idx(*args),
    )
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fashion_mnist.load()))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len({id(data) for data in found}) == 1
    assert len(decoded) == 4


@pytest.mark.parametrize("name", ["with spaces", "größe-数据", "a/b/c"])
def test_names_of_folders(use, mirror, monkeypatch, tmp_path, name):
    use(mirror.url)
    monkeypatch.setenv("D2LUTILS_DATA", str(tmp_path / name))
    assert is_official(fashion_mnist.load())
    assert leftovers(tmp_path / name) == set()


def test_a_relative_folder_and_the_home_sign(use, monkeypatch, tmp_path):
    use()
    data_fixtures.write(tmp_path / "here", OFFICIAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("D2LUTILS_DATA", "here")
    assert is_official(fashion_mnist.load())
    home = "USERPROFILE" if os.name == "nt" else "HOME"
    monkeypatch.setenv(home, str(tmp_path))
    monkeypatch.setenv("D2LUTILS_DATA", os.path.join("~", "here"))
    assert is_official(fashion_mnist.load())


def test_an_empty_folder_variable_means_the_default(use, monkeypatch, tmp_path):
    use()
    data_fixtures.write(tmp_path / "default", OFFICIAL)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "default")
    monkeypatch.setenv("D2LUTILS_DATA", "")
    assert is_official(fashion_mnist.load())


def test_an_unknown_source_is_refused(use):
    use(source="offical")
    with pytest.raises(ValueError, match="'offical', expected one of 'auto', 'offi"):
        fashion_mnist.load()


def test_settings_may_change_between_calls(use, capsys):
    data_fixtures.write(use(), OFFICIAL)
    assert fashion_mnist.load().source == "official"
    use(source="standin")
    assert fashion_mnist.load().source == "standin"
    assert fashion_mnist.current_source() == "standin"
    use(source="official")
    assert fashion_mnist.load().source == "official"


# The network.

# Seconds that a case may take, on a machine that is busy with other things as well:
# enough to tell a wait that is bounded from one that is not.
IN_TIME = 40.0

# How a mirror may fail, and what the error says of it.
FAULTS = {
    "404": (data_mirror.status(404), "answered with status 404 Not Found"),
    "403": (data_mirror.status(403), "answered with status 403 Forbidden"),
    "500": (data_mirror.status(500), "answered with status 500"),
    "429": (data_mirror.status(429), "answered with status 429"),
    "429 for an hour": (
        data_mirror.status(429, Retry_After=3600),
        "status 429 Too Many Requests, to be tried again in 3600 s",
    ),
    "429 until a date": (
        data_mirror.status(429, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"),
        "answered with status 429",
    ),
    "no content": (data_mirror.status(204), "the connection broke off|has 0 bytes"),
    "login page": (data_mirror.page, "is a web page, perhaps a network's login page"),
    "another file": (data_mirror.another_file, "has SHA-256 [0-9a-f]{64}, expected"),
    "cut short": (data_mirror.cut_short, "the connection broke off"),
    "length too large": (data_mirror.length_header(9), "the connection broke off"),
    "length too small": (
        data_mirror.length_header(-9),
        r"broke off|bytes, expected [\d,]+",
    ),
    "length no number": (data_mirror.length_header("many"), "invalid literal"),
    "without end": (
        data_mirror.without_end,
        "sent a file that has more than the expected",
    ),
    "redirect loop": (
        data_mirror.redirect_loop,
        "redirects without end|gave no answer",  # if 30 of them take too long
    ),
    "redirect to a file": (data_mirror.redirect_to_a_file, "InvalidSchema"),
    "silent": (data_mirror.silent, "gave no answer within 0.6 s"),
    "stalls": (data_mirror.stalls, "gave no answer within 0.6 s"),
    "drips": (data_mirror.drips, "gave no answer within 0.6 s"),
    "resets": (data_mirror.resets, "the connection broke off"),
    "no HTTP": (data_mirror.no_http, "SSH-2.0-something"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_mirror_gives_an_error_that_tells_all(use, fault):
    behaviour, reason = FAULTS[fault]
    with data_mirror.serving(OFFICIAL, behaviour) as bad:
        folder = use(bad.url, source="official")
        start = time.monotonic()
        with pytest.raises(DataError) as caught:
            fashion_mnist.load()
    assert time.monotonic() - start < IN_TIME
    caught.match(f"{bad.url}{TEST_LABELS}: .*({reason})")
    for name in NAMES:
        assert f"{name} is missing" in str(caught.value)
    assert f"still compressed, into {folder}" in str(caught.value)
    assert leftovers(folder) == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_mirror_is_passed_over(use, mirror, fault, capsys):
    with data_mirror.serving(OFFICIAL, FAULTS[fault][0]) as bad:
        folder = use(bad.url, mirror.url)
        assert is_official(fashion_mnist.load())
    assert leftovers(folder) == set()
    assert sorted(os.listdir(folder)) == sorted([*NAMES, ".d2lutils.lock"])
    assert capsys.readouterr().out == ""
    assert sorted(mirror.hits) == sorted(NAMES)


@pytest.mark.parametrize("fault", ["404", "another file", "silent", "cut short"])
def test_a_faulty_mirror_leads_to_the_announced_standin(use, fault, capsys):
    with data_mirror.serving(OFFICIAL, FAULTS[fault][0]) as bad:
        folder = use(bad.url)
        assert fashion_mnist.load().source == "standin"
    assert leftovers(folder) == {"d2lutils-standin.bin"}
    assert capsys.readouterr().out.startswith("[stand-in data] ")


@pytest.mark.parametrize(
    ("find_address", "reason"),
    [
        # Its port is another one each time, and must not be part of the test's name.
        (data_mirror.refusing_url, "connection refused"),
        (lambda: data_mirror.NAMELESS_URL, "name not found"),
    ],
    ids=["refused", "nameless"],
)
def test_an_address_without_a_server(use, mirror, find_address, reason):
    address = find_address()
    folder = use(address, source="official")
    with pytest.raises(DataError, match=f"{address}{TEST_LABELS}: {reason}"):
        fashion_mnist.load()
    assert leftovers(folder) == set()
    use(address, mirror.url)
    assert is_official(fashion_mnist.load())


@pytest.mark.skipif(sys.platform != "linux", reason="fills the queue as Linux has it")
def test_a_connection_that_is_never_accepted(use, mirror):
    with data_mirror.unanswering_url() as address:
        use(address, source="official")
        start = time.monotonic()
        with pytest.raises(DataError, match=r"gave no answer within 0\.6 s"):
            fashion_mnist.load()
        assert time.monotonic() - start < IN_TIME
        use(address, mirror.url)
        assert is_official(fashion_mnist.load())


def test_a_machine_without_a_network(use, monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    use("http://127.0.0.1:9/data/", source="official")
    monkeypatch.setattr("urllib3.util.connection.create_connection", unreachable)
    with pytest.raises(DataError, match=r"cannot be reached \(.*is unreachable\)"):
        fashion_mnist.load()


def test_a_server_writes_no_control_characters_to_the_terminal(use, capsys):
    with data_mirror.serving(OFFICIAL, data_mirror.escapes) as bad:
        use(bad.url, source="official")
        with pytest.raises(DataError, match=r"status 404 .*Gone") as caught:
            fashion_mnist.load()
    assert "\x1b" not in str(caught.value)


def test_a_name_server_that_hangs(use, mirror, monkeypatch):
    # No socket timeout bounds the look-up of a name.
    def look_up(host, *args, **kwargs):
        if host == "hanging.invalid":
            time.sleep(5)
        return found(host, *args, **kwargs)

    found = data_mirror.socket.getaddrinfo
    monkeypatch.setattr(data_mirror.socket, "getaddrinfo", look_up)
    use("http://hanging.invalid/", source="official")
    start = time.monotonic()
    with pytest.raises(DataError, match=r"gave no answer within 0\.6 s"):
        fashion_mnist.load()
    assert time.monotonic() - start < IN_TIME


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (data_mirror.stalls, "sent nothing more within 0.6 s"),
        (data_mirror.cut_short, "the connection broke off"),
        (data_mirror.another_file, "has SHA-256"),
    ],
)
def test_a_fault_in_the_middle_of_a_large_file(use, mirror, behaviour, reason):
    with data_mirror.serving(OFFICIAL, behaviour) as bad:
        folder = use(bad.url, source="official")
        others = {name: OFFICIAL[name] for name in NAMES if name != TRAIN_IMAGES}
        data_fixtures.write(folder, others)
        with pytest.raises(DataError, match=f"{bad.url}{TRAIN_IMAGES}: .*{reason}"):
            fashion_mnist.load()
        assert leftovers(folder) == set()
        use(bad.url, mirror.url)
        assert is_official(fashion_mnist.load())


def test_a_silent_mirror_is_waited_for_once(use, mirror):
    # The other one has a single file: for the next, the silent one comes to mind.
    mirror.files = {TEST_LABELS: OFFICIAL[TEST_LABELS]}
    mirror.behaviour = lambda handler, content: (
        data_mirror.good if content else data_mirror.status(404)
    )(handler, content)
    with data_mirror.serving(OFFICIAL, data_mirror.silent) as bad:
        # The bound on the answer has to be the first to be reached.
        use(bad.url, mirror.url, source="official", STALL_SECONDS=30)
        with pytest.raises(DataError):
            fashion_mnist.load()
        assert bad.hits == [TEST_LABELS]
    assert mirror.hits == [TEST_LABELS, TRAIN_LABELS]


def test_a_transfer_that_is_given_up_ends(use):
    with data_mirror.serving(OFFICIAL, data_mirror.without_end) as bad:
        use(bad.url, source="official")
        with pytest.raises(DataError):
            fashion_mnist.load()
        assert bad.hung_up.wait(10)


def test_the_mirror_that_answered_is_asked_first(use, mirror):
    with data_mirror.serving(OFFICIAL, data_mirror.status(404)) as bad:
        use(bad.url, mirror.url)
        assert is_official(fashion_mnist.load())
        assert len(bad.hits) == 1


@pytest.mark.parametrize(
    "first",
    [
        data_mirror.status(500),
        data_mirror.status(503, Retry_After=0),
        data_mirror.cut_short,
    ],
)
def test_what_fails_in_passing_is_asked_again(use, first):
    with data_mirror.serving(OFFICIAL, [first, data_mirror.good]) as flaky:
        use(flaky.url)
        assert is_official(fashion_mnist.load())
        assert all(flaky.hits.count(name) == 2 for name in NAMES)


def test_the_wait_that_a_busy_server_asks_for_is_kept(use):
    busy = data_mirror.status(429, Retry_After=1)
    with data_mirror.serving(OFFICIAL, [busy, data_mirror.good]) as server:
        folder = use(server.url)
        data_fixtures.write(
            folder, {name: OFFICIAL[name] for name in NAMES if name != TEST_LABELS}
        )
        start = time.monotonic()
        assert is_official(fashion_mnist.load())
        assert 1.0 <= time.monotonic() - start < IN_TIME
        assert server.hits == [TEST_LABELS] * 2


@pytest.mark.parametrize("behaviour", [data_mirror.status(404), data_mirror.silent])
def test_what_will_not_pass_is_not_asked_again(use, behaviour):
    with data_mirror.serving(OFFICIAL, behaviour) as bad:
        # The bound on the answer has to be the first to be reached.
        use(bad.url, source="official", STALL_SECONDS=30)
        with pytest.raises(DataError):
            fashion_mnist.load()
        assert bad.hits == [TEST_LABELS]


def test_the_whole_download_is_bounded(use):
    with data_mirror.serving(OFFICIAL, data_mirror.slow(4.0)) as server:
        use(server.url, source="official", STALL_SECONDS=9, TOTAL_SECONDS=1.0,
            ANSWER_SECONDS=9)  # fmt: skip
        start = time.monotonic()
        with pytest.raises(DataError, match="was not done within 1 s"):
            fashion_mnist.load()
        assert time.monotonic() - start < IN_TIME


def test_all_addresses_are_listed(use):
    refused = data_mirror.refusing_url()
    with data_mirror.serving(OFFICIAL, data_mirror.status(403)) as bad:
        use(refused, bad.url, data_mirror.NAMELESS_URL, source="official")
        with pytest.raises(DataError) as caught:
            fashion_mnist.load()
    text = str(caught.value)
    assert f"{refused}{TEST_LABELS}: connection refused" in text
    assert f"{bad.url}{TEST_LABELS}: answered with status 403 Forbidden" in text
    assert f"{data_mirror.NAMELESS_URL}{TEST_LABELS}: name not found" in text
    assert "\n" not in caught.value.reason


def test_only_what_is_missing_is_downloaded(use, mirror):
    folder = use(mirror.url)
    data_fixtures.write(folder, {TRAIN_IMAGES: OFFICIAL[TRAIN_IMAGES]})
    assert is_official(fashion_mnist.load())
    assert TRAIN_IMAGES not in mirror.hits


def test_long_downloads_show_their_progress(use, capsys):
    with data_mirror.serving(OFFICIAL, data_mirror.slow(2.0)) as server:
        folder = use(server.url, STALL_SECONDS=5, ANSWER_SECONDS=5)
        data_fixtures.write(
            folder, {name: OFFICIAL[name] for name in NAMES if name != TRAIN_IMAGES}
        )
        assert is_official(fashion_mnist.load())
    assert TRAIN_IMAGES in capsys.readouterr().err


# The stand-in takes over.


def test_every_call_announces_the_standin_in_one_line(use, capsys):
    folder = use(data_mirror.NAMELESS_URL)
    first = fashion_mnist.load()
    said = capsys.readouterr().out
    assert fashion_mnist.load() is first
    assert capsys.readouterr().out == said
    assert said.startswith("[stand-in data] ")
    assert said.count("\n") == 1
    assert "it could not be downloaded (name not found)" in said
    assert str(folder) in said
    assert fashion_mnist.current_source() == "standin"


def test_the_standin_on_demand_asks_no_server(use, mirror, capsys):
    folder = use(mirror.url, source="standin")
    assert fashion_mnist.load().source == "standin"
    assert mirror.hits == []
    assert "D2LUTILS_SOURCE=standin asks for them" in capsys.readouterr().out
    assert leftovers(folder) == {"d2lutils-standin.bin"}


def test_a_failure_is_not_waited_for_again(use):
    with data_mirror.serving(OFFICIAL, data_mirror.status(404)) as bad:
        use(bad.url)
        fashion_mnist.load()
        fashion_mnist.load()
        assert len(bad.hits) == 1


def test_files_put_in_by_hand_are_seen(use, capsys):
    folder = use(data_mirror.NAMELESS_URL)
    assert fashion_mnist.load().source == "standin"
    data_fixtures.write(folder, OFFICIAL)
    assert is_official(fashion_mnist.load())


def test_official_tries_again_after_an_error(use, mirror):
    use(data_mirror.NAMELESS_URL, source="official")
    with pytest.raises(DataError):
        fashion_mnist.load()
    use(mirror.url, source="official")
    assert is_official(fashion_mnist.load())


def test_a_newline_in_the_folder_does_not_split_the_line(use, monkeypatch, capsys):
    use(data_mirror.NAMELESS_URL)
    monkeypatch.setenv("D2LUTILS_DATA", "/nowhere\nat all")
    fashion_mnist.load()
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
@pytest.mark.parametrize("name", ["größe-数据", os.fsdecode(b"not-utf8-\xff")])
def test_a_narrow_console_can_show_the_line(tmp_path, name):
    folder = tmp_path / name
    data_fixtures.write(folder, {TRAIN_LABELS: b"bad"})
    child = start_process(
        folder, data_mirror.NAMELESS_URL, PYTHONIOENCODING="ascii:strict"
    )
    out, err = child.communicate(timeout=60)
    assert out.startswith("[stand-in data] ")
    assert out.splitlines()[1].startswith("standin "), err


# Bad files in the folder.


def damaged(kind: str) -> dict[str, bytes]:
    """The four files, of which one or two are bad."""
    files, images = dict(OFFICIAL), OFFICIAL[TRAIN_IMAGES]
    middle = len(images) // 2
    if kind == "swapped":
        files[TRAIN_IMAGES], files[TRAIN_LABELS] = files[TRAIN_LABELS], images
        return files
    files[TRAIN_IMAGES] = {
        "empty": b"",
        "truncated": images[:middle],
        "one bit": images[:middle] + bytes([images[middle] ^ 4]) + images[middle + 1 :],
        "trailing bytes": images + b"\0",
        "test set": OFFICIAL[TEST_IMAGES],
        "a web page": b"<html>",
        "decompressed": gzip.decompress(images),
        "bomb": gzip.compress(bytes(100_000_000)),
    }[kind]
    return files


KINDS = [
    "empty",
    "truncated",
    "one bit",
    "trailing bytes",
    "test set",
    "a web page",
    "decompressed",
    "bomb",
    "swapped",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_replaced_and_kept_aside(use, mirror, kind, capsys):
    folder = use(mirror.url)
    files = damaged(kind)
    data_fixtures.write(folder, files)
    assert is_official(fashion_mnist.load())
    bad = {name: data for name, data in files.items() if data != OFFICIAL[name]}
    told = capsys.readouterr()
    assert told.out == ""
    expected = set()
    for name, data in bad.items():
        aside = f"{name}.bad-{hashlib.sha256(data).hexdigest()[:8]}"
        assert (folder / aside).read_bytes() == data
        assert f"{folder / name} has" in told.err
        assert f"kept as {aside}" in told.err
        expected.add(aside)
    assert leftovers(folder) == expected
    assert sorted(mirror.hits) == sorted(bad)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_that_cannot_be_replaced(use, kind, capsys):
    folder = use(data_mirror.NAMELESS_URL, source="official")
    files = damaged(kind)
    data_fixtures.write(folder, files)
    with pytest.raises(DataError, match=f"{TRAIN_IMAGES} has .*, expected"):
        fashion_mnist.load()
    use(data_mirror.NAMELESS_URL)
    assert fashion_mnist.load().source == "standin"
    assert f"{folder / TRAIN_IMAGES} has" in capsys.readouterr().out
    for name, data in files.items():  # all as it was
        assert (folder / name).read_bytes() == data


def test_a_folder_or_a_pipe_in_place_of_a_file(use, mirror, capsys):
    folder = use(mirror.url)
    data_fixtures.write(folder, {})
    (folder / TRAIN_LABELS).mkdir()
    expected = {f"{TRAIN_LABELS}.bad-no-file"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / TEST_LABELS)
        expected.add(f"{TEST_LABELS}.bad-no-file")
    assert is_official(fashion_mnist.load())
    assert "is not a regular file" in capsys.readouterr().err
    assert {path.name for path in folder.glob("*.bad-*")} == expected


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_in_the_folder_are_not_written_through(use, mirror, tmp_path):
    folder = use(mirror.url)
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    for name in (TRAIN_IMAGES, "d2lutils-standin.bin", ".d2lutils.lock"):
        (folder / name).symlink_to(outside)
    assert is_official(fashion_mnist.load())
    use(source="standin")
    assert fashion_mnist.load().source == "standin"
    assert outside.read_bytes() == b"precious"


# Folders that cannot be written.

by_mode = pytest.mark.skipif(
    os.name == "nt", reason="on Windows a folder's mode forbids nothing"
)


@by_mode
def test_a_read_only_folder_without_the_files(use, mirror, capsys):
    folder = use(mirror.url)
    folder.mkdir()
    folder.chmod(0o555)
    assert is_official(fashion_mnist.load())
    assert os.listdir(folder) == []
    told = capsys.readouterr().err
    assert f"cannot be kept in {folder} (the folder is read-only)" in told
    assert "set D2LUTILS_DATA to a folder" in told


@by_mode
def test_a_read_only_folder_without_a_network(use, capsys):
    folder = use(data_mirror.NAMELESS_URL)
    folder.mkdir()
    folder.chmod(0o555)
    assert fashion_mnist.load().source == "standin"
    assert os.listdir(folder) == []


@by_mode
def test_a_read_only_folder_with_a_bad_file(use, mirror, capsys):
    folder = use(mirror.url)
    data_fixtures.write(folder, damaged("truncated"))
    folder.chmod(0o555)
    assert is_official(fashion_mnist.load())
    assert sorted(os.listdir(folder)) == sorted(NAMES)


def test_a_mark_of_windows_forbids_nothing(tmp_path, monkeypatch):
    tmp_path.chmod(0o555)
    monkeypatch.setattr(cache, "os", types.SimpleNamespace(name="nt"))
    cache._refuse_if_protected(tmp_path)


def test_a_file_where_the_folder_belongs(use, mirror, capsys):
    folder = use(mirror.url)
    folder.write_text("not a folder")
    assert is_official(fashion_mnist.load())
    assert "cannot be kept in" in capsys.readouterr().err
    use(data_mirror.NAMELESS_URL, source="official")
    fashion_mnist._kept.clear()
    with pytest.raises(DataError, match=r"cannot be read \(Not a directory\)|missing"):
        fashion_mnist.load()
    assert folder.read_text() == "not a folder"


def test_a_name_that_is_too_long(use, mirror, monkeypatch, tmp_path):
    use(mirror.url)
    monkeypatch.setenv("D2LUTILS_DATA", str(tmp_path / ("x" * 3000)))
    assert is_official(fashion_mnist.load())


def test_a_full_disk(use, mirror, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = use(mirror.url)
    monkeypatch.setattr(cache.os, "fsync", full)
    assert is_official(fashion_mnist.load())
    assert "(No space left on device)" in capsys.readouterr().err
    assert leftovers(folder) == set()
    use(source="standin")
    assert fashion_mnist.load().source == "standin"
    assert leftovers(folder) == set()


def test_a_full_disk_and_a_bad_file(use, mirror, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = use(mirror.url)
    files = damaged("truncated")
    data_fixtures.write(folder, files)
    monkeypatch.setattr(cache.os, "fsync", full)
    assert is_official(fashion_mnist.load())
    assert leftovers(folder) == {TRAIN_IMAGES}
    assert (folder / TRAIN_IMAGES).read_bytes() == files[TRAIN_IMAGES]


@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX systems")
def test_a_file_system_that_takes_no_more(mirror, tmp_path):
    # A real failure of write(2), by a limit on the size of files.
    limit = (
        "import resource, runpy, sys; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    child = start_process(tmp_path, mirror.url, python=["-c", limit, PROCESS])
    out, err = child.communicate(timeout=60)
    assert out.split() == ["official", expected_digest()]
    assert f"{TRAIN_IMAGES} was downloaded and is in use, but cannot be kept" in err
    assert leftovers(tmp_path) == set()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user"
)
def test_a_folder_without_permission(mirror, tmp_path):
    # The tests run as root here, whom nothing stops: so the process becomes somebody
    # else, once it has imported all that it needs.
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    become = f"""
os.setuid(65534)
os.environ["D2LUTILS_DATA"] = {str(private)!r}
"""
    out, err = load_twice(tmp_path / "first", mirror.url, between=become)
    assert out.split()[-2:] == ["official", expected_digest()]
    assert f"cannot be kept in {private} (Permission denied)" in err
    assert os.listdir(private) == []


# Many at once, killed, interrupted.


def expected_digest() -> str:
    return data_fixtures.digest(fashion_mnist.FashionMNIST(*ARRAYS, source=""))


def start_process(folder: Path, *mirrors: str, options=(), python=(PROCESS,), **env):
    """Load the small dataset in a process of its own."""
    here = Path(__file__).parent
    return subprocess.Popen(
        [
            sys.executable,
            *python,
            data_fixtures.settings(mirrors, ANSWER_SECONDS=20.0, STALL_SECONDS=20.0),
            *options,
        ],
        env={
            **os.environ,
            "D2LUTILS_DATA": str(folder),
            "D2LUTILS_SOURCE": "auto",
            "PYTHONPATH": os.pathsep.join([str(here.parent), str(here)]),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def load_twice(folder: Path, *mirrors: str, between: str, **env) -> tuple[str, str]:
    """Load in a process, run some code, load anew; what the process printed.

    The first time imports all modules, so that the code finds the loader alone.
    """
    code = f"""
import os, sys
import data_process
sys.argv = sys.argv[1:]
data_process.main(*sys.argv[1:])
{between}
data_process.fashion_mnist._kept.clear()
data_process.main(*sys.argv[1:])
"""
    child = start_process(folder, *mirrors, python=["-c", code, PROCESS], **env)
    return child.communicate(timeout=60)


def test_sixteen_processes_download_each_file_once(tmp_path):
    folder = tmp_path / "cache"
    with data_mirror.serving(OFFICIAL, data_mirror.slow(0.4)) as mirror:
        children = [start_process(folder, mirror.url) for _ in range(16)]
        results = [child.communicate(timeout=120) for child in children]
    for out, err in results:
        assert out.split() == ["official", expected_digest()], err
    assert sorted(mirror.hits) == sorted(NAMES)
    assert leftovers(folder) == set()


def test_a_process_waits_for_another_and_says_so(use, mirror, capsys):
    folder = use(mirror.url, LOCK_SECONDS=0.3)
    with cache.locked(folder):
        assert is_official(fashion_mnist.load())
    assert f"another process is preparing the data in {folder}" in (
        capsys.readouterr().err
    )


def test_a_file_system_without_locks(use, mirror, monkeypatch):
    def no_locks(*args, **kwargs):
        raise NotImplementedError("FileSystem does not appear to support flock")

    folder = use(mirror.url)
    monkeypatch.setattr("filelock.FileLock.acquire", no_locks)
    assert is_official(fashion_mnist.load())
    assert leftovers(folder) == set()


def wait_for(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def wait_for_line(child: subprocess.Popen, line: str) -> None:
    assert any(found.strip() == line for found in child.stdout)


MOMENTS = {
    "download": [],
    "store": ["hang-in", "store"],
    "first file": ["hang-in", "replace-1"],
    "before the bad file is renamed": ["hang-in", "replace-2"],
    "after the bad file was renamed": ["hang-in", "replace-3"],
    "draw": ["hang-in", "draw"],
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_process_hurts_nobody(use, mirror, tmp_path, moment):
    folder = tmp_path / "cache"
    data_fixtures.write(folder, {TRAIN_LABELS: b"bad"})
    with data_mirror.serving(OFFICIAL, data_mirror.good) as first:
        if moment == "download":
            first.behaviour = data_mirror.stalls
        source = "standin" if moment == "draw" else "official"
        child = start_process(
            folder, first.url, options=MOMENTS[moment], D2LUTILS_SOURCE=source
        )
        with child:
            if moment == "download":
                wait_for(lambda: first.hits)
            else:
                wait_for_line(child, "hanging")
            child.kill()
    for name in NAMES:
        path = folder / name
        assert (
            not path.exists()
            or path.read_bytes() == OFFICIAL[name]
            or name == TRAIN_LABELS
        )
    assert use(mirror.url) == folder
    assert is_official(fashion_mnist.load())
    mark = hashlib.sha256(b"bad").hexdigest()[:8]
    assert leftovers(folder) == {f"{TRAIN_LABELS}.bad-{mark}"}


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of POSIX systems")
@pytest.mark.parametrize("moment", ["download", "draw"])
def test_an_interruption_leaves_all_usable(tmp_path, moment):
    folder = tmp_path / "cache"
    with data_mirror.serving(OFFICIAL, data_mirror.stalls) as mirror:
        options = {"download": ["twice"], "draw": ["hang-in", "draw", "twice"]}[moment]
        source = {"download": "official", "draw": "standin"}[moment]
        child = start_process(
            folder, mirror.url, options=options, D2LUTILS_SOURCE=source
        )
        with child:
            if moment == "download":
                wait_for(lambda: mirror.hits)
                mirror.behaviour = data_mirror.good  # for the second time
                time.sleep(0.2)
            else:
                wait_for_line(child, "hanging")
            child.send_signal(signal.SIGINT)
            start = time.monotonic()
            lines = [line for line in child.stdout if "[stand-in data]" not in line]
            assert time.monotonic() - start < 3 * IN_TIME  # it draws the stand-in again
            assert lines[0] == "interrupted\n"
            assert lines[1].startswith(source)
    assert leftovers(folder) <= {"d2lutils-standin.bin"}


# Security.


@pytest.mark.parametrize("source", ["official", "standin"])
def test_nothing_is_written_outside_the_folder_and_nothing_unpickled(
    mirror, tmp_path, source
):
    watch = """
def hook(event, args):
    if event == "open":
        path, mode, flags = args
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            print("WRITES", os.path.abspath(os.fspath(path)), flush=True)
    elif event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link",
                   "os.symlink", "os.truncate"):
        if isinstance(args[0], int):
            return  # a file that is open already
        print("WRITES", os.path.abspath(os.fspath(args[0])), flush=True)
    elif event in ("pickle.find_class", "marshal.loads", "os.system", "os.exec",
                   "subprocess.Popen", "exec", "compile"):
        print("RUNS", event, flush=True)
for file in os.listdir(os.environ["D2LUTILS_DATA"]):
    os.remove(os.path.join(os.environ["D2LUTILS_DATA"], file))
sys.addaudithook(hook)
"""
    # An adversary's choice of folder: out of the working directory, and a link.
    folder = tmp_path / "work" / ".." / "elsewhere"
    (tmp_path / "work").mkdir()
    out, err = load_twice(folder, mirror.url, between=watch, D2LUTILS_SOURCE=source)
    assert out.splitlines()[-1].startswith(source), err
    written = [line.split()[1] for line in out.splitlines() if "WRITES" in line]
    assert written
    for path in written:
        assert Path(path) == tmp_path / "elsewhere" or Path(path).parent == (
            tmp_path / "elsewhere"
        )
    assert "RUNS" not in out


def test_mirrors_use_https_where_it_is_offered():
    plain = [url for url in fashion_mnist.MIRRORS if not url.startswith("https://")]
    # A website bucket of S3 has no https.
    assert plain == ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    assert all(url.endswith("/") for url in fashion_mnist.MIRRORS)


# The reader of IDX files.

SHAPE = (3, 4, 5)
VALUES = np.arange(60, dtype=np.uint8).reshape(SHAPE)
RAW = data_fixtures.idx(VALUES)


def test_reads_idx():
    array = read_idx(gzip.compress(RAW), SHAPE)
    assert np.array_equal(array, VALUES)
    assert array.dtype == np.uint8
    assert not array.flags.writeable


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "cut short"),
        (RAW, "not a valid gzip file"),
        (gzip.compress(RAW)[:-1], "cut short"),
        (gzip.compress(RAW)[:40], "cut short"),
        (gzip.compress(RAW) + b"\0", "1 bytes after its end"),
        (gzip.compress(RAW) * 2, "bytes after its end"),
        (gzip.compress(RAW)[:-8] + bytes(8), "not a valid gzip file"),
        (gzip.compress(RAW[:-1]), "holds 75 bytes, expected 76"),
        (gzip.compress(RAW + b"\0"), "holds more than the expected 76 bytes"),
        (gzip.compress(b""), "holds 0 bytes, expected 76"),
        (gzip.compress(b"\1" + RAW[1:]), "number 0x01000803, expected 0x00000803"),
        (gzip.compress(RAW[:2] + b"\x0d" + RAW[3:]), "magic number 0x00000d03"),
        (gzip.compress(RAW[:3] + b"\1" + RAW[4:]), "magic number 0x00000801"),
        (
            gzip.compress(RAW[:7] + b"\4" + RAW[8:11] + b"\3" + RAW[12:]),
            r"has shape \(4, 3, 5\), expected \(3, 4, 5\)",
        ),
    ],
    # gzip notes the time of day: bytes in a test's name would change with it.
    ids=lambda value: "" if isinstance(value, bytes) else value,
)  # fmt: skip
def test_refuses_idx(data, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_idx(data, SHAPE)


def test_a_decompression_bomb_is_not_inflated():
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="holds more than"):
            read_idx(bomb, SHAPE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def check_arbitrary(data: bytes) -> None:
    """Either the right values or the documented error, whatever the bytes are."""
    try:
        array = read_idx(data, SHAPE)
    except ValueError:
        return
    assert array.shape == SHAPE
    assert gzip.decompress(data) == data_fixtures.idx(array)


@hypothesis_settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=300))
@example(gzip.compress(RAW))
def test_arbitrary_bytes(data):
    check_arbitrary(data)


@hypothesis_settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=100), st.integers(0, 9))
def test_arbitrary_contents(data, level):
    check_arbitrary(gzip.compress(data, compresslevel=level))


@hypothesis_settings(max_examples=1000, deadline=None)
@given(st.data())
def test_mutated_files(draw):
    data = bytearray(gzip.compress(RAW))
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw.draw(st.sampled_from(["set", "drop", "insert"]))
        byte = draw.draw(st.integers(0, 255))
        if kind == "insert" or not data:
            data.insert(place, byte)
        elif kind == "set":
            data[place] = byte
        else:
            del data[place]
    check_arbitrary(bytes(data))


# The official files themselves, where they are at hand.


def official_folder() -> Path | None:
    with contextlib.suppress(ValueError):
        folder = fashion_mnist._settings()[1]
        if all((folder / file.name).is_file() for file in fashion_mnist.FILES):
            return folder
    return None


@pytest.mark.skipif(official_folder() is None, reason="the official data is not here")
def test_the_official_data(monkeypatch):
    monkeypatch.setattr(fashion_mnist, "_kept", {})
    monkeypatch.setattr(fashion_mnist, "_current", None)
    monkeypatch.setenv("D2LUTILS_SOURCE", "official")
    start = time.process_time()
    data = fashion_mnist.load()
    assert time.process_time() - start < 2.0  # 0.4 s on an idle core
    start = time.perf_counter()
    assert fashion_mnist.load() is data
    assert time.perf_counter() - start < 0.01
    assert data.train_images.shape == (60000, 28, 28)
    assert data.test_images.shape == (10000, 28, 28)
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    # The mean of all pixels, as published with many models: 0.2860.
    assert data.train_images.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    md5 = hashlib.md5()
    md5.update((official_folder() / TRAIN_IMAGES).read_bytes())
    assert md5.hexdigest() == "8d4fb7e6c68d591d4c3dfef9ec88bf0d"


def test_names_of_the_classes_match_the_standin():
    assert tuple(standin._GARMENTS) == fashion_mnist.LABELS
