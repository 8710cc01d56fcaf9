import pytest

from measurements.training_efficiency import NEUTRAL, Software, training_efficiency

STACK = Software(dense=0.8, moe=1.0, releases={"25.09": (1.1, 1.2), "26.02": (1.0, 1.0), "26.06": (0.9, 0.8)})


@pytest.mark.parametrize(
    ("release", "factors"),
    [
        ("26.02", (0.8, 1.0)),
        ("26.04", (0.8, 1.0)),  # not measured: the latest that is not newer
        ("27.01", (0.72, 0.8)),  # newer than all: the latest
        ("24.01", (0.72, 0.8)),  # older than all: nothing is known of it, the latest
        ("", (0.8, 1.0)),  # not stated: the stack alone
    ],
)
def test_a_release_without_runs_borrows_from_its_neighbour(release, factors):
    assert STACK.factors(release) == pytest.approx(factors)


def test_an_unknown_stack_is_neutral():
    assert NEUTRAL.factors("26.04") == (1.0, 1.0)


def test_the_packaged_fit_says_what_it_was_made_from():
    fitted = training_efficiency()
    assert fitted.calibrated
    assert len(fitted.digest) == 64
    assert all(chip.rate > 0 for chip in fitted.accelerators.values())
    assert fitted.software["megatron-bridge"].releases.keys() >= {"25.09", "26.06"}
