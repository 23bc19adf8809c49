"""Packages: a folder that predicts in an environment without this repository, and what make package refuses."""

import json
import os
import re
import shutil
import sys
from contextlib import chdir

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.base.paths import Paths
from comp.deployment import packaged
from tests.conftest import REPOSITORY, Project
from tests.pipelines.kaggle_environment import Environment
from tests.pipelines.test_cascade import CASCADE
from tests.pipelines.test_neighbours import METRIC
from tests.tiny_competition import make_tiny_competition

YAMLS = {"near": METRIC, "cascade": CASCADE.replace("[near, nearer]", "[near]") + "tta: 2\n"}
STACKS = {
    "all": "blenders: [{name: rank_mean}]\nthresholds: [{name: smoothed}]\n",
    "trees": "blenders: [{name: committee, of: [{name: lightgbm, positives: 5, trees: 3}]}]\nthresholds: [{name: exact}]\n",
}
ALLOWED = ("torch", "timm", "numpy", "pandas", "opencv-python-headless")
ABSENT = (
    "pydantic", "annotated_types", "pyarrow", "scipy", "sklearn", "xxhash", "simplejpeg", "tifffile", "faiss", "lightgbm", "pipelines"
)  # fmt: skip
TINY = ("--competition", "tiny")
ALL = ("--stack", "all")
IMAGES = ("--images", "../images")
COPIES = ("image-36", "image-38")
WATCHED = """
import json, runpy, sys
from importlib.util import find_spec
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
files = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "comp"]
print("SEEN", json.dumps({{"files": files, "absent": [name for name in {absent} if find_spec(name) is None]}}))
try:
    import socket
    socket.create_connection(("127.0.0.1", 9))
except OSError as error:
    print("SEEN", error)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Models with networks and voters, stacks of them, and the package of the stack `all`."""
    root = tmp_path_factory.mktemp("packaged")
    make_tiny_competition(root)
    for kind, texts in (("models", YAMLS), ("stacks", STACKS)):
        for name, text in texts.items():
            (root / f"configs/{kind}/{name}.yaml").write_text(text)
    project = Project(root)
    done(project.call("models", *TINY, "--models", "tiny", *YAMLS, "--workers", "1", "--set", "train.epochs=1"))
    Paths("tiny", root).test_duplicates().write_text(f"id_a,id_b\n{COPIES[0]},{COPIES[1]}\n")
    done(project.call("stack", *TINY, "--stack", "all", "--workers", "1"))
    done(project.call("stack", *TINY, "--stack", "trees", "--models", "tiny", "--workers", "1"))
    done(project.call("package", *TINY, "--stack", "all"))
    return project


def done(ended):
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


@pytest.fixture(scope="module")
def package(project):
    return project.root / "packages/tiny/all"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment"), ALLOWED)


@pytest.fixture
def elsewhere(project, package, tmp_path):
    """The package and the test images in other places, and an empty folder to work in."""
    shutil.copytree(package, tmp_path / "package")
    shutil.copytree(project.root / "data/tiny/test", tmp_path / "images")
    (tmp_path / "work").mkdir()
    return tmp_path


def here(project, out, *arguments):
    """The labels as bytes, and the probabilities, of make predict."""
    done(project.call("predict", *TINY, "--out", str(out), *arguments))
    return out.read_bytes(), pd.read_parquet(out.with_suffix(".parquet"))


def test_it_labels_as_make_predict_does_where_nothing_of_the_repository_is(project, environment, elsewhere):
    labels, probabilities = here(project, elsewhere / "here.csv", *ALL)
    work, script = elsewhere / "work", str(elsewhere / "package/predict.py")
    arguments = ("--images", "../images", "--out", "made.csv", "--probabilities", "probabilities.csv")
    ended = done(environment.run("python", "-c", WATCHED.format(absent=ABSENT), script, *arguments, cwd=work))
    assert (work / "made.csv").read_bytes() == labels
    found = pd.read_csv(work / "probabilities.csv")
    assert list(found["Id"]) == list(probabilities["Id"])
    np.testing.assert_allclose(found.iloc[:, 1:], probabilities.iloc[:, 1:], rtol=0, atol=1e-6)
    copies = [found.iloc[list(found["Id"]).index(image_id), 1:].tolist() for image_id in COPIES]
    assert copies[0] == copies[1]
    seen, refused = re.findall(r"^SEEN (.*)$", ended.stdout, re.MULTILINE)
    assert all(file.startswith(str(elsewhere / "package/comp/")) for file in json.loads(seen)["files"])
    assert json.loads(seen)["absent"] == list(ABSENT)
    assert refused == "connections are refused here"
    assert sorted(path.name for path in work.iterdir()) == ["made.csv", "probabilities.csv"]
    assert not list((elsewhere / "package").rglob("__pycache__"))


def test_the_notebook_labels_the_images_of_a_table(project, environment, elsewhere):
    """The mean of a model, whose package holds no stack's thresholds; the table has another order, and not all images."""
    done(project.call("package", *TINY, "--models", "tiny", "--out", str(elsewhere / "mean")))
    notebook = json.loads((elsewhere / "mean/predict.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 4)
    assert all({"cell_type", "metadata", "source"} <= set(cell) for cell in notebook["cells"])
    where, script, shown = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    exec(where, names)
    given = {name: value for name, value in names.items() if name.isupper()}
    assert given == {
        "PACKAGE": "/kaggle/input/tiny-tiny", "IMAGES": "/kaggle/input/tiny/test", "IDS": "/kaggle/input/tiny/sample_submission.csv"
    }  # fmt: skip
    table = elsewhere / "some.csv"
    table.write_text("Id,Predicted\nimage-40,0\nimage-37,0\nimage-39,0\n")
    places = {"PACKAGE": elsewhere / "mean", "IMAGES": elsewhere / "images", "IDS": table}
    work = elsewhere / "work"
    done(environment.run(script.removeprefix("!").format(**places), cwd=work, shell=True))
    with chdir(work):
        exec(shown, names)
    labels, _ = here(project, elsewhere / "here.csv", "--models", "tiny", "--data", str(table))
    assert (work / "submission.csv").read_bytes() == labels


def test_a_stack_with_trees_needs_lightgbm(project, tmp_path_factory, elsewhere):
    out = elsewhere / "trees"
    done(project.call("package", *TINY, "--stack", "trees", "--out", str(out)))
    assert "lightgbm  # " in (out / "requirements.txt").read_text()
    assert "tree_sizes" in (out / "oof/tiny/trees/fitted.json").read_text()
    labels, _ = here(project, elsewhere / "here.csv", "--stack", "trees")
    environment = Environment(tmp_path_factory.mktemp("trees"), (*ALLOWED, "lightgbm"))
    done(environment.run("python", str(out / "predict.py"), "--images", "../images", cwd=elsewhere / "work"))
    assert (elsewhere / "work/submission.csv").read_bytes() == labels


def test_its_files(project, package):
    names = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file() and "comp" not in path.parts[-4:]}
    networks = {f"oof/tiny/{model}/weights-{fold}.safetensors" for model in ("tiny", "near", "cascade") for fold in range(3)}
    voters = {f"oof/tiny/{model}/voters-{fold}.safetensors" for model in ("near", "cascade") for fold in range(3)}
    settings = {f"oof/tiny/{model}/experiment.yaml" for model in ("tiny", "near", "cascade")}
    own = {"predict.py", "predict.ipynb", "package.yaml", "README.md", "LICENSE", "requirements.txt", "dataset-metadata.json"}
    outside = {name for name in names if not name.startswith("comp/")}
    assert outside == networks | voters | settings | own | {"oof/tiny/all/fitted.json"}
    for name in networks | voters | settings | {"oof/tiny/all/fitted.json"}:
        assert (package / name).read_bytes() == (project.root / name).read_bytes()
    for path in (package / "comp").rglob("*.py"):
        assert path.read_bytes() == (REPOSITORY / path.relative_to(package)).read_bytes()
    lines = [line.split("  # ") for line in (package / "requirements.txt").read_text().splitlines()]
    assert [name for name, _ in lines] == [
        "numpy", "opencv-python-headless", "pandas", "PyYAML", "safetensors", "timm", "torch", "tqdm"
    ]  # fmt: skip
    about = json.loads((package / "dataset-metadata.json").read_text())
    assert about == {"title": "Tiny: all networks", "id": "INSERT_USERNAME/tiny-all", "licenses": [{"name": "CC0-1.0"}]}
    page = (package / "README.md").read_text()
    assert "kaggle datasets create -p . --dir-mode zip" in page
    assert "`{id}_{channel}.png`, with {channel} one of red, green, blue, yellow" in page


def in_package(elsewhere, monkeypatch, capsys, *arguments):
    """The error line of the script of the package, which runs in this process."""
    monkeypatch.chdir(elsewhere / "work")
    monkeypatch.setattr(sys, "argv", ["predict.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        packaged.main(elsewhere / "package")
    assert ended.value.code == 2
    assert not list((elsewhere / "work").iterdir())
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--images", "nowhere"), "there is no folder nowhere: correct --images"),
        (("--images", "../package"), "../package holds no image of tiny (0 image files in all): name its files as {id}_{channel}.png"),
        ((*IMAGES, "--ids", "nowhere.csv"), "there is no nowhere.csv: correct --ids"),
        ((*IMAGES, "--probabilities", "made.parquet"), "made.parquet is no name of a CSV: let it end with .csv"),
        ((*IMAGES, "--out", "made/"), "made is no name of a CSV: let it end with .csv"),
        ((*IMAGES, "--out", "made.txt"), "made.txt is no name of a CSV: let it end with .csv"),
        ((*IMAGES, "--out", "made.csv", "--probabilities", "../work/made.csv"), "labels and probabilities would both be made.csv"),
        ((*IMAGES, "--probabilities", "../work/submission.csv"), "labels and probabilities would both be submission.csv"),
        ((*IMAGES, "--probabilities", "submission.csv"), "labels and probabilities would both be submission.csv: choose another name"),
        ((*IMAGES, "--ids", "../package/requirements.txt"), "../package/requirements.txt has no column 'Id': it has numpy"),
        ((*IMAGES, "--out", "../package/LICENSE"), "../package/LICENSE exists: remove it, or choose another name"),
    ],
)  # fmt: skip
def test_what_cannot_be_predicted_is_one_line(elsewhere, monkeypatch, capsys, arguments, line):
    assert in_package(elsewhere, monkeypatch, capsys, *arguments).startswith(f"error: {line}")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def no_folds(path):
    path.write_text(path.read_text().replace("folds: 3", "folds: 0"))


def other_class(path):
    path.write_text(path.read_text().replace("- striped", "- stripes"))


@pytest.mark.parametrize(
    ("file", "damage", "what"),
    [
        ("package.yaml", os.remove, "cannot be read (No such file or directory)"),
        ("package.yaml", cut, "is damaged or was changed"),
        ("package.yaml", no_folds, "is damaged or was changed"),
        ("package.yaml", other_class, "is damaged or was changed"),
        ("oof/tiny/all/fitted.json", cut, "is damaged"),
        ("oof/tiny/near/experiment.yaml", os.remove, "cannot be read ("),
        ("oof/tiny/near/weights-1.safetensors", cut, "is damaged: it cannot be read as safetensors"),
        ("oof/tiny/cascade/voters-0.safetensors", cut, "is damaged: it cannot be read as safetensors"),
    ],
)  # fmt: skip
def test_damaged_files_of_a_package_are_named(elsewhere, monkeypatch, capsys, file, damage, what):
    damage(elsewhere / "package" / file)
    line = in_package(elsewhere, monkeypatch, capsys, *IMAGES)
    assert line.startswith(f"error: {elsewhere}/package/{file} {what}")
    assert line.endswith(": copy the package again from where it was made")


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ("comp", "No module named 'comp'"),
        ("comp/deployment", "No module named 'comp.deployment'"),
        ("comp/inference/weights.py", "No module named 'comp.inference.weights'"),
        ("comp/inference/torch_network.py", "No module named 'comp.inference.torch_network'"),  # it is imported late
    ],
)
def test_a_package_without_some_of_its_code_says_so(environment, elsewhere, lost, named):
    os.rename(elsewhere / "package" / lost, elsewhere / "lost")
    ended = environment.run("python", "-I", str(elsewhere / "package/predict.py"), *IMAGES, cwd=elsewhere / "work")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1] == f"error: this package is not complete ({named}): copy its whole folder again"
    assert not list((elsewhere / "work").iterdir())


def test_images_that_are_no_images_or_have_other_channels_are_listed(environment, elsewhere):
    images, work = elsewhere / "images", elsewhere / "work"
    (images / "image-36_red.png").write_bytes(b"nothing")
    (images / "image-37_red.png").unlink()
    script = ("python", str(elsewhere / "package/predict.py"), *IMAGES)
    missing = environment.run(*script, cwd=work)
    assert missing.returncode == 2
    assert missing.stderr.splitlines()[-1].startswith("error: 1 of 6 images cannot be used: ../images/image-37_red.png is missing")
    colours = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    assert cv2.imwrite(str(images / "image-37_red.png"), colours)
    ended = environment.run(*script, cwd=work)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert "2 of 6 images cannot be used" in line
    advice = "TIFF and JPEG are read after: python -m pip install simplejpeg tifffile imagecodecs"
    assert f"image-36_red.png is no PNG, BMP or WebP ({advice})" in line
    assert "image-37_red.png has 3 channels, not 1" in line
    assert [path.name for path in work.iterdir()] == ["submission-unreadable.csv"]


def test_packages_that_are_missing_where_it_runs_are_named_in_one_line(package, tmp_path):
    ended = Environment(tmp_path / "few", ("numpy", "tqdm")).run("python", str(package / "predict.py"), "--help", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    named = "'cv2', 'pandas', 'safetensors' and 'yaml' are missing in python"
    typed = "python -m pip install opencv-python-headless pandas safetensors PyYAML"
    assert ended.stderr == f"error: the Python packages {named}: {typed}\n"


@pytest.fixture
def copied(project, tmp_path):
    shutil.copytree(project.root, tmp_path / "project")
    return Project(tmp_path / "project")


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_package_is_replaced_as_a_whole_or_not_at_all(copied):
    folder = copied.root / "packages/tiny/all"
    before = content(folder)
    (folder / "notes.txt").write_text("mine")
    ended = done(copied.call("package", *TINY, *ALL))
    size = sum(map(len, before.values())) / 1e6
    assert f"wrote packages/tiny/all: {size:.1f} MB, 3 models x 3 folds; packages/tiny/all/README.md says how to use it" in ended.stdout
    assert content(folder) == before
    cut(copied.root / "oof/tiny/near/weights-2.safetensors")
    line = copied.refused(copied.call("package", *TINY, *ALL))
    assert "oof/tiny/near/weights-2.safetensors is damaged" in line
    assert content(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["all"]


def test_the_dataset_s_own_name_is_kept_and_a_link_leads_to_the_folder(copied):
    folder, link = copied.root / "elsewhere", copied.root / "linked"
    folder.mkdir()
    link.symlink_to(folder)
    line = copied.refused(copied.call("package", *TINY, *ALL, "--out", "linked"))
    assert line == "error: linked exists and is no package: remove it, or choose another OUT"
    folder.rmdir()
    shutil.copytree(copied.root / "packages/tiny/all", folder)
    own = json.dumps({"title": "Tiny, mine", "id": "somebody/tiny-mine", "licenses": [{"name": "other"}]})
    (folder / "dataset-metadata.json").write_text(own)
    (folder / "README.md").write_text("old")
    done(copied.call("package", *TINY, *ALL, "--out", "linked"))
    assert link.is_symlink()
    assert (folder / "dataset-metadata.json").read_text() == own
    assert (folder / "README.md").read_text() != "old"


def test_what_is_refused(copied):
    def refused(*arguments):
        return copied.refused(copied.call("package", *TINY, *arguments))

    other = copied.root / "other"
    other.mkdir()
    (other / "package.yaml").write_text("name: a project of another program\n")
    before = sorted(copied.root.rglob("*"))
    assert "other exists and is no package: remove it, or choose another OUT" in refused(*ALL, "--out", "other")
    assert "configs exists and is no package: remove it, or choose another OUT" in refused(*ALL, "--out", "configs")
    assert "MODELS and STACK are both given" in refused(*ALL, "--models", "tiny")
    assert "there is no oof/tiny/default/fitted.json: make stack COMP=tiny STACK=default" in refused()
    assert sorted(copied.root.rglob("*")) == before
    ids = [f"image-{number:02d}" for number in range(42)]
    pd.DataFrame({"Id": ids, "width": range(42)}).to_csv(copied.root / "told.csv", index=False)
    recipe = copied.root / "configs/stacks/told.yaml"
    recipe.write_text(STACKS["trees"] + "features: [told.csv]\n")
    done(copied.call("stack", *TINY, "--stack", "told", "--models", "tiny", "--workers", "1"))
    line = refused("--stack", "told")
    assert "the stack told uses tables of features (told.csv), which new images lack: package another one, without `features`" in line
    for split, count in (("val", 36), ("test", 6)):
        np.save(copied.root / f"{split}.npy", np.full((count, 3), 0.5))
    done(copied.call("importing", *TINY, "--model", "theirs", "--val", "val.npy", "--test", "test.npy", "--declare", "oof"))
    assert "theirs was imported, and has no network here that could predict new images" in refused("--models", "theirs")
    assert set(os.listdir(copied.root / "packages/tiny")) == {"all"}
    yaml = copied.root / "configs/competitions/tiny.yaml"
    yaml.write_text(yaml.read_text() + "images: {range: [0, 100]}\n")
    assert "was trained on images with the levels of their files, now (0.0, 100.0)" in refused("--models", "tiny", "--out", "packed")
    assert not (copied.root / "packed").exists()
