import numpy as np
import pytest

from comp.base import registry

LABELS = np.zeros((1000, 2), bool)
LABELS[:, 0] = True
LABELS[:10, 1] = True
IDENTITY = np.arange(1000) // 3


@pytest.mark.parametrize("name", registry.names("samplers"))
def test_every_sampler_repeats_itself_by_seed_and_keeps_its_length(name):
    order = registry.build("samplers", {"name": name})
    first, again, other = (order(LABELS, IDENTITY, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(first) == len(other)
    assert not np.array_equal(first, other)
    assert set(first) <= set(range(1000))


def test_shuffle_takes_every_row_once():
    order = registry.build("samplers", {"name": "shuffle"})(LABELS, IDENTITY, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))


@pytest.mark.parametrize(("options", "factor"), [({"power": 0.5}, 10), ({"power": 0.5, "most": 4}, 4), ({"power": 0}, 1)])
def test_rare_rows_come_as_often_as_their_weight_says(options, factor):
    sampler = registry.build("samplers", {"name": "rare", **options})
    drawn = np.concatenate([sampler(LABELS, IDENTITY, np.random.default_rng(seed)) for seed in range(50)])
    rare_per_row, usual_per_row = (drawn < 10).sum() / 10, (drawn >= 10).sum() / 990
    assert rare_per_row / usual_per_row == pytest.approx(factor, rel=0.15)


def test_rows_without_labels_are_drawn_too():
    labels = np.zeros((4, 3), bool)
    assert len(registry.build("samplers", {"name": "rare"})(labels, np.arange(4), np.random.default_rng(0))) == 4


@pytest.mark.parametrize("images", [2, 4, 5])
def test_identities_come_in_runs_and_equally_often(images):
    identity = np.repeat(np.arange(40), np.random.default_rng(1).integers(1, 9, 40))[::-1]
    order = registry.build("samplers", {"name": "identities", "images": images})(LABELS, identity, np.random.default_rng(0))
    assert len(order) == len(identity)
    runs = identity[order][: len(order) // images * images].reshape(-1, images)
    assert (runs == runs[:, :1]).all()
    times = np.bincount(runs[:, 0], minlength=40)
    assert times.max() - times.min() <= 1


def test_an_identity_shows_all_its_images_before_any_comes_again():
    identity = np.array([0] * 6 + [1] * 3 + [2])
    order = registry.build("samplers", {"name": "identities", "images": 3})(LABELS, np.tile(identity, 1), np.random.default_rng(0))
    for run in order[:9].reshape(-1, 3):
        members = np.flatnonzero(identity == identity[run[0]])
        assert len(set(run)) == min(3, len(members))
