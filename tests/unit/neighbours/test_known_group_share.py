import numpy as np
import pytest

from comp.neighbours.known_group_share import known_group_share


def without_groups(known, new, test):
    """Every held-out image is a group of its own."""
    held_out = np.concatenate([known, new])
    return known_group_share(held_out, np.arange(len(held_out)) < len(known), np.arange(len(held_out)), test)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_the_share_of_a_simulated_mixture_is_found(share):
    generator = np.random.default_rng(3)
    known, new = generator.normal(0.7, 0.15, 600), generator.normal(0.5, 0.15, 600)
    from_known = generator.random(800) < share
    test = np.where(from_known, generator.normal(0.7, 0.15, 800), generator.normal(0.5, 0.15, 800))
    found = without_groups(known, new, test)
    assert abs(found.value - share) < max(3 * found.error, 0.02)
    assert found.error < 0.1


def test_the_error_is_the_spread_over_new_samples():
    generator = np.random.default_rng(4)

    def once():
        known, new = generator.normal(0.7, 0.2, 100), generator.normal(0.4, 0.2, 100)
        test = np.concatenate([generator.normal(0.7, 0.2, 60), generator.normal(0.4, 0.2, 40)])
        return without_groups(known, new, test)

    found = [once() for _ in range(60)]
    assert np.mean([each.error for each in found]) == pytest.approx(np.std([each.value for each in found]), rel=0.4)
    assert np.mean([each.value for each in found]) == pytest.approx(0.6, abs=0.04)


def test_copies_within_groups_do_not_reduce_the_error():
    generator = np.random.default_rng(5)
    known, new, test = generator.normal(0.7, 0.2, 100), generator.normal(0.4, 0.2, 100), generator.normal(0.6, 0.2, 400)
    alone = without_groups(known, new, test)
    held_out = np.concatenate([known, new]).repeat(4)
    together = known_group_share(held_out, np.arange(800) < 400, np.arange(800) // 4, test)
    assert together.value == pytest.approx(alone.value)
    assert together.error == pytest.approx(alone.error, rel=0.2)
    assert without_groups(known.repeat(4), new.repeat(4), test).error < 0.8 * alone.error


@pytest.mark.parametrize(("known", "test"), [(0, 3), (3, 3), (2, 0)])
def test_without_images_of_a_kind_there_is_no_estimate(known, test):
    assert known_group_share(np.arange(3.0), np.arange(3) < known, np.arange(3), np.ones(test)) is None


def test_equally_near_known_and_new_images_give_no_estimate():
    assert known_group_share(np.ones(4), np.arange(4) < 2, np.arange(4), np.ones(3)) is None
