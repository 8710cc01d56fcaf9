"""Many people at once: `python -m benchmarks.sessions`. Websocket sessions on a server of its own, each changing an input.

Printed: seconds from a changed input to the end of the script, sessions that failed, CPU of the server a change, memory
that the server grew by a session.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.server import Server, load, started
from dashboard.flights import AT_ONCE

INPUT = "Mean traffic (requests/s)"
FIGURES = 5  # of an answer's headline
SESSIONS = 20
PAUSE_S = 5.0
ROUNDS = 4


def main() -> None:
    with started() as server:
        server.wait_until_ready()
        asyncio.run(crowd(server))


async def crowd(server: Server) -> None:
    """A few at the same moment fill the memory that computing takes, however many there are; then all, each with values of its own."""
    await asyncio.gather(*(session(server.port, SESSIONS * turn, rounds=1) for turn in range(1, AT_ONCE + 1)))
    before_bytes, before_cpu_s = server.resident_bytes, server.cpu_s
    results = await asyncio.gather(*(session(server.port, number, ROUNDS) for number in range(SESSIONS)), return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    times_s = sorted(seconds for result in results if not isinstance(result, BaseException) for seconds in result)
    grown_mb = (server.resident_bytes - before_bytes) / SESSIONS / 1e6
    cpu_s = (server.cpu_s - before_cpu_s) / (SESSIONS * (ROUNDS + 1))
    spread = f"median {statistics.median(times_s):.2f} s, p95 {times_s[int(0.95 * (len(times_s) - 1))]:.2f} s" if times_s else "nothing"
    print(f"{SESSIONS} sessions, a change every {PAUSE_S:g} s: {spread}; failed {len(failed)} ({load()})")
    print(f"CPU of the server {cpu_s:.2f} s a run of the page; memory {grown_mb:.1f} MB a session")
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
    """Read until the script ends with an answer; the id of the input, where it was drawn."""
    widget, figures = "", 0
    async with asyncio.timeout(60):
        async for data in stream:
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            element = message.delta.new_element
            if element.number_input.label == INPUT:
                widget = element.number_input.id
            figures += element.HasField("metric")
            if element.HasField("exception"):
                raise RuntimeError(element.exception.message)
            if message.WhichOneof("type") == "script_finished":
                if figures < FIGURES:
                    break
                return widget
    msg = "no answer"
    raise ConnectionError(msg)


if __name__ == "__main__":
    main()
