"""A web server on loopback that stands in for a mirror and misbehaves on demand."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        mirror = self.server
        name = self.path.rsplit("/", 1)[-1]
        with mirror.lock:
            mirror.hits.append(name)
            count = mirror.hits.count(name)
        self.close_connection = True
        behave = mirror.behaviour
        if isinstance(behave, list):  # one per request for the same file
            behave = behave[min(count, len(behave)) - 1]
        with contextlib.suppress(ConnectionError):
            behave(self, mirror.files.get(name, b""))

    def start(self, status: int, length: object, **headers: object) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class Mirror(ThreadingHTTPServer):
    """Serves `files` as `behaviour` says; `hits` lists the names asked for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files: dict[str, bytes], behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.behaviour = files, behaviour
        self.hits: list[str] = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.hung_up = threading.Event()  # set when the other side has had enough
        self.url = f"http://127.0.0.1:{self.server_address[1]}/data/"


@contextlib.contextmanager
def serving(files: dict[str, bytes], behaviour) -> Iterator[Mirror]:
    mirror = Mirror(files, behaviour)
    thread = threading.Thread(target=mirror.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        mirror.stopping.set()
        mirror.shutdown()
        mirror.server_close()
        thread.join()


# Behaviours.


def good(handler: Handler, content: bytes) -> None:
    handler.start(200, len(content))
    handler.wfile.write(content)


def without_length(handler: Handler, content: bytes) -> None:
    handler.start(200, None)
    handler.wfile.write(content)


def status(code: int, **headers: object) -> Behaviour:
    def behave(handler: Handler, content: bytes) -> None:
        body = b"<html>no</html>"
        handler.start(code, len(body), **headers)
        handler.wfile.write(body)

    return behave


def page(handler: Handler, content: bytes) -> None:
    body = b"<!DOCTYPE html><html><title>Log in to continue</title></html>"
    handler.start(200, len(body), Content_Type="text/html")
    handler.wfile.write(body)


def another_file(handler: Handler, content: bytes) -> None:
    handler.start(200, len(content))
    handler.wfile.write(content[:-1] + bytes([content[-1] ^ 1]))


def cut_short(handler: Handler, content: bytes) -> None:
    handler.start(200, len(content))
    handler.wfile.write(content[: len(content) // 2])


def length_header(wrong: object) -> Behaviour:
    def behave(handler: Handler, content: bytes) -> None:
        handler.start(200, wrong if isinstance(wrong, str) else len(content) + wrong)
        handler.wfile.write(content)

    return behave


def without_end(handler: Handler, content: bytes) -> None:
    handler.start(200, None)
    try:
        while not handler.server.stopping.is_set():
            handler.wfile.write(b"\0" * 65536)
    except ConnectionError:
        handler.server.hung_up.set()


def redirect_loop(handler: Handler, content: bytes) -> None:
    handler.start(302, 0, Location=handler.path)


def redirect_to_a_file(handler: Handler, content: bytes) -> None:
    handler.start(302, 0, Location="file:///etc/hostname")


def silent(handler: Handler, content: bytes) -> None:
    handler.server.stopping.wait(60)


def stalls(handler: Handler, content: bytes) -> None:
    handler.start(200, len(content))
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    handler.server.stopping.wait(60)


def drips(handler: Handler, content: bytes) -> None:
    """A byte now and then: no socket timeout ever strikes."""
    handler.start(200, len(content))
    for byte in content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if handler.server.stopping.wait(0.1):
            return


def slow(seconds: float) -> Behaviour:
    """The whole file, evenly over this time."""

    def behave(handler: Handler, content: bytes) -> None:
        handler.start(200, len(content))
        step = max(1, len(content) // 20)
        for start in range(0, len(content), step):
            handler.wfile.write(content[start : start + step])
            handler.wfile.flush()
            time.sleep(seconds / 20)

    return behave


def resets(handler: Handler, content: bytes) -> None:
    """Cut off by the network: a reset instead of an end."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()


def escapes(handler: Handler, content: bytes) -> None:
    handler.wfile.write(
        b"HTTP/1.1 404 \x1b[31mGone\x1b[2J\r\nContent-Length: 0\r\n\r\n"
    )


def no_http(handler: Handler, content: bytes) -> None:
    handler.wfile.write(b"SSH-2.0-something\r\n")


# Addresses at which there is no server.


def refusing_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}/data/"


# The top-level domain that never exists (RFC 6761).
NAMELESS_URL = "http://mirror.invalid/data/"


@contextlib.contextmanager
def unanswering_url() -> Iterator[str]:
    """An address that lets connections wait for ever: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/data/"
