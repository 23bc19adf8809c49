"""How the image files of an unknown folder are named: the pattern of their paths, and the channels."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from comp.base.errors import DataError
from comp.competition.file_finder import plain

SAMPLED = 24  # ids that the naming is learnt from
_MORE = 480  # ids that are tried if none of those has a file
USUAL_ORDER = ("red", "green", "blue", "yellow", "grey", "alpha")
BESIDE = re.compile(  # words for files that go with images
    r"(?<![a-z])(masks?|thumb(nail)?s?|previews?|seg(mentation)?s?|annotations?|labels?|gt|overlays?|resized|small|crops?)(?![a-z])", re.I
)


@dataclass(frozen=True)
class Naming:
    """The files of a split: `pattern` below `folder`, and its channels (none if a file holds them all).

    `left_out` has the patterns of other files that are named after the ids.
    """

    folder: str
    pattern: str
    channels: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass
class _Forms:
    """Paths with {id} for the id, without their ending; how many ids have each, and its endings."""

    ids: Counter[str] = field(default_factory=Counter)
    endings: dict[str, Counter[str]] = field(default_factory=dict)
    matched: int = 0

    def add(self, found: Iterable[tuple[str, str]]) -> None:
        of_this_id = set()
        for form, ending in found:
            of_this_id.add(form)
            self.endings.setdefault(form, Counter())[ending] += 1
        self.ids.update(of_this_id)
        self.matched += bool(of_this_id)

    def usual(self) -> list[str]:
        """The forms that most ids have."""
        return sorted(form for form, count in self.ids.items() if 2 * count > self.matched)


def find_naming(names: Sequence[str], train_ids: Sequence[str], test_ids: Sequence[str]) -> tuple[Naming | None, Naming | None]:
    """The naming of the train and of the test images, from the paths of all image files. None: no file is named after an id.

    Raises:
        DataError: the paths follow no known pattern, or the two splits share no channel.
    """
    found = {split: _forms(names, ids) for split, ids in (("train", train_ids), ("test", test_ids))}
    usual = {split: _without_beside(forms.usual()) for split, forms in found.items()}
    if usual["train"] and usual["test"]:
        common = {_of_any_split(form, "train") for form in usual["train"]} & {_of_any_split(form, "test") for form in usual["test"]}
        if common:
            usual = {split: [form for form in forms if _of_any_split(form, split) in common] for split, forms in usual.items()}
    namings = {split: _naming(forms, usual[split], split) if forms.matched else None for split, forms in found.items()}
    train, test = namings["train"], namings["test"]
    if train is None or test is None:
        return train, test
    shared = tuple(channel for channel in train.channels if channel in test.channels)
    if (train.channels or test.channels) and not shared:
        what = f"train images are named {train.pattern} ({', '.join(train.channels) or 'all channels in a file'})"
        other = f"test images {test.pattern} ({', '.join(test.channels) or 'all channels in a file'})"
        raise DataError(f"{what}, {other}", "give both the same channels")
    return _with_channels(train, shared), _with_channels(test, shared)


def named_after(names: Sequence[str], ids: Sequence[str]) -> bool:
    """Whether some of the paths hold one of the ids."""
    return _forms(names, ids).matched > 0


def spread(ids: Sequence[str], count: int = SAMPLED) -> list[str]:
    """At most `count` of the ids, evenly spaced."""
    return [ids[row] for row in np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids)), dtype=int))] if len(ids) else []


def _forms(names: Sequence[str], ids: Sequence[str]) -> _Forms:
    """The forms of some ids; if none is usual because the images lie in many folders, with `**` for these."""
    known = [plain(name) for name in names if "{" not in name and "}" not in name]
    paths = [_paths_with(image_id, known) for image_id in spread(ids)]
    if not any(paths):
        paths = [_paths_with(image_id, known) for image_id in spread(ids, _MORE)]
    exact = _count(paths, None)
    if exact.usual() or not exact.matched:
        return exact
    for depth in range(max(form.count("/") for form in exact.ids), -1, -1):
        sharded = _count(paths, depth)
        if sharded.usual():
            return sharded
    return exact


def _paths_with(image_id: str, names: Sequence[str]) -> list[str]:
    """The paths that hold the id, but not inside a longer word, with {id} in its place."""
    image_id = plain(image_id)
    whole = re.compile(rf"(?<![A-Za-z0-9]){re.escape(image_id)}(?![A-Za-z0-9])")
    found = [whole.sub("{id}", name) for name in names if image_id in name]
    return [path for path in found if "{id}" in path]


def _count(paths: Iterable[Sequence[str]], depth: int | None) -> _Forms:
    forms = _Forms()
    for of_an_id in paths:
        forms.add(_form(path, depth) for path in of_an_id)
    return forms


def _form(path: str, depth: int | None) -> tuple[str, str]:
    """A path without ending, and its ending. With a `depth`, the folders between it and the first {id} become `**`."""
    stem, ending = (path, "") if path.endswith("{id}") else os.path.splitext(path)
    if depth is not None:
        parts = stem.split("/")
        first = next(place for place, part in enumerate(parts) if "{id}" in part)
        stem = "/".join([*parts[: min(depth, first)], "**", *parts[first:]])
    return stem, ending


def _of_any_split(form: str, split: str) -> str:
    """The form with the split's name in its folders replaced, so that train and test can be compared."""
    folders, slash, name = form.rpartition("/")
    return re.sub(split, "<split>", folders, flags=re.I) + slash + name


def _without_beside(forms: list[str]) -> list[str]:
    return [form for form in forms if not BESIDE.search(form)] or forms


def _naming(forms: _Forms, usual: list[str], split: str) -> Naming:
    if not usual:
        some = ", ".join(sorted(forms.ids)[:4])
        raise DataError(f"the {split} images follow no pattern: {some}", "name them id_channel.png, or write `images` into a YAML yourself")
    named = [form for form in usual if split in form.rpartition("/")[0].lower()]
    chosen, channels, pattern = _channels(named or usual, split)
    endings = sum((forms.endings[form] for form in chosen), Counter[str]())
    ending = max(endings, key=lambda each: (_without_case(endings)[each.lower()], not each.lower().startswith(".jp"), endings[each]))
    parts = pattern.split("/")
    fixed = next((place for place, part in enumerate(parts[:-1]) if "{" in part or part == "**"), len(parts) - 1)
    others = {each for each in endings if each.lower() != ending.lower() and 2 * endings[each] > forms.matched}
    left_out = (*sorted(set(forms.usual()) - set(chosen)), *sorted(pattern + each for each in others))
    return Naming("/".join(parts[:fixed]) or ".", "/".join(parts[fixed:]) + ending, channels, left_out)


def _channels(forms: list[str], split: str) -> tuple[list[str], tuple[str, ...], str]:
    """The forms of one image's files, its channels and the pattern."""
    if len(forms) == 1:
        return forms, (), forms[0]
    folders = sorted({form.rpartition("/")[0] for form in forms}, key=lambda folder: (folder.count("/"), len(folder), folder))
    before, names, after = _differing(forms)
    copies = len(folders) > 1 and any(re.match(f"{re.escape(name)}[^A-Za-z0-9]", other) for name in names for other in names)  # rgb, rgb_hq
    if not copies and not any(re.search(r"[{}/]", name) or split in name.lower() for name in names):
        return forms, tuple(sorted(names, key=_order)), f"{before}{{channel}}{after}"
    if len(folders) == 1:
        raise DataError(f"the {split} images follow no pattern: {', '.join(forms[:4])}", "name them id_channel.png")
    return _channels([form for form in forms if form.rpartition("/")[0] == folders[0]], split)


def _differing(forms: list[str]) -> tuple[str, list[str], str]:
    """What all forms begin with, the words of each that differ (one at least), and what all end with."""
    words = [re.split(r"([^A-Za-z0-9]+)", form) for form in forms]  # words and, between them, what separates them
    most = min(map(len, words)) - 1
    same = [len(set(column)) == 1 for column in zip(*words, strict=False)][:most]
    first = (same.index(False) if False in same else most) // 2 * 2
    same = [len(set(column)) == 1 for column in zip(*(form[::-1] for form in words), strict=False)][: most - first]
    last = (same.index(False) if False in same else most - first) // 2 * 2
    names = ["".join(form[first : len(form) - last]) for form in words]
    return "".join(words[0][:first]), names, "".join(words[0][len(words[0]) - last :])


def _with_channels(naming: Naming, channels: tuple[str, ...]) -> Naming:
    more = tuple(naming.pattern.replace("{channel}", channel) for channel in naming.channels if channel not in channels)
    return replace(naming, channels=channels, left_out=(*naming.left_out, *more))


def _order(channel: str) -> tuple[int, list[tuple[int, str]]]:
    """The usual order of stains, then names with their numbers in numerical order."""
    place = USUAL_ORDER.index(channel.lower()) if channel.lower() in USUAL_ORDER else len(USUAL_ORDER)
    return place, [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", channel)]


def _without_case(endings: Counter[str]) -> Counter[str]:
    counts = Counter[str]()
    for ending, count in endings.items():
        counts[ending.lower()] += count
    return counts
