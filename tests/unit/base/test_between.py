"""Bounds are those of pydantic: the same values pass, and the same texts say why others do not."""

import math
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from comp.base.between import Between

VALUES: list[Any] = [-1, 0, 1, 2, 3, 0.5, 1.5, 10**30, -1e99, math.inf, -math.inf, math.nan, "1", "1e0", "much", "", True, None, [1]]


def checked(annotation: Any, value: Any) -> tuple[Any, str]:
    try:
        return TypeAdapter(annotation).validate_python(value), ""
    except ValidationError as error:
        return None, error.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Annotated[int, Between(1, 2)], Annotated[int, Ge(1), Le(2)]),
        (Annotated[int, Between(0)], Annotated[int, Ge(0)]),
        (Annotated[int, Between(above=0, below=3)], Annotated[int, Gt(0), Lt(3)]),
        (Annotated[float, Between(0.5, 2)], Annotated[FiniteFloat, Ge(0.5), Le(2)]),
        (Annotated[float, Between(above=0, below=1)], Annotated[FiniteFloat, Gt(0), Lt(1)]),
        (Annotated[float, Between(above=0)], Annotated[FiniteFloat, Gt(0)]),
        (dict[Annotated[int, Between(0)], Annotated[float, Between(most=1)]], dict[Annotated[int, Ge(0)], Annotated[FiniteFloat, Le(1)]]),
    ],
)
def test_bounds_and_texts_are_those_of_pydantic(ours: Any, theirs: Any) -> None:
    for value in [*VALUES, *({1: each} for each in VALUES), {-1: 0.5}]:
        assert checked(ours, value) == checked(theirs, value), value


def test_only_bounds_that_were_given_are_shown() -> None:
    assert repr(Between(1, most=2)) == "Between(least=1, most=2)"
    assert repr(Between(above=0)) == "Between(above=0)"
