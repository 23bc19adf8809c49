"""The label space: class names, the tokens that stand for them in a CSV, and the multi-hot matrix."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comp.errors import ConfigError, DataError


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a competition, in the order of the columns of every array in this toolkit.

    Attributes:
        names: what a person calls each class, e.g. "Nucleoplasm".
        tokens: what the competition's tables write for it, e.g. "0".
    """

    names: tuple[str, ...]
    tokens: tuple[str, ...]
    _column: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.tokens):
            raise ConfigError(f"{len(self.names)} class names for {len(self.tokens)} tokens", "give one token a name")
        for what, values in (("class name", self.names), ("token", self.tokens)):
            if repeated := {value for value in values if values.count(value) > 1}:
                raise ConfigError(f"{what} {sorted(repeated)[0]!r} appears twice", "give every class its own")
        object.__setattr__(self, "_column", {token: column for column, token in enumerate(self.tokens)})

    @classmethod
    def numbered(cls, names: Sequence[str]) -> "LabelSpace":
        """Classes whose tokens are their numbers, as in HPA."""
        return cls(tuple(names), tuple(str(number) for number in range(len(names))))

    def __len__(self) -> int:
        return len(self.names)

    def only(self, columns: Sequence[int]) -> "LabelSpace":
        """The classes of these columns alone, with their tokens."""
        return LabelSpace(tuple(self.names[column] for column in columns), tuple(self.tokens[column] for column in columns))

    def multi_hot(self, strings: Iterable[str], ids: Sequence[str], source: str) -> NDArray[np.bool_]:
        """Label strings such as "16 0" as a matrix (N, C); an empty string is a row without labels.

        Raises:
            DataError: an unknown label; the message names the file `source` and the id.
        """
        matrix = np.zeros((len(ids), len(self)), bool)
        for row, string in enumerate(strings):
            for token in string.split():
                if token not in self._column:
                    raise DataError(
                        f"{source}: unknown label {token!r} of id {ids[row]}",
                        f"correct the row, or add the class to the competition's YAML (it has {self.tokens[0]} to {self.tokens[-1]})",
                    )
                matrix[row, self._column[token]] = True
        return matrix

    def strings(self, matrix: NDArray[np.bool_]) -> list[str]:
        """The inverse of `multi_hot`: tokens in the order of the classes, separated by spaces."""
        return [" ".join(self.tokens[column] for column in np.flatnonzero(row)) for row in matrix]

    def most_frequent(self, matrix: NDArray[np.bool_], count: int) -> list[int]:
        """Columns of the `count` labels with most rows of `matrix` (N, C), in the order of the classes; of equals the first ones.

        Raises:
            ConfigError: there are not so many classes.
        """
        if count > len(self):
            raise ConfigError(f"there are no {count} classes", f"ask for at most {len(self)}")
        return sorted(np.argsort(-matrix.sum(axis=0), kind="stable")[:count].tolist())

    def columns(self, chosen: Iterable[str | int]) -> list[int]:
        """Columns of classes given by name, token or number, in the order given.

        Raises:
            ConfigError: a class that does not exist.
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


def shares(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(C,) the share of images (N, C) that carry each label, kept from 0 and 1 by half an image with it and half a one without."""
    return (labels.sum(axis=0) + 0.5) / (len(labels) + 1)
