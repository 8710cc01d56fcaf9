"""How the shown option is said to serving and training software, one block a tool, to copy."""

from __future__ import annotations

import streamlit as st

from dashboard.engine import library
from dashboard.language import language, say
from dashboard.wording import plain, word
from planner.answer import Plan, Recommendation
from planner.explain.launch import NO_PATH, Launch, Part, launches
from texts import numbers
from texts.translations import mark

SETTINGS: dict[str, str] = {
    "vendor": mark("maker of the accelerator"),
    "tensor_parallel": mark("tensor parallelism"),
    "pipeline_parallel": mark("pipeline parallelism"),
    "context_parallel": mark("context parallelism"),
    "data_parallel": mark("data parallelism"),
    "expert_parallel": mark("expert parallelism"),
    "sequence_parallel": mark("sequence parallelism"),
    "experts_over": mark("experts spread over"),
    "request_tokens": mark("tokens of a request"),
    "batch_requests": mark("requests decoded together"),
    "memory_share": mark("share of memory used"),
    "kv_precision": mark("format of the KV cache"),
    "quantised": mark("format of the weights"),
    "prefix_cache": mark("prefix cache"),
    "speculation": mark("speculative decoding"),
    "prompt_cache": mark("past prompts kept outside of device memory"),
    "deployment": mark("prefill apart from decode"),
    "nodes": mark("servers"),
    "devices_per_node": mark("accelerators of a server"),
    "method": mark("method"),
    "virtual_stages": mark("virtual pipeline stages"),
    "zero_stage": mark("ZeRO stage"),
    "sequence_tokens": mark("tokens of a sequence"),
    "micro_batch": mark("micro-batch"),
    "local_batch": mark("batch of one data-parallel rank"),
    "pipeline_micro_batch": mark("micro-batch of the pipeline"),
    "global_batch": mark("global batch"),
    "steps": mark("steps"),
    "schedule": mark("pipeline schedule"),
    "recompute": mark("recomputation"),
    "precision": mark("number format"),
    "optimizer": mark("optimizer"),
}


def launch_settings(plan: Plan, shown: Recommendation) -> None:
    """Commands and files for every tool of the task; where a tool cannot be told the plan, which settings it lacks."""
    st.markdown(plain(say("Written from each tool's documentation and untested: nobody has run them. Check them before you rely on them.")))
    for launch in launches(plan, shown, library().models):
        _tool(launch, shown)


def _tool(launch: Launch, shown: Recommendation) -> None:
    title = say("{tool}, untested", tool=launch.tool)
    st.subheader(plain(say(_PARTS[launch.part], title=title)), anchor=False)
    if launch.text:
        st.code(launch.text, language="bash" if launch.form == "command" else launch.form, wrap_lines=True)
        st.markdown("\n".join(f"- {plain(_note(note, shown, launch.part))}" for note in launch.notes))
    else:
        lacking = "\n".join(f"- {plain(f'{word(SETTINGS, name)}: {value}')}" for name, value in launch.missing)
        st.markdown(plain(say("This tool has no setting that we know for:")) + "\n\n" + lacking)
    st.caption(
        plain(say("Version: {version}. Read on {date} in: {source}", version=launch.version, date=launch.read, source=launch.source))
    )


def _note(code: str, shown: Recommendation, part: Part) -> str:
    """What a command or file leaves to do."""
    if code == "replicas":
        count = shown.prefill.replicas if part == "prefill" and shown.prefill else shown.replicas
        return say("Start it once for each of {count} replicas.", count=numbers.whole(count, language()))
    return say(_NOTES[code], **({"word": NO_PATH} if code == "model_path" else {}))


_PARTS: dict[Part, str] = {
    "all": "{title}",
    "prefill": mark("{title}: replicas that prefill"),
    "decode": mark("{title}: replicas that decode"),
}
_NOTES = {
    "model_path": mark("Put the place of the model's files where {word} stands."),
    "model_arguments": mark("Add the arguments that describe the model, its data and its checkpoints."),
    "several_servers": mark("It spans several servers: start it on each, as the tool's documentation says."),
    "router": mark("A router in front sends each prompt to one that prefills and then to one that decodes; see the tool's documentation."),
    "batch_rounded": mark("The global batch is rounded to whole micro-batches."),
}
