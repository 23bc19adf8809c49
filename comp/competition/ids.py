"""Which ids a table may hold, and which name an image. An id becomes part of paths, so one that could leave its folder is refused."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from comp.base.errors import DataError

MOST_BYTES = 255  # of a file name on the usual file systems
SHOWN = 40
_SUSPECT = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]|^\s|\s$|^[A-Za-z]:[/\\]|(?:^|[/\\])\.{0,2}(?:[/\\]|$)")


def check_ids(ids: Sequence[str], source: Path) -> None:
    """Check that ids are safe as parts of paths, and differ. A slash inside is fine.

    Raises:
        DataError: an id comes twice, is empty, absolute, longer than 255 bytes, begins or ends with a space, holds control characters,
            empty parts or `..`, or differs from another one in its Unicode form only.
    """
    if len(set(ids)) != len(ids):
        repeated = next(image_id for image_id, count in Counter(ids).items() if count > 1)
        raise DataError(f"{source}: id {shorten(repeated)} appears twice", "remove one of its rows")
    forms: dict[str, str] = {}
    for row, image_id in enumerate(ids):
        if not image_id.strip():
            raise DataError(f"{source}: row {row + 2} has no id", "give it one, or remove it")
        if _SUSPECT.search(image_id) or len(image_id.encode(errors="replace")) > MOST_BYTES:
            raise DataError(f"{source}: id {shorten(repr(image_id))} in row {row + 2} {_fault(image_id)}", "correct it in the tables")
        if not image_id.isascii():
            other = forms.setdefault(unicodedata.normalize("NFC", image_id), image_id)
            if other != image_id:
                raise DataError(f"{source}: id {image_id} is there in two Unicode forms", "give each image one id")


class KnownIds:
    """The ids of a table, looked up by ids of files: these may be in another Unicode form, or begin in another folder."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._whole: dict[str, str] = {}
        self._longer: dict[str, list[str]] = {}
        for image_id in ids:
            whole, *ends = _ends(image_id)
            self._whole[whole] = image_id
            for end in ends:
                self._longer.setdefault(end, []).append(image_id)

    def of(self, image_id: str) -> list[str]:
        """The ids of the table that may name the same image: the same id, else all those of which one is the end of the other.

        `b` is the end of `a/b`. Nothing is found by parts of a name.
        """
        whole, *ends = _ends(image_id)
        if whole in self._whole:
            return [self._whole[whole]]
        return self._longer.get(whole, []) + [self._whole[end] for end in ends if end in self._whole]


def shorten(text: str) -> str:
    """The text for a message: at most 40 characters."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def _ends(image_id: str) -> list[str]:
    """The id in the composed Unicode form, and what is left of it without its first folder, its first two and so on."""
    parts = unicodedata.normalize("NFC", image_id).split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _fault(image_id: str) -> str:
    if re.search(r"[\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]", image_id):
        return "holds a control character"
    if image_id != image_id.strip():
        return f"{'begins' if image_id[0].isspace() else 'ends'} with a space"
    if len(image_id.encode()) > MOST_BYTES:
        return f"is longer than {MOST_BYTES} bytes"
    if image_id[0] in "/\\" or re.match(r"[A-Za-z]:[/\\]", image_id):
        return "is an absolute path"
    return "has a part '..', '.' or an empty part"
