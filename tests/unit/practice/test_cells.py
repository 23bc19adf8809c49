"""Shapes and places of cells."""

import numpy as np
import pytest

from comp.practice.catalogue import CELL_LINES
from comp.practice.cells import ANGLES, DAUGHTER, FIELD, INTERPHASE, METAPHASE, RAYS, grow


@pytest.mark.parametrize("line", CELL_LINES)
def test_nuclei_lie_in_cells_and_apart(line: str) -> None:
    for seed in range(4):
        cells = grow(CELL_LINES[line], np.random.default_rng(seed))
        assert (cells.outline > cells.nucleus + 0.5).all()
        assert (cells.nucleus > 0).all()
        resting = cells.state == INTERPHASE
        inside = resting & (np.abs(cells.centres - FIELD / 2) < FIELD / 2).all(axis=1)
        assert 3 <= inside.sum() <= 90
        apart = np.sqrt(((cells.centres[inside][:, None] - cells.centres[inside][None]) ** 2).sum(axis=-1))
        np.fill_diagonal(apart, np.inf)
        assert np.quantile(apart.min(axis=1), 0.1) > 1.5 * CELL_LINES[line].nucleus


def test_lines_differ_in_density_and_length() -> None:
    def density(line: str) -> float:
        return float(np.mean([len(grow(CELL_LINES[line], np.random.default_rng(seed))) for seed in range(5)]))

    def length(line: str) -> float:
        ratios = []
        for seed in range(5):
            cells = grow(CELL_LINES[line], np.random.default_rng(seed))
            diameter = cells.outline + np.roll(cells.outline, RAYS // 2, axis=1)
            ratios.append(np.median(diameter.max(axis=1) / diameter.min(axis=1)))
        return float(np.mean(ratios))

    assert density("HEK 293") > 1.8 * density("BJ")
    assert length("BJ") > 1.4 * length("RT4")


@pytest.mark.parametrize("line", CELL_LINES)
def test_asked_for_divisions_are_there(line: str) -> None:
    for seed in range(6):
        cells = grow(CELL_LINES[line], np.random.default_rng(seed), crowding=0.4, metaphases=2, divisions=2)
        inside = (np.abs(cells.centres - FIELD / 2) < FIELD / 2).all(axis=1)
        assert ((cells.state == METAPHASE) & inside).sum() >= 2
        daughters = np.flatnonzero(cells.state == DAUGHTER)
        assert inside[daughters].sum() >= 3
        assert len(daughters) >= 4
        assert (cells.sister[cells.sister[daughters]] == daughters).all()
        assert (cells.sister[cells.state != DAUGHTER] == -1).all()
        plate = cells.nucleus[cells.state == METAPHASE]
        assert (plate.max(axis=1) > 2 * plate.min(axis=1)).all()


def test_points_are_where_their_depth_says() -> None:
    """Against a slow reading of the polar tables, at directions of the table, where no interpolation is needed."""
    cells = grow(CELL_LINES["U-2 OS"], np.random.default_rng(1))
    for ray in (0, 7, 30):
        for depth, radius in ((-1.0, 0.0), (0.0, cells.nucleus[2, ray]), (1.0, cells.outline[2, ray])):
            point = cells.points(np.array([2]), ANGLES[[ray]], np.array([depth]))[0]
            expected = cells.centres[2] + radius * np.array([np.cos(ANGLES[ray]), np.sin(ANGLES[ray])])
            np.testing.assert_allclose(point, expected, atol=1e-4)


def test_areas_are_those_of_the_polygons() -> None:
    cells = grow(CELL_LINES["A-431"], np.random.default_rng(2))

    def shoelace(polygon: np.ndarray) -> float:
        x, y = polygon.T
        return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2)

    outer, inner = cells.polygons(cells.outline), cells.polygons(cells.nucleus)
    expected = [shoelace(one) - shoelace(two) for one, two in zip(outer, inner, strict=True)]
    np.testing.assert_allclose(cells.areas(), expected, rtol=0.12)
