"""Photographs in, pairs out: alike in all but what an autoencoder leaves, in a folder that training reads."""

import io
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import skimage.data
from keras import layers
from PIL import ExifTags, Image, JpegImagePlugin

from detector import face_detector, picture
from tests.support.autoencoder_files import onnx_file
from tests.support.training_fixtures import photograph
from training import __main__ as command_line
from training.data import face_cache
from training.data.sources import Source
from training.errors import TrainingError
from training.files import write_model
from training.reconstruct import autoencoders, pairs, zoo
from training.reconstruct.options import ReconstructOptions

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow

PIXELS = skimage.data.astronaut()[:260, 120:330]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, hopper: Path) -> Path:
    """A JPEG, a PNG, a small grey JPEG, one that shows nobody and one that is no picture."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    (folder / "inner").mkdir()
    shutil.copy(hopper, folder / "inner" / "hopper.jpg")
    Image.fromarray(skimage.data.camera()).save(folder / "camera.jpg", quality=71, subsampling=0)
    Image.fromarray(photograph(3)).save(folder / "small.jpg", quality=63, subsampling=0)
    Image.fromarray(np.full((90, 90, 3), 200, np.uint8)).save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def halves_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_file(tmp_path_factory.mktemp("autoencoders") / "halves.onnx")


def made(photos: Path | str, halves_file: Path, out: Path, **options: object) -> list[dict]:
    words = {"autoencoder": (str(halves_file),), **options}
    pairs.reconstruct([str(photos)], out, ReconstructOptions(**words))
    return [
        json.loads(line) | {"split": file.parent.name}
        for file in sorted(out.glob("*/metadata.jsonl"))
        for line in file.read_text().splitlines()
    ]


def halves_of(rows: list[dict], out: Path) -> list[tuple[Image.Image, Image.Image]]:
    """(real, forged) of every pair."""
    by_pair: dict[str, dict[str, Image.Image]] = {}
    for row in rows:
        by_pair.setdefault(row["pair"], {})[row["label"]] = Image.open(out / row["split"] / row["file_name"])
    return [(halves["Real"], halves["Fake"]) for halves in by_pair.values()]


def test_both_halves_are_saved_as_the_photograph_was(photos: Path, halves_file: Path, tmp_path: Path) -> None:
    rows = made(photos, halves_file, tmp_path / "out", count=3)
    assert len(rows) == 24 and {row["generator"] for row in rows if row["label"] == "Fake"} == {"halves"}
    originals = [
        Image.open(path) for path in (photos / "camera.jpg", photos / "inner" / "hopper.jpg", photos / "small.jpg")
    ]
    known = {(image.mode, json.dumps(image.quantization), JpegImagePlugin.get_sampling(image)) for image in originals}
    found = set()
    for real, fake in halves_of(rows, tmp_path / "out"):
        assert (real.format, real.mode, real.size) == (fake.format, fake.mode, fake.size)
        if real.format == "JPEG":
            assert real.quantization == fake.quantization
            found.add((real.mode, json.dumps(real.quantization), JpegImagePlugin.get_sampling(real)))
        difference = np.abs(np.asarray(real, int) - np.asarray(fake, int))
        assert 0.1 < difference.mean() < 20
    assert found == known


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_saved_as_it_was_a_photograph_stays_the_same(orientation: int) -> None:
    """With its own tables, on its own blocks, upright: nothing is added to the history of the real half."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    coarse_across = [(1 + 4 * (n % 8)) for n in range(64)]
    buffer = io.BytesIO()
    taken = Image.fromarray(PIXELS[:192, :160])
    taken.save(buffer, "JPEG", qtables=[coarse_across, coarse_across], subsampling=2, exif=exif)
    upright = picture.read(buffer.getvalue()).pixels
    again = picture.read(pairs.Saving.like(buffer.getvalue()).encoded(upright)).pixels
    assert np.abs(again.astype(int) - upright).mean() < 0.7


def test_a_cut_begins_where_blocks_begin(photos: Path, halves_file: Path, tmp_path: Path) -> None:
    rows = made(photos / "inner", halves_file, tmp_path / "out", regions=("surroundings",), count=8)
    hopper = np.asarray(Image.open(photos / "inner" / "hopper.jpg").convert("RGB")).astype(int)
    own = []
    for real, _ in halves_of(rows, tmp_path / "out"):
        height, width = real.height, real.width
        corners = [(y, x) for y in range(0, len(hopper) - height + 1, 16) for x in range(0, 512 - width + 1, 16)]
        cuts = (hopper[y : y + height, x : x + width] for y, x in corners)
        own.append(min(np.abs(cut - np.asarray(real, int)).mean() for cut in cuts) < 0.7)
    assert 2 <= sum(own) <= 7  # the others are scaled down


def test_the_face_alone_is_changed_softly(photos: Path, halves_file: Path, tmp_path: Path) -> None:
    rows = made(photos, halves_file, tmp_path / "out", regions=("face",))
    for real, fake in halves_of(rows, tmp_path / "out"):
        pixels, forged = (np.asarray(image.convert("RGB")).astype(int) for image in (real, fake))
        face = max(
            face_detector.FaceDetector().find(pixels.astype(np.uint8), min_score=0.3), key=lambda face: face.side
        )
        changed = np.abs(pixels - forged).max(axis=2)
        left, top, right, bottom = face.box
        inside = changed[top:bottom, left:right].mean()
        outside = changed.copy()
        outside[
            max(0, top - face.side // 2) : bottom + face.side // 2,
            max(0, left - face.side // 2) : right + face.side // 2,
        ] = 0
        assert inside > 1 and outside.mean() < 0.05 * inside


def test_pixels_are_mixed_with_those_of_the_photograph(photos: Path, halves_file: Path, tmp_path: Path) -> None:
    def change(name: str, mix: float) -> float:
        rows = made(photos, halves_file, tmp_path / name, mix=mix, regions=("picture",))
        both = halves_of(rows, tmp_path / name)
        return float(np.mean([np.abs(np.asarray(r, int) - np.asarray(f, int)).mean() for r, f in both]))

    assert 0.5 < change("mixed", 0.5) / change("whole", 1.0) < 0.95


def test_no_tint_tells_a_black_and_white_photograph(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(skimage.data.camera()).convert("RGB").save(tmp_path / "photos" / "camera.png")
    inputs = keras.Input((None, None, 3))
    tinted = layers.Rescaling([1.0, 0.9, 1.0], offset=[4.0, 0.0, 0.0])(inputs)
    write_model(keras.Model(inputs, tinted), tmp_path / "tinted.keras")
    rows = made(tmp_path / "photos", tmp_path / "tinted.keras", tmp_path / "out", regions=("picture",))
    [(real, fake)] = halves_of(rows, tmp_path / "out")
    assert (
        np.ptp(np.asarray(fake), axis=2).max() == 0 and np.abs(np.asarray(real, int) - np.asarray(fake, int)).mean() > 1
    )


def test_a_stopped_call_goes_on_and_another_one_is_refused(photos: Path, halves_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = made(photos, halves_file, out)
    contents = {file: file.read_bytes() for file in out.rglob("*.*") if file.is_file() and ".faces" not in file.parts}
    lost, kept = sorted(file for file in contents if "Fake" in file.parts)[:2]
    lost.unlink()
    (out / "train" / "metadata.jsonl").unlink()
    stamp = kept.stat().st_mtime_ns
    assert made(photos, halves_file, out) == first
    assert {file: file.read_bytes() for file in contents} == contents and kept.stat().st_mtime_ns == stamp
    with pytest.raises(TrainingError, match="made with other options"):
        made(photos, halves_file, out, count=2)
    with pytest.raises(TrainingError, match="already holds something"):
        made(photos, halves_file, photos)


def test_training_reads_the_pairs(photos: Path, halves_file: Path, tmp_path: Path) -> None:
    made(photos, halves_file, tmp_path / "out", count=2)
    split = face_cache.load(Source(str(tmp_path / "out")), "train")
    assert split.count()["real"] == 6 and len(split.pairs()) == 6  # the last photograph is for validation
    for fake, real in split.pairs():
        assert (split.faces[fake].target, split.faces[real].target) == (1.0, 0.0)
        assert split.pixels(split.faces[fake]).shape == split.pixels(split.faces[real]).shape
    assert {one.name for one in split.generators(Source(str(tmp_path / "out")))} == {"halves"}


def test_a_data_set_gives_its_real_pictures_in_its_own_splits(
    small_set: Path, halves_file: Path, tmp_path: Path
) -> None:
    rows = made(small_set, halves_file, tmp_path / "out", limit=3)
    assert [row["split"] for row in rows] == ["train"] * 6 + ["validation"] * 2
    limits = {"train": 3, "validation": 1}
    sources = {split: face_cache.load(Source(str(small_set)), split, limit=most) for split, most in limits.items()}
    for name, split in sources.items():
        digests = {pairs.digest_of(split.file(face.index)) for face in split.faces if face.target == 0.0}
        assert {row["pair"].partition("-")[0] for row in rows if row["split"] == name} == digests


def test_the_last_tenth_of_a_folder_is_for_validation(halves_file: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(10):
        Image.fromarray(photograph(number)).save(tmp_path / "photos" / f"{number}.jpg")
    rows = made(tmp_path / "photos", halves_file, tmp_path / "out", count=2)
    held_out = {row["pair"].partition("-")[0] for row in rows if row["split"] == "validation"}
    assert held_out == {pairs.digest_of((tmp_path / "photos" / "9.jpg").read_bytes())}
    assert not held_out & {row["pair"].partition("-")[0] for row in rows if row["split"] == "train"}


def test_what_cannot_be_reconstructed_is_told(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "nobody").mkdir()
    shutil.copy(photos / "nobody.png", tmp_path / "nobody")
    for words, sentence in (
        ([photos], "needs an --autoencoder"),
        ([photos, "--autoencoder", "a.onnx", "--mix", "0"], "a mix above 0"),
        ([photos, "--autoencoder", "a.onnx", "--regions"], "and a region"),
        ([photos, "--autoencoder", tmp_path / "a.onnx"], "no autoencoder file called a.onnx"),
        ([tmp_path / "nobody", "--autoencoder", "a.onnx"], "No face was found in the photographs"),
        ([tmp_path / "nowhere", "--autoencoder", "a.onnx"], "is not a folder here"),
    ):
        out = tmp_path / f"out-{len(sentence)}"
        assert command_line.main(["reconstruct", *map(str, words), "--out", str(out)]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert sentence in said[-1]


def test_the_zoo_is_trained_on_the_photographs(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    words = ["reconstruct", str(photos), "--autoencoder", "zoo", "--designs", "1", "--steps", "25", "--out", str(out)]
    assert command_line.main(words) == 0
    assert capsys.readouterr().out == "4 pairs\n"
    [file] = (out / "autoencoders").glob("*.keras")
    names = [f"zoo-{n + 1:02}-{design.name}" for n, design in enumerate(zoo.designs(2, 1))]
    assert file.stem == names[0]
    untrained = zoo.build(zoo.designs(1, 1)[0])
    fresh = np.clip(np.asarray(untrained(PIXELS[None, :256, :192].astype(np.float32)))[0], 0, 255).astype(np.uint8)
    trained = autoencoders.load(str(file), autoencoders.BYTES).reconstruct(PIXELS[:256, :192])
    quality = [autoencoders.psnr(PIXELS[:256, :192], pixels) for pixels in (fresh, trained)]
    assert quality[1] > quality[0] + 3

    for name in names:  # those that are there are taken as they are
        shutil.copy(file, tmp_path / f"{name}.keras")
    assert [made.name for made in zoo.make([PIXELS], tmp_path, 2, 25, 1)] == names
    assert {(tmp_path / f"{name}.keras").read_bytes() for name in names} == {file.read_bytes()}
