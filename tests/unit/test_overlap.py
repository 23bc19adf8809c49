import numpy as np
import pytest

from comp.overlap import known_share


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_the_share_of_a_drawn_mixture_is_found(share):
    generator = np.random.default_rng(3)
    known, new = generator.normal(0.7, 0.15, 600), generator.normal(0.5, 0.15, 600)
    from_known = generator.random(800) < share
    test = np.where(from_known, generator.normal(0.7, 0.15, 800), generator.normal(0.5, 0.15, 800))
    found = known_share(known, new, test)
    assert abs(found.value - share) < max(3 * found.error, 0.02)
    assert found.error < 0.1


def test_the_error_is_what_fresh_draws_scatter_by():
    generator = np.random.default_rng(4)

    def once():
        known, new = generator.normal(0.7, 0.2, 100), generator.normal(0.4, 0.2, 100)
        test = np.concatenate([generator.normal(0.7, 0.2, 60), generator.normal(0.4, 0.2, 40)])
        return known_share(known, new, test)

    found = [once() for _ in range(60)]
    assert np.mean([each.error for each in found]) == pytest.approx(np.std([each.value for each in found]), rel=0.4)
    assert np.mean([each.value for each in found]) == pytest.approx(0.6, abs=0.04)


def test_without_images_of_a_kind_there_is_no_estimate():
    assert np.isnan(known_share(np.empty(0), np.ones(3), np.ones(3)).value)
    assert np.isnan(known_share(np.ones(3), np.ones(3), np.ones(3)).value)
