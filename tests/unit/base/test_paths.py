"""Names and ids become paths; none of them leads out of its folder."""

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comp.base.errors import ConfigError
from comp.base.paths import Paths, config, file_of

BAD_NAMES = ["../x", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "C:x", "a\nb", "a\0b", "\x7f", "\udcff", "a" * 101, "a" * 300, "é" * 60]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_elsewhere_are_refused_for_reading_and_writing(tmp_path: Path, name: str) -> None:
    paths = Paths("tiny", tmp_path)
    for use in (
        lambda: Paths(name),
        lambda: paths.model(name),
        lambda: paths.stack(name),
        lambda: paths.run(name, 0),
        lambda: paths.fold_predictions(name, 0),
        lambda: paths.features(["near", name]),
        lambda: config("competitions", name, tmp_path),
        lambda: config("models", name, tmp_path),
        lambda: config("stacks", name, tmp_path),
    ):
        with pytest.raises(ConfigError, match="is no name of a") as refused:
            use()
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize("name", ["hpa", "arcface-resnet50", "team.v2", "a b", "tiny+small", "Zürich", "a" * 100])
def test_other_names_are_folders(name: str) -> None:
    assert Paths("hpa").model(name) == Path("oof/hpa") / name


@pytest.mark.parametrize("image_id", ["image-05", "6b3c.a_1", "00ab-12", "Zelle_é"])
def test_the_file_of_a_plain_id_has_its_name(image_id: str) -> None:
    assert file_of(Path("x"), image_id, ".png") == Path("x") / f"{image_id}.png"


def test_folders_of_equal_names_have_outputs_of_their_own(tmp_path: Path) -> None:
    paths, folders = Paths("tiny"), (tmp_path / "x/imgs", tmp_path / "y/imgs")
    for file in (paths.drawn_channels, paths.new_labels):
        one, other = (file("draws", folder) for folder in folders)
        assert one != other
        assert one == file("draws", folders[1] / "../../x/imgs")
        assert re.fullmatch(r"draws-imgs-[0-9a-f]{8}\.csv", one.name)


HOSTILE = st.lists(st.sampled_from(["..", ".", "/", "\\", "a", "é", " ", "\n", "\0", ":", "%s", "-", "a" * 300]), max_size=6).map("".join)


@given(HOSTILE | st.text(max_size=300), HOSTILE | st.text(string.ascii_letters + "/._-", max_size=5))
def test_the_file_of_any_id_lies_in_the_folder_and_is_its_own(one: str, other: str) -> None:
    folder = Path("/nowhere/neighbours")
    file = file_of(folder, one, ".png")
    assert file.parent == folder
    assert file.resolve().parent == folder
    assert len(file.name.encode()) < 150
    assert one == other or file != file_of(folder, other, ".png")
