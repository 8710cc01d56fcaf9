"""What a model weighs and computes, as figures: parameters, bytes by format, arithmetic and cache against context."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dashboard.charts.bars import Bar, bars
from dashboard.charts.curves import Curve, curves
from dashboard.charts.figure import Figure
from dashboard.language import language, say
from dashboard.models import ChosenModel
from dashboard.tables import Column, Table
from dashboard.wording import component_name, format_name
from model_db.weight_formats import WeightFormat, load_weight_formats
from planner.counting import (
    forward_flops_per_token,
    kv_cache_bytes,
    parameters,
    recurrent_state_bytes_per_sequence,
    weight_bytes_by_format,
)
from texts import numbers
from texts.translations import mark

GIB = 2.0**30
BATCHES = (1, 16, 256)
LEAST_CONTEXT = 256
MOST_CONTEXT = 131_072


def components_figure(model: ChosenModel) -> Figure:
    """Parameters by component, the largest first."""
    counted = parameters(model.architecture)
    parts = sorted(counted.by_component.items(), key=lambda item: -item[1])
    largest, count = parts[0]
    finding = say(
        "Parameters: {part}, {share} of {total}",
        part=component_name(largest),
        share=numbers.percent(count / counted.total, language()),
        total=numbers.count(counted.total, language()),
    )
    drawn = [
        Bar(
            say(
                "{part}: {count}, {share}",
                part=component_name(part),
                count=numbers.count(number, language()),
                share=numbers.percent(number / counted.total, language()),
            ),
            number / 1e9,
            "memory",
        )
        for part, number in parts
        if number >= 0.001 * counted.total
    ]
    columns = (Column("component", mark("Component")), Column("parameters", mark("Parameters"), 0), Column("share", mark("Share"), 4))
    rows = tuple((component_name(part), number, number / counted.total) for part, number in parts)
    return Figure(
        "components",
        finding,
        finding + ". " + "; ".join(bar.label for bar in drawn),
        bars(drawn, say("Parameters (billion)")),
        Table(columns, rows),
        say("Counted from the shapes of the model's layers, tied weights once."),
    )


def formats_figure(model: ChosenModel) -> Figure:
    """Bytes of the weights in one format of each width; the table has all."""
    sizes = weight_bytes_by_format(model.architecture)
    formats = load_weight_formats()
    drawn = [
        Bar(f"{format_name(id_)}: {numbers.memory(sizes[id_], language())}", sizes[id_] / GIB, "memory")
        for id_ in _one_of_each_width(formats)
    ]
    least = min(sizes, key=lambda id_: sizes[id_])
    finding = say(
        "Weights: {least} in {format} to {most} in {other}",
        least=numbers.memory(sizes[least], language()),
        format=formats[least].name,
        most=numbers.memory(max(sizes.values()), language()),
        other=formats[max(sizes, key=lambda id_: sizes[id_])].name,
    )
    columns = (Column("format", mark("Format")), Column("weights_gib", mark("Weights (GiB)"), 2), Column("source", mark("Source")))
    rows = tuple((formats[id_].name, size / GIB, formats[id_].source) for id_, size in sorted(sizes.items(), key=lambda item: -item[1]))
    return Figure(
        "formats",
        finding,
        finding + ". " + "; ".join(bar.label for bar in drawn),
        bars(drawn, say("Weights (GiB)")),
        Table(columns, rows),
        say("Scales included; parts that stay at 16 bits are counted so."),
    )


def _one_of_each_width(formats: Mapping[str, WeightFormat]) -> list[str]:
    """The first format of each number of bits, widest first."""
    first: dict[float, str] = {}
    for id_, row in formats.items():
        first.setdefault(row.element_bits, id_)
    return [first[bits] for bits in sorted(first, reverse=True)]


def flops_figure(model: ChosenModel) -> Figure:
    """Forward arithmetic of a token against context."""
    contexts = context_lengths(model)
    mean = forward_flops_per_token(model.architecture, contexts)
    decode = forward_flops_per_token(model.architecture, contexts, decode=True)
    lines = [
        Curve(say("generated token"), list(decode / 1e9), [numbers.work(float(flops), language()) for flops in decode]),
        Curve(say("mean of a prompt"), list(mean / 1e9), [numbers.work(float(flops), language()) for flops in mean]),
    ]
    finding = say(
        "Arithmetic: {short} a token at {near} tokens of context, {long} at {far}",
        short=numbers.work(float(decode[0]), language()),
        near=numbers.whole(int(contexts[0]), language()),
        long=numbers.work(float(decode[-1]), language()),
        far=numbers.whole(int(contexts[-1]), language()),
    )
    columns = (
        Column("context_tokens", mark("Context (tokens)"), 0),
        Column("prompt_flops_per_token", mark("Mean of a prompt (FLOP per token)"), 0),
        Column("decode_flops_per_token", mark("Generated token (FLOP)"), 0),
    )
    rows = tuple((int(context), float(one), float(other)) for context, one, other in zip(contexts, mean, decode, strict=True))
    titles = (say("Context (tokens, log scale)"), say("Forward arithmetic (GFLOP per token)"), say("Of"))
    return Figure(
        "flops",
        finding,
        finding,
        curves(list(contexts), lines, titles, "compute", log_y=False),
        Table(columns, rows),
        say("Matrix products and attention, two operations a multiply-add; causal attention by the exact half."),
    )


def cache_figure(model: ChosenModel) -> Figure:
    """Cache of a batch of sequences against context, in 16 bits."""
    contexts = context_lengths(model)
    state = recurrent_state_bytes_per_sequence(model.architecture)
    one = kv_cache_bytes(model.architecture, contexts) + state
    lines = [
        Curve(
            say("batch {batch}", batch=str(batch)),
            list(one * batch / GIB),
            [numbers.memory(float(size * batch), language()) for size in one],
        )
        for batch in BATCHES
    ]
    finding = say(
        "Cache: {size} for one sequence of {context} tokens",
        size=numbers.memory(float(one[-1]), language()),
        context=numbers.whole(int(contexts[-1]), language()),
    )
    columns = (
        Column("context_tokens", mark("Context (tokens)"), 0),
        Column("cache_gib_batch_1", mark("Batch 1 (GiB)"), 3),
        Column("cache_gib_batch_16", mark("Batch 16 (GiB)"), 3),
        Column("cache_gib_batch_256", mark("Batch 256 (GiB)"), 3),
    )
    rows = tuple((int(context), *(float(size) * batch / GIB for batch in BATCHES)) for context, size in zip(contexts, one, strict=True))
    titles = (say("Context (tokens, log scale)"), say("KV cache and state (GiB, log scale)"), say("Sequences"))
    return Figure(
        "cache",
        finding,
        finding,
        curves(list(contexts), lines, titles, "memory", log_y=True),
        Table(columns, rows),
        say("Keys and values of every layer in 16 bits, windows capped; recurrent state included."),
    )


def context_lengths(model: ChosenModel) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Powers of two up to what the model takes."""
    longest = min(model.max_context or MOST_CONTEXT, 2**20)
    return 2.0 ** np.arange(np.log2(LEAST_CONTEXT), max(np.floor(np.log2(longest)), np.log2(LEAST_CONTEXT) + 1) + 1)
