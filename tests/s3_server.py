"""An S3 server on this machine (moto's, in an environment of its own), and a proxy before it that fails as asked."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

# Set up by `make test` beside the tests' own packages, whose versions it could not share (CONTRIBUTING.md).
MOTO = Path(sys.prefix) / "s3-server/bin/moto_server"
HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, Signature=0",
    "Content-Type": "application/octet-stream",
}
PASS, BUSY, HANG, CUT, DROP = "pass", "busy", "hang", "cut", "drop"
HANGING = 20  # seconds, longer than any patience in the tests
Plan = Callable[[int, str, str], str]  # (number of the request, method, path) -> one of the five above


def environment(url: str, **more: str) -> dict[str, str]:
    """What the client needs to be told; nothing leads beyond this machine, whatever goes wrong."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        **more,
    }


class Server:
    """A running S3 server; `put` and the like go straight to it, past any client of ours."""

    def __init__(self, url: str) -> None:
        self.url = url

    def request(self, method: str, path: str, data: bytes | None = None) -> bytes:
        url = f"{self.url}/{urllib.parse.quote(path, safe='/')}"
        with urllib.request.urlopen(urllib.request.Request(url, data, HEADERS, method=method), timeout=20) as answer:
            return answer.read()

    def reset(self) -> None:
        self.request("POST", "moto-api/reset")

    def put(self, path: str, data: bytes) -> None:
        self.request("PUT", path, data)

    def get(self, path: str) -> bytes:
        return self.request("GET", path)

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def names(self, bucket: str) -> list[str]:
        answer = self.request("GET", f"{bucket}").decode()
        return re.findall("<Key>([^<]*)</Key>", answer)

    def upload(self, folder: Path, prefix: str) -> None:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.put(f"{prefix}/{file.relative_to(folder)}", file.read_bytes())


@contextmanager
def run_server(log: Path) -> Iterator[Server]:
    if not MOTO.exists():
        pytest.skip(f"no S3 server at {MOTO} (make test installs it)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as out:
        process = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=out, stderr=out)
    try:
        _wait_for(port, process)
        yield Server(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the S3 server did not start (exit code {process.poll()})")


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server, except those for which `plan` says otherwise."""

    daemon_threads = True

    def __init__(self, server: Server, plan: Plan) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urllib.parse.urlsplit(server.url).netloc
        self.plan = plan
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: list[tuple[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def handle_error(self, *_: object) -> None:
        """Broken connections are what this is for."""

    def begin(self, method: str, path: str) -> str:
        with self.lock:
            self.seen.append((method, path))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return self.plan(len(self.seen), method, path)

    def end(self) -> None:
        with self.lock:
            self.at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.begin(self.command, self.path)
        try:
            if fault == HANG:
                time.sleep(HANGING)
            if fault in (HANG, DROP):
                self.close_connection = True
                return
            if fault == BUSY:
                self._answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>")
            else:
                self._answer(*self._passed_on(body), cut=fault == CUT)
        finally:
            self.server.end()

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.behind, timeout=20)
        try:
            connection.request(self.command, self.path, body or None, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], data: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle


@contextmanager
def run_proxy(server: Server, plan: Plan) -> Iterator[Proxy]:
    proxy = Proxy(server, plan)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.plan = lambda *_: DROP  # on connections that are kept open
        proxy.shutdown()
        proxy.server_close()
