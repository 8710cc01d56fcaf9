"""The architecture that GGUF metadata describes, in the fields of a configuration."""

from __future__ import annotations

from facts.yaml_files import Yaml
from model_db.model_files.gguf import GgufHeader

# general.architecture of llama.cpp: the model type of the configurations we know
_TYPES = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen2moe": "qwen2_moe",
    "qwen3": "qwen3",
    "qwen3moe": "qwen3_moe",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "phi3": "phi3",
    "deepseek2": "deepseek_v3",
    "starcoder2": "starcoder2",
    "command-r": "cohere",
    "gpt-oss": "gpt_oss",
    "granite": "granite",
    "olmo2": "olmo2",
    "smollm3": "smollm3",
    "glm4": "glm4",
}
_FIELDS = {
    "block_count": ("num_hidden_layers",),
    "embedding_length": ("hidden_size",),
    "feed_forward_length": ("intermediate_size",),
    "context_length": ("max_position_embeddings",),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_key_value_heads",),
    "attention.key_length": ("head_dim",),
    "attention.sliding_window": ("sliding_window",),
    "attention.q_lora_rank": ("q_lora_rank",),
    "attention.kv_lora_rank": ("kv_lora_rank",),
    "rope.dimension_count": ("qk_rope_head_dim",),
    "leading_dense_block_count": ("first_k_dense_replace",),
    "expert_count": ("num_experts", "num_local_experts", "n_routed_experts"),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_shared_count": ("n_shared_experts",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
}


def gguf_config(header: GgufHeader) -> dict[str, Yaml] | None:
    """The metadata of a known decoder as the fields of its configuration; `None` for any other file.

    What a file cannot say is left to the class defaults; the caller compares the count with the stored tensors.
    """
    name = header.metadata.get("general.architecture")
    model_type = _TYPES.get(name) if isinstance(name, str) else None
    table = {tensor.name: tensor for tensor in header.table.tensors}
    if model_type is None or "token_embd.weight" not in table:
        return None
    config: dict[str, Yaml] = {}
    for key, fields in _FIELDS.items():
        value = header.metadata.get(f"{name}.{key}")
        if isinstance(value, int):
            config |= dict.fromkeys(fields, value)
    mixture = model_type == "llama" and bool(config.get("num_experts"))
    config["model_type"] = "mixtral" if mixture else model_type
    config["architectures"] = ["ForCausalLM"]
    config["vocab_size"] = table["token_embd.weight"].shape[0]
    config["tie_word_embeddings"] = "output.weight" not in table
    config["attention_bias"] = "blk.0.attn_q.bias" in table
    return config
