"""Launch settings say the plan's strategy, quoted for a shell, or say what cannot be said."""

import json
import shlex
import tomllib
from dataclasses import asdict
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from cli.requests import read_requests
from model_db import load_models
from planner import plan
from planner.answer import Plan, PrefillPart, Recommendation, Strategy
from planner.explain.launch import Launch, launches, plan_settings, tools

ROOT = Path(__file__).resolve().parents[3]
MODELS = load_models()


@cache
def answer(name: str) -> Plan:
    (named,) = read_requests([str(ROOT / "examples" / f"{name}.yaml")])
    return plan(named.request)


def option(name: str, **strategy: object) -> Recommendation:
    """The first option of an example on NVIDIA accelerators, its strategy changed."""
    first = answer(name).recommendations[0]
    changed = Strategy.model_validate(first.strategy.model_dump() | strategy)
    return first.model_copy(update={"vendor": "NVIDIA", "strategy": changed, "prefill": None})


def launch(tool: str, name: str, shown: Recommendation) -> Launch:
    (found,) = (item for item in launches(answer(name), shown, MODELS) if item.tool == tool)
    return found


def test_each_kind_of_replica_is_told_its_part():
    together = option("serve-llama-3.1-70b", **ONE)
    own = {name: getattr(together, name) for name in PrefillPart.model_fields if name in Recommendation.model_fields}
    part = PrefillPart(**own | {"replicas": 7, "strategy": Strategy(tp=2, precision="bf16", kv_precision="bf16", batch=8)})
    found = launches(answer("serve-llama-3.1-70b"), together.model_copy(update={"prefill": part}), MODELS)
    texts = {(launch.tool, launch.part): launch.text for launch in found}
    assert '"kv_role":"kv_producer"' in texts["vLLM", "prefill"]
    assert "--tensor-parallel-size 2" in texts["vLLM", "prefill"]
    assert '"kv_role":"kv_consumer"' in texts["vLLM", "decode"]
    assert "--disaggregation-mode prefill" in texts["SGLang", "prefill"]
    assert "--disaggregation-mode decode" in texts["SGLang", "decode"]
    assert not texts["TensorRT-LLM", "decode"]
    assert all("router" in launch.notes for launch in found)


SERVING, TRAINING = "serve-llama-3.1-70b", "pretrain-405b"
ONE = {"tp": 8, "pp": 1, "ep": 1, "cp": 1, "dp": 1, "precision": "bf16", "kv_precision": "bf16", "batch": 51.2}


def flags(text: str) -> dict[str, str]:
    words = shlex.split(text)
    pairs = zip(words, [*words[1:], ""], strict=True)
    return {word: "" if value.startswith("--") else value for word, value in pairs if word.startswith("--")}


@pytest.mark.parametrize(
    ("tool", "start", "expected"),
    [
        ("vLLM", ["vllm", "serve"], {"--tensor-parallel-size": "8", "--max-num-seqs": "52", "--max-model-len": "1366"}),
        (
            "SGLang",
            ["python3", "-m", "sglang.launch_server"],
            {"--tp-size": "8", "--max-running-requests": "52", "--context-length": "1366"},
        ),
        ("TensorRT-LLM", ["trtllm-serve"], {"--tp_size": "8", "--max_batch_size": "52", "--max_seq_len": "1366"}),
    ],
)
def test_a_serving_plan_becomes_flags(tool, start, expected):
    found = launch(tool, SERVING, option(SERVING, **ONE))
    assert found.missing == ()
    assert shlex.split(found.text)[: len(start)] == start
    assert MODELS["llama3.1-70b"].huggingface[0] in shlex.split(found.text)
    assert flags(found.text) | expected == flags(found.text)
    assert "{" not in found.text


def test_formats_of_weights_and_cache_are_said_or_missed():
    shown = option(SERVING, **ONE | {"precision": "fp8", "kv_precision": "fp8"})
    assert {"--quantization": "fp8", "--kv-cache-dtype": "fp8"}.items() <= flags(launch("vLLM", SERVING, shown).text).items()
    refused = launch("TensorRT-LLM", SERVING, shown)
    assert refused.text == ""
    assert refused.missing == (("kv_precision", "fp8"), ("quantised", "fp8"))
    assert launch("vLLM", SERVING, option(SERVING, **ONE | {"precision": "int4"})).missing == (("quantised", "int4"),)


def test_experts_over_the_tensor_group_are_said_and_any_other_spread_is_not():
    name = "serve-deepseek-v3"
    base = ONE | {"precision": "fp8"}
    assert "--enable-expert-parallel" in flags(launch("vLLM", name, option(name, **base | {"ep": 8})).text)
    assert flags(launch("SGLang", name, option(name, **base | {"ep": 8})).text)["--ep-size"] == "8"
    for tool in ("vLLM", "SGLang", "TensorRT-LLM"):
        assert launch(tool, name, option(name, **base | {"ep": 32})).missing == (("experts_over", "32 devices"),)
        assert ("context_parallel", "2") in launch(tool, name, option(name, **base | {"cp": 2})).missing


def test_a_tool_of_one_maker_is_not_offered_for_anothers_accelerator():
    shown = option(SERVING, **ONE).model_copy(update={"vendor": "AMD"})
    assert launch("TensorRT-LLM", SERVING, shown).missing == (("vendor", "AMD"),)
    assert launch("vLLM", SERVING, shown).missing == ()


def test_megatron_is_told_degrees_batch_and_steps():
    shown = option(TRAINING, tp=4, pp=8, virtual_stages=2, cp=2, dp=64, zero_stage=1, micro_batch=2, recompute="full", precision="fp8")
    found = launch("Megatron-LM", TRAINING, shown)
    told = flags(found.text)
    assert told["--tensor-model-parallel-size"] == "4"
    assert told["--num-virtual-stages-per-pipeline-rank"] == "2"
    assert told["--global-batch-size"] == "2048"
    assert told["--train-iters"] == str(-(-15_600_000_000_000 // (2048 * 8192)))
    assert {"--sequence-parallel", "--use-distributed-optimizer", "--bf16", "--recompute-granularity"} <= set(told)
    assert found.notes == ("model_arguments", "several_servers")
    assert "batch_rounded" in launch("Megatron-LM", TRAINING, option(TRAINING, dp=63, micro_batch=1)).notes


@pytest.mark.parametrize(("stage", "strategy"), [(2, "optim_grads"), (3, "optim_grads_params")])
def test_megatron_shards_with_every_flag_that_its_fsdp_requires(stage, strategy):
    """Megatron-FSDP user guide, required configurations."""
    words = launch("Megatron-LM", TRAINING, option(TRAINING, dp=8, zero_stage=stage, precision="bf16")).text.split()
    required = ("--use-megatron-fsdp", "--no-gradient-accumulation-fusion", "--use-distributed-optimizer")
    assert set(required) <= set(words)
    assert words[words.index("--data-parallel-sharding-strategy") + 1] == strategy
    assert words[words.index("--ckpt-format") + 1] == "fsdp_dtensor"


def test_torchtitan_and_deepspeed_files_parse_and_hold_the_strategy():
    shown = option(
        TRAINING,
        tp=8,
        pp=1,
        virtual_stages=1,
        cp=1,
        dp=64,
        zero_stage=2,
        micro_batch=1,
        recompute="none",
        schedule="1f1b",
        precision="bf16",
    )
    titan = tomllib.loads(launch("torchtitan", TRAINING, shown).text)
    assert titan["parallelism"]["data_parallel_shard_degree"] == 64
    assert titan["parallelism"]["tensor_parallel_degree"] == 8
    assert titan["training"] | {"seq_len": 8192, "global_batch_size": 2048} == titan["training"]
    speed = json.loads(launch("DeepSpeed", TRAINING, shown).text)
    assert speed["tensor_parallel"] == {"autotp_size": 8}
    assert speed["zero_optimization"] == {"stage": 2}
    assert speed["train_batch_size"] == 2048
    assert launch("torchtitan", TRAINING, option(TRAINING, zero_stage=1, precision="bf16")).missing == (("zero_stage", "1"),)
    assert ("pipeline_parallel", "8") in launch("DeepSpeed", TRAINING, option(TRAINING, pp=8)).missing


def test_adapters_are_missed_by_every_training_tool():
    given = answer(TRAINING)
    work = given.request.workload.model_copy(update={"method": "lora"})
    lora = given.model_copy(update={"request": given.request.model_copy(update={"workload": work})})
    for found in launches(lora, given.recommendations[0], MODELS):
        assert ("method", "lora") in found.missing
        assert found.text == ""


def test_a_model_of_ones_own_has_a_place_to_fill_in():
    given = answer(SERVING)
    entry = MODELS["llama3.1-70b"]
    own = given.request.model_validate(
        given.request.model_dump() | {"model": {"name": "$(rm -rf ~)", "architecture": entry.architecture.model_dump()}}
    )
    found = launches(given.model_copy(update={"request": own}), option(SERVING, **ONE), MODELS)
    assert all("model_path" in item.notes and "rm" not in item.text for item in found)


def test_hostile_names_of_a_hub_are_quoted(monkeypatch):
    monkeypatch.setattr("planner.explain.launch.model_path", lambda *_: "a; rm -rf ~ '$(id)'")
    found = launch("vLLM", SERVING, option(SERVING, **ONE))
    assert shlex.split(found.text)[2] == "a; rm -rf ~ '$(id)'"


@pytest.mark.parametrize("tool", tools().values(), ids=lambda tool: tool.name)
def test_every_table_is_dated_sourced_and_speaks_of_settings_that_exist(tool):
    assert date.fromisoformat(tool.read) <= date(2100, 1, 1)
    assert "." in tool.source
    assert tool.version
    example = SERVING if tool.task == "serving" else TRAINING
    known = plan_settings(answer(example).request, answer(example).recommendations[0], MODELS)
    assert set(tool.settings) | set(tool.elsewhere) <= set(known)
    for row in tool.settings.values():
        assert sum(said is not None for said in (row.args, row.keys, row.values)) == 1


@pytest.mark.parametrize("example", ["finetune-8b", "pretrain-405b", "serve-deepseek-v3", "serve-llama-3.1-70b"])
def test_every_example_is_answered_by_every_tool_with_a_text_or_with_what_is_missing(example):
    given = answer(example)
    for shown in given.recommendations:
        found = launches(given, shown, MODELS)
        assert len(found) == (6 if shown.prefill else 3)
        for item in found:
            assert bool(item.text) != bool(item.missing), asdict(item)
