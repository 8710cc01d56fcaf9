"""What the host of a server must hold for its work: memory and local flash, row by row (equation 5.6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.cluster.cache_tier import tier_drive_bytes
from planner.cluster.host import serving_memory_bytes, training_drive_bytes, training_memory_bytes, with_headroom_bytes
from planner.counting.parameters import parameters
from planner.ground import Ground
from planner.memory.adapters import adapter_elements
from planner.memory.recipe import training_recipe
from planner.memory.states import optimizer_bytes
from planner.memory.training import TrainingMemory
from planner.request import Training
from planner.search.columns import BoolColumn, FloatColumn, IntColumn
from planner.subject import Subject

_SHORT_IDS = 65_536  # vocabularies up to this size have token ids of two bytes, larger ones of four


@dataclass(frozen=True, slots=True)
class HostNeeds:
    """Least memory and local flash of one server, bytes, one row a candidate."""

    memory_bytes: FloatColumn
    drive_bytes: FloatColumn

    def at_least(self, other: HostNeeds, *, where: BoolColumn) -> HostNeeds:
        """The larger of both in some rows."""
        parts = ((self.memory_bytes, other.memory_bytes), (self.drive_bytes, other.drive_bytes))
        return HostNeeds(*(np.where(where, np.maximum(mine, theirs), mine) for mine, theirs in parts))


def training_host_needs(ground: Ground, training: Training, platform: IntColumn, servers: IntColumn, memory: TrainingMemory) -> HostNeeds:
    """Of runs on so many servers: room for a checkpoint beside the next step, or for what is kept off the devices; two
    checkpoints and the data on flash, and offloaded states (equation 5.6).
    """
    stands = ground.platforms
    each = stands.devices_per_server[platform]
    checkpoint, tokens = checkpoint_bytes(ground.subject, training), token_data_bytes(ground.subject, training.tokens)
    return HostNeeds(
        np.maximum(training_memory_bytes(stands.memory_bytes[platform] * each), with_headroom_bytes(memory.host_bytes * each)),
        training_drive_bytes(checkpoint / servers, tokens / servers) + memory.nvme_bytes * each,
    )


def serving_host_needs(
    ground: Ground, platform: IntColumn, weight_bytes: FloatColumn, replica_devices: IntColumn, kept_bytes: FloatColumn, tier: str
) -> HostNeeds:
    """Of replicas whose devices hold `weight_bytes` each: the weights of a server's share of one replica, once (equation 5.6).

    kept_bytes  of past prompts, of one server, in host memory or on local flash by `tier`
    """
    per_replica = np.minimum(replica_devices, ground.platforms.devices_per_server[platform])
    weights, none = weight_bytes * per_replica, np.zeros(len(platform))
    memory = serving_memory_bytes(weights, kept_bytes if tier == "host" else none)
    return HostNeeds(memory, weights + tier_drive_bytes(kept_bytes) if tier == "nvme" else weights)


def checkpoint_bytes(subject: Subject, training: Training) -> float:
    """One checkpoint: what is trained, with master copy and moments; the frozen base of adapters is not in it (equation 5.6)."""
    recipe = training_recipe()
    each = recipe.weight_bytes + optimizer_bytes(training.optimizer, recipe).matrix
    if training.method in ("lora", "qlora"):
        blocks = (block for stack in subject.architecture.stacks for block in stack.blocks)
        return each * sum(block.repeat * adapter_elements(block.layers, training.lora_rank, 1) for block in blocks)
    return each * parameters(subject.architecture).total


def token_data_bytes(subject: Subject, tokens: float) -> float:
    """The training data as token ids (equation 5.6)."""
    return tokens * (2.0 if (subject.architecture.vocab or 0) <= _SHORT_IDS else 4.0)
