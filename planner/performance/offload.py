"""Time that a training step loses to what it keeps off the device: states, weights and activations in host memory or on drives.

ZeRO-Offload (arXiv:2101.06840) keeps optimizer states on the host and updates the weights there; ZeRO-Infinity
(arXiv:2104.07857) also keeps weights and activations there, or states on drives (section 2.4; equation 3.6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.micro_batch import smooth_maximum
from planner.search.columns import BoolColumn, FloatColumn, IntColumn


@dataclass(frozen=True, slots=True)
class HostTier:
    """Where the devices of each platform keep what they offload, one entry a platform; rates are the device's own share.

    weights               with ZeRO-3 the weights are kept there too, not the optimizer states alone
    link_bytes_per_s      to the host, one direction; both directions run at once
    memory_bytes_per_s    of the host
    drive_*_bytes_per_s   of drives that hold the states; infinite where they stay in memory
    """

    weights: bool
    link_bytes_per_s: FloatColumn
    memory_bytes_per_s: FloatColumn
    drive_read_bytes_per_s: FloatColumn
    drive_write_bytes_per_s: FloatColumn

    def keeps(self, platform: IntColumn, *, state_bytes: FloatColumn, updated_bytes: FloatColumn, weight_bytes: FloatColumn) -> Offload:
        """What candidates on the rows `platform` keep there: all of their optimizer states, no activations."""
        return Offload(
            state_bytes=state_bytes,
            updated_bytes=updated_bytes,
            weight_bytes=weight_bytes if self.weights else np.zeros_like(weight_bytes),
            activation_bytes=np.zeros_like(weight_bytes),
            link_bytes_per_s=self.link_bytes_per_s[platform],
            memory_bytes_per_s=self.memory_bytes_per_s[platform],
            drive_read_bytes_per_s=self.drive_read_bytes_per_s[platform],
            drive_write_bytes_per_s=self.drive_write_bytes_per_s[platform],
        )


@dataclass(frozen=True, slots=True)
class Offload:
    """What one device keeps elsewhere and how fast that is, columns over candidates; rates as in `HostTier`.

    state_bytes           optimizer states (master copy and moments) that the host updates
    updated_bytes         16-bit weights that the update yields; gradients of as many bytes go to the host
    weight_bytes          16-bit weights that are fetched for each pass of each micro-batch
    activation_bytes      kept activations of one micro-batch, sent away and fetched back
    """

    state_bytes: FloatColumn
    updated_bytes: FloatColumn
    weight_bytes: FloatColumn
    activation_bytes: FloatColumn
    link_bytes_per_s: FloatColumn
    memory_bytes_per_s: FloatColumn
    drive_read_bytes_per_s: FloatColumn
    drive_write_bytes_per_s: FloatColumn


def offload_s(offload: Offload, rounds: FloatColumn, repeated: BoolColumn, busy_s: FloatColumn, norm: float) -> FloatColumn:
    """Time of a step beyond what computation hides: transfers run beside `rounds` micro-batches that take `busy_s`, the update after them.

    repeated  the forward pass is recomputed, so that weights are fetched once more
    norm      of the smooth maximum (equation 3.5)
    """
    transfers_s = link_s(offload, rounds, repeated)
    return np.asarray(smooth_maximum(busy_s, transfers_s, norm) - busy_s + host_update_s(offload))


def link_s(offload: Offload, rounds: FloatColumn, repeated: BoolColumn) -> FloatColumn:
    """Time of the host link in a step, the busier direction: weights and activations to the device, gradients and activations from it."""
    fetched = np.where(repeated, 3.0, 2.0) * offload.weight_bytes
    to_device = offload.updated_bytes + rounds * (fetched + offload.activation_bytes)
    from_device = offload.updated_bytes + rounds * offload.activation_bytes
    return np.asarray(np.maximum(to_device, from_device) / offload.link_bytes_per_s)


def host_update_s(offload: Offload) -> FloatColumn:
    """Time of the optimizer on the host: states read and written, 32-bit gradients read, 16-bit weights written, 30 bytes a parameter with
    AdamW as on a device (section 3.6). Drives read the next states and write the last ones beside it: the slowest counts.
    """
    memory_s = (2.0 * offload.state_bytes + 3.0 * offload.updated_bytes) / offload.memory_bytes_per_s
    read_s, write_s = offload.state_bytes / offload.drive_read_bytes_per_s, offload.state_bytes / offload.drive_write_bytes_per_s
    return np.asarray(np.maximum(memory_s, np.maximum(read_s, write_s)))
