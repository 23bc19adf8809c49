"""Which images `make predict` predicts: those of a folder, or of a table of ids."""

from pathlib import Path

from comp.base.errors import ConfigError, DataError
from comp.base.paths import Paths
from comp.competition.competition import Competition, Images
from comp.competition.tables import ids_of_submission, read_test_ids
from comp.deployment.image_folder import files_in_folder
from comp.deployment.labelling import NewImages
from comp.images.problems import Files

TABLES = (".csv", ".tsv", ".txt")


def find_images(competition: Competition, paths: Paths, data: Path | None) -> NewImages:
    """The images to predict.

    Args:
        data: a folder of images, named as the competition's test images are; or a table whose column of ids names images of the
            competition. The competition's own test folder, or None, stands for the images of the sample submission, in its order.

    Raises:
        ConfigError: the competition has no images.
        DataError: there is no such folder or table, or no image in it.
    """
    images = competition.images
    if images is None:
        raise ConfigError(f"competition {competition.name} has tables and no images", "name another one with COMP=")
    return NewImages(_files(competition, images, paths, data), images.channels, images.levels)


def _files(competition: Competition, images: Images, paths: Paths, data: Path | None) -> Files:
    """The files of each image."""
    own = competition.folder(paths) / images.test
    if data is None or (data.is_dir() and data.resolve() == own.resolve()):
        return competition.all_image_files(paths, "test", read_test_ids(competition, paths))
    if data.suffix.lower() in TABLES and not data.is_dir():
        return _of_table(competition, paths, ids_of_submission(competition, data, "correct DATA"))
    if not data.is_dir():
        raise DataError(f"there is no folder {data}", "correct DATA: a folder of images, or a CSV of ids")
    return files_in_folder(data, images.test_file or images.file, images.channels, competition.name)


def _of_table(competition: Competition, paths: Paths, ids: tuple[str, ...]) -> Files:
    """The files of each id, in the folder of the test images, else in that of the train images."""
    found = dict(competition.all_image_files(paths, "test", ids))
    elsewhere = [image_id for image_id, files in found.items() if not files[0].exists()]
    if elsewhere:
        of_train = competition.all_image_files(paths, "train", elsewhere)
        found |= {image_id: files for image_id, files in of_train.items() if files[0].exists()}
    return found
