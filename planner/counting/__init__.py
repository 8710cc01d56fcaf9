"""Parameters, FLOPs, caches and bytes of any model, derived from its `Architecture` alone."""

from planner.counting.cache import (
    cross_kv_cache_bytes_per_token,
    fixed_state_bytes_per_sequence,
    index_cache_bytes_per_token,
    kv_cache_bytes,
    kv_cache_bytes_per_token,
    recurrent_state_bytes_per_sequence,
)
from planner.counting.flops import (
    diffusion_flops_per_image,
    forward_flops_per_sample,
    forward_flops_per_token,
    training_flops,
    training_flops_rule,
)
from planner.counting.parameters import Parameters, parameters
from planner.counting.weights import weight_bytes, weight_bytes_by_format

__all__ = [
    "Parameters",
    "cross_kv_cache_bytes_per_token",
    "diffusion_flops_per_image",
    "fixed_state_bytes_per_sequence",
    "forward_flops_per_sample",
    "forward_flops_per_token",
    "index_cache_bytes_per_token",
    "kv_cache_bytes",
    "kv_cache_bytes_per_token",
    "parameters",
    "recurrent_state_bytes_per_sequence",
    "training_flops",
    "training_flops_rule",
    "weight_bytes",
    "weight_bytes_by_format",
]
