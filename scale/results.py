"""OUTPUT: a folder of parquet files, each written at once, and what those already there hold.

A part has one row a picture. The key of a row is the file's name and the sha256 of its bytes: a file that changed gets
a new row, a copy under another name its own. All rows of an output are verdicts of one model, which every part names
in its metadata. `_run.json` names the run that may write: a worker of an earlier one, not yet dead, then does not.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detector.face_detector import VERSION
from detector.model_folder import ModelFolder
from scale.errors import ScaleError
from scale.storage import Place

_SHARE = pa.struct([(name, pa.float64()) for name in ("value", "low", "high")])
_SHARES = [(f"{name}_share", _SHARE) for name in ("false_positive", "unseen", "seen")]
_FACE = pa.struct(
    [
        ("box", pa.list_(pa.int32())),
        ("detection_score", pa.float64()),
        ("score", pa.float64()),
        *_SHARES,
        ("verdict", pa.string()),
        ("evidence", pa.string()),
        ("roll", pa.float64()),
        ("doubts", pa.list_(pa.string())),
    ]
)
_WARNING = pa.struct([(name, pa.string()) for name in ("code", "text")])
_FINDING = pa.struct(
    [(name, pa.string()) for name in ("source", "summary", "meaning", "suggests", "signature")]
    + [("trust_list", pa.struct([("owner", pa.string()), ("date", pa.string())]))]
    + [("by", pa.string()), ("partly_unverified", pa.bool_())]
)
_ORIGIN = pa.struct([(name, pa.string()) for name in ("kind", "trust", "by", "says")])
SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        ("sha256", pa.string()),  # null where the file could not be read to its end
        ("headline", pa.string()),
        ("verdict", pa.string()),
        ("score", pa.float64()),
        *_SHARES,
        ("origin", _ORIGIN),
        ("faces", pa.list_(_FACE)),
        ("findings", pa.list_(_FINDING)),
        ("warnings", pa.list_(_WARNING)),
        ("error", pa.string()),
        pa.field("model_revision", pa.string(), nullable=False),
    ]
)
_METADATA = b"detector"
_RUN = "_run.json"
_KEY = np.dtype("S16")


@dataclass(frozen=True)
class Known:
    """What an output holds: the sorted keys of its rows, S16 (N,), and how many of them are errors."""

    keys: np.ndarray
    failed: int

    def __contains__(self, key: bytes) -> bool:
        place = int(np.searchsorted(self.keys, np.array(key, _KEY)))
        return place < len(self.keys) and self.keys[place] == np.array(key, _KEY)


def key(file: str, sha256: str | None) -> bytes:
    """16 bytes that stand for a row: with a billion rows, two are the same with a chance of 10**-21."""
    return hashlib.blake2b(f"{file}\0{sha256 or ''}".encode(), digest_size=16).digest()


def revision(model: ModelFolder) -> str:
    """The commit of a model from the Hub; of any other its digest."""
    return model.info.revision or model.info.digest


def identity(model: ModelFolder) -> dict[str, Any]:
    """All that a verdict depends on besides the picture."""
    return {"model_revision": revision(model), "digest": model.info.digest, "finder": VERSION}


def begin(output: Place, run: str, model: ModelFolder) -> Known:
    """Make the folder this run's, and read what it holds. Raises ScaleError where that is of another model."""
    try:
        if output.is_local:
            output.fs.makedirs(output.root, exist_ok=True)
        before = _files(output)
        # Before the run takes the folder over: a refusal must not stop the run that is at work in it.
        for path in before[:1] + before[-1:]:
            _same_model(output, _opened(output, path)[0], model)
        output.write(_RUN, json.dumps({"run": run, **identity(model)}).encode())
        return _known(output, model)
    except (OSError, pa.ArrowException):
        raise ScaleError("OUTPUT could not be written or read: check its name and your rights.") from None


def check(output: Place, run: str) -> None:
    """Raises ScaleError where this worker may not write to the output."""
    try:
        current = json.loads(output.fs.cat_file(f"{output.root}/{_RUN}"))["run"]
    except (OSError, ValueError, KeyError):
        raise ScaleError(
            "A worker does not see OUTPUT: put it where every machine does, or on an object store."
        ) from None
    if current != run:
        raise ScaleError("Another run has taken over OUTPUT: this one has stopped, and nothing is lost.")


def write(output: Place, name: str, rows: Sequence[dict[str, Any]], model: ModelFolder) -> None:
    """The part `name` with these rows, which have all columns but `model_revision`."""
    schema = SCHEMA.with_metadata({_METADATA: json.dumps(identity(model)).encode()})
    table = pa.Table.from_pylist([{**row, "model_revision": revision(model)} for row in rows], schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    output.write(name, sink.getvalue().to_pybytes())


def row(file: str, sha256: str | None, answer: dict[str, Any] | str) -> dict[str, Any]:
    """A row of what Result.to_dict() gave, or of an error's text."""
    if isinstance(answer, str):
        return {"file": file, "sha256": sha256, "error": answer}
    return {
        "file": file,
        "sha256": sha256,
        **{name: answer[name] for name in ("headline", "verdict", "score", *dict(_SHARES), "origin", "faces")},
        "findings": answer["provenance"],
        "warnings": answer["warnings"],
    }


def _files(output: Place, tidy: bool = False) -> list[str]:
    """Paths of the parts. With `tidy`, what a killed run left, under names that readers pass over, is removed."""
    output.fs.invalidate_cache()
    if not output.fs.exists(output.root):
        return []
    paths = sorted(output.fs.ls(output.root, detail=False))
    for path in paths if tidy else []:
        if path.rpartition("/")[2].startswith((".part-", "_plan-")):
            output.fs.rm_file(path)
    return [path for path in paths if path.endswith(".parquet")]


def _opened(output: Place, path: str) -> tuple[dict[str, Any], pq.ParquetFile]:
    parquet = pq.ParquetFile(pa.BufferReader(output.fs.cat_file(path)))
    try:
        return json.loads((parquet.schema_arrow.metadata or {})[_METADATA]), parquet
    except (KeyError, ValueError):
        raise ScaleError("OUTPUT holds parquet files that this command did not write: choose another folder.") from None


def _same_model(output: Place, found: dict[str, Any], model: ModelFolder) -> None:
    if found == identity(model):
        return
    there, here = found.get("model_revision", "unknown"), revision(model)
    what = f"of the model revision {there[:12]}, and this is {here[:12]}"
    if there == here:
        what = f"of the model revision {here[:12]} with another face detector or digest"
    raise ScaleError(f"OUTPUT holds verdicts {what}: take the same model, or another OUTPUT.")


def _known(output: Place, model: ModelFolder) -> Known:
    found, failed = [np.empty(0, _KEY)], 0
    for path in _files(output, tidy=True):
        metadata, parquet = _opened(output, path)
        _same_model(output, metadata, model)
        table = parquet.read(["file", "sha256", "error"])
        failed += len(table) - table["error"].null_count
        pairs = zip(table["file"].to_pylist(), table["sha256"].to_pylist(), strict=True)
        found.append(np.array([key(*pair) for pair in pairs], _KEY))
    return Known(np.sort(np.concatenate(found)), failed)
