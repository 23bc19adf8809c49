"""Damaged Parquet files are noticed, wherever the damage is."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from comp.base.errors import PredictionError
from comp.predictions.embeddings import Embeddings, read_embeddings
from comp.predictions.prediction_file import Predictions, read_predictions, read_table
from comp.predictions.provenance import Provenance

AGAIN = "make it again"
CLASSES = tuple(f"class {number}" for number in range(28))


def predictions(rows=120):
    logits = np.random.default_rng(0).normal(size=(rows, 28)).astype(np.float32)
    made = Provenance(competition="tiny", model="net", kind="oof", fold=0, classes=CLASSES, data="d" * 16)
    return Predictions(tuple(f"image-{row}" for row in range(rows)), np.zeros(rows, np.int8), logits, made)


def embeddings(rows=30):
    made = Provenance(competition="tiny", model="net", kind="embeddings", fold=0, classes=CLASSES, data="d" * 16)
    vectors = np.random.default_rng(0).normal(size=(rows, 16)).astype(np.float32)
    return Embeddings(tuple(f"image-{row}" for row in range(rows)), np.zeros(rows, np.int8), vectors, made)


def same_predictions(one, other):
    return one.ids == other.ids and (one.fold == other.fold).all() and (one.logits == other.logits).all()


def same_embeddings(one, other):
    return one.ids == other.ids and (one.fold == other.fold).all() and (one.vectors == other.vectors).all()


def flips(whole, count):
    """The content of a file with one flipped bit, at positions spread over the whole file and over its footer."""
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    places = [*np.linspace(0, len(whole) - 1, count // 2), *np.linspace(footer, len(whole) - 1, count // 2)]
    chosen = random.Random(0)
    for place in map(int, places):
        changed = bytearray(whole)
        changed[place] ^= 1 << chosen.randrange(8)
        yield place, bytes(changed)


@pytest.mark.parametrize(
    ("make", "read", "same"), [(predictions, read_predictions, same_predictions), (embeddings, read_embeddings, same_embeddings)]
)
def test_a_file_with_a_flipped_bit_is_refused_or_reads_as_it_was_written(tmp_path, make, read, same):
    path, made = tmp_path / "net" / "file.parquet", make()
    made.write(path)
    refusals = []
    for place, changed in flips(path.read_bytes(), 300):
        path.write_bytes(changed)
        try:
            found = read(path)
        except PredictionError as error:
            refusals.append(str(error))
        else:
            assert same(found, made), place
            assert found.provenance == made.provenance, place
    assert all(str(path) in refusal and "\n" not in refusal for refusal in refusals)
    assert len(refusals) > 150  # the others lie in statistics and the like, which say nothing of the content


def test_checksums_and_digest_cost_few_bytes(tmp_path):
    made = predictions(1000)
    made.write(tmp_path / "sealed.parquet")
    table = pq.read_table(tmp_path / "sealed.parquet").replace_schema_metadata(None)
    names = table.column_names[2:]
    sizes = []
    for checksums in (False, True):
        path = tmp_path / f"{checksums}.parquet"
        pq.write_table(table, path, compression="zstd", use_dictionary=False, use_byte_stream_split=names, write_page_checksum=checksums)
        sizes.append(path.stat().st_size)
    assert 0 < sizes[1] - sizes[0] < 250
    file = pq.ParquetFile(tmp_path / "sealed.parquet", page_checksum_verification=True)
    np.testing.assert_array_equal(np.column_stack([column.to_numpy() for column in file.read().columns[2:]]), made.logits)


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    made, path = predictions(), tmp_path / "fold-0.parquet"
    made.write(path)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"comp": table.schema.metadata[b"comp"]}), path, compression="zstd")
    assert same_predictions(read_predictions(path), made)


def test_an_edited_value_is_noticed(tmp_path):
    path = tmp_path / "fold-0.parquet"
    predictions().write(path)
    table = pq.read_table(path)
    edited = table.set_column(2, "z00", pa.array(table["z00"].to_numpy() + 1)).replace_schema_metadata(table.schema.metadata)
    pq.write_table(edited, path)
    with pytest.raises(PredictionError, match=r"fold-0\.parquet is damaged: its content is not what was written"):
        read_predictions(path)


def nothing(path):
    path.write_bytes(b"")


def json_list(path):
    path.write_text("[1, 2]")


def binary(path):
    path.write_bytes(bytes(range(256)) * 10)


def folder(path):
    path.mkdir()


def folder_with_parquet(path):
    path.mkdir()
    predictions().write(path / "part-0.parquet")


def pipe(path):
    os.mkfifo(path)


def loop(path):
    path.symlink_to(path)


@pytest.mark.parametrize("put", [nothing, json_list, binary, folder, folder_with_parquet, pipe, loop])
def test_what_is_no_parquet_file_is_refused_by_name(tmp_path, put):
    path = tmp_path / "fold-0.parquet"
    put(path)
    with pytest.raises(PredictionError, match=r"fold-0\.parquet cannot be read as Parquet") as caught:
        read_table(path, AGAIN)
    assert "\n" not in str(caught.value)


def test_the_folders_around_a_file_add_no_columns(tmp_path):
    path, made = tmp_path / "seed=1" / "fold-0.parquet", predictions()
    made.write(path)
    assert same_predictions(read_predictions(path), made)
    shutil.rmtree(path.parent)
    with pytest.raises(PredictionError, match=r"there is no .*fold-0\.parquet"):
        read_predictions(path)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux does")
def test_reading_starts_no_thread(tmp_path):
    """A command that ends at once, as with an error, while Arrow's threads start was aborted about once in 300 times."""
    predictions().write(tmp_path / "fold-0.parquet")
    program = (
        "import os, sys; from pathlib import Path; import comp.predictions.prediction_file as file, comp.predictions.table_file as table\n"
        "def count(): return len(os.listdir('/proc/self/task'))\n"
        "before, path = count(), Path(sys.argv[1]); file.read_predictions(path); table.read_parquet(path); print(count() - before)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "fold-0.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"
