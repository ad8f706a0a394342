"""One known file from several addresses: verified, and in bounded time.

pooch does the HTTP transfer. What it leaves to its caller is here: a bound on the
whole wait (neither a name server nor a server that sends a byte now and then can be
stopped by a socket timeout), a bound on the size, several addresses for one file, and
errors a reader can act on.
"""

from __future__ import annotations

import contextlib
import math
import queue
import socket
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from types import ModuleType

from d2lutils.cache import describe_difference

__all__ = ["DownloadError", "Downloader", "import_pooch"]

# The bounds, in seconds. They are generous for a slow line (30 MB in half an hour are
# 17 kB/s) and short where nobody answers: three silent addresses cost 24 s in all.
ANSWER_SECONDS = 8.0  # until the first bytes arrive: name, connection, redirects
STALL_SECONDS = 20.0  # between one piece and the next
TOTAL_SECONDS = 1800.0  # for all files of one Downloader together
PAUSE_SECONDS = 1.0  # before an address that failed in passing is asked again
LONGEST_PAUSE_SECONDS = 10.0  # a server that asks for more is not asked again

_PIECE = (
    1 << 14
)  # bytes handed over at a time: the slowest pace allowed is this / STALL


def import_pooch() -> ModuleType:
    """Import pooch without a word.

    In a notebook tqdm, which pooch imports, warns if there is no ipywidgets.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pooch
    return pooch


class DownloadError(Exception):
    """No address gave the file.

    Attributes:
        reasons: for each address that was tried, what went wrong there.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(f"{url}: {why}" for url, why in reasons.items()))


class _Failed(Exception):
    """One address did not give the file.

    Attributes:
        gone: nobody answered there, so it is not worth asking for other files.
        pause: seconds after which asking again may help; infinite if it will not.
    """

    def __init__(self, why: str, *, gone: bool = False, pause: float = math.inf):
        super().__init__(why)
        self.gone, self.pause = gone, pause


class Downloader:
    """Fetches files that have the same names at several addresses.

    Remembers which address answered and which did not, so that a dead one is waited
    for once and not once per file.

    Args:
        addresses: URLs of folders, each ending in a slash, the preferred one first.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        import_pooch()  # here, because silencing warnings is not for a thread
        self._addresses = list(addresses)
        self._reasons: dict[str, str] = {}
        self._end = time.monotonic() + TOTAL_SECONDS

    def fetch(self, name: str, size: int, sha256: str) -> bytes:
        """Download one file, with a progress bar if it takes longer than a second.

        Args:
            name: the file's name, put behind each address in turn.
            size: its size in bytes; no more than that is ever taken.
            sha256: its SHA-256 in hexadecimal, which decides whether it is accepted.

        Returns:
            The whole file.

        Raises:
            DownloadError: no address gave this very file within the time allowed.
        """
        pauses = {}
        for address in list(self._addresses):
            data, pause = self._try(address, name, size, sha256)
            if data is not None:
                return data
            if pause <= LONGEST_PAUSE_SECONDS:
                pauses[address] = pause
        # What failed in passing gets one more chance, after the wait it asked for.
        start = time.monotonic()
        for address in sorted(pauses, key=pauses.__getitem__):
            waited = time.monotonic() - start
            time.sleep(max(0.0, min(pauses[address] - waited, self._seconds_left())))
            data, _ = self._try(address, name, size, sha256)
            if data is not None:
                return data
        raise DownloadError(dict(self._reasons))

    def _try(
        self, address: str, name: str, size: int, sha256: str
    ) -> tuple[bytes | None, float]:
        """Ask one address: the file, or None and how long to pause before a retry."""
        try:
            data = self._take(address + name, name, size)
            why = describe_difference(data, size, sha256)
            if why:
                raise _Failed(f"sent a file that {why}")
        except _Failed as failure:
            self._reasons[address + name] = str(failure)
            if failure.gone:
                self._addresses.remove(address)
            return None, failure.pause
        self._addresses.remove(address)
        self._addresses.insert(0, address)
        return data, 0.0

    def _seconds_left(self) -> float:
        return self._end - time.monotonic()

    def _take(self, url: str, name: str, size: int) -> bytes:
        """What the URL sends, up to the first piece that makes it too long."""
        from tqdm import tqdm

        data = bytearray()
        bar = tqdm(
            total=size, desc=name, unit="B", unit_scale=True, leave=False, delay=1
        )
        with bar, contextlib.closing(self._pieces(url)) as pieces:
            for piece in pieces:
                data += piece
                bar.update(len(piece))
                if len(data) > size:
                    break
        return bytes(data)

    def _pieces(self, url: str) -> Generator[bytes, None, None]:
        """The body piece by piece, each within its time; raises _Failed."""
        transfer = _Transfer(url)
        threading.Thread(target=transfer.run, daemon=True).start()
        limit, missing, gone = ANSWER_SECONDS, "gave no answer", True
        try:
            while True:
                left = self._seconds_left()
                try:
                    piece = transfer.queue.get(timeout=max(0.0, min(limit, left)))
                except queue.Empty:
                    if left < limit:
                        limit, missing = TOTAL_SECONDS, "was not done"
                    raise _Failed(
                        f"{missing} within {limit:g} s",
                        gone=gone,
                        pause=math.inf if gone else PAUSE_SECONDS,
                    ) from None
                if piece is None:
                    return
                if isinstance(piece, Exception):
                    raise _explain(piece) from piece
                yield piece
                limit, missing, gone = STALL_SECONDS, "sent nothing more", False
        finally:
            transfer.stopped.set()


class _Transfer:
    """One HTTP transfer in a thread of its own, so that waiting for it is bounded.

    The thread only talks to the network. If it hangs (in a name server, say), it is
    left behind; it holds no file and no lock, and ends with the process.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.queue: queue.Queue[bytes | Exception | None] = queue.Queue()
        self.stopped = threading.Event()

    def run(self) -> None:
        """Put the pieces on the queue, then None, or the exception that came."""
        try:
            from pooch import HTTPDownloader

            download = HTTPDownloader(
                chunk_size=_PIECE,
                timeout=(ANSWER_SECONDS, STALL_SECONDS),
                # The files are compressed already: no server may add or strip a layer.
                headers={"Accept-Encoding": "identity"},
            )
            download(self.url, self, None)
        except Exception as error:
            # Kept without need, the exception would keep the connection open.
            if not self.stopped.is_set():
                self.queue.put(error)
        else:
            self.queue.put(None)

    def write(self, piece: bytes) -> None:
        """Called by pooch, for which this object is the output file."""
        if self.stopped.is_set():
            raise InterruptedError("nobody waits for this transfer any more")
        self.queue.put(bytes(piece))

    def flush(self) -> None:
        """Called by pooch after each piece; there is nothing to do."""


def _explain(error: Exception) -> _Failed:
    """Put an exception of the transfer into words."""
    from requests import exceptions as http
    from urllib3.exceptions import NewConnectionError

    causes = list(_causes(error))
    if isinstance(error, http.HTTPError):
        return _explain_status(error.response)
    if isinstance(error, http.TooManyRedirects):
        return _Failed("redirects without end")
    text = _plain(str(causes[-1]))
    if isinstance(error, http.SSLError):
        return _Failed(f"has no valid certificate ({text})", gone=True)
    if isinstance(error, http.ProxyError):
        return _Failed(f"the proxy refused ({text})", gone=True)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return _Failed("name not found", gone=True)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return _Failed("connection refused", gone=True)
    if isinstance(error, http.ConnectTimeout):
        return _Failed(f"gave no answer within {ANSWER_SECONDS:g} s", gone=True)
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        return _Failed(f"cannot be reached ({text})", gone=True)
    if any(isinstance(cause, TimeoutError) for cause in causes):
        why = f"sent nothing more within {STALL_SECONDS:g} s"
        return _Failed(why, pause=PAUSE_SECONDS)
    if isinstance(error, http.ChunkedEncodingError) or any(
        isinstance(cause, ConnectionError) for cause in causes
    ):
        return _Failed("the connection broke off", pause=PAUSE_SECONDS)
    return _Failed(f"{type(error).__name__}: {text}", pause=PAUSE_SECONDS)


def _plain(text: str) -> str:
    """Text that may come from a server: one line, not long, no control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from, down to the first."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _explain_status(response) -> _Failed:
    """A status of 400 or more in words; 429 and 5xx may pass."""
    code = response.status_code
    why = f"answered with status {code} {_plain(response.reason or '')}".rstrip()
    if code != 429 and code < 500:
        return _Failed(why)
    wait = response.headers.get("Retry-After", "")
    if not wait.isdecimal():  # absent, or a date
        return _Failed(why, pause=PAUSE_SECONDS)
    return _Failed(f"{why}, to be tried again in {wait} s", pause=float(wait))
