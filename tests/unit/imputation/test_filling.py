import cv2
import numpy as np
import pandas as pd
import pytest

from comp.base.errors import DataError
from comp.competition.competition import Images
from comp.imputation.filling import Painters, draw, fill_folder, name_of
from comp.imputation.gaps import images_with_gaps, partial_files, read_partial

CHANNELS = ("red", "green", "blue")
IMAGES = Images(channels=CHANNELS, file="{id}_{channel}.png")
GENERATOR = np.random.default_rng(0)


class Sevens:
    """Draws channels with the value 70, and remembers what it got."""

    channels, size, levels = CHANNELS, 16, None

    def __init__(self, value=70):
        self.value, self.asked = value, []

    def __call__(self, images, given):
        self.asked.append((images.shape, given.tolist()))
        return np.where(given, images, np.uint8(self.value))


def write(folder, name, shape=(16, 16), kind=np.uint8, top=200):
    image = GENERATOR.integers(50, top, shape).astype(kind)
    assert cv2.imwrite(str(folder / name), image)
    return image


@pytest.fixture
def folder(tmp_path):
    """whole has all channels; half lacks green; dark has a black blue; wide is 16-bit, 24 x 40 px, and lacks red and blue."""
    data = tmp_path / "data"
    data.mkdir()
    for image_id, lacking in (("whole", ()), ("half", ("green",)), ("dark", ())):
        for channel in CHANNELS:
            if channel not in lacking:
                write(data, f"{image_id}_{channel}.png")
    cv2.imwrite(str(data / "dark_blue.png"), np.full((16, 16), 2, np.uint8))
    write(data, "wide_green.png", (24, 40), np.uint16, 60_000)
    return data


def filled(folder, held_out=None, generators=None, pattern=IMAGES.file):
    files = partial_files(folder, IMAGES, "tiny")
    painters = Painters("tiny", "net", generators or {0: Sevens(70), 1: Sevens(80)}, held_out or {})
    return fill_folder(painters, files, pattern, folder.parent / "out", folder.parent / "report.csv")


def test_every_channel_that_lacks_is_drawn_and_marked_and_no_file_is_changed(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    table = filled(folder)
    out = folder.parent / "out"
    names = {"dark_blue.png", "half_green.png", "wide_red.png", "wide_blue.png"}
    assert {path.name for path in out.iterdir()} == {*names, "imputed.csv"}
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    pd.testing.assert_frame_equal(pd.read_csv(out / "imputed.csv"), table)
    rows = table.set_index("file")
    assert rows.loc["dark_blue.png"].tolist() == ["dark", "blue", "black", "red+green", "net", "0+1"]
    assert rows.loc["wide_red.png", "why"] == "missing"
    for name in names:
        image = cv2.imread(str(out / name), cv2.IMREAD_UNCHANGED)
        assert image.dtype == np.uint8
        assert image.shape == ((24, 40) if name.startswith("wide") else (16, 16))
        assert (image == 75).all()  # the mean over both networks


def test_an_image_of_the_competition_is_drawn_by_the_network_that_never_saw_it(folder):
    table = filled(folder, held_out={"half": 1, "dark": -1}).set_index("id")
    assert table.loc["half", "folds"] == "1"
    assert table.loc["dark", "folds"] == "0+1"  # of the hold-out, which no network saw
    assert (cv2.imread(str(folder.parent / "out/half_green.png"), cv2.IMREAD_UNCHANGED) == 80).all()


def test_the_image_is_known_in_another_unicode_form_and_with_folders_before_its_id():
    painters = Painters(
        "tiny", "net", {0: Sevens(), 1: Sevens()}, {"half": 1, "e\u0301": 0, "p/a": 0, "q/a": 0, "p/b": 0, "q/b": 1, "r/b": -1}
    )
    drawn_by = {
        image_id: list(painters.of(image_id)) for image_id in ("data/train/half", "\u00e9", "x/\u00e9", "a", "x/p/b", "r/b", "halfway")
    }
    assert drawn_by == {"data/train/half": [1], "\u00e9": [0], "x/\u00e9": [0], "a": [0], "x/p/b": [0], "r/b": [0, 1], "halfway": [0, 1]}
    with pytest.raises(DataError, match="b may be any of 3 train images of several folds, such as p/b: let DATA be the folder in which"):
        painters.of("b")


def test_images_of_any_shape_are_drawn_with_as_many_pixels_as_in_training(folder):
    image = read_partial([folder / f"wide_{channel}.png" for channel in CHANNELS], 3, None)
    generator = Sevens()
    drawn = draw(image, [generator])
    ((shape, given),) = generator.asked
    assert shape[1] * shape[2] == pytest.approx(16 * 16, rel=0.05)
    assert shape[2] / shape[1] == pytest.approx(40 / 24, rel=0.1)
    assert given == [False, True, False]
    np.testing.assert_array_equal(drawn[..., 1], image.pixels[..., 1])


def test_a_file_with_all_channels_may_have_black_ones(folder):
    colour = GENERATOR.integers(50, 200, (16, 16, 3)).astype(np.uint8)
    colour[..., 0] = 0  # OpenCV writes blue first
    cv2.imwrite(str(folder / "one.png"), colour)
    found = read_partial([folder / "one.png"], 3, None)
    assert found.lacking == {2: "black"}
    np.testing.assert_array_equal(found.pixels, colour[..., ::-1])
    assert str(name_of("{id}.png", "one", "blue")) == "one_blue.png"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("{channel}/{id}.tif", "red/a/b.png"), ("**/{id}_{channel}.*", "a/b_red.png"), ("x/{id}/{id}-{channel}.jpg", "x/a/b/a/b-red.png")],
)
def test_drawn_files_are_named_as_the_pattern_says(pattern, name):
    assert str(name_of(pattern, "a/b", "red")) == name


def test_what_cannot_be_filled_is_one_error_and_nothing_is_written(folder):
    cv2.imwrite(str(folder / "void_red.png"), np.zeros((16, 16), np.uint8))
    write(folder, "odd_red.png")
    write(folder, "odd_green.png", (8, 8))
    (folder / "broken_red.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3 of 7 images cannot be used: .*broken_red.png.*; .*odd_.*is 8 x 8 px but.*; .*no channel"):
        filled(folder)
    assert not (folder.parent / "out").exists()
    assert len((folder.parent / "report.csv").read_text().splitlines()) == 4


def test_a_folder_with_files_and_a_folder_without_images_are_errors(folder, tmp_path):
    (folder.parent / "out").mkdir()
    (folder.parent / "out/mine.png").touch()
    with pytest.raises(DataError, match=r"out exists: remove it, or choose another OUT"):
        filled(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no image of tiny \(0 image files in all\)"):
        partial_files(tmp_path / "empty", IMAGES, "tiny")
    with pytest.raises(DataError, match="there is no folder"):
        partial_files(tmp_path / "nowhere", IMAGES, "tiny")


def test_nothing_is_written_where_nothing_lacks(folder):
    files = {"whole": [folder / f"whole_{channel}.png" for channel in CHANNELS]}
    assert images_with_gaps(files, 3, None, folder.parent / "report.csv") == []
    assert fill_folder(Painters("tiny", "net", {0: Sevens()}, {}), files, IMAGES.file, folder.parent / "out", folder.parent / "r.csv").empty
    assert not (folder.parent / "out").exists()
