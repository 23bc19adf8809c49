"""Image caches as typed: their form, and smaller ones made from larger ones."""

from comp.base.paths import Paths
from comp.images.cache import open_cache

TINY = ("--competition", "tiny")


def test_predictions_do_not_depend_on_the_form_of_the_cache(project, trained):
    ended = project.call("cache", *TINY, "--size", "32", "--form", "compressed")
    assert ended.returncode == 0, ended.stderr
    assert "cache train-32: compressed, as asked for\n" in ended.stdout
    assert "data/tiny.cache/train-32: 36 images at 32 px, channels red, green, blue, yellow, compressed, 1 MB" in ended.stdout
    ended = project.call("fold", *TINY, "--model", "tiny", "--fold", "0", "--set", "train.epochs=1")
    assert ended.returncode == 0, ended.stderr
    assert open_cache(Paths("tiny", project.root).cache("train", 32)).form == "compressed"
    for name in ("fold-0.parquet", "test-0.parquet"):
        assert (project.root / "oof/tiny/tiny" / name).read_bytes() == (trained / "oof/tiny/tiny" / name).read_bytes()


def test_make_data_takes_the_form_and_keeps_it(project):
    path = project.root / "configs/competitions/tiny.yaml"
    path.write_text(f"{path.read_text()}overrides: {{size: 16}}\n")
    said = project.call("data", *TINY).stdout
    assert "cache train-16: raw, because 1 MB fit into the memory (" in said
    cache = Paths("tiny", project.root).cache("test", 16)
    before = open_cache(cache).fingerprint
    said = project.call("data", *TINY, "--cache", "compressed").stdout
    assert "cache test-16: compressed, as asked for, instead of raw" in said
    assert (open_cache(cache).form, open_cache(cache).fingerprint) == ("compressed", before)
    assert "cache " not in project.call("data", *TINY).stdout
    assert open_cache(cache).form == "compressed"


def test_a_smaller_cache_is_made_from_a_larger_one_unless_the_files_are_asked_for(project):
    def made(size, *more):
        ended = project.call("cache", *TINY, "--split", "train", "--size", str(size), *more)
        assert ended.returncode == 0, ended.stderr
        cache = open_cache(Paths("tiny", project.root).cache("train", size))
        assert ("; made from" in ended.stdout) == (cache.made_from is not None)
        return cache

    assert made(32).made_from is None
    assert made(16).made_from == "train-32"
    assert made(8, "--from-files").made_from is None
