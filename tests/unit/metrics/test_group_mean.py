import numpy as np
import pytest

from comp.metrics.group_mean import group_mean

GENERATOR = np.random.default_rng(0)


def test_with_every_image_a_group_it_is_the_usual_standard_error():
    values = GENERATOR.normal(size=50)
    found = group_mean(values, np.arange(50).astype(str))
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_equal_images_of_a_group_count_once():
    values = GENERATOR.normal(size=30)
    assert group_mean(values.repeat(4), np.arange(30).repeat(4)).error == pytest.approx(values.std(ddof=1) / np.sqrt(30))


def test_it_is_the_spread_of_means_over_samples_of_groups():
    def sample(generator):
        sizes = generator.integers(1, 8, 60)
        groups = np.arange(60).repeat(sizes)
        return generator.normal(size=60)[groups] + generator.normal(0, 0.5, len(groups)), groups

    found = [group_mean(*sample(np.random.default_rng(seed))) for seed in range(400)]
    assert np.std([each.value for each in found]) == pytest.approx(np.mean([each.error for each in found]), rel=0.1)


def test_a_single_group_has_no_error():
    assert np.isnan(group_mean(np.arange(3.0), np.zeros(3)).error)
