"""The whole path on real pictures, with the model that is shipped. What differs between two models is not asked."""

import dataclasses
import io
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

from detector import Detector, Face, ImageError, ModelError, Result, Verdict, fusion
from detector.crop import crop_face
from detector.face_detector import least_face
from detector.model_folder import store
from detector.picture import read
from detector.quality import TINY_FACE
from detector.result import WarningCode
from detector.verdict import Calibration
from tests.support import ROOT
from tests.support.bundled import FILES

SHARES = ["false_positive_share", "unseen_share", "seen_share"]
KEYS = [
    "headline",
    "verdict",
    "score",
    *SHARES,
    "origin",
    "faces",
    "provenance",
    "warnings",
    "picture",
    "model",
    "seconds",
]


def same(one: Result, other: Result) -> bool:
    """But for the times, and for the rounding of the network in batches of another size."""
    plain = [result.to_dict() for result in (one, other)]
    scores = []
    for item in plain:
        del item["seconds"]
        scores.append([item.pop("score"), *(face.pop("score") for face in item["faces"])])
        for told in (item, *item["faces"]):
            scores[-1] += [share and share["value"] for share in map(told.pop, SHARES)]
    return plain[0] == plain[1] and all(a is b is None or abs(a - b) < 5e-3 for a, b in zip(*scores, strict=True))


@pytest.fixture(scope="module")
def portrait(astronaut) -> Image.Image:
    return Image.fromarray(astronaut[16:232, 118:334])


def row_of(portrait: Image.Image, faces: int) -> np.ndarray:
    """As many portraits beside each other, each a little larger than the one before."""
    canvas = Image.new("RGB", (190 * faces, 200), (120, 125, 130))
    for place in range(faces):
        side = 130 + 50 * place // faces
        canvas.paste(portrait.resize((side, side), Image.Resampling.LANCZOS), (190 * place, 5))
    return np.asarray(canvas)


@pytest.fixture(scope="module")
def group(detector, portrait) -> Result:
    return detector.detect(row_of(portrait, 4))


# --- What it says of real pictures -----------------------------------------------------------------------------------


def test_photographs_are_not_called_fake(detector, astronaut, hopper):
    for photo in (astronaut, hopper):
        result = detector.detect(photo)
        assert len(result.faces) == 1
        assert result.verdict != Verdict.LIKELY_FAKE, f"a real photograph at P(fake) = {result.score:.3f}"


def test_no_face_comes_without_a_score(detector, no_face):
    result = detector.detect(no_face)
    assert (result.verdict, result.score, result.faces, result.warnings) == (Verdict.NO_FACE, None, (), ())


def test_every_source_of_the_same_pixels_gives_the_same_answer(detector, astronaut, tmp_path):
    file = tmp_path / "photo.png"
    Image.fromarray(astronaut).save(file)
    sources = [file, str(file), file.read_bytes(), Image.open(file), Image.fromarray(astronaut), astronaut]
    results = [detector.detect(source) for source in sources]
    for result in results[1:]:
        assert result.score == pytest.approx(results[0].score, abs=1e-6)
        assert [face.box for face in result.faces] == [face.box for face in results[0].faces]
        assert np.array_equal(result.faces[0].crop, results[0].faces[0].crop)
    assert [result.picture.format for result in results] == ["PNG"] * 4 + [None] * 2
    assert [result.picture.bytes for result in results] == [file.stat().st_size] * 3 + [None] * 3
    assert len({result.picture.sha256 for result in results[:3]}) == 1
    assert len({result.picture.sha256 for result in results[3:]}) == 1


def test_arrays_are_rgb_and_that_stands_where_they_are_taken(detector, astronaut):
    for takes in (read, Detector.detect, Detector.score_crops):
        assert "RGB" in takes.__doc__
    assert "BGR" in read.__doc__ and "BGR" in Detector.detect.__doc__
    assert detector.detect(astronaut).to_dict()["faces"] != detector.detect(astronaut[:, :, ::-1]).to_dict()["faces"]


def test_the_same_answer_comes_twice(detector, hopper):
    assert same(detector.detect(hopper), detector.detect(hopper))


def test_another_detector_of_the_same_model_agrees(detector, hopper):
    assert same(Detector.load(threads=1).detect(hopper), detector.detect(hopper))


def test_a_turned_photo_is_judged_upright(detector, hopper, tmp_path):
    """As a telephone stores it: lying, with a note which way is up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.open(hopper).transpose(Image.Transpose.ROTATE_90)
    lying.save(tmp_path / "telephone.png", exif=exif)
    upright, result = detector.detect(hopper), detector.detect(tmp_path / "telephone.png")
    assert (result.picture.width, result.picture.height) == (upright.picture.width, upright.picture.height)
    assert result.faces[0].box == upright.faces[0].box
    assert result.score == pytest.approx(upright.score, abs=1e-6)


# --- The result ------------------------------------------------------------------------------------------------------


def test_scores_are_probabilities_and_verdicts_follow_from_them(detector, group):
    assert len(group.faces) == 4
    calibration = detector.model.calibration
    for face in group.faces:
        assert isinstance(face, Face) and type(face.score) is float
        assert 0 <= face.score <= 1 and 0.5 <= face.detection_score <= 1
        assert face.verdict is calibration.verdict(face.score)
        assert 0 <= face.box[0] < face.box[2] <= group.picture.width
        assert 0 <= face.box[1] < face.box[3] <= group.picture.height


def test_faces_are_sorted_by_suspicion_and_the_first_speaks_for_the_picture(group):
    scores = [face.score for face in group.faces]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
    assert (group.score, group.verdict) == (scores[0], group.faces[0].verdict)


def crops_of(detector, pixels, faces):
    """An array for each of `crop_specs`."""
    return [
        np.stack([crop_face(pixels, face.box, size, margin, roll=face.roll) for face in faces])
        for size, margin in detector.crop_specs
    ]


def test_every_face_has_its_own_crop_and_map(detector, group, portrait):
    crops = crops_of(detector, row_of(portrait, 4), group.faces)
    for number, face in enumerate(group.faces):
        assert face.crop.dtype == np.uint8
        assert any(np.array_equal(face.crop, of_spec[number]) for of_spec in crops)
        logit = np.log(face.score / (1 - face.score)) * detector.model.calibration.temperature
        assert face.activation.ndim == 2 and face.activation.mean() == pytest.approx(logit, abs=1e-2)


def test_maps_of_two_sizes_add_up_to_one():
    rng = np.random.default_rng(1)
    small, large = rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 4, 2))
    look = fusion.add([(1.0, small.mean(axis=(1, 2)), small), (-0.5, large.mean(axis=(1, 2)), large)])
    logits, maps = look.logits, look.maps
    assert maps.shape == (3, 4, 6)
    assert logits == pytest.approx(small.mean(axis=(1, 2)) - 0.5 * large.mean(axis=(1, 2)))
    assert maps.mean(axis=(1, 2)) == pytest.approx(logits)
    assert maps[:, 0, 0] == pytest.approx(small[:, 0, 0] - 0.5 * large[:, 0, 0])
    assert maps[:, -1, -1] == pytest.approx(small[:, -1, -1] - 0.5 * large[:, -1, -1])


def test_the_fused_logit_is_the_sum_or_the_highest_of_what_stands_beside_it():
    face, surroundings, alone = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, -4.0]), np.array([1.0, 2.0, -0.5])
    looks = [fusion.add([(w, own, np.tile(own[:, None, None], (1, 2, 2)))], by) for w, own, by in (
        (1.0, face, "sum"), (2.0, surroundings, "sum"), (4.0, alone, "max"))]  # fmt: skip
    assert fusion.fuse(looks).tolist() == [4.0, 8.0, -2.0]
    assert [fusion.deciding(looks, number) for number in range(3)] == [2, 2, 2]
    assert fusion.fuse(looks[:2]).tolist() == [2.0, 0.0, -5.0]
    assert [fusion.deciding(looks[:2], number) for number in range(3)] == [0, 1, 0]


def test_score_crops_measures_many_at_once(detector, group, portrait):
    crops = crops_of(detector, row_of(portrait, 4), group.faces)
    scores = detector.score_crops(*crops)
    assert scores.dtype == np.float64
    assert scores == pytest.approx([face.score for face in group.faces], abs=1e-3)
    assert detector.score_crops(*(of_spec[:0] for of_spec in crops)).shape == (0,)


def test_the_dictionary_is_that_of_the_contract(detector, hopper):
    result = detector.detect(hopper)
    plain = result.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == KEYS
    own = [key for key in KEYS if key not in ("headline", "origin", *SHARES)]
    assert own == [field.name for field in dataclasses.fields(Result) if field.name != "shares"]
    assert plain["headline"] == result.headline.title
    assert plain["origin"] == {"kind": "none", "trust": None, "by": None, "says": None}
    assert plain["verdict"] == result.verdict == result.verdict.value
    assert plain["score"] == pytest.approx(result.score, abs=1e-6)
    (face,) = plain["faces"]
    assert list(face) == ["box", "detection_score", "score", *SHARES, "verdict", "evidence", "roll", "doubts"]
    for name in SHARES:
        assert plain[name] == face[name] and 0 <= face[name]["low"] <= face[name]["value"] <= face[name]["high"] <= 1
    assert face["box"] == list(result.faces[0].box)
    picture = {"width": 512, "height": 600, "format": "JPEG", "bytes": hopper.stat().st_size}
    assert plain["picture"] == {**picture, "sha256": read(hopper).sha256}
    assert plain["model"] == {
        "source": "bundled",
        "repo": None,
        "revision": None,
        "digest": detector.model.info.digest,
        "architecture": detector.model.info.architecture,
        "note": None,
    }
    assert list(plain["seconds"]) == ["read", "provenance", "faces", "model", "total"]
    assert all(seconds >= 0 for seconds in plain["seconds"].values())


def test_a_result_cannot_be_changed(group):
    with pytest.raises(dataclasses.FrozenInstanceError):
        group.verdict = Verdict.NO_SIGNS
    with pytest.raises(dataclasses.FrozenInstanceError):
        group.faces[0].score = 0.0


def test_what_the_file_says_of_itself_stands_beside_the_score(detector, astronaut, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS 5D"
    exif[0x0131] = "Adobe Photoshop 25.0"
    Image.fromarray(astronaut).save(tmp_path / "marked.png", exif=exif)
    marked, bare = detector.detect(tmp_path / "marked.png"), detector.detect(astronaut)
    assert marked.provenance and not bare.provenance
    assert marked.score == pytest.approx(bare.score, abs=1e-6)
    (first, *_) = marked.to_dict()["provenance"]
    told = ["source", "summary", "meaning", "suggests"]
    assert list(first) == [*told, "signature", "trust_list", "by", "partly_unverified"]
    assert marked.origin.kind == "edited" and marked.origin.by == "Adobe Photoshop"


def test_the_model_says_what_it_is(detector):
    assert detector.model.info == store.load().info
    date.fromisoformat(detector.model.config.date)


# --- Warnings --------------------------------------------------------------------------------------------------------


def warned(result: Result) -> str:
    assert all(re.fullmatch(r".+: .+\.", warning.text) for warning in result.warnings)
    assert result.to_dict()["warnings"] == [{"code": str(w.code), "text": w.text} for w in result.warnings]
    return " ".join(f"{warning.code}: {warning.text}" for warning in result.warnings)


SMALL = 56  # pixels of `portrait`, whose face is then too small to be judged


def unjudged(detector: Detector, source: object) -> Result:
    """The answer for a picture of faces none of which can be judged."""
    result = detector.detect(source)
    assert result.verdict == Verdict.UNCERTAIN and result.faces and result.judged == 0
    assert all(face.doubts and face.verdict == Verdict.UNCERTAIN for face in result.faces)
    assert result.to_dict()["faces"][0]["doubts"] == [str(code) for code in result.faces[0].doubts]
    return result


def test_good_photos_get_no_warning(detector, astronaut, hopper):
    assert not detector.detect(astronaut).warnings and not detector.detect(hopper).warnings


def test_a_drawing_is_warned_of(detector):
    drawing = Image.new("RGB", (1200, 1200), (214, 226, 240))
    pen = ImageDraw.Draw(drawing)
    pen.ellipse([250, 150, 950, 1100], fill=(236, 190, 160), outline="black", width=14)
    for left in (400, 680):
        pen.ellipse([left, 480, left + 120, 560], fill="white", outline="black", width=8)
        pen.ellipse([left + 40, 490, left + 80, 550], fill=(40, 80, 150))
    pen.chord([450, 750, 750, 950], 0, 180, fill=(190, 50, 60), outline="black", width=8)
    for side in (1200, 512, 300):
        shown = drawing.resize((side, side), Image.Resampling.LANCZOS)
        assert "not_a_photograph: This looks like a drawing, a graphic" in warned(detector.detect(shown))


@pytest.mark.slow
def test_photographs_are_not_taken_for_drawings(detector, astronaut, hopper, no_face):
    """Neither as poor copies, nor grey, nor with the 256 colours of a GIF."""
    photo, poor, moving = Image.fromarray(astronaut), io.BytesIO(), io.BytesIO()
    photo.save(poor, "JPEG", quality=5)
    photo.save(moving, "GIF")
    sources = [hopper, no_face, poor.getvalue(), moving.getvalue(), photo.convert("L"), photo.resize((64, 64))]
    for source in (*sources, data.moon(), data.brick(), data.hubble_deep_field()):
        assert "not_a_photograph" not in warned(detector.detect(source))


def test_a_tiny_face_is_not_judged(detector, portrait):
    canvas = Image.new("RGB", (400, 300), (120, 125, 130))
    canvas.paste(portrait.resize((SMALL,) * 2), (100, 100))
    assert f"tiny_face: One face is smaller than {TINY_FACE} pixels, too small to be judged" in warned(
        unjudged(detector, canvas)
    )
    canvas.paste(portrait.resize((SMALL + 4,) * 2), (250, 100))
    assert f"tiny_face: 2 faces are smaller than {TINY_FACE} pixels" in warned(unjudged(detector, canvas))


@pytest.mark.slow
def test_of_a_huge_picture_it_is_said_which_faces_may_be_missed(detector):
    size = (7000, 5000)
    result = detector.detect(Image.new("RGB", size, (120, 125, 130)))
    assert result.verdict == Verdict.NO_FACE
    assert f"large_picture: In a picture this large, faces smaller than {least_face(*size)} pixels" in warned(result)


def test_a_blurred_face_is_not_judged(detector, hopper):
    blurred = Image.open(hopper).crop((66, 36, 464, 435)).filter(ImageFilter.GaussianBlur(5))
    assert "blurred_face: One face is too blurred to be judged" in warned(unjudged(detector, blurred))


def test_a_face_cut_off_by_the_edge_is_not_judged(detector, astronaut):
    assert "cut_off_face: One face is cut off by the edge" in warned(unjudged(detector, astronaut[:139]))


FORGED = ROOT / "ui" / "gallery" / "7a111de09e1c.jpg"


@pytest.mark.parametrize(
    ("box", "colour"),
    [((170, 180, 360, 230), "black"), ((170, 180, 360, 230), "white"), ((160, 235, 360, 340), (130, 175, 214))],
)
def test_a_covered_face_is_neither_cleared_nor_accused(detector, box, colour):
    """A forged face, cleared by the model under a bar over the eyes or a mask, which show nothing of it."""
    forged = Image.open(FORGED).convert("RGB")
    assert "covered_face" not in warned(detector.detect(forged))
    ImageDraw.Draw(forged).rectangle(box, fill=colour)
    result = unjudged(detector, forged)
    assert result.faces[0].doubts == (WarningCode.COVERED_FACE,)
    assert "covered_face: One face is covered, by a mask, a bar or something else" in warned(result)


def test_one_face_that_is_not_judged_leaves_the_picture_undecided_but_for_a_forged_one(detector, hopper):
    """Whatever the model says of it."""
    photo = Image.open(hopper).convert("RGB").resize((256, 300))
    covered = photo.copy()
    ImageDraw.Draw(covered).rectangle((84, 112, 176, 134), fill="black")
    both = Image.new("RGB", (512, 300))
    both.paste(photo, (0, 0))
    both.paste(covered, (256, 0))
    for low, high, expected in ((1.0, 1.0, "uncertain"), (0.0, 0.0, "likely_fake")):
        calibration = dataclasses.replace(
            detector.model.calibration, no_signs_below=low, likely_fake_from=high, leans_fake_from=None
        )
        config = dataclasses.replace(detector.model.config, calibration=calibration)
        result = Detector(dataclasses.replace(detector.model, config=config)).detect(both)
        assert sorted(len(face.doubts) for face in result.faces) == [0, 1] and result.judged == 1
        assert result.verdict == expected == result.faces[0].verdict and result.score == result.faces[0].score
        assert {face.verdict for face in result.faces if face.doubts} == {Verdict.UNCERTAIN}


def test_of_many_faces_each_must_score_higher_to_be_called_forged(detector, portrait):
    """A real face at the very threshold, alone and among seven others."""
    alone = detector.detect(row_of(portrait, 1))
    calibration = dataclasses.replace(
        detector.model.calibration, no_signs_below=0.0, likely_fake_from=alone.score, leans_fake_from=None
    )
    folder = dataclasses.replace(
        detector.model, config=dataclasses.replace(detector.model.config, calibration=calibration)
    )
    strict = Detector(folder)
    assert strict.detect(row_of(portrait, 1)).verdict == Verdict.LIKELY_FAKE
    many = strict.detect(row_of(portrait, 8))
    assert many.judged == 8 and many.score >= alone.score - 0.05 and many.verdict == Verdict.UNCERTAIN
    assert [face.verdict for face in many.faces] == [Verdict.UNCERTAIN] * 8


def test_many_faces_are_warned_of(detector, portrait):
    result = detector.detect(row_of(portrait, 8))
    assert "many_faces: 8 faces were judged: the more there are" in warned(result)
    assert len(result.faces) == 8


def test_that_only_the_largest_faces_are_judged_is_warned_of(detector, monkeypatch, portrait):
    monkeypatch.setattr("detector.face_detector.MOST_FACES", 3)
    result = detector.detect(row_of(portrait, 4))
    assert len(result.faces) == 3
    assert "too_many_faces: Only the 3 largest faces are judged" in warned(result)


# --- Limits and errors -----------------------------------------------------------------------------------------------


def test_limits_are_passed_on(detector, hopper):
    with pytest.raises(ImageError, match="megapixels"):
        detector.detect(hopper, max_pixels=4000)  # an eighth of its sides has more
    with pytest.raises(ImageError, match="MB"):
        detector.detect(hopper, max_bytes=1000)
    assert detector.detect(hopper, min_face=250).verdict == Verdict.NO_FACE
    (result,) = detector.detect_many([hopper], max_pixels=4000)  # an eighth of its sides has more
    assert "megapixels" in str(result)
    (result,) = detector.detect_many([hopper], max_bytes=1000)
    assert "MB" in str(result)
    (result,) = detector.detect_many([hopper], min_face=250)
    assert result.verdict == Verdict.NO_FACE


def test_what_cannot_be_judged_is_an_error(detector, tmp_path):
    for source in (b"", b"no picture", tmp_path, tmp_path / "gone.jpg", None):
        with pytest.raises(ImageError) as caught:
            detector.detect(source)
        assert str(tmp_path) not in str(caught.value)


def test_a_model_of_ones_own_is_loaded_from_its_folder(hopper, detector, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    result = Detector.load(tmp_path).detect(hopper)
    assert result.model.source == "folder"
    assert result.score == pytest.approx(detector.detect(hopper).score, abs=1e-3)


def test_another_margin_or_temperature_is_used(hopper, detector, tmp_path):
    shutil.copyfile(store.BUNDLED / store.MODEL, tmp_path / store.MODEL)
    config = store.load().config
    network = dataclasses.replace(config.networks[0], crop_margin=3.0)
    changed = dataclasses.replace(config, networks=(network,), calibration=Calibration(1e6, 0.1, 0.9))
    (tmp_path / store.CONFIG).write_text(json.dumps(changed.to_dict()))
    result, bundled = Detector.load(tmp_path).detect(hopper), detector.detect(hopper)
    assert result.score == pytest.approx(0.5, abs=1e-3) and result.verdict == Verdict.UNCERTAIN
    assert result.faces[0].box == bundled.faces[0].box
    assert not np.array_equal(result.faces[0].crop, bundled.faces[0].crop)


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ModelError):
        Detector.load(tmp_path / "gone")


# --- Many pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"workers": 1, "batch_size": 1}, {"workers": 3, "batch_size": 2}])
def test_many_pictures_are_judged_as_each_alone(detector, portrait, astronaut, hopper, no_face, options):
    sources = [hopper, no_face, b"broken", row_of(portrait, 2), no_face, astronaut, b"", hopper]
    results = list(detector.detect_many(sources, **options))
    assert len(results) == len(sources)
    for source, result in zip(sources, results, strict=True):
        if isinstance(source, bytes):
            assert isinstance(result, ImageError)
        else:
            assert same(result, detector.detect(source))


@pytest.mark.slow
def test_many_pictures_come_in_order(detector, no_face):
    sources = [no_face[: 64 + 2 * place, :200] for place in range(40)]
    results = detector.detect_many(sources, workers=4, batch_size=3)
    assert [result.picture.height for result in results] == [len(source) for source in sources]


def test_many_may_be_none_or_all_broken(detector):
    assert list(detector.detect_many([])) == []
    assert all(isinstance(result, ImageError) for result in detector.detect_many([b"x"] * 5, batch_size=2))


@pytest.mark.slow
def test_many_are_taken_a_bounded_number_ahead(detector, no_face):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield no_face[:64, :64]

    results = detector.detect_many(endless(), workers=2, batch_size=2)
    for _ in range(5):
        assert next(results).verdict == Verdict.NO_FACE
    results.close()
    assert taken < 30


def test_an_error_of_the_source_is_the_callers(detector, no_face):
    def failing():
        yield no_face
        raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        list(detector.detect_many(failing()))


@pytest.mark.slow
def test_eight_threads_get_the_same_answers(detector, portrait, astronaut, hopper, no_face):
    sources = [hopper, astronaut, row_of(portrait, 2), no_face] * 4
    expected = [detector.detect(source) for source in sources[:4]] * 4
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(detector.detect, sources))
    assert all(same(result, one) for result, one in zip(results, expected, strict=True))


# --- A picture as people have it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photograph_that_lies_otherwise_is_judged_the_same(detector, astronaut, hopper, quarters):
    for photo in (astronaut, read(hopper).pixels):
        upright = detector.detect(photo)
        turned = detector.detect(np.rot90(photo, quarters))
        assert turned.score == pytest.approx(upright.score, abs=0.05) and turned.verdict == upright.verdict
        assert np.abs(turned.faces[0].crop.astype(int) - upright.faces[0].crop).mean() < 10
        assert [warning.code for warning in turned.warnings] == ["turned_face"]
        assert str(turned.warnings[0].text) == "One face is on the side or upside down: turned upright to be judged."
        off = turned.faces[0].roll + 90 * quarters - upright.faces[0].roll
        assert abs((off + 180) % 360 - 180) < 5 and abs(upright.faces[0].roll) < 25 and not upright.warnings


@pytest.mark.parametrize("name", ["once-accused", "once-unseen"])
def test_real_portraits_upside_down(detector, name):
    """Public-domain portraits that came out as likely fake, and without a face."""
    result = detector.detect(Path(__file__).parent / f"upside-down-{name}.jpg")
    assert result.verdict in (Verdict.UNCERTAIN, Verdict.NO_SIGNS) and len(result.faces) == 1
    assert abs(result.faces[0].roll) > 165


def test_a_picture_that_is_read_at_a_reduced_size_keeps_its_own(detector, astronaut):
    stream = io.BytesIO()
    Image.fromarray(astronaut).resize((1536, 1536)).save(stream, "JPEG", quality=95)
    whole = detector.detect(stream.getvalue())
    reduced = detector.detect(stream.getvalue(), max_pixels=1_000_000)
    assert reduced.picture == whole.picture and reduced.picture.width == 1536
    assert np.abs(np.subtract(reduced.faces[0].box, whole.faces[0].box)).max() <= 20
    assert reduced.score == pytest.approx(whole.score, abs=0.1)
    said = {warning.code: warning.text for warning in reduced.warnings}
    assert said["reduced_picture"] == "The picture has 2 megapixels: it was judged at a smaller size."
    assert not whole.warnings


def test_a_film_that_begins_dark_is_judged_by_what_it_shows(detector, astronaut):
    stream = io.BytesIO()
    dark, photo = Image.new("RGB", (512, 512)), Image.fromarray(astronaut)
    dark.save(stream, "WEBP", save_all=True, append_images=[photo, dark], lossless=True)
    film = detector.detect(stream.getvalue())
    assert film.score == pytest.approx(detector.detect(astronaut).score, abs=1e-3)
    assert [(warning.code, "number 2" in warning.text) for warning in film.warnings] == [("more_frames", True)]
