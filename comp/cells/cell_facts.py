"""Numbers about the cells of an image: how many, how large, and where the protein is in them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from comp.cells.cell_table import cell_table
from comp.cells.segmenter import Masks

Facts = dict[str, float]
Values = NDArray[np.float64]


def cell_facts(masks: Masks, green: NDArray[np.generic] | None) -> Facts:
    """The facts of one image; NaN where nothing is known.

    - `cells`: their number; `at_border`: the share that touches the border; `covered`: the share of the image that cells cover.
    - `cell_area`, `nucleus_area`: medians, as shares of the image's area; `..._spread`: the range of the middle half
      of them, over the median. `nucleus_share`: the median share of a cell that is nucleus.
    - `green`: the mean over cells of a cell's mean; `green_spread`: the deviation over cells of that, over the mean of all.
    - `nuclear_green`: the mean over cells of log2 of green in the nucleus over green around it; `nuclear_green_spread`: its deviation.
    - `uneven_green`: the mean over cells of the deviation inside a cell over its mean; `uneven_green_spread`: its deviation over cells.

    Args:
        green: the channel (H, W) of the protein; None if there is none.
    """
    table, pixels = cell_table("", masks), masks.nuclei.size
    outlined = masks.nuclei if masks.cells is None else masks.cells
    nucleus_areas = table["nucleus_area"].to_numpy(np.float64)
    areas = np.bincount(outlined.ravel(), minlength=1)[table["cell"].to_numpy()].astype(np.float64)
    facts = {
        "cells": float(len(table)),
        "at_border": _mean(table["touches_border"].to_numpy(np.float64)),
        "covered": float((outlined > 0).mean()),
        "nucleus_area": _median(nucleus_areas) / pixels,
        "nucleus_area_spread": _spread(nucleus_areas),
        **_of_cells(areas, nucleus_areas, pixels, masks.cells is not None),
    }
    return facts | _of_green(masks, table["cell"].to_numpy(), green)


NAMES_OF_GREEN = ("green", "green_spread", "nuclear_green", "nuclear_green_spread", "uneven_green", "uneven_green_spread")


def _of_cells(areas: Values, nucleus_areas: Values, pixels: int, known: bool) -> Facts:
    if not known:
        return dict.fromkeys(("cell_area", "cell_area_spread", "nucleus_share"), np.nan)
    return {
        "cell_area": _median(areas) / pixels,
        "cell_area_spread": _spread(areas),
        "nucleus_share": _median(nucleus_areas / np.maximum(areas, 1)),
    }


def _of_green(masks: Masks, numbers: NDArray[np.int64], green: NDArray[np.generic] | None) -> Facts:
    if green is None or not len(numbers):
        return dict.fromkeys(NAMES_OF_GREEN, np.nan)
    values = green.astype(np.float64)
    if masks.cells is None:
        of_cell, uneven = _means(values, masks.nuclei, numbers)
        ratio = np.full(len(numbers), np.nan)
    else:
        of_cell, uneven = _means(values, masks.cells, numbers)
        inside, _ = _means(values, masks.nuclei, numbers)
        around, _ = _means(values, np.where(masks.nuclei > 0, 0, masks.cells), numbers)
        ratio = np.log2((inside + 1) / (around + 1))  # one grey value more, so that black counts too
    everywhere = max(_mean(of_cell), 1e-9)
    found = (_mean(of_cell), _deviation(of_cell) / everywhere, _mean(ratio), _deviation(ratio), _mean(uneven), _deviation(uneven))
    return dict(zip(NAMES_OF_GREEN, found, strict=True))


def _means(values: Values, labels: NDArray[np.integer], numbers: NDArray[np.int64]) -> tuple[Values, Values]:
    """The mean of `values` (H, W) in each labelled object, and the deviation over the mean; NaN where an object has no pixel."""
    most = int(numbers.max()) + 1
    flat = labels.ravel()
    count, total, squares = (np.bincount(flat, weights, minlength=most)[numbers] for weights in (None, values.ravel(), values.ravel() ** 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return mean, deviation / np.maximum(mean, 1)


def _mean(values: Values) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _deviation(values: Values) -> float:
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) else np.nan


def _median(values: Values) -> float:
    return float(np.median(values)) if len(values) else np.nan


def _spread(values: Values) -> float:
    """The range of the middle half over the median; NaN if that is 0, where most nuclei are smaller than a pixel."""
    if not len(values) or not np.median(values):
        return np.nan
    low, high = np.percentile(values, [25, 75])
    return float((high - low) / np.median(values))


def summary(columns: Mapping[str, Values]) -> list[list[str]]:
    """Rows of a table: each fact with the values that a tenth, half and nine tenths of the images do not exceed."""
    rows = []
    for name, values in columns.items():
        known = values[np.isfinite(values)]
        shown = [f"{value:.3g}" for value in np.percentile(known, [10, 50, 90])] if len(known) else ["-"] * 3
        rows.append([name, *shown])
    return rows
