"""`rackwright serve` ends when it is asked to, whatever it does at that moment, and says nothing about it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 60  # of a slow machine; it takes a fraction of a second
SLOW = json.dumps({"model": "llama3.1-405b", "workload": {"kind": "training", "deadline_days": 60}}).encode()


@contextmanager
def server(output: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server that has just been started, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port), "--headless"]
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process, port
    finally:
        process.kill()
        process.wait(LIMIT_S)


def until(reached: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def health(port: int) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=LIMIT_S) as answer:
            found: dict[str, object] = json.load(answer)
    except OSError:
        return {}
    return found


MOMENTS: dict[str, Callable[[Path, int], bool]] = {
    "has been imported": lambda log, port: b"Rackwright:" in log.read_bytes(),
    "listens": lambda log, port: listens(port),
    "answers": lambda log, port: bool(health(port)),
    "has warmed up": lambda log, port: bool(health(port).get("ready")),
}


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", MOMENTS)
def test_it_ends_as_soon_as_it(moment, asked, tmp_path):
    log = tmp_path / "log"
    with server(log) as (process, port):
        until(lambda: MOMENTS[moment](log, port))
        process.send_signal(asked)
        process.wait(LIMIT_S)
    if moment in {"answers", "has warmed up"}:
        assert process.returncode == (0 if asked == signal.SIGINT else -signal.SIGTERM)
        assert b"Traceback" not in log.read_bytes()


def test_it_does_not_finish_a_plan_first(tmp_path):
    def planned(port: int) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/plan", SLOW, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S):  # noqa: S310 our own address
                return "planned"
        except urllib.error.HTTPError as error:
            with error:
                return str(json.load(error)["faults"][0]["code"])
        except urllib.error.URLError:
            return "not even heard"

    with server(tmp_path / "log") as (process, port), ThreadPoolExecutor(1) as pool:
        until(lambda: bool(health(port).get("ready")))
        plan = pool.submit(planned, port)
        time.sleep(0.15)
        process.terminate()
        process.wait(LIMIT_S)
        assert plan.result(LIMIT_S) in {"http_ending", "not even heard"}
