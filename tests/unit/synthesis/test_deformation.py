"""Deformed images: image and cell numbers move together, by maps of the strength that is asked for."""

import numpy as np
import pytest

from comp.synthesis.deformation import Deformation, deformed

STILL = Deformation(turn=0, enlarge=0, shear=0, bend=0)
GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(40, 40), (40, 40, 3)])
def test_without_strength_it_is_one_of_the_eight_turns_and_mirrors(shape):
    image = GENERATOR.integers(0, 256, shape, dtype=np.uint8)
    cells = GENERATOR.integers(0, 500, shape[:2]).astype(np.uint16)
    seen = set()
    for seed in range(60):
        bent, numbers = deformed(image, cells, STILL, np.random.default_rng(seed))
        for turn in range(8):
            same = [np.rot90(each[:, ::-1] if turn % 2 else each, turn // 2) for each in (image, cells)]
            if np.array_equal(numbers, same[1]):
                np.testing.assert_array_equal(bent, same[0])
                seen.add(turn)
                break
        else:
            pytest.fail(f"seed {seed}")
    assert seen == set(range(8))


@pytest.mark.parametrize("shape", [(64, 96), (96, 64), (64, 64)])
def test_image_and_cells_move_together(shape):
    cells = np.kron(np.arange(1, 1 + 4 * 4).reshape(4, 4), np.ones((shape[0] // 4, shape[1] // 4))).astype(np.uint16)
    bent, numbers = deformed((cells * 10).astype(np.uint8), cells, Deformation(), np.random.default_rng(1))
    inside = numbers > 0
    for axis in (0, 1):  # away from borders between cells, where the image is interpolated
        for step in (-1, 1):
            inside &= np.roll(numbers, step, axis) == numbers
    assert inside.mean() > 0.5
    np.testing.assert_array_equal(bent[inside], numbers[inside] * 10)


def test_the_displacement_is_as_strong_as_asked_for_and_smooth():
    usual = Deformation().bend
    strength = Deformation(turn=0, enlarge=0, shear=0, bend=usual)
    moves = []
    for seed in range(40):
        x, y = strength.maps((80, 80), np.random.default_rng(seed))
        still = STILL.maps((80, 80), np.random.default_rng(seed))  # the same turn: it is drawn first
        moves += [x - still[0], y - still[1]]
        assert np.abs(np.diff(x - still[0], axis=1)).max() < 1  # nothing folds over
    assert np.std(moves) == pytest.approx(usual * 80, rel=0.15)


def test_equal_seeds_are_equal_images_and_others_differ():
    image, cells = GENERATOR.integers(0, 256, (50, 50), dtype=np.uint8), np.ones((50, 50), np.uint16)
    first, again, other = (deformed(image, cells, Deformation(), np.random.default_rng(seed))[0] for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
