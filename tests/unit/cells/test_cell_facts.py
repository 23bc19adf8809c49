"""Cell facts against loops over cells."""

import numpy as np
import pytest

from comp.cells.cell_facts import NAMES_OF_GREEN, cell_facts, summary
from comp.cells.segmenter import Masks

GENERATOR = np.random.default_rng(0)
GREEN = GENERATOR.integers(0, 256, (40, 50), np.uint8)
CELLS, NUCLEI = (np.zeros((40, 50), np.uint16) for _ in range(2))
for number, (top, left, side) in enumerate([(0, 5, 9), (12, 12, 12), (20, 30, 15)], start=1):
    CELLS[top : top + side, left : left + side + number] = number
    NUCLEI[top + 2 : top + 6 + number, left + 2 : left + 6] = number


def test_they_are_what_a_loop_over_cells_finds():
    found = cell_facts(Masks(NUCLEI, CELLS), GREEN)
    inside = [GREEN[number == CELLS].astype(float) for number in (1, 2, 3)]
    nuclear = [GREEN[number == NUCLEI].astype(float) for number in (1, 2, 3)]
    around = [GREEN[(number == CELLS) & (NUCLEI == 0)].astype(float) for number in (1, 2, 3)]
    means = [np.mean(each) for each in inside]
    ratios = [np.log2((np.mean(a) + 1) / (np.mean(b) + 1)) for a, b in zip(nuclear, around, strict=True)]
    uneven = [np.std(each) / np.mean(each) for each in inside]
    areas, nucleus_areas = ([np.sum(labels == number) for number in (1, 2, 3)] for labels in (CELLS, NUCLEI))
    quarter, three = np.percentile(areas, [25, 75])
    expected = {
        "cells": 3, "at_border": 1 / 3, "covered": np.mean(CELLS > 0), "cell_area": np.median(areas) / 2000,
        "cell_area_spread": (three - quarter) / np.median(areas), "nucleus_area": np.median(nucleus_areas) / 2000,
        "nucleus_share": np.median(np.divide(nucleus_areas, areas)),
        "green": np.mean(means), "green_spread": np.std(means) / np.mean(means),
        "nuclear_green": np.mean(ratios), "nuclear_green_spread": np.std(ratios), "uneven_green": np.mean(uneven),
        "uneven_green_spread": np.std(uneven),
    }  # fmt: skip
    assert set(expected) == set(found) - {"nucleus_area_spread"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_what_is_not_known_is_empty():
    without_green = cell_facts(Masks(NUCLEI, CELLS), None)
    assert all(np.isnan(without_green[name]) for name in NAMES_OF_GREEN)
    assert without_green["cells"] == 3
    only_nuclei = cell_facts(Masks(NUCLEI, None), GREEN)
    assert np.isnan([only_nuclei[name] for name in ("cell_area", "nucleus_share", "nuclear_green")]).all()
    assert only_nuclei["nucleus_area"] == cell_facts(Masks(NUCLEI, CELLS), GREEN)["nucleus_area"]
    nothing = cell_facts(Masks(np.zeros_like(NUCLEI), np.zeros_like(CELLS)), GREEN)
    assert (nothing["cells"], nothing["covered"]) == (0, 0)
    assert np.isnan(nothing["nucleus_area"])
    assert set(nothing) == set(without_green) == set(only_nuclei)


def test_nuclei_smaller_than_a_pixel_have_an_area_of_0_and_no_spread():
    found = cell_facts(Masks(np.where(NUCLEI == 3, 3, 0).astype(np.uint16), CELLS), GREEN)
    assert found["nucleus_area"] == 0
    assert np.isnan(found["nucleus_area_spread"])
    assert np.isfinite([found["cell_area_spread"], found["nuclear_green"]]).all()


def test_black_green_is_finite():
    found = cell_facts(Masks(NUCLEI, CELLS), np.zeros_like(GREEN))
    assert np.isfinite(list(found.values())).all()


def test_the_summary_leaves_out_what_is_not_known():
    assert summary({"cells": np.array([1.0, 2.0, np.nan, 3.0])}) == [["cells", "1.2", "2", "2.8"]]
    assert summary({"green": np.array([np.nan])}) == [["green", "-", "-", "-"]]
