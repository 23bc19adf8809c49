"""The label space: class names, their tokens in a CSV, and label strings as a multi-hot matrix."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError, DataError
from comp.competition.ids import shorten


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a competition, in the column order of every array.

    Attributes:
        names: the names of the classes for people, e.g. "Nucleoplasm".
        tokens: what the competition's tables write for each class, e.g. "0".
        separator: what stands between the tokens of a label string.
    """

    names: tuple[str, ...]
    tokens: tuple[str, ...]
    separator: str = " "
    _column: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.tokens):
            raise ConfigError(f"{len(self.names)} class names for {len(self.tokens)} tokens", "give every token one name")
        for what, values in (("class name", self.names), ("token", self.tokens)):
            if repeated := [value for value, count in Counter(values).items() if count > 1]:
                raise ConfigError(f"{what} {shorten(sorted(repeated)[0])!r} appears twice", "give every class its own")
        if wrong := [token for token in self.tokens if self.split(token) != [token]]:
            then = "choose another `columns.separator` in the competition's YAML, or other tokens"
            raise ConfigError(f"token {shorten(wrong[0])!r} is divided by the separator of labels, {self.separator!r}", then)
        object.__setattr__(self, "_column", {token: column for column, token in enumerate(self.tokens)})

    @classmethod
    def numbered(cls, names: Sequence[str]) -> "LabelSpace":
        """Classes whose tokens are their numbers, as in HPA."""
        return cls(tuple(names), tuple(str(number) for number in range(len(names))))

    def __len__(self) -> int:
        return len(self.names)

    def only(self, columns: Sequence[int]) -> "LabelSpace":
        """The class subset of these columns, with its tokens."""
        names, tokens = (tuple(values[column] for column in columns) for values in (self.names, self.tokens))
        return LabelSpace(names, tokens, self.separator)

    def split(self, string: str) -> list[str]:
        """The tokens of a label string."""
        return split_labels(string, self.separator)

    def multi_hot(self, strings: Iterable[str], ids: Sequence[str], source: str) -> NDArray[np.bool_]:
        """Label strings such as "16 0" as a matrix (N, C). An empty string gives a row without labels.

        Raises:
            DataError: a label is unknown; the message names the file `source` and the id.
        """
        matrix = np.zeros((len(ids), len(self)), bool)
        for row, string in enumerate(strings):
            for token in self.split(string):
                if token not in self._column:
                    raise DataError(
                        f"{source}: unknown label {shorten(token)!r} of id {ids[row]}",
                        f"correct the row, or add the class to the competition's YAML (it has {self.tokens[0]} to {self.tokens[-1]})",
                    )
                matrix[row, self._column[token]] = True
        return matrix

    def strings(self, matrix: NDArray[np.bool_]) -> list[str]:
        """The inverse of `multi_hot`: tokens in class order."""
        return [self.separator.join(self.tokens[column] for column in np.flatnonzero(row)) for row in matrix]

    def most_frequent(self, matrix: NDArray[np.bool_], count: int) -> list[int]:
        """Columns of the `count` classes with most positive rows of `matrix` (N, C), in class order. Of equally frequent ones, the first.

        Raises:
            ConfigError: there are fewer classes than that.
        """
        if count > len(self):
            raise ConfigError(f"there are no {count} classes", f"ask for at most {len(self)}")
        return sorted(np.argsort(-matrix.sum(axis=0), kind="stable")[:count].tolist())

    def columns(self, chosen: Iterable[str | int]) -> list[int]:
        """Columns of classes given by name, token or column number, in the order given.

        Raises:
            ConfigError: a class does not exist.
        """
        found = []
        for choice in chosen:
            if str(choice) in self._column:
                found.append(self._column[str(choice)])
            elif choice in self.names:
                found.append(self.names.index(str(choice)))
            elif isinstance(choice, int) and 0 <= choice < len(self):
                found.append(choice)
            else:
                near = difflib.get_close_matches(str(choice), self.names, n=1)
                then = f"did you mean {near[0]!r}?" if near else f"use a name or token of: {', '.join(self.names)}"
                raise ConfigError(f"unknown class {choice!r}", then)
        return found


def split_labels(string: str, separator: str) -> list[str]:
    """The labels of a string, without the spaces around them."""
    return string.split() if separator == " " else [label for part in string.split(separator) if (label := part.strip())]


def label_priors(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(C,) share of the images (N, C) with each label. Half an image with and half a one without it are added, to avoid 0 and 1."""
    return (labels.sum(axis=0) + 0.5) / (len(labels) + 1)
