import numpy as np

from comp.neighbours.nearest import Nearest
from comp.neighbours.review import review

IDS = ("a", "b", "c", "d", "e")
LABELS = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [1, 1]], bool)
STRINGS = ("0", "0", "1", "", "0 1")
GROUPS = ("A", "B", "A", "A", "B")


def test_images_whose_neighbours_share_no_label_and_pairs_that_look_alike():
    places = np.array([[1, 4], [0, 2], [0, 1], [0, 1], [2, 0]])
    similarity = np.array([[0.9, 0.1], [0.9, 0.5], [0.7, 0.6], [0.99, 0.9], [0.2, 0.1]])
    found = review(IDS, LABELS, STRINGS, GROUPS, np.arange(5), Nearest(places, similarity))
    wrong = found[found["why"] == "labels"]
    assert wrong["id"].tolist() == ["c"]  # d has no label that could be wrong
    assert wrong["neighbours"].tolist() == ["a b"]
    assert wrong["their labels"].tolist() == ["0; 0"]
    assert wrong["similarity"].tolist() == ["0.6500"]
    assert wrong["of its group"].tolist() == ["1 of 2"]
    alike = found[found["why"] == "look-alike"]
    assert alike[["id", "neighbours", "of its group"]].to_numpy().tolist()[0] == ["d", "a", "1 of 1"]
    assert sorted(map(tuple, alike[["id", "neighbours"]].to_numpy().tolist())) == [("a", "b"), ("c", "a"), ("d", "a"), ("e", "c")]


def test_the_most_suspicious_come_first():
    places, labels = np.zeros((3, 1), int), np.array([[1, 0], [0, 1], [0, 1]], bool)
    found = review(IDS[:3], labels, STRINGS[:3], GROUPS[:3], np.array([1, 2]), Nearest(places[:2], np.array([[0.2], [0.8]])))
    assert found[found["why"] == "labels"]["id"].tolist() == ["c", "b"]
