"""Writing a set: read back as it was given, interrupted and resumed to the same bytes, and never over another set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comp.base.errors import ConfigError, DataError
from comp.base.paths import Paths
from comp.base.schema import parse_settings
from comp.competition.competition import load_competition
from comp.competition.extra_rows import extra_image_files, read_extra
from comp.images.read import read_image
from comp.synthesis.set_writer import check_set_name, write_set
from comp.synthesis.synthetic_row import SyntheticRow
from tests.tiny_competition import make_tiny_competition

ROWS = [
    *(SyntheticRow(f"mixed-0-{n}", (0, 2), (0, 0, n), (f"image-{n:02d}", "image-20"), only_fold=0) for n in range(20)),
    *(SyntheticRow(f"mixed-1-{n}", (1,), (0, 1, n), (f"image-{n:02d}",), only_fold=1) for n in range(3)),
    SyntheticRow("plate/painted", (), (0, 9), group="A77"),
]
MADE_FROM = {"source": "test", "below": 20}


@pytest.fixture
def tiny(tmp_path):
    make_tiny_competition(tmp_path)
    return load_competition("tiny", tmp_path), Paths("tiny", tmp_path)


def noise(row, channels):
    return np.random.default_rng([*row.seed]).integers(1, 256, (16, 16, channels), dtype=np.uint8)


def draw(batches, drawn=None, channels=4):
    for batch in batches:
        if drawn is not None:
            drawn.append(batch)
        yield np.stack([noise(row, channels) for row in batch])


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_set_is_read_back_as_it_was_given(tiny):
    assert write_set(*tiny, "mixed", ROWS, MADE_FROM, draw)
    competition, paths = tiny
    extra = read_extra(competition, paths, "mixed")
    assert extra.ids == tuple(row.id for row in ROWS)
    assert [tuple(np.flatnonzero(row)) for row in extra.labels] == [row.labels for row in ROWS]
    assert extra.sources == tuple(row.sources for row in ROWS)
    assert extra.group == tuple(row.group for row in ROWS)
    assert extra.only_fold == tuple(row.only_fold for row in ROWS)
    files = extra_image_files(competition, paths, extra)
    for row in ROWS:
        np.testing.assert_array_equal(np.dstack(read_image(files[row.id], 4).channels), noise(row, 4))
    drawn = []
    assert not write_set(*tiny, "mixed", ROWS, MADE_FROM, lambda batches: draw(batches, drawn))
    assert drawn == []


@pytest.mark.parametrize(
    ("file", "channels"), [("{id}.png", ("red", "green", "blue")), ("**/{channel}/{id}.*", ("a", "b")), ("{id}.tif", ("a",))]
)
def test_files_are_named_as_the_competitions_images_are(tiny, file, channels):
    competition, paths = tiny
    images = competition.images.model_copy(update={"file": file, "channels": channels})
    competition = competition.model_copy(update={"images": images})
    write_set(competition, paths, "mixed", ROWS, MADE_FROM, lambda batches: draw(batches, channels=len(channels)))
    files = extra_image_files(competition, paths, read_extra(competition, paths, "mixed"))
    for row in ROWS:
        found = read_image(files[row.id], len(channels))
        np.testing.assert_array_equal(np.dstack(found.channels), noise(row, len(channels)))


def test_interrupted_anywhere_it_ends_with_the_same_bytes(tiny):
    competition, paths = tiny
    write_set(*tiny, "whole", ROWS, MADE_FROM, draw)
    expected = files_of(paths.extra("whole"))

    def interrupted(batches):
        yield from draw(batches[:1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_set(*tiny, "broken", ROWS, MADE_FROM, interrupted)
    assert not (paths.extra("broken") / "extra.csv").exists()  # so that nobody trains on half a set
    with pytest.raises(DataError, match="there is no"):
        read_extra(competition, paths, "broken")
    cut = paths.extra("broken") / "images/mixed-0-3_red.png"
    cut.write_bytes(cut.read_bytes()[:40])
    drawn = []
    assert write_set(*tiny, "broken", ROWS, MADE_FROM, lambda batches: draw(batches, drawn))
    assert [len(batch) for batch in drawn] == [16, 4, 3, 1]  # the batch of the damaged image, whole, and the rest
    assert files_of(paths.extra("broken")) == expected
    (paths.extra("broken") / "images/mixed-1-2_blue.png").unlink()
    drawn.clear()
    assert write_set(*tiny, "broken", ROWS, MADE_FROM, lambda batches: draw(batches, drawn))
    assert [len(batch) for batch in drawn] == [3]
    assert files_of(paths.extra("broken")) == expected


def test_another_set_is_never_overwritten(tiny):
    _, paths = tiny
    write_set(*tiny, "mixed", ROWS, MADE_FROM, draw)
    before = files_of(paths.extra("mixed"))
    for rows, made_from, said in (
        (ROWS, MADE_FROM | {"below": 30}, "was made with below=20, now 30: choose another name, EXTRA=..."),
        (ROWS[:5], MADE_FROM, "was made with rows=24, now 5"),
    ):
        with pytest.raises(DataError) as error:
            write_set(*tiny, "mixed", rows, made_from, draw)
        assert said in str(error.value)
    (paths.extra("mixed") / "manifest.json").write_text("[")
    with pytest.raises(DataError, match="is damaged, so nothing is known of the set"):
        write_set(*tiny, "mixed", ROWS, MADE_FROM, draw)
    (paths.extra("mixed") / "manifest.json").unlink()
    with pytest.raises(DataError, match="holds a set that was not made by make synthesize"):
        write_set(*tiny, "mixed", ROWS, MADE_FROM, draw)
    assert {name: data for name, data in before.items() if name != "manifest.json"} == files_of(paths.extra("mixed"))


@pytest.mark.parametrize(
    ("images", "said"), [(None, "has tables and no images"), ({"file": "{id}.png"}, "a PNG cannot hold the 4 channels")]
)
def test_images_that_cannot_be_written_are_refused_before_any_is_drawn(tiny, images, said):
    competition, paths = tiny
    changed = competition.images.model_copy(update=images) if images else None
    with pytest.raises(ConfigError, match=said):
        write_set(competition.model_copy(update={"images": changed}), paths, "mixed", ROWS, MADE_FROM, draw)


YAML_WORDS = ["null", "Null", "~", "true", "FALSE", "yes", "no", "On", "off"]


@pytest.mark.parametrize(
    "name",
    ["", "..", "a/b", "a" * 101, *YAML_WORDS, "#x", "1", "007", "1e5", "{a}", "[a]", "sp ace", ".hidden", "-a", "_a", "a:", "a\n", "a=b"],
)
def test_names_of_sets_that_a_setting_would_not_read_as_text_are_refused(name):
    with pytest.raises(ConfigError, match="is no name of a set of extra rows") as refused:
        check_set_name(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["painted", "a", "none", "nullable", "on-2", "v1.0", "A_b-c.d", "Zürich", "e5", "y", "inf", "a" * 100])
def test_other_names_of_sets_are_read_as_they_are_typed(name):
    assert parse_settings(f"extra={check_set_name(name)}") == {"extra": name}


@given(st.text(max_size=4) | st.from_regex(r"[A-Za-z][\w.-]*", fullmatch=True))
def test_no_name_of_a_set_is_read_as_anything_else(name):
    try:
        check_set_name(name)
    except ConfigError:
        return
    assert parse_settings(f"extra={name}") == {"extra": name}
