"""Many people at once: `python benchmarks/sessions.py`. Websocket sessions on a server of its own, each changing an input.

Printed: seconds from a changed input to the end of the script, sessions that failed, memory the server grew by a session.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parent.parent
INPUT = "Mean traffic (requests/s)"
SESSIONS = 20
PAUSE_S = 5.0
ROUNDS = 4


def main() -> None:
    with server() as (process, port):
        asyncio.run(crowd(port, process.pid))


@contextmanager
def server() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server as `rackwright serve` starts it, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port), "--headless"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(f"http://127.0.0.1:{port}/healthz"):
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310 our own address
            return True
    except OSError:
        return False


async def crowd(port: int, pid: int) -> None:
    """One session warms the server up; then all of them, each with values of its own."""
    await session(port, SESSIONS, rounds=1)
    before_bytes = resident_bytes(pid)
    results = await asyncio.gather(*(session(port, number, ROUNDS) for number in range(SESSIONS)), return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    times_s = sorted(seconds for result in results if not isinstance(result, BaseException) for seconds in result)
    grown_mb = (resident_bytes(pid) - before_bytes) / SESSIONS / 1e6
    spread = f"median {statistics.median(times_s):.2f} s, p95 {times_s[int(0.95 * (len(times_s) - 1))]:.2f} s" if times_s else "nothing"
    print(f"{SESSIONS} sessions, a change every {PAUSE_S:g} s: {spread}; failed {len(failed)}; memory {grown_mb:.1f} MB a session")
    for failure in failed[:3]:
        print(f"  {failure!r}")


async def session(port: int, number: int, rounds: int) -> list[float]:
    """Seconds of each rerun, from the changed input to the end of the script."""
    await asyncio.sleep(number % SESSIONS * PAUSE_S / SESSIONS)
    origin = f"http://127.0.0.1:{port}"
    async with connect(f"ws://127.0.0.1:{port}/_stcore/stream", origin=origin, subprotocols=["streamlit"], max_size=None) as stream:
        first = BackMsg()
        first.rerun_script.query_string = ""
        await stream.send(first.SerializeToString())
        widget = await finished(stream)
        times_s = []
        for step in range(rounds):
            await asyncio.sleep(PAUSE_S)
            asked = BackMsg()
            state = asked.rerun_script.widget_states.widgets.add()
            state.id, state.double_value = widget, 5.0 + number + 0.37 * step
            start = time.perf_counter()
            await stream.send(asked.SerializeToString())
            await finished(stream)
            times_s.append(time.perf_counter() - start)
        return times_s


async def finished(stream: ClientConnection) -> str:
    """Read until the script ends; the id of the input, where it was drawn."""
    widget = ""
    async with asyncio.timeout(60):
        async for data in stream:
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            element = message.delta.new_element
            if element.number_input.label == INPUT:
                widget = element.number_input.id
            if element.HasField("exception"):
                raise RuntimeError(element.exception.message)
            if message.WhichOneof("type") == "script_finished":
                return widget
    msg = "the server closed the connection"
    raise ConnectionError(msg)


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
