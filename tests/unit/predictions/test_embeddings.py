import numpy as np
import pytest

from comp.base.errors import PredictionError
from comp.folds.fold_map import FoldMap
from comp.neighbours.held_out import held_out_neighbours
from comp.predictions.embeddings import Embeddings, read_embeddings, side_by_side
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Provenance
from tests.unit.neighbours.test_nearest import slowly, unit

IDS = tuple(f"image-{number:02d}" for number in range(30))
FOLD = np.array([*np.arange(24) % 3, *[-1] * 6], np.int8)


def embeddings(seed=0, fold=0, ids=IDS):
    made = Provenance(competition="tiny", model="net", kind="embeddings", fold=fold, classes=("a", "b"), folds="f" * 16, data="d" * 16)
    return Embeddings(ids, FOLD, unit(30, seed), made)


def test_a_file_gives_back_what_was_written_and_equal_ones_have_equal_bytes(tmp_path):
    for name in ("one", "two"):
        embeddings().write(tmp_path / name)
    found = read_embeddings(tmp_path / "one")
    assert (found.ids, found.provenance) == (IDS, embeddings().provenance)
    np.testing.assert_array_equal(found.vectors, embeddings().vectors)
    np.testing.assert_array_equal(found.fold, FOLD)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    np.testing.assert_array_equal(found.of(["image-07", "image-01"]), embeddings().vectors[[7, 1]])


def test_files_of_another_kind_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "file.parquet"
    with pytest.raises(PredictionError, match=r"there is no .*file\.parquet"):
        read_embeddings(path)
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(PredictionError, match="cannot be read as Parquet"):
        read_embeddings(path)
    logits = np.zeros((30, 2), np.float32)
    Predictions(IDS, FOLD, logits, embeddings().provenance.model_copy(update={"kind": "oof"})).write(path)
    with pytest.raises(PredictionError, match="is not an embedding file: make it again"):
        read_embeddings(path)


def test_an_id_without_embedding_a_repeated_one_and_nan_are_refused():
    with pytest.raises(
        PredictionError, match="net has no embedding of id nobody: give an id of its tables, or make them again: make fold-0"
    ):
        embeddings().of(["image-01", "nobody"])
    with pytest.raises(PredictionError, match="hold an id twice"):
        embeddings(ids=(*IDS[:-1], IDS[0]))
    vectors = unit(30, 0)
    vectors[3, 2] = np.nan
    with pytest.raises(PredictionError, match="not finite for id image-03"):
        Embeddings(IDS, FOLD, vectors, embeddings().provenance)


def test_the_similarity_by_several_models_is_the_mean_of_their_similarities():
    order = np.random.default_rng(5).permutation(30)
    other = Embeddings(tuple(IDS[row] for row in order), FOLD[order], unit(30, 1)[order], embeddings().provenance)
    both = side_by_side([embeddings(), other]).vectors.astype(float)
    expected = (unit(30, 0).astype(float) @ unit(30, 0).T + unit(30, 1).astype(float) @ unit(30, 1).T) / 2
    np.testing.assert_allclose(both @ both.T, expected, atol=1e-6)


def test_held_out_images_have_neighbours_in_other_folds_only_by_their_own_networks_vectors():
    networks = [embeddings(seed, fold) for seed, fold in ((7, 0), (8, 1), (9, 2))]
    folds = FoldMap(IDS, FOLD, IDS)
    rows, found = held_out_neighbours(networks, folds, 4)
    assert sorted(rows) == list(range(24))
    for row, places, similarity in zip(rows, found.places, found.similarity, strict=True):
        others = np.flatnonzero((FOLD[row] != FOLD) & (FOLD >= 0))
        vectors = networks[FOLD[row]].vectors
        expected, values = slowly(vectors[[row]], vectors[others], [IDS[other] for other in others], 4)
        np.testing.assert_array_equal(places, others[expected[0]])
        np.testing.assert_allclose(similarity, values[0], atol=1e-12)
