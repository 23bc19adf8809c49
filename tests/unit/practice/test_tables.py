"""The tables of the practice competition: shares, groups and distributions, over many seeds."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from comp.base.errors import ConfigError
from comp.practice.tables import PracticeSpec, draw_tables

SPECS = [PracticeSpec(seed=seed) for seed in range(4)]


@pytest.fixture(scope="module")
def tables() -> list[pd.DataFrame]:
    return [draw_tables(spec) for spec in SPECS]


def frequency(rows: pd.DataFrame) -> NDArray[np.float64]:
    counts = np.zeros(28)
    for labels in rows["labels"]:
        counts[list(labels)] += 1
    return counts / len(rows)


def published_wrong(rows: pd.DataFrame) -> float:
    drawn = [" ".join(map(str, labels)) for labels in rows["labels"]]
    return float((rows["target"] != drawn).mean())


def test_same_seed_same_table() -> None:
    small = PracticeSpec(train=200, test=50, unshifted=50, seed=3)
    pd.testing.assert_frame_equal(draw_tables(small), draw_tables(small))
    assert set(draw_tables(small)["id"]).isdisjoint(draw_tables(small.model_copy(update={"seed": 4}))["id"])


def test_number_of_images_of_each_usage(tables: list[pd.DataFrame]) -> None:
    for spec, table in zip(SPECS, tables, strict=True):
        count = table["usage"].value_counts()
        assert count["train"] == spec.train
        assert count["unshifted"] == spec.unshifted
        assert count["public"] + count["private"] == spec.test
        assert count["public"] == round(spec.public * spec.test)
        assert table["id"].is_unique
        assert table["id"].is_monotonic_increasing
        assert table["field_seed"].nunique() == (table["duplicate_of"] == "").sum()


def test_ids_say_nothing_of_usage_or_antibody(tables: list[pd.DataFrame]) -> None:
    """The order of the ids is unrelated to the usage: train rows have the same mean rank as the others."""
    for table in tables:
        rank = np.arange(len(table)) / len(table)
        assert abs(rank[table["usage"] == "train"].mean() - 0.5) < 0.05
        neighbours = table["antibody"].to_numpy()
        assert (neighbours[1:] == neighbours[:-1]).mean() < 0.02


@pytest.mark.parametrize("seed", range(12))
def test_every_class_in_five_antibodies_of_train(seed: int) -> None:
    for spec in (PracticeSpec(seed=seed), PracticeSpec(train=200, test=20, unshifted=20, seed=seed, wrong_labels=0.3)):
        table = draw_tables(spec)
        train = table[table["usage"] == "train"]
        for label in range(28):
            drawn = train["labels"].map(lambda labels, label=label: label in labels)
            published = train["target"].map(lambda target, label=label: str(label) in target.split())
            assert train[drawn]["antibody"].nunique() >= 5
            assert train[published]["antibody"].nunique() >= 5


def test_imbalance_and_number_of_labels_are_real_in_miniature(tables: list[pd.DataFrame]) -> None:
    share = np.mean([frequency(table[table["usage"] == "train"]) for table in tables], axis=0)
    assert np.argmax(share) == 0
    assert np.argsort(-share)[1] == 25
    assert share[0] > 0.3
    assert share[[8, 9, 10, 15, 27]].max() < 0.06
    assert 1.4 < share.sum() < 1.9


def test_unshifted_is_distributed_as_train(tables: list[pd.DataFrame]) -> None:
    """Each class is as frequent as in train, up to random variation; the shifted test differs more."""
    apart = {"unshifted": [], "test": []}  # type: dict[str, list[NDArray[np.float64]]]
    for table in tables:
        train = frequency(table[table["usage"] == "train"])
        apart["unshifted"].append(frequency(table[table["usage"] == "unshifted"]) - train)
        apart["test"].append(frequency(table[table["usage"].isin(["public", "private"])]) - train)
    assert np.abs(apart["unshifted"]).max() < 0.05
    assert np.abs(np.mean(apart["unshifted"], axis=0)).max() < 0.02
    assert np.abs(apart["test"]).sum() > 2 * np.abs(apart["unshifted"]).sum()


def test_no_class_is_missing_from_the_unshifted_images(tables: list[pd.DataFrame]) -> None:
    for table in tables:
        assert (frequency(table[table["usage"] == "unshifted"]) > 0).all()


@pytest.mark.parametrize("shared", [0.0, 0.25, 0.6, 1.0])
def test_known_share_of_antibodies(shared: float) -> None:
    for seed in range(3):
        table = draw_tables(PracticeSpec(seed=seed, shared_antibodies=shared))
        train = set(table[table["usage"] == "train"]["antibody"])
        for usages in (["unshifted"], ["public", "private"]):
            rows = table[table["usage"].isin(usages)]
            assert rows["antibody"].isin(train).mean() == pytest.approx(shared, abs=0.01)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.2])
def test_same_share_of_wrong_labels_everywhere(share: float) -> None:
    table = draw_tables(PracticeSpec(wrong_labels=share))
    for usages in (["train"], ["unshifted"], ["public", "private"]):
        assert published_wrong(table[table["usage"].isin(usages)]) == pytest.approx(share, abs=0.003)
    assert (table["target"] != "").all()


def test_near_duplicates_stay_together(tables: list[pd.DataFrame]) -> None:
    for spec, table in zip(SPECS, tables, strict=True):
        rows = table.set_index("id")
        duplicates = rows[rows["duplicate_of"] != ""]
        originals = rows.loc[duplicates["duplicate_of"]]
        for column in ("antibody", "well", "cell_line", "labels", "field_seed", "faint"):
            assert (duplicates[column].to_numpy() == originals[column].to_numpy()).all()
        folder = {"train": "train", "unshifted": "unshifted", "public": "test", "private": "test"}
        assert (duplicates["usage"].map(folder).to_numpy() == originals["usage"].map(folder).to_numpy()).all()
        assert (duplicates["take_seed"].to_numpy() != originals["take_seed"].to_numpy()).all()
        assert (duplicates[["moved_x", "moved_y"]].abs().sum(axis=1) > 0).all()
        share = (table[table["usage"] == "train"]["duplicate_of"] != "").mean()
        assert share == pytest.approx(spec.near_duplicates, abs=0.005)


def test_groups_nest(tables: list[pd.DataFrame]) -> None:
    """A well belongs to one antibody and one cell line, an antibody has one label set and several wells."""
    for table in tables:
        for column in ("antibody", "cell_line", "well_seed", "faint"):
            assert (table.groupby("well")[column].nunique() == 1).all()
        for column in ("labels", "antibody_seed"):
            assert (table.groupby("antibody")[column].nunique() == 1).all()
        assert table.groupby("antibody")["well"].nunique().mean() > 1.2
        train = table[table["usage"] == "train"]
        assert train.groupby("antibody").size().mean() == pytest.approx(3.0, abs=0.5)
        assert 0.02 < table.groupby("well")["faint"].first().mean() < 0.12


def test_too_small_for_the_groups_is_an_error() -> None:
    with pytest.raises(ConfigError, match="60 train images are too few"):
        draw_tables(PracticeSpec(train=60))
    assert len(draw_tables(PracticeSpec(train=60, test=10, unshifted=10, groups_per_class=2))) == 80


@pytest.mark.parametrize("values", [{"size": 31}, {"size": 4096}, {"shared_antibodies": 1.2}, {"train": 0}, {"trian": 5}])
def test_bad_spec_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PracticeSpec.model_validate(values)
