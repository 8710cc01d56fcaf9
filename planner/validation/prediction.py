"""One measured quantity beside its prediction: what every kind of validation yields and `planner.validate` adds up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """One quantity of one measured row.

    row        position in the rows that were given, from 0
    row_id     the row's own name, if it has one
    quantity   what was measured, with its unit suffix ("peak_memory_bytes", "tokens_per_s", ...)
    measured   in SI units
    predicted  in the same units; None where the row cannot be predicted
    reason     code that says why there is no prediction, or "" (see `texts.sentences`)
    scorable   False for rows that their source marks as context only
    slices     (dimension, value) pairs by which errors are grouped: ("accelerator", "H100"), ("model", ...), ...
    interval80 ends between which four of five measurements should lie, or None
    """

    row: int
    row_id: str
    quantity: str
    measured: float
    predicted: float | None
    reason: str
    scorable: bool
    slices: tuple[tuple[str, str], ...]
    interval80: tuple[float, float] | None = None

    @property
    def relative_error(self) -> float | None:
        """`predicted / measured - 1`; None without a prediction or with nothing measured."""
        if self.predicted is None or self.measured == 0.0:
            return None
        return self.predicted / self.measured - 1.0

    @property
    def covered(self) -> bool | None:
        """Whether the measurement lies within the interval; None without one."""
        return None if self.interval80 is None else self.interval80[0] <= self.measured <= self.interval80[1]
