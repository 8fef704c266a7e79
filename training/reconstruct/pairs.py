"""Real photographs in, a data set of pairs out: each photograph, and what an autoencoder makes of it.

Both halves of a pair have the same content, size and history of encodings, so that a network that tells them apart has
learned what decoders leave (Rajan et al. 2025, arXiv:2410.11835; Chen et al. 2025, arXiv:2505.14359).
"""

import dataclasses
import hashlib
import io
import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin
from rich.console import Console
from rich.progress import track

from detector.crop import Box, crop_square
from training.augment import formats
from training.augment.forge import MANIFEST, face_mask
from training.data import face_cache, folders, tables
from training.data.face_cache import PAIR, Face, Split
from training.data.sources import Source
from training.errors import TrainingError
from training.files import write
from training.reconstruct import autoencoders
from training.reconstruct.autoencoders import Autoencoder
from training.reconstruct.options import ZOO, ReconstructOptions

log = logging.getLogger(__name__)

_AROUND = (2.0, 4.0)  # face sides: what is cut around a face
_BLOCK = 16  # pixels: where a JPEG's blocks can begin
_LEAST_FACE, _LEAST_SIDE = 64, 128  # pixels: of a face, and of a picture, that is scaled down
_GREY = 8  # of 255: between the colours of a pixel
_ON_ITS_SIDE = (5, 6, 7, 8)  # what EXIF says of a picture whose rows are its columns
_LOSSY = {"WEBP", "AVIF", "HEIF"}
_ZOO_SEES, _ZOO_SIZE = 500, 384  # photographs, and pixels of their longer side


def reconstruct(photos: Sequence[str], out: Path, options: ReconstructOptions, *, cache: Path | None = None) -> int:
    """Make pairs of `photos`: folders of photographs, or data sets, of which the real pictures are taken. `out` becomes
    a folder that --data takes, with the splits train and validation: those of a data set, or the last tenth of a folder
    for validation. What a call with the same words has made is kept, so that a stopped one goes on.

    Returns the number of pairs. Raises TrainingError.
    """
    _check(options)
    _claim(out, {"photos": list(photos), **dataclasses.asdict(options)})
    splits = [found for place in photos for found in _photographs(place, options.limit, out, cache)]
    real = [(name, split, face) for name, split in splits for face in split.faces if face.target == 0.0]
    if not real:
        raise TrainingError("No face was found in the photographs: give pictures of people.")
    found = _autoencoders(options, splits, out)
    rows: dict[str, list[dict[str, str]]] = {}
    for name, split, face in track(real, "pairs", console=Console(stderr=True)):
        group = str(split.rows[face.index].get("group") or "")
        for turn in range(options.count):
            made = _pair(split, face, turn, found, options, out / name)
            rows.setdefault(name, []).extend({**row, "group": group} for row in made)
    for name, of_split in rows.items():
        lines = [json.dumps(row) for row in sorted(of_split, key=lambda row: row["label"])]  # the sort is stable
        write(out / name / "metadata.jsonl", ("\n".join(lines) + "\n").encode())
    return sum(map(len, rows.values())) // 2


def _check(options: ReconstructOptions) -> None:
    if not options.autoencoder or not options.regions:
        raise TrainingError("Reconstructing needs an --autoencoder and a region.")
    if min(options.count, options.designs, options.steps) < 1 or options.size < 128 or not 0 < options.mix <= 1:
        raise TrainingError(
            "Reconstructing needs a count, designs and steps of 1 or more, a size from 128, a mix above 0 and up to 1."
        )


def _claim(out: Path, words: dict[str, Any]) -> None:
    """Raises TrainingError where `out` holds anything but what a call with the same words has made."""
    manifest = out / MANIFEST
    content = json.dumps(words, indent=1).encode()
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - {MANIFEST, folders.FACES}):
        if not manifest.is_file():
            raise TrainingError(f"{out.name} already holds something: give another --out.")
        if manifest.read_bytes() != content:
            raise TrainingError(f"{out.name} holds pairs that were made with other options: give another --out.")
    out.mkdir(parents=True, exist_ok=True)
    write(manifest, content)


def _photographs(place: str, limit: int | None, out: Path, cache: Path | None) -> Iterator[tuple[str, Split]]:
    """Train and validation split of a data set, or of a folder without labels."""
    source = Source(place)
    plain = folders.photographs(Path(place))
    faces = out / folders.FACES  # nothing is written into a folder of photographs
    available = {"train"} if plain else tables.splits_of(source)
    for name, share in (("train", 1), ("validation", 10)):
        most = limit and -(-limit // share)
        if plain:
            targets = np.zeros(len(plain), np.float32)
            keep = tables.rows_of(name, targets, held_out=True, limit=most)
            yield name, face_cache.with_faces(source, plain.select(keep), targets[keep], name, cache or faces)
        elif {name, "train"} & available:
            yield name, face_cache.load(source, name, cache=cache, limit=most)


def _autoencoders(options: ReconstructOptions, splits: list[tuple[str, Split]], out: Path) -> list[Autoencoder]:
    found = []
    for place in options.autoencoder:
        if place == ZOO:
            from training.reconstruct import zoo

            seen = list(_seen_by_zoo([split for name, split in splits if name == "train"], zoo.WINDOW))
            if not seen:
                raise TrainingError("The photographs are too few or too small to train autoencoders on.")
            found += zoo.make(seen, out / "autoencoders", options.designs, options.steps, options.seed)
        else:
            found.append(autoencoders.load(place))
    return found


def _seen_by_zoo(splits: list[Split], least: int) -> Iterator[np.ndarray]:
    """Faces with their surroundings, uint8 (H, W, 3) of `least` pixels or more, evenly spread over the photographs."""
    every = [(split, face) for split in splits for face in split.faces if face.target == 0.0]
    for number in np.unique(np.linspace(0, len(every) - 1, min(_ZOO_SEES, len(every))).astype(int)):
        split, face = every[number]
        pixels, box = _cut(split.pixels(face), face.box, sum(_AROUND) / 2)
        factor = min(1.0, max(_ZOO_SIZE / max(pixels.shape[:2]), least / min(pixels.shape[:2])))
        if min(pixels.shape[:2]) >= least:
            yield formats.resized(pixels, box, factor, np.random.default_rng(int(number)))[0]


def _pair(
    split: Split, face: Face, turn: int, found: list[Autoencoder], options: ReconstructOptions, folder: Path
) -> list[dict[str, str]]:
    """Write both halves, unless they are there, and return their rows."""
    file = split.file(face.index)
    digest = digest_of(file)
    rng = np.random.default_rng([options.seed, int(digest, 16), turn])
    autoencoder = found[rng.integers(len(found))]
    saving = Saving.like(file)
    places = {label: f"{label}/{digest}-{turn}{saving.suffix}" for label in ("Real", "Fake")}
    if not all((folder / place).exists() for place in places.values()):
        for place, pixels in zip(
            places.values(), _halves(split.pixels(face), face, autoencoder, options, rng), strict=True
        ):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            write(folder / place, saving.encoded(pixels))
    made_by = {"Real": "", "Fake": autoencoder.name}
    return [
        {"file_name": place, "label": label, "generator": made_by[label], PAIR: f"{digest}-{turn}"}
        for label, place in places.items()
    ]


def digest_of(file: bytes) -> str:
    """What the pairs of a photograph are called by."""
    return hashlib.sha256(file).hexdigest()[:16]


def _halves(
    pixels: np.ndarray, face: Face, autoencoder: Autoencoder, options: ReconstructOptions, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The real and the forged half, uint8 (H, W, 3), before they are saved."""
    region, around, box = rng.choice(options.regions), rng.uniform(*_AROUND), face.box
    if region != "picture":
        pixels, box = _cut(pixels, box, around)
    pixels, box = _scaled(pixels, box, options.size, rng)
    share = np.float32(rng.uniform(options.mix, 1.0))
    change = (autoencoder.reconstruct(pixels).astype(np.float32) - pixels) * share
    if np.ptp(pixels, axis=2).max() <= _GREY:  # black and white, or a tint would give the forged half away
        change = change.mean(axis=2, keepdims=True)
    if region == "face":
        across, down = ((box[n + 2] - box[n]) / (face.box[n + 2] - face.box[n]) for n in (0, 1))
        points = (face.keypoints - face.box[:2]) * (across, down) + box[:2]
        change *= face_mask(pixels.shape[:2], points, rng)[..., None]
    return pixels, np.clip(np.rint(pixels + change), 0, 255).astype(np.uint8)


def _cut(pixels: np.ndarray, box: Box, around: float) -> tuple[np.ndarray, Box]:
    """The square around a face, what of it the picture holds, begun where blocks of a JPEG begin: saved again with the
    same tables it stays as it is."""
    x, y, side = crop_square(box, around)
    left, top = (max(0, int(value) // _BLOCK * _BLOCK) for value in (x, y))
    part = pixels[top : max(int(y + side), int(box[3])), left : max(int(x + side), int(box[2]))]
    return part, (box[0] - left, box[1] - top, box[2] - left, box[3] - top)


def _scaled(pixels: np.ndarray, box: Box, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Box]:
    """In its own size half of the time, and else scaled down; `size` pixels at most."""
    most = min(1.0, size / max(pixels.shape[:2]))
    face = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    least = min(most, max(_LEAST_FACE / face, _LEAST_SIDE / min(pixels.shape[:2])))
    factor = most if rng.random() < 0.5 else float(np.exp(rng.uniform(math.log(least), math.log(most))))
    return formats.resized(pixels, box, factor, rng) if factor < 1 else (pixels, box)


@dataclass(frozen=True)
class Saving:
    """How both halves are saved: as the photograph was, where that is known."""

    format: str
    grey: bool
    options: dict[str, Any]

    @classmethod
    def like(cls, file: bytes) -> "Saving":
        with Image.open(io.BytesIO(file)) as image:
            grey = image.mode in ("L", "LA", "1", "I;16")
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                tables, sampling = image.quantization, JpegImagePlugin.get_sampling(image)
                if image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE:
                    tables = {n: np.reshape(table, (8, 8)).T.ravel().tolist() for n, table in tables.items()}
                return cls("JPEG", grey, {"qtables": tables, "subsampling": sampling})
            return cls("JPEG", grey, {"quality": 90}) if image.format in _LOSSY else cls("PNG", grey, {})

    @property
    def suffix(self) -> str:
        return {"JPEG": ".jpg", "PNG": ".png"}[self.format]

    def encoded(self, pixels: np.ndarray) -> bytes:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        buffer = io.BytesIO()
        (image.convert("L") if self.grey else image).save(buffer, self.format, **self.options)
        return buffer.getvalue()
