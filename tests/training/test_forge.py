"""Forgeries: changed where the face is, untouched elsewhere; and a folder of them that training can load."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from detector import face_detector
from training.__main__ import main
from training.augment import forge
from training.data import face_cache
from training.data.sources import Source
from training.errors import TrainingError

PIXELS = np.ascontiguousarray(skimage.data.astronaut()[:320:1, 60:380])
SEEDS = range(40)


@pytest.fixture(scope="module")
def face() -> face_detector.DetectedFace:
    [found] = face_detector.FaceDetector().find(PIXELS)
    return found


def reach(face: face_detector.DetectedFace) -> np.ndarray:
    """Distance (H, W) of every pixel from the middle of the face, in face sides."""
    left, top, right, bottom = face.box
    y, x = np.mgrid[: PIXELS.shape[0], : PIXELS.shape[1]]
    return np.hypot(x - (left + right) / 2, y - (top + bottom) / 2) / face.side


def test_a_mask_is_a_soft_oval_over_the_face(face: face_detector.DetectedFace) -> None:
    far = reach(face) > 1.1
    for seed in SEEDS:
        mask = forge.face_mask(PIXELS.shape[:2], face.keypoints, np.random.default_rng(seed))
        assert mask.dtype == np.float32 and mask.shape == PIXELS.shape[:2]
        assert mask.min() == 0.0 and 0.95 < mask.max() <= 1.0
        assert mask[far].max() == 0.0
        x, y = face.keypoints[2].round().astype(int)  # the nose
        assert mask[y, x] > 0.9
        assert ((mask > 0.02) & (mask < 0.98)).sum() > 100  # no hard edge


def test_masks_differ_and_repeat_themselves(face: face_detector.DetectedFace) -> None:
    def mask(seed: int) -> bytes:
        return forge.face_mask((320, 320), face.keypoints, np.random.default_rng(seed)).tobytes()

    assert len({mask(seed) for seed in SEEDS}) == len(SEEDS)
    assert mask(3) == mask(3)


def test_a_blend_changes_the_face_and_hardly_anything_else(face: face_detector.DetectedFace) -> None:
    """Outside the mask is the picture itself, or the whole picture sharpened, blurred or tinted alike."""
    far, near = reach(face) > 1.1, reach(face) < 0.3
    untouched = 0
    for seed in SEEDS:
        before = PIXELS.copy()
        forged = forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(seed))
        assert np.array_equal(PIXELS, before)
        assert forged.dtype == np.uint8 and forged.shape == PIXELS.shape
        difference = np.abs(forged.astype(int) - PIXELS).max(axis=2)
        assert difference[near].mean() > 1.0
        untouched += int(difference[far].max() == 0)
    assert 8 <= untouched <= 32  # half of the time the altered one is inside


def test_a_blend_repeats_itself(face: face_detector.DetectedFace) -> None:
    first = forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(5))
    assert np.array_equal(first, forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(5)))
    assert not np.array_equal(first, forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(6)))


def test_the_face_of_a_blend_is_still_found(face: face_detector.DetectedFace) -> None:
    detector = face_detector.FaceDetector()
    for seed in range(6):
        [found] = detector.find(forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(seed)))
        assert np.abs(np.subtract(found.box, face.box)).max() < 0.2 * face.side


@pytest.mark.parametrize("corner", [(0, 0), (310, 315)])
def test_a_face_at_the_edge_or_tiny_gives_no_error(face: face_detector.DetectedFace, corner: tuple[int, int]) -> None:
    points = (face.keypoints - face.keypoints.mean(axis=0)) * 0.03 + np.array(corner, np.float32)
    forged = forge.self_blend(PIXELS, points.astype(np.float32), np.random.default_rng(1))
    assert forged.shape == PIXELS.shape


# ---- swaps ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def donor() -> tuple[np.ndarray, face_detector.DetectedFace]:
    from matplotlib import get_data_path

    pixels = np.asarray(Image.open(Path(get_data_path(), "sample_data", "grace_hopper.jpg")))
    [found] = face_detector.FaceDetector().find(pixels)
    return pixels, found


def swapped(
    face: face_detector.DetectedFace, donor: tuple[np.ndarray, face_detector.DetectedFace], seed: int
) -> np.ndarray:
    return forge.swap(PIXELS, face.keypoints, donor[0], donor[1].keypoints, np.random.default_rng(seed))


def test_a_swap_changes_the_face_and_nothing_else(
    face: face_detector.DetectedFace, donor: tuple[np.ndarray, face_detector.DetectedFace]
) -> None:
    before = PIXELS.copy(), donor[0].copy()
    for seed in range(8):
        forged = swapped(face, donor, seed)
        assert forged.dtype == np.uint8 and forged.shape == PIXELS.shape
        difference = np.abs(forged.astype(int) - PIXELS).max(axis=2)
        assert difference[reach(face) > 1.1].max() == 0 and difference[reach(face) < 0.3].mean() > 10
    assert np.array_equal(PIXELS, before[0]) and np.array_equal(donor[0], before[1])


def test_a_swap_repeats_itself(
    face: face_detector.DetectedFace, donor: tuple[np.ndarray, face_detector.DetectedFace]
) -> None:
    assert np.array_equal(swapped(face, donor, 5), swapped(face, donor, 5))
    assert not np.array_equal(swapped(face, donor, 5), swapped(face, donor, 6))


def test_a_swapped_face_sits_where_the_old_one_was_and_has_its_colours(
    face: face_detector.DetectedFace, donor: tuple[np.ndarray, face_detector.DetectedFace]
) -> None:
    forged = swapped(face, donor, 1)
    [found] = face_detector.FaceDetector().find(forged)
    assert np.abs(found.keypoints - face.keypoints).max() < 0.15 * face.side
    near = reach(face) < 0.3
    assert np.abs(forged[near].mean(axis=0) - PIXELS[near].mean(axis=0)).max() < 20


def test_a_donor_that_looks_the_other_way_is_mirrored(face: face_detector.DetectedFace) -> None:
    mirrored = np.ascontiguousarray(PIXELS[:, ::-1])
    points = face.keypoints * np.float32([-1, 1]) + np.float32([PIXELS.shape[1] - 1, 0])
    forged = forge.swap(PIXELS, face.keypoints, mirrored, points[[1, 0, 2, 4, 3]], np.random.default_rng(1))
    assert np.abs(forged.astype(int) - PIXELS).max() < 8  # the same face, the same way round


@pytest.mark.parametrize("size", [40, 2400])
def test_a_donor_of_any_size_will_do(face: face_detector.DetectedFace, size: int) -> None:
    donor = np.asarray(Image.fromarray(PIXELS).resize((size, size)))
    points = face.keypoints * (size / PIXELS.shape[0])
    forged = forge.swap(PIXELS, face.keypoints, donor, points, np.random.default_rng(1))
    assert np.abs(forged.astype(int) - PIXELS).mean() < 4


# ---- a folder of forgeries -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from matplotlib import get_data_path

    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    (folder / "inner").mkdir()
    shutil.copy(Path(get_data_path(), "sample_data", "grace_hopper.jpg"), folder / "inner" / "hopper.jpg")
    Image.fromarray(np.full((90, 90, 3), 200, np.uint8)).save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_photographs_are_walked_as_on_the_command_line(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [*("._a.png", ".thumbnails/a.png", "@eaDir/a.png"), *("IMG_0001", "b.png")]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / "astronaut.png", tmp_path / "in" / name)
    (tmp_path / "in" / "film.mov").touch()
    options = forge.ForgeOptions(methods=("self_blend",), size=64)
    rows = forge.forge(tmp_path / "in", tmp_path / "out", options)
    assert {name for row in rows for name in row["pictures"]} == {"IMG_0001", "b.png"}
    assert "Skipped, not pictures: 1 .mov, 3 that systems add (hidden files, thumbnails)." in caplog.messages


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "made"
    assert main(["forge", str(photos), "--out", str(out), "--count", "2", "--size", "200", "--seed", "4"]) == 0
    return out


@pytest.mark.slow
def test_the_manifest_names_every_file(made: Path) -> None:
    rows = json.loads((made / forge.MANIFEST).read_text())["pictures"]
    assert {made / row["file"] for row in rows} == set(made.rglob("*.jpg"))
    of = {method: [row for row in rows if row["method"] == method] for method in ("none", *forge.METHODS)}
    assert [len(of[method]) for method in of] == [2, 4, 2]  # one other photograph, so one donor
    assert sorted(row["pictures"] for row in of["swap"]) == [
        ["astronaut.png", "inner/hopper.jpg"],
        ["inner/hopper.jpg", "astronaut.png"],
    ]
    for row in rows:
        assert row["file"].startswith(f"train/{row['label'].capitalize()}/")
        assert (row["label"] == "real") == (row["method"] == "none")
        with Image.open(made / row["file"]) as image:
            assert image.size == (200, 200) and not image.getexif()


@pytest.mark.slow
def test_the_same_seed_makes_the_same_files(photos: Path, made: Path, tmp_path: Path) -> None:
    def files(folder: Path) -> list[str]:
        return sorted(file.name for file in folder.rglob("*.jpg"))

    forge.forge(photos, tmp_path / "again", forge.ForgeOptions(count=2, size=200, seed=4))
    assert files(tmp_path / "again") == files(made)
    forge.forge(photos, tmp_path / "other", forge.ForgeOptions(count=2, size=200, seed=5))
    assert len(set(files(tmp_path / "other")) & set(files(made))) == 2  # the real ones


@pytest.mark.slow
def test_training_loads_what_was_made(made: Path, tmp_path: Path) -> None:
    train, held_out = (face_cache.load(Source(str(made)), split, cache=tmp_path) for split in ("train", "validation"))
    assert train.count() == {"fake": 5, "real": 2, "broken": 0, "no_face": 0}
    assert held_out.count() == {"fake": 1, "real": 0, "broken": 0, "no_face": 0}


@pytest.mark.slow
def test_what_is_made_of_one_photograph_stands_together(made: Path) -> None:
    """The last tenth is held out of training: then none of its photographs is trained on, bar the one it begins in."""
    rows = sorted(json.loads((made / forge.MANIFEST).read_text())["pictures"], key=lambda row: row["file"])
    for label in ("real", "fake"):
        order = [row["pictures"][0] for row in rows if row["label"] == label]
        assert sum(a != b for a, b in zip(order, order[1:], strict=False)) == 1


@pytest.mark.slow
def test_what_cannot_be_forged_is_told(photos: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "empty").mkdir()
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(photos / "astronaut.png", alone)
    out = tmp_path / "out"
    for folder, place, options, words in (
        (tmp_path / "nowhere", out, forge.ForgeOptions(), "no folder called nowhere"),
        (tmp_path / "empty", out, forge.ForgeOptions(), "No face was found"),
        (alone, out, forge.ForgeOptions(), "two photographs"),
        (photos, made, forge.ForgeOptions(), "already holds"),
        (photos, out, forge.ForgeOptions(count=0), "count"),
    ):
        with pytest.raises(TrainingError, match=words):
            forge.forge(folder, place, options)
        assert not out.exists()
    assert main(["forge", str(tmp_path / "nowhere"), "--out", str(out)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
