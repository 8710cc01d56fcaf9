"""In which weight format the files of a model are stored, by what its configuration says of quantisation and element type."""

from __future__ import annotations

from collections.abc import Mapping

from facts.yaml_files import Yaml

_ELEMENT_TYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_METHODS = {"mxfp4": "mxfp4_experts", "awq": "int4_g128", "gptq": "int4_g128"}
_ALGORITHMS = {"NVFP4": "nvfp4", "W4A16_AWQ": "int4_g128", "FP8": "fp8", "MXFP4": "mxfp4", "MXFP8": "mxfp8"}


def stored_weight_format(raw: Mapping[str, Yaml], text: Mapping[str, Yaml]) -> str | None:
    """The format id of `data/weight_formats.yaml` that a configuration (or that of its text part) states; bf16 if nothing.

    `None` for a quantisation that is none of the known formats, or a mix of several.
    """
    quantisation = raw.get("quantization_config") or text.get("quantization_config")
    if isinstance(quantisation, dict):
        return _quantised(quantisation)
    stated = (config.get(key) for config in (raw, text) for key in ("torch_dtype", "dtype"))
    return next((_ELEMENT_TYPES[name] for name in stated if isinstance(name, str) and name in _ELEMENT_TYPES), "bf16")


def _quantised(quantisation: Mapping[str, Yaml]) -> str | None:
    method, algorithm = quantisation.get("quant_method"), quantisation.get("quant_algo")
    if isinstance(algorithm, str):
        return _ALGORITHMS.get(algorithm)
    if method == "fp8":
        return "fp8_block" if quantisation.get("weight_block_size") else "fp8"
    if method == "bitsandbytes":
        return "nf4" if quantisation.get("load_in_4bit") else "int8"
    if method == "compressed-tensors":
        return _compressed(quantisation.get("config_groups"), quantisation.get("ignore"))
    bits = quantisation.get("bits")
    if isinstance(method, str) and (bits is None or bits == 4):
        return _METHODS.get(method)
    return "int8" if bits == 8 else None


def _compressed(groups: Yaml, ignored: Yaml) -> str | None:
    """The weights of the first group of a compressed-tensors configuration: number kind, bits, size of a block.

    Where attention is ignored, groups of 32 are the routed experts alone (Kimi-K2.5).
    """
    first = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = first.get("weights") if isinstance(first, dict) else None
    if not isinstance(weights, dict):
        return None
    bits, kind, block = weights.get("num_bits"), weights.get("type"), weights.get("group_size")
    if bits == 8:
        return "fp8" if kind == "float" else "int8"
    if bits == 4 and kind == "float":
        return "nvfp4" if block == 16 else "mxfp4"
    if bits == 4 and block == 32 and "attn" in str(ignored):
        return "int4_g32_experts"
    return "int4_g128" if bits == 4 else None
