"""Unseen sets are read without photographs that are trained on."""

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from tests.support import ROOT
from tests.support.training_fixtures import write_parquet, write_pictures
from training import __main__ as command_line
from training.data import face_cache, streams, tables
from training.data.sources import Source
from training.errors import TrainingError

pytest_plugins = ["tests.support.training_fixtures"]

ASTRONAUT = ROOT / "ui" / "examples" / "astronaut.jpg"


def passed_on(picture: Path) -> bytes:
    """The photograph smaller and worse, as another collection may hold it."""
    buffer = io.BytesIO()
    Image.open(picture).convert("RGB").reduce(2).save(buffer, "WEBP", quality=60)
    return buffer.getvalue()


@pytest.mark.parametrize("parquet", [True, False])
def test_what_is_trained_on_is_excluded(
    parquet: bool, tmp_path: Path, hopper: Path, capsys: pytest.CaptureFixture
) -> None:
    unseen = [("Real", "astronaut.webp", passed_on(ASTRONAUT)), ("Real", "hopper.webp", passed_on(hopper))]
    seen_set = write_parquet(tmp_path / "seen", {"train": [("Real", "one.jpg", ASTRONAUT.read_bytes())]})
    unseen_set = (write_parquet if parquet else write_pictures)(tmp_path / "unseen", {"validation": unseen})
    source = Source(str(unseen_set))
    assert len(face_cache.load(source, "validation")) == 2
    words = ["dedup", "--data", str(seen_set), "--exclude-from", str(unseen_set)]
    for _ in range(2):  # a second time finds no more, and forgets nothing
        assert command_line.main(words) == 0
        left = face_cache.load(source, "validation")
        assert [tables.name_of(left.rows[face.index]) for face in left.faces] == ["hopper.webp"]
    (listed,) = (unseen_set / "excluded.txt").read_text().split()
    assert listed == hashlib.sha256(passed_on(ASTRONAUT)).hexdigest()
    with pytest.raises(TrainingError, match="unseen lists pictures to exclude: read it without --streaming."):
        streams.open_train(source)
    assert command_line.main([*words, "owner/name"]) == 2
    assert capsys.readouterr().err.endswith(
        "owner/name is not a folder here: what is excluded from a set is listed in its folder.\n"
    )


@pytest.mark.parametrize("named", [True, False])
def test_a_picture_of_the_same_name_stays(named: bool, tmp_path: Path, hopper: Path) -> None:
    """`Real/1.webp` has a twin, `Fake/1.webp` has none; and in parquet a picture need have no name at all."""
    name = "1.webp" if named else None
    unseen = [("Real", name, passed_on(ASTRONAUT)), ("Fake", name, passed_on(hopper))]
    seen_set = write_parquet(tmp_path / "seen", {"train": [("Real", "one.jpg", ASTRONAUT.read_bytes())]})
    unseen_set = (write_pictures if named else write_parquet)(tmp_path / "unseen", {"validation": unseen})
    assert command_line.main(["dedup", "--data", str(seen_set), "--exclude-from", str(unseen_set)]) == 0
    left = face_cache.load(Source(str(unseen_set)), "validation")
    assert left.labels.tolist() == [1.0]
    assert left.file(0) == passed_on(hopper)


@pytest.mark.parametrize("name", ["excluded.txt", "left-out.txt"])  # now and formerly
def test_a_list_of_names_is_refused(name: str, tmp_path: Path, hopper: Path) -> None:
    folder = write_pictures(tmp_path / "set", {"validation": [("Real", "1.jpg", hopper.read_bytes())]})
    (folder / name).write_text("1.jpg\n")
    with pytest.raises(TrainingError, match="lists names, which two pictures may share: delete it, and run"):
        face_cache.load(Source(str(folder)), "validation")
