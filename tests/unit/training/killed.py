"""Training that is killed on purpose."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from comp.training.torch_checkpoint import TrainingState


class Killed(BaseException):
    pass


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Training inside this context dies as soon as its checkpoint of that step is written."""
    save = TrainingState.save

    def save_and_die(self: TrainingState) -> None:
        save(self)
        if self.step == step:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "save", save_and_die)
        with pytest.raises(Killed):
            yield
