import numpy as np
import pandas as pd
import pytest

from comp.base.errors import DataError
from comp.folds.fold_map import FoldMap
from comp.imputation.held_out_scores import held_out_scores, questions
from comp.imputation.score_table import score_text, summary
from comp.metrics.psnr import psnr

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 255, (12, 16, 16, 3), dtype=np.uint8)
IMAGES[1, ..., 2] = 0
FOLDS = FoldMap(tuple(f"i{row}" for row in range(12)), (np.arange(12) % 3).astype(np.int8), tuple(f"g{row // 2}" for row in range(12)))


class Halved:
    """Draws half of the truth, which it knows."""

    channels = ("red", "green", "blue")

    def __call__(self, images, given):
        return np.where(given, images, images // 2)


def test_questions_are_all_others_for_each_and_each_alone_for_all_others():
    asked = [(each.name, each.given.tolist(), each.drawn) for each in questions(("a", "b", "c"))]
    assert asked[:3] == [("all others", [j != i for j in range(3)], (i,)) for i in range(3)]
    assert asked[3:] == [(name, [j == i for j in range(3)], tuple({0, 1, 2} - {i})) for i, name in enumerate("abc")]
    assert [each.name for each in questions(("a", "b"))] == ["a", "b"]


def test_every_held_out_image_is_scored_by_its_fold_and_black_channels_are_not():
    scores = held_out_scores(FOLDS, {0: Halved(), 1: Halved()}, IMAGES)
    assert set(scores["id"]) == {f"i{row}" for row in range(12) if row % 3 != 2}
    drawn = scores[(scores["drawn"] == "blue") & (scores["given"] == "all others") & (scores["method"] == "generator")].set_index("id")
    assert len(drawn) == 7
    assert "i1" not in drawn.index
    assert drawn.loc["i4", "psnr"] == pytest.approx(psnr(IMAGES[[4], ..., 2], IMAGES[[4], ..., 2] // 2)[0])
    assert drawn.loc["i4", "fold"] == 1
    assert len(scores) == (8 * 9 - 3) * 3


def test_black_images_have_no_table():
    scores = held_out_scores(FOLDS, {0: Halved()}, np.zeros_like(IMAGES))
    assert scores.empty
    with pytest.raises(DataError, match="every channel of the images is black, so there is nothing to score: give images with some light"):
        summary(scores)


def test_the_table_has_means_and_paired_gains_over_the_better_baseline():
    rows = [
        {"id": f"i{image}", "group": image // 2, "given": "green", "drawn": "red", "method": method, "psnr": value + image, "ssim": 0.1,
         "correlation": 0.2}
        for image in range(6) for method, value in {"generator": 30, "copying": 10, "regression": 28}.items()
    ]  # fmt: skip
    table = summary(pd.DataFrame(rows))
    first = table[table["measure"] == "psnr"].iloc[0]
    assert (first["generator"], first["copying"], first["regression"], first["images"]) == (32.5, 12.5, 30.5, 6)
    assert (first["better"], first["gain"], first["gain_error"]) == ("regression", 2, 0)
    sums = np.array([-4.0, 0, 4])
    assert first["generator_error"] == pytest.approx(np.sqrt(1.5 * (sums**2).sum()) / 6)
    text = score_text(table)
    assert "32.50 +- 1.15" in text
    assert text.endswith("better than both baselines in 1 of 3, by more than two standard errors in 1")
