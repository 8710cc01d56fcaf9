"""Plans that were answered before, for all sessions, bounded by the bytes that they take."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from threading import Lock
from weakref import WeakValueDictionary

from planner.answer import Plan

PlanKey = tuple[str, str]  # digest of the request, digest of the library
_FASTEST = 1


class PlanStore:
    """The latest plans, at most `most_bytes` of them.

    A plan is kept as compressed JSON, a twentieth of its size as records, and made again in a few milliseconds. While a
    session still shows it, the records themselves are shared: plans are frozen.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._packed: OrderedDict[PlanKey, bytes] = OrderedDict()
        self._in_use: WeakValueDictionary[PlanKey, Plan] = WeakValueDictionary()
        self._bytes = 0
        self._lock = Lock()

    @property
    def kept_bytes(self) -> int:
        """What the kept plans take."""
        return self._bytes

    def get(self, key: PlanKey) -> Plan | None:
        """The plan under `key`, if it is still kept."""
        with self._lock:
            packed, answer = self._packed.get(key), self._in_use.get(key)
            if packed is not None:
                self._packed.move_to_end(key)
        if answer is None and packed is not None:
            answer = Plan.model_validate_json(zlib.decompress(packed))
            with self._lock:
                answer = self._in_use.setdefault(key, answer)
        return answer

    def put(self, key: PlanKey, answer: Plan) -> None:
        """Keep `answer`; those that were not asked for longest make room."""
        packed = zlib.compress(answer.model_dump_json().encode(), _FASTEST)
        with self._lock:
            self._bytes += len(packed) - len(self._packed.pop(key, b""))
            self._packed[key] = packed
            self._in_use[key] = answer
            while self._bytes > self.most_bytes:
                self._bytes -= len(self._packed.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._packed.clear()
            self._in_use.clear()
            self._bytes = 0
