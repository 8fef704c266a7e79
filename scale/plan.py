"""INPUT -> units of work, kept in a file: which pictures go together to a worker, and to one part of the output.

A unit is a batch of an Arrow file that any worker can read by its number. So the memory of the run does not grow with
the pictures, and a unit that is worked on again, because its worker died, is the same unit.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from detector import walk
from scale.errors import ScaleError
from scale.storage import PARQUET, Place

UNIT = 256  # pictures: seconds of work, and parts of the output that are not too small
FIRST_UNIT = 16
_NOT_PARQUET = -1
DAMAGED = -2

# `path` is as the filesystem has it, which need not be text; `row_group` is negative for what is no parquet file.
_SCHEMA = pa.schema([("path", pa.binary()), ("row_group", pa.int32()), ("first_row", pa.int64()), ("rows", pa.int64())])


@dataclass(frozen=True)
class Item:
    """One picture's file, or one row group of a parquet file whose rows begin at number `first_row`."""

    path: str
    row_group: int
    first_row: int
    rows: int

    @property
    def is_picture(self) -> bool:
        return self.row_group == _NOT_PARQUET

    @property
    def is_damaged(self) -> bool:
        """A parquet file whose contents could not be listed."""
        return self.row_group == DAMAGED


@dataclass(frozen=True)
class Plan:
    """`units` batches in the file `path` of `place`, `pictures` in all; `column` holds those of parquet files. `passed`
    says what was left out."""

    place: Place
    path: str
    units: int
    pictures: int
    column: str | None
    passed: str = ""


def make(source: Place, folder: Place, name: str, workers: int, column: str | None = None) -> Plan:
    """List `source` into the file `name` of `folder`. `column` is that of the pictures in parquet files, by default the
    only one that may hold some, or `image`. Raises ScaleError where a parquet file has no such column."""
    units = pictures = waiting = 0
    batch: list[Item] = []
    path = f"{folder.root}/{name}"
    passed = walk.PassedOver()
    with folder.fs.open(path, "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:

        def write() -> None:
            columns = [
                [os.fsencode(item.path) for item in batch],
                *([getattr(item, key) for item in batch] for key in _SCHEMA.names[1:]),
            ]
            arrays = [pa.array(v, field.type) for v, field in zip(columns, _SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
            batch.clear()

        for item, of_column in _items(source, column, passed):
            column = of_column or column
            batch.append(item)
            pictures += item.rows
            waiting += item.rows
            # They grow, so that few pictures still make enough units for all workers.
            if waiting >= min(max(pictures // (8 * workers), FIRST_UNIT), UNIT):
                write()
                units, waiting = units + 1, 0
        if batch:
            write()
            units += 1
    return Plan(folder, path, units, pictures, column, str(passed))


def read(plan: Plan) -> pa.RecordBatchFileReader:
    """The plan's file, opened. Raises OSError where it is gone."""
    return pa.ipc.open_file(plan.place.fs.open(plan.path, "rb"))


def unit(reader: pa.RecordBatchFileReader, number: int) -> list[Item]:
    """The items of one unit."""
    return [Item(os.fsdecode(row.pop("path")), **row) for row in reader.get_batch(number).to_pylist()]


def _items(source: Place, column: str | None, passed: walk.PassedOver) -> Iterator[tuple[Item, str | None]]:
    """Every item, with the column of its pictures."""
    for path in source.pictures(passed):
        if path.lower().endswith(PARQUET):
            for item, found in _row_groups(source, path, column):
                column = found
                yield item, found
        else:
            yield Item(path, _NOT_PARQUET, 0, 1), None


def _row_groups(source: Place, path: str, column: str | None) -> Iterator[tuple[Item, str | None]]:
    try:
        with source.fs.open(path, "rb") as file:
            parquet = pq.ParquetFile(file)
            schema, rows = (
                parquet.schema_arrow,
                [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)],
            )
    except (OSError, pa.ArrowException):
        yield Item(path, DAMAGED, 0, 1), column
        return
    column = _picture_column(schema, column, source.name(path))
    first = 0
    for number, count in enumerate(rows):
        if count:
            yield Item(path, number, first, count), column
        first += count


def _picture_column(schema: pa.Schema, wanted: str | None, name: str) -> str:
    found = [field.name for field in schema if _holds_bytes(field.type)]
    if wanted:
        if wanted in found:
            return wanted
        raise ScaleError(
            f"{name} has no column {wanted} of pictures: name one of {', '.join(schema.names)} by --column."
        )
    if "image" in found or len(found) == 1:
        return "image" if "image" in found else found[0]
    if found:
        raise ScaleError(f"{name} has several columns that may hold pictures, {', '.join(found)}: choose by --column.")
    raise ScaleError(
        f"{name} has no column of pictures: it needs one of bytes, or as the library datasets writes them."
    )


def _holds_bytes(kind: pa.DataType) -> bool:
    """Bytes, or the {bytes, path} of the library datasets."""
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
