"""Configurations with unusual but consistent sizes for any configuration class of `transformers`: what the check counts."""

from __future__ import annotations

import random

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

HEADS = "num_attention_heads n_head n_heads num_heads attention_heads encoder_attention_heads decoder_attention_heads".split()
HIDDEN = "hidden_size n_embd d_model dim".split()
FFN = (
    "intermediate_size ffn_dim n_inner d_ff encoder_ffn_dim decoder_ffn_dim ffn_hidden_size hidden_dim dff "
    "moe_intermediate_size shared_expert_intermediate_size shared_intermediate_size "
    "moe_shared_expert_intermediate_size intermediate_size_mlp dense_intermediate_size"
).split()
LAYERS = (
    "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_encoder_layers num_decoder_layers depth "
).split()
EXPERTS = "num_experts num_local_experts n_routed_experts moe_num_experts".split()
POSITIONS = "max_position_embeddings n_positions n_ctx max_source_positions max_target_positions".split()
FLAGS = (
    "attention_bias mlp_bias tie_word_embeddings use_bias bias qkv_bias use_qk_norm qk_layernorm use_qkv_bias "
    "use_parallel_residual multi_query new_decoder_architecture parallel_attn lm_head_bias conv_bias "
    "mamba_conv_bias mamba_proj_bias use_conv_bias enable_bias do_layer_norm_before projectors_bias add_bias_linear "
    "use_shared_attention_adapter attention_out_bias mamba_rms_norm use_mask_token use_swiglu_ffn "
    "feat_extract_norm_bias conv_bias do_stable_layer_norm norm_bias decoder_bias classifier_bias "
    "use_absolute_embeddings sinusoidal_pos_embds add_final_layer_norm use_post_layernorm vision_use_head "
    "position_biased_input"
).split()
SMALL = {  # fields that must stay small or have few values
    "hidden_size_per_layer_input": (8, 24),
    "vocab_size_per_layer_input": (50, 90),
    "laurel_rank": (4, 16),
    "state_size": (4, 20),
    "mamba_d_state": (4, 20),
    "ssm_state_size": (4, 20),
    "mamba_d_conv": (2, 5),
    "conv_kernel": (2, 5),
    "mamba_dt_rank": (3, 9),
    "time_step_rank": (3, 9),
    "q_lora_rank": (20, 60),
    "kv_lora_rank": (20, 60),
    "index_n_heads": (2, 5),
    "linear_conv_kernel_dim": (2, 5),
    "n_shared_experts": (1, 3),
    "num_shared_experts": (1, 3),
    "moe_num_shared_experts": (1, 3),
    "type_vocab_size": (1, 4),
    "relative_attention_num_buckets": (8, 40),
    "num_mel_bins": (20, 90),
    "moe_latent_size": (16, 40),
    "embedding_size": (30, 90),
    "adapter_rank": (4, 12),
    "word_embed_proj_dim": (40, 90),
    "image_token_id": (1, 9),
    "video_token_id": (1, 9),
    "image_token_index": (1, 9),
    "num_labels": (2, 9),
    "first_k_dense_replace": (0, 2),
    "num_dense_layers": (0, 2),
    "conv_L_cache": (2, 5),
    "projection_dim": (20, 60),
    "num_global_key_value_heads": (1, 2),
    "moe_topk": (1, 2),
    "moe_k": (1, 2),
    "top_k_experts": (1, 2),
}
EVEN = {"qk_rope_head_dim": (8, 24), "index_head_dim": (24, 48), "global_head_dim": (24, 48)}


def fields_of(config_class: type) -> dict[str, object]:
    """Names and stated defaults of a configuration class, without what it derives when built."""
    found: dict[str, object] = {}
    for base in reversed(config_class.__mro__):
        for name, entry in getattr(base, "__dataclass_fields__", {}).items():
            default = entry.default if entry.default.__class__.__name__ != "_MISSING_TYPE" else None
            if default is None and entry.default_factory.__class__.__name__ != "_MISSING_TYPE":
                default = entry.default_factory()
            found[name] = default
    return found


def randomised(config_class: type, rng: random.Random) -> dict[str, object]:
    """Keyword arguments of a small unusual model that the class accepts most of the time."""
    names = fields_of(config_class)
    heads = rng.randint(2, 6) * 2
    head_dim = rng.randint(4, 12) * 2
    kv_heads = rng.choice([k for k in range(1, heads + 1) if heads % k == 0])
    hidden = heads * head_dim
    values: dict[str, object] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    values |= dict.fromkeys(HEADS, heads) | dict.fromkeys(HIDDEN, hidden)
    values |= {name: rng.randint(17, 150) for name in FFN}
    layers = rng.randint(2, 7)
    values |= dict.fromkeys(LAYERS, layers)
    experts = rng.randint(2, 9)
    values |= dict.fromkeys(EXPERTS, experts)
    values |= {name: rng.randint(1, min(experts, 3)) for name in ("num_experts_per_tok", "num_experts_per_token")}
    values |= {name: rng.randint(40, 300) for name in POSITIONS}
    values |= {"vocab_size": rng.randint(100, 900), "num_key_value_heads": kv_heads, "num_kv_heads": kv_heads}
    values |= {name: rng.randint(*span) for name, span in SMALL.items()}
    values |= {name: 2 * rng.randint(span[0] // 2, span[1] // 2) for name, span in EVEN.items()}
    values |= {name: rng.random() < 0.5 for name in FLAGS}
    values["head_dim"] = rng.choice([head_dim, 2 * rng.randint(4, 20)])
    values["v_head_dim"] = rng.choice([head_dim, 2 * rng.randint(4, 20)])
    values["qk_nope_head_dim"] = 2 * rng.randint(4, 20)
    values["linear_num_key_heads"] = 2
    values["linear_num_value_heads"] = 2 * rng.randint(1, 3)
    values["linear_key_head_dim"] = rng.randint(4, 12) * 2
    values["linear_value_head_dim"] = rng.randint(4, 12) * 2
    patch = rng.choice([4, 8])
    values |= {"patch_size": patch, "image_size": patch * rng.randint(3, 6)}
    kept = {name: value for name, value in values.items() if name in names and _fits(names[name], value)}
    for name in FLAGS:
        if name in kept and not isinstance(names[name], bool):
            del kept[name]
    kept |= SPECIAL.get(config_class.model_type, lambda *_: {})(rng, kept, layers)
    for part, inner in getattr(config_class, "sub_configs", {}).items():
        if part not in kept and isinstance(inner, type) and hasattr(inner, "model_type") and inner.model_type:
            kept[part] = randomised(inner, rng)
    return kept


def _fits(default: object, value: object) -> bool:
    return default is None or isinstance(default, (int, float)) or default.__class__ is value.__class__


def _kinds(*kinds: str):  # noqa: ANN202
    return lambda rng, kept, layers: {"layer_types": [rng.choice(kinds) for _ in range(layers)]}


def _mamba_heads(rng, kept, layers):  # noqa: ANN001, ANN202
    heads = rng.choice([k for k in range(2, 9) if 2 * kept["hidden_size"] % k == 0])
    return {"mamba_n_heads": heads, "mamba_d_head": 2 * kept["hidden_size"] // heads, "mamba_n_groups": 1, "mamba_expand": 2}


SPECIAL = {
    "gpt_neo": lambda rng, kept, layers: {"num_layers": 2 * (layers // 2), "attention_types": [[["global", "local"], layers // 2]]},
    "granitemoehybrid": lambda rng, kept, layers: {
        **_mamba_heads(rng, kept, layers),
        "layer_types": [rng.choice(["mamba", "attention"]) for _ in range(layers)],
        "num_local_experts": rng.choice([0, 4]),
    },
    "bamba": lambda rng, kept, layers: {**_mamba_heads(rng, kept, layers), "attn_layer_indices": [layers - 1]},
    "falcon_h1": lambda rng, kept, layers: {"mamba_d_ssm": 48, "mamba_n_heads": 6, "mamba_d_head": 8, "mamba_n_groups": 2},
    "mamba2": lambda rng, kept, layers: {"num_heads": 4, "head_dim": kept["hidden_size"] * 2 // 4, "n_groups": rng.choice([1, 2])},
    "nemotron_h": lambda rng, kept, layers: {
        "layers_block_type": [rng.choice(["mamba", "attention", "mlp", "moe"]) for _ in range(layers)],
        "mamba_num_heads": 6,
        "mamba_head_dim": 8,
        "n_groups": 2,
        "moe_latent_size": rng.choice([None, 24]),
        "n_group": 1,
        "topk_group": 1,
    },
    "jamba": lambda rng, kept, layers: {
        "attn_layer_period": 3,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": rng.randint(0, 1),
    },
    "gemma3n_text": lambda rng, kept, layers: {
        "layer_types": (["sliding_attention", "full_attention"] * layers)[:layers],
        "num_kv_shared_layers": rng.choice([0, max(0, layers - 2)]),
        "intermediate_size": [kept.get("moe_intermediate_size", 64) + k for k in range(layers)],
        "activation_sparsity_pattern": [0.0] * layers,
        "altup_num_inputs": rng.randint(2, 4),
    },
    "gemma4_text": lambda rng, kept, layers: {
        "layer_types": ["sliding_attention"] * (layers - 1) + ["full_attention"],
        "enable_moe_block": rng.random() < 0.5,
        "attention_k_eq_v": rng.random() < 0.5,
        "moe_intermediate_size": 24,
        "hidden_size_per_layer_input": rng.choice([0, 12]),
    },
    "dbrx": lambda rng, kept, layers: {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4},
        "ffn_config": {"ffn_hidden_size": rng.randint(30, 90), "moe_num_experts": rng.randint(2, 6), "moe_top_k": 2},
    },
    "zamba": lambda rng, kept, layers: {
        "attn_layer_period": 3,
        "attn_layer_offset": 1,
        "n_mamba_heads": 2,
        "num_hidden_layers": 6,
        "num_key_value_heads": kept["num_attention_heads"],
    },
    "zamba2": lambda rng, kept, layers: {
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid", "hybrid"],
        "num_hidden_layers": 5,
        "n_mamba_heads": 4,
        "num_mem_blocks": rng.choice([1, 2]),
    },
    "deberta": lambda rng, kept, layers: {
        "relative_attention": rng.random() < 0.7,
        "pos_att_type": rng.choice([[], ["c2p"], ["c2p", "p2c"], "p2c"]),
        "max_relative_positions": rng.choice([-1, 20]),
    },
    "deberta-v2": lambda rng, kept, layers: {
        "relative_attention": rng.random() < 0.7,
        "pos_att_type": rng.choice([["c2p"], ["c2p", "p2c"]]),
        "share_att_key": rng.random() < 0.5,
        "position_buckets": rng.choice([-1, 16]),
        "norm_rel_ebd": rng.choice(["none", "layer_norm"]),
        "conv_kernel_size": rng.choice([0, 3]),
        "conv_act": "gelu",
    },
    **dict.fromkeys(
        ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio"),
        lambda rng, kept, layers: {
            "conv_dim": [rng.randint(5, 30) for _ in range(7)],
            "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
            "num_conv_pos_embeddings": rng.randint(2, 6),
            "num_conv_pos_embedding_groups": 2,
            "feat_extract_norm": rng.choice(["group", "layer"]),
            "use_weighted_layer_sum": rng.random() < 0.5,
            "feat_proj_layer_norm": rng.random() < 0.5,
            "conv_pos_batch_norm": rng.random() < 0.5,
            "add_adapter": rng.random() < 0.3,
            "mask_time_prob": rng.choice([0.0, 0.05]),
            "num_buckets": 12,
            "codevector_dim": 12,
            "num_codevectors_per_group": 7,
        },
    ),
    **dict.fromkeys(
        ("swin", "swinv2"),
        lambda rng, kept, layers: {
            "depths": [rng.randint(1, 3) for _ in range(3)],
            "num_heads": [2, 4, 8],
            "embed_dim": 8 * rng.randint(1, 4),
            "window_size": rng.randint(2, 5),
            "image_size": 64,
            "patch_size": 4,
            "mlp_ratio": rng.choice([2.0, 3.5, 4.0]),
        },
    ),
    **dict.fromkeys(
        ("convnext", "convnextv2"),
        lambda rng, kept, layers: {
            "hidden_sizes": [rng.randint(3, 30) for _ in range(4)],
            "depths": [rng.randint(1, 4) for _ in range(4)],
            "layer_scale_init_value": rng.choice([0.0, 1e-6]),
            "patch_size": 4,
        },
    ),
    "resnet": lambda rng, kept, layers: {
        "hidden_sizes": [4 * rng.randint(2, 9) for _ in range(4)],
        "depths": [rng.randint(1, 4) for _ in range(4)],
        "layer_type": rng.choice(["basic", "bottleneck"]),
        "embedding_size": rng.randint(5, 30),
        "downsample_in_first_stage": rng.random() < 0.5,
    },
    "beit": lambda rng, kept, layers: {
        "use_relative_position_bias": rng.random() < 0.5,
        "use_absolute_position_embeddings": rng.random() < 0.5,
        "use_mean_pooling": rng.random() < 0.5,
    },
    "dinov2": lambda rng, kept, layers: {"mlp_ratio": rng.choice([2, 4]), "use_swiglu_ffn": rng.random() < 0.5},
    "audio-spectrogram-transformer": lambda rng, kept, layers: {
        "max_length": rng.randint(60, 90),
        "num_mel_bins": 40,
        "frequency_stride": 3,
        "time_stride": 5,
    },
    "diffllama": lambda rng, kept, layers: {"num_key_value_heads": 2},
    "longcat_flash": lambda rng, kept, layers: {"zero_expert_num": rng.randint(0, 5), "expert_ffn_hidden_size": rng.randint(11, 50)},
    "kimi_linear": lambda rng, kept, layers: {
        **_kinds("linear_attention", "full_attention")(rng, kept, layers),
        "linear_num_heads": 4,
        "linear_head_dim": 12,
    },
    "bailing_hybrid": lambda rng, kept, layers: {"first_k_dense_replace": 1, "num_expert_group": 1, "topk_group": 1},
    "deepseek_v4": lambda rng, kept, layers: {
        "layer_types": [
            rng.choice(["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"]) for _ in range(layers)
        ],
        "o_groups": 2,
        "o_lora_rank": rng.randint(8, 20),
        "mlp_layer_types": None,
    },
    "laguna": lambda rng, kept, layers: {
        "num_attention_heads_per_layer": [kept["num_attention_heads"]] * layers,
        "gating": rng.choice([True, "per-element"]),
    },
    "minimax_m3_vl_text": lambda rng, kept, layers: {
        **_kinds("minimax_m3_sparse", "full_attention")(rng, kept, layers),
        "mlp_layer_types": [rng.choice(["sparse", "dense"]) for _ in range(layers)],
    },
    "qwen3_next": _kinds("linear_attention", "full_attention"),
    "qwen3_5_text": _kinds("linear_attention", "full_attention"),
    "qwen3_5_moe_text": _kinds("linear_attention", "full_attention"),
    "minimax": _kinds("linear_attention", "full_attention"),
    "mimo_v2_flash": _kinds("sliding_attention", "full_attention"),
    "gpt_oss": _kinds("sliding_attention", "full_attention"),
    "lfm2": _kinds("conv", "full_attention"),
    "lfm2_moe": _kinds("conv", "full_attention"),
    "glm4_moe_lite": lambda rng, kept, layers: {"n_group": 1, "topk_group": 1},
    "dots1": lambda rng, kept, layers: {"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    "hunyuan_v1_moe": lambda rng, kept, layers: {"moe_topk": [2] * layers},
    "ernie4_5_moe": lambda rng, kept, layers: {"moe_layer_end_index": -1, "moe_layer_start_index": 1},
    "llama4_text": lambda rng, kept, layers: {"interleave_moe_layer_step": rng.choice([1, 2])},
    "qwen2_moe": lambda rng, kept, layers: {"decoder_sparse_step": rng.choice([1, 2]), "mlp_only_layers": [0]},
    "qwen3_moe": lambda rng, kept, layers: {"decoder_sparse_step": rng.choice([1, 2]), "mlp_only_layers": [0]},
    "persimmon": lambda rng, kept, layers: {"rope_parameters": {"rope_theta": 1e4, "rope_type": "default", "partial_rotary_factor": 0.5}},
}


def _inside(**types: str):  # noqa: ANN202
    """Nested configurations that the class would otherwise fill with its own full-size defaults."""

    def parts(rng, kept, layers):  # noqa: ANN001, ANN202
        return {name: {**randomised(CONFIG_MAPPING[kind], rng), "model_type": kind} for name, kind in types.items()}

    return parts


SPECIAL |= {
    "llava": _inside(text_config="llama", vision_config="clip_vision_model"),
    "llava_next": _inside(text_config="mistral", vision_config="clip_vision_model"),
    "llava_next_video": _inside(text_config="llama", vision_config="clip_vision_model"),
    "llava_onevision": _inside(text_config="qwen2", vision_config="siglip_vision_model"),
    "paligemma": _inside(text_config="gemma", vision_config="siglip_vision_model"),
    "gemma3": _inside(text_config="gemma3_text", vision_config="siglip_vision_model"),
    "mistral3": _inside(text_config="mistral", vision_config="pixtral"),
    "idefics3": _inside(text_config="llama", vision_config="idefics3_vision"),
    "smolvlm": _inside(text_config="llama", vision_config="smolvlm_vision"),
    "internvl": _inside(text_config="qwen2", vision_config="internvl_vision"),
    "aya_vision": _inside(text_config="cohere2", vision_config="siglip_vision_model"),
    "cohere2_vision": _inside(text_config="cohere2", vision_config="siglip_vision_model"),
    "qwen2_audio": _inside(text_config="qwen2", audio_config="qwen2_audio_encoder"),
    "mllama_text_model": lambda rng, kept, layers: {"cross_attention_layers": [1]},
    "qwen3_vl_vision": lambda rng, kept, layers: {"deepstack_visual_indexes": [0, 1]},
    "qwen3_vl_moe_vision": lambda rng, kept, layers: {"deepstack_visual_indexes": [1]},
    "gemma4": lambda rng, kept, layers: {"audio_config": None} if rng.random() < 0.5 else {},
    "qwen2_vl_vision": lambda rng, kept, layers: {"num_heads": 8, "embed_dim": 48},
}
