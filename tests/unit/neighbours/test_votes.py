import numpy as np
import pytest

from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.neighbours.nearest import Nearest, nearest
from comp.neighbours.votes import Voters, agreement, class_similarity, vote
from tests.unit.neighbours.test_nearest import slowly, unit

LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
PRIOR = np.array([0.5, 0.25, 0.01])


def found(*rows: tuple[list[int], list[float]]) -> Nearest:
    return Nearest(np.array([places for places, _ in rows]), np.array([similarity for _, similarity in rows]))


def test_votes_are_weighted_means_of_labels_and_prior():
    settings = VoteSettings(temperature=0.5, prior=0.2)
    logits = vote(found(([0, 1, 3], [1.0, 0.5, -0.5])), LABELS, PRIOR, settings)
    weights = [1.0, np.exp(-1), np.exp(-3)]
    expected = (weights[0] * LABELS[0] + weights[1] * LABELS[1] + weights[2] * LABELS[3] + 0.2 * PRIOR) / (sum(weights) + 0.2)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[0])), expected)


def test_far_neighbours_do_not_change_the_prior():
    logits = vote(found(([0, 1], [-1.0, -1.0])), LABELS, PRIOR, VoteSettings(temperature=0.01))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[0])), PRIOR)


def test_an_image_does_not_vote_for_itself():
    vectors, labels = unit(30, 3), np.random.default_rng(4).random((30, 3)) < 0.4
    vectors[7] = vectors[21]  # its copy votes for it
    ids, settings = [f"{row:02d}" for row in range(30)], VoteSettings(count=4)
    found = Voters(vectors, labels, ids).logits_of_voters(settings)
    for row in range(30):
        others = [number for number in range(30) if number != row]
        places, similarity = slowly(vectors[row : row + 1], vectors[others], [ids[other] for other in others], 4)
        prior = (labels.sum(axis=0) + 0.5) / 31
        np.testing.assert_allclose(found[row], vote(Nearest(places, similarity), labels[others], prior, settings)[0], rtol=1e-5)


def test_an_image_with_many_copies_is_still_no_neighbour_of_itself():
    vectors = np.repeat(unit(1, 6), 9, axis=0)
    found = nearest(vectors, vectors, [f"{row}" for row in range(9)], 4).without_self(np.arange(9))
    assert found.places.shape == (9, 3)
    assert not (found.places == np.arange(9)[:, None]).any()


def test_a_single_voter_gets_the_prior():
    found = Voters(unit(1, 0), np.array([[True, False]]), ["a"]).logits_of_voters(VoteSettings())
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), [[0.75, 0.25]], rtol=1e-5)


def test_class_similarity_is_the_largest_over_all_images_of_the_class():
    queries, candidates, labels = unit(9, 0), unit(40, 1), np.random.default_rng(2).random((40, 5)) < 0.3
    labels[:, 4] = False
    similarity = class_similarity(queries, candidates, labels, [f"{row:02d}" for row in range(40)])
    expected = [(queries.astype(float) @ candidates[labels[:, column]].astype(float).T).max(axis=1) for column in range(4)]
    np.testing.assert_allclose(similarity[:, :4], np.column_stack(expected), rtol=0, atol=1e-12)
    assert np.isnan(similarity[:, 4]).all()


@pytest.mark.parametrize(
    ("places", "expected"), [([0, 0, 0], 1.0), ([0, 2, 3], 0.0), ([0, 1, 2], (0.5 + 0 + 0.5) / 3), ([3, 3, 3], 1.0), ([0], 1)]
)
def test_agreement_is_the_mean_similarity_of_label_sets(places, expected):
    assert agreement(found((places, [0.5] * len(places))), LABELS)[0] == pytest.approx(expected)
