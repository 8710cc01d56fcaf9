"""The parsed form of text files, kept between runs. The text stays the truth: a cache that is missing, foreign, damaged
or not writable only costs the time to parse again.

One JSON file a name in the user's cache directory. Its first line holds the digest of what it was made from and the
digest of its own content. `RACKWRIGHT_CACHE` names another directory, or turns the cache off (`off`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from facts.yaml_files import Yaml

_VARIABLE = "RACKWRIGHT_CACHE"
_OFF = frozenset({"off", "0", "no", "none"})


def cache_directory() -> Path | None:
    """Where parsed forms are kept, or `None` if they are not."""
    named = os.environ.get(_VARIABLE, "")
    if named:
        return None if named.lower() in _OFF else Path(named)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "rackwright"


def digest_of(parts: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of named contents, whatever order they come in."""
    total = hashlib.sha256()
    for name, content in sorted(parts):
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def cached(name: str, digest: str, build: Callable[[], Yaml]) -> Yaml:
    """`build()`, or what an earlier `build()` returned for the same `name` and `digest`."""
    directory = cache_directory()
    path = None if directory is None else directory / f"{name}.json"
    if path is not None:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            return _read(path, digest)
    content = build()
    if path is not None:
        with contextlib.suppress(OSError):
            _write(path, digest, content)
    return content


def _read(path: Path, digest: str) -> Yaml:
    head, _, body = path.read_bytes().partition(b"\n")
    if head.decode("ascii") != f"{digest} {hashlib.sha256(body).hexdigest()}":
        msg = "made from other files, or damaged"
        raise ValueError(msg)
    content: Yaml = json.loads(body)
    return content


def _write(path: Path, digest: str, content: Yaml) -> None:
    """Write beside the target and rename, so that a reader never sees half a file."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"{digest} {hashlib.sha256(body).hexdigest()}\n".encode("ascii"))
            file.write(body)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
