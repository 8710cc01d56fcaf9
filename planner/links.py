"""A plan request as the query of a URL, and back.

Form of version 1: `v=1&model=llama-3.1-70b&task=serving&rate=25&c=...&was=...`

- the common fields have readable keys (`KEYS`) and appear when they differ from the defaults of the version;
- everything else that differs is in `c`: compact JSON, raw deflate with the version's dictionary, base64url;
- `was` holds the library's digest and four headline figures, so that a reopened link can say what changed;
- the asker's own prices are left out unless asked for.

A link comes from anyone: length, inflated size, depth and every number are bounded before anything is believed.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic_core import from_json

from facts.errors import Fault, RackwrightError, shown
from planner.answer import Plan
from planner.defaults import VERSION
from planner.request import PlanRequest

MAX_LINK_CHARACTERS = 8_192  # proxies commonly stop at 8 KiB
MAX_INFLATED_BYTES = 65_536
MAX_KEYS = 64

# readable key -> path in the request; the order is the order in the link
KEYS = {
    "method": "workload.method",
    "tokens": "workload.tokens",
    "seq": "workload.sequence_tokens",
    "batch": "workload.global_batch_tokens",
    "days": "workload.deadline_days",
    "devices": "workload.devices",
    "rate": "workload.requests_per_s",
    "in": "workload.input_tokens",
    "out": "workload.output_tokens",
    "ttft": "workload.ttft_s",
    "tpot": "workload.tpot_s",
    "goal": "objective",
    "get": "site.acquisition",
    "years": "site.years",
    "max": "limits.max_devices",
    "budget": "limits.budget_usd",
    "power": "limits.power_w",
    "acc": "limits.accelerators",
    "prec": "precisions",
}
_LISTS = {"acc", "prec"}
_WORDS = {"method", "goal", "get"}
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")

# Part of the format of version 1, never to be changed: strings that the compressor may refer to.
_DICTIONARY = (
    b'{"assumptions":{"memory_reserve":"power_share":0.},"limits":{"statuses":'
    b'["available","announced","legacy"],"vendors":["NVIDIA","AMD","Google","AWS","Intel"]},"prices":[{"id":"buy_usd":"rent_usd_per_h":],'
    b'"site":{"carbon_g_per_kwh":"cloud_term":"reserved_1y","reserved_3y","spot""electricity_usd_per_kwh":'
    b'"maintenance_share":"pue":1."residual_share":"utilisation":0.},"workload":{"engine":"sglang","trtllm","generic""goodput":"kv_precision":'
    b'"fp8","bf16""lora_rank":"optimizer":"adafactor","adamw8bit","muon""peak_to_mean":"prefix_hit_rate":"recompute":"selective","full","none"'
    b'"start_up_minutes":"utilisation_limit":0.}}'
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the link's maker saw: library digest and the first recommendation's headline figures."""

    library_digest: str
    cost_usd: float
    facility_w: float
    tokens_per_s: float
    devices: int


@dataclass(frozen=True, slots=True)
class DecodedLink:
    """The request of a link; `notices` name what of the link was not used."""

    request: PlanRequest
    snapshot: Snapshot | None = None
    notices: tuple[Fault, ...] = ()


def encode_link(request: PlanRequest, base_url: str = "", plan: Plan | None = None, *, with_prices: bool = False) -> str:
    """The link of `request`: `base_url?query`, or the bare query without a base. Raises when it would be too long."""
    rest = _difference(request.model_dump(mode="json"), _baseline(request))
    if not with_prices:
        rest.pop("prices", None)
    rest.pop("version", None)
    query: dict[str, str] = {"v": str(VERSION)}
    if isinstance(model := rest.get("model"), str):
        query["model"] = model
        del rest["model"]
    query["task"] = request.workload.kind
    for key, path in KEYS.items():
        if (value := _pop(rest, path)) is not _MISSING:
            query[key] = ",".join(map(str, value)) if isinstance(value, list) else _text(value)
    if rest := {name: part for name, part in rest.items() if part != {}}:
        query["c"] = _deflated(rest)
    if plan is not None and plan.recommendations:
        query["was"] = _snapshot_text(plan)
    text = urlencode(query, safe=",~")
    if len(text) > MAX_LINK_CHARACTERS:
        raise RackwrightError(Fault("link_too_long", "link", value=str(len(text)), allowed=str(MAX_LINK_CHARACTERS)))
    return f"{base_url}?{text}" if base_url else text


def decode_link(link: str | Mapping[str, str]) -> DecodedLink:
    """The request in a URL, a query string or a mapping of query parameters. Raises `RackwrightError` on any fault."""
    query = _query(link)
    if sum(len(key) + len(value) for key, value in query.items()) > MAX_LINK_CHARACTERS:
        raise RackwrightError(Fault("link_too_long", "link", allowed=str(MAX_LINK_CHARACTERS)))
    _check_version(query.get("v", str(VERSION)))
    raw = _inflated(query["c"]) if "c" in query else {}
    if "model" in query:
        raw["model"] = query["model"]
    task = query.get("task", "serving")
    workload = raw.setdefault("workload", {})
    if not isinstance(workload, dict):
        raise RackwrightError(Fault("link_damaged", "link", "c"))
    workload["kind"] = task
    notices = []
    for key, value in query.items():
        if key in KEYS:
            _place(raw, KEYS[key], _value(key, value))
        elif key not in {"v", "model", "task", "c", "was"}:
            notices.append(Fault("link_key_unknown", "link", shown(key)))
    request = PlanRequest.parse(raw, "link")
    return DecodedLink(request, _snapshot(query.get("was", "")), tuple(notices))


_MISSING = object()
_Json = dict[str, object]


def _baseline(request: PlanRequest) -> _Json:
    """The request of the same task with nothing said: what a link leaves out."""
    return PlanRequest.parse({"model": "-".join(("no", "model")), "workload": {"kind": request.workload.kind}}).model_dump(mode="json")


def _difference(value: _Json, baseline: _Json) -> _Json:
    result: _Json = {}
    for name, part in value.items():
        other = baseline.get(name)
        if isinstance(part, dict) and isinstance(other, dict):
            if nested := _difference(part, other):
                result[name] = nested
        elif part != other:
            result[name] = part
    return result


def _pop(tree: _Json, path: str) -> object:
    """Take the leaf at the dotted `path` out of `tree`; `_MISSING` where there is none."""
    *parents, leaf = path.split(".")
    for parent in parents:
        tree = tree.get(parent, {})  # type: ignore[assignment]
    return tree.pop(leaf, _MISSING)


def _place(tree: _Json, path: str, value: object) -> None:
    *parents, leaf = path.split(".")
    for parent in parents:
        branch = tree.setdefault(parent, {})
        if not isinstance(branch, dict):
            raise RackwrightError(Fault("link_damaged", "link", "c"))
        tree = branch
    tree[leaf] = value


def _text(value: object) -> str:
    """`value` as short as it can be read back exactly."""
    if isinstance(value, float):
        texts = (f"{value:.{digits}g}" for digits in (6, 15, 17))
        return next(text for text in texts if float(text) == value).replace("e+", "e")
    return str(value)


def _value(key: str, text: str) -> object:
    if key in _LISTS:
        return [part for part in text.split(",") if part]
    if key in _WORDS:
        return text
    if not _NUMBER.fullmatch(text):
        raise RackwrightError(Fault("not_a_number", "link", key, shown(text)))
    number = float(text)
    return int(number) if math.isfinite(number) and number.is_integer() else number


def _query(link: str | Mapping[str, str]) -> dict[str, str]:
    if not isinstance(link, str):
        return dict(link)
    if len(link) > MAX_LINK_CHARACTERS + 2_048:  # the base URL comes on top
        raise RackwrightError(Fault("link_too_long", "link", value=str(len(link)), allowed=str(MAX_LINK_CHARACTERS)))
    try:
        text = urlsplit(link).query if "?" in link else link
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_KEYS, errors="strict")
    except ValueError:
        raise RackwrightError(Fault("link_damaged", "link", value=shown(link))) from None
    query = dict(pairs)
    if len(query) != len(pairs):
        repeated = next(key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1)
        raise RackwrightError(Fault("link_key_repeated", "link", shown(repeated)))
    return query


def _check_version(text: str) -> None:
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise RackwrightError(Fault("link_damaged", "link", "v", shown(text)))
    if int(text) > VERSION:
        raise RackwrightError(Fault("newer_version", "link", "v", text, str(VERSION)))


def _deflated(tree: _Json) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=_DICTIONARY)
    return base64.urlsafe_b64encode(packer.compress(text.encode()) + packer.flush()).rstrip(b"=").decode()


def _inflated(text: str) -> _Json:
    damaged = RackwrightError(Fault("link_damaged", "link", "c"))
    if not _BASE64URL.fullmatch(text):
        raise damaged
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        unpacker = zlib.decompressobj(-15, zdict=_DICTIONARY)
        plain = unpacker.decompress(packed, MAX_INFLATED_BYTES)
    except (binascii.Error, zlib.error):
        raise damaged from None
    if unpacker.unconsumed_tail or not unpacker.eof or unpacker.unused_data:
        raise damaged
    try:
        tree = from_json(plain, allow_inf_nan=False)
    except ValueError:
        raise damaged from None
    if not isinstance(tree, dict):
        raise damaged
    return tree


def _snapshot_text(plan: Plan) -> str:
    first = plan.recommendations[0]
    figures = (first.cost.total_usd, first.power.facility_w, first.performance.tokens_per_s, float(first.devices))
    return "~".join((plan.library_digest, *(f"{figure:.6g}".replace("e+", "e") for figure in figures)))


def _snapshot(text: str) -> Snapshot | None:
    """The figures of `was`. It only informs, so one that cannot be read is ignored."""
    digest, *figures = text.split("~")
    if len(figures) != 4 or not re.fullmatch(r"[0-9a-f]{8,64}", digest) or not all(_NUMBER.fullmatch(figure) for figure in figures):
        return None
    cost_usd, facility_w, tokens_per_s, devices = map(float, figures)
    if not all(map(math.isfinite, (cost_usd, facility_w, tokens_per_s, devices))):
        return None
    return Snapshot(digest, cost_usd, facility_w, tokens_per_s, int(devices))
