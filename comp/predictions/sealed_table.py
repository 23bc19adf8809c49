"""A Parquet file that notices damage: every page has a checksum, and a digest of the content covers the rest."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from comp.base.errors import PredictionError
from comp.base.files import atomic_write, read_bytes

DIGEST = b"sha256"  # the digest's key in the file's metadata


def write_sealed(path: Path, table: pa.Table, as_bytes: Sequence[str] = ()) -> None:
    """Write a table; equal contents give equal bytes.

    Args:
        as_bytes: columns of floating-point numbers without repeated values, which are compressed byte by byte.
    """
    sealed = table.replace_schema_metadata({**(table.schema.metadata or {}), DIGEST: digest(table)})
    split = list(as_bytes)
    with atomic_write(path) as file:
        pq.write_table(
            sealed, file, compression="zstd", use_dictionary=False, use_byte_stream_split=split or False, write_page_checksum=True
        )


def read_sealed(path: Path, again: str) -> pa.Table:
    """What `write_sealed` wrote. Files without checksums or digest, which earlier versions wrote, are read too.

    Raises:
        PredictionError: missing, damaged, or no Parquet file; `again` is what to type then.
    """
    try:
        content = pa.BufferReader(read_bytes(path))
        # without threads: a process that ends while one of them starts is aborted
        table = pq.ParquetFile(content, page_checksum_verification=True).read(use_threads=False)
        table.validate(full=True)
        written = (table.schema.metadata or {}).get(DIGEST)
        whole = written is None or written == digest(table)
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", again) from None
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
        raise PredictionError(f"{path} cannot be read as Parquet ({reason})", again) from None
    if not whole:
        raise PredictionError(f"{path} is damaged: its content is not what was written", again)
    return table


def digest(table: pa.Table) -> bytes:
    """SHA-256, as hexadecimal digits, of the names, types and values of the columns and of the metadata, without the digest itself."""
    metadata = sorted((key.hex(), value.hex()) for key, value in (table.schema.metadata or {}).items() if key != DIGEST)
    columns = [(field.name, str(field.type)) for field in table.schema]
    found = hashlib.sha256(json.dumps([metadata, columns]).encode())
    for column in table.columns:
        numbers = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        values = column.to_numpy().tobytes() if numbers else json.dumps(column.to_pylist(), default=repr).encode()
        found.update(values)
    return found.hexdigest().encode()
