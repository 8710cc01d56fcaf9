"""`rackwright serve` on a machine where nothing was ever set up."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.error import URLError

from cli.serve import _APPS

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_server_starts_in_an_empty_home_without_asking_anything(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port), "--headless"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        try:
            assert answer(f"http://127.0.0.1:{port}/_stcore/health", server) == "ok"
        finally:
            server.kill()  # a server asked to stop while it still starts may never do so


def answer(address: str, server: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        assert server.poll() is None, server.stdout.read().decode() if server.stdout else ""
        try:
            with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 the address is ours
                return response.read().decode()
        except URLError:
            time.sleep(0.05)
    message = f"{address} never answered"
    raise AssertionError(message)


def test_the_app_stands_where_the_command_looks_for_it():
    assert [path for path in _APPS if path.exists()] == [ROOT / "asgi.py"]
    assert (ROOT / "app.py").exists()
    assert (ROOT / ".streamlit" / "config.toml").exists()
