import numpy as np
import pytest

from comp.training.validation import FEWEST, ValidationPlan


def plan(times, steps, batch_size, held_out):
    return ValidationPlan.of(times, steps, batch_size, np.arange(1000, 1000 + held_out))


@pytest.mark.parametrize("times", [0, 1, 3, 10, 1000])
@pytest.mark.parametrize(("steps", "batch_size"), [(1, 1), (9, 8), (140, 16), (10_000, 32), (77_000, 8)])
@pytest.mark.parametrize("held_out", [0, 1, 12, 140, 6215])
def test_it_is_cheap_evenly_spaced_and_never_looks_at_few_rows(times, steps, batch_size, held_out):
    made = plan(times, steps, batch_size, held_out)
    after = sorted(made.steps)
    assert len(after) <= times
    assert len(after) * len(made.rows) <= 0.1 * steps * batch_size
    assert len(set(made.rows.tolist())) == len(made.rows) <= held_out
    if not after:
        assert times == 0 or held_out == 0 or 0.1 * steps * batch_size < min(held_out, FEWEST)
        return
    assert len(made.rows) >= min(held_out, FEWEST)
    assert after[-1] == steps
    assert after[0] > 0
    gaps, places = np.diff([0, *after]), np.diff(made.rows)
    assert gaps.max() - gaps.min() <= 1
    assert len(places) == 0 or places.max() - places.min() <= 1


def test_a_long_run_is_validated_ten_times_on_nearly_all_rows():
    made = plan(10, 25 * 776, 32, 6215)  # DenseNet-121 on the competition's images
    assert sorted(made.steps) == [1940 * number for number in range(1, 11)]
    assert len(made.rows) > 6200


def test_a_short_run_is_validated_less_often():
    made = plan(10, 4 * 35, 16, 140)  # a fold of make practice
    assert (sorted(made.steps), len(made.rows)) == ([140], 140)
    assert plan(10, 9, 8, 12).steps == frozenset()
