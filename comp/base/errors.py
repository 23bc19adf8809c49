"""The errors a user can cause: one line that says what happened and what to type next."""


class CompError(Exception):
    """A mistake in the input, not in the program; pipelines print it on one line and exit with code 2.

    Args:
        what: what happened, naming the file.
        then: what to do about it, if possible a command to type.
    """

    def __init__(self, what: str, then: str) -> None:
        super().__init__(f"{what}: {then}")
        self.what = what
        self.then = then

    def __reduce__(self) -> tuple[type["CompError"], tuple[str, str]]:
        return type(self), (self.what, self.then)  # crosses process borders whole


class ConfigError(CompError):
    """A YAML file or an option that does not fit its schema."""


class DataError(CompError):
    """A table or an image that is missing, unreadable or contradicts another one."""


class FoldError(CompError):
    """A fold map that cannot be made, or that does not fit what was made with it."""


class PredictionError(CompError):
    """A prediction file that breaks the contract."""


class DamagedError(PredictionError):
    """A file whose content is not what was written."""


class SubmissionError(CompError):
    """A submission that is not valid, or that Kaggle did not take."""
