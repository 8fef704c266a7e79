"""Detector: the one path from a picture to a Result."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from detector import faces, model_store, picture, provenance
from detector.classifier import Classifier
from detector.errors import ImageError, ModelError
from detector.result import Face, PictureInfo, Result, Warning, WarningCode

TINY_FACE = 48  # pixels: below, much of what gives a forgery away is gone
MANY_FACES = 8
CUT_OFF = 0.7  # share of a face's box inside the picture
_BLURRED = 12.0  # variance of the Laplacian of the crop's grey values
_FEW_COLOURS, _FLAT = 0.65, 0.5  # shares of a graphic, see _is_graphic; none of 10,150 photographs had them


@dataclass(frozen=True)
class _Seen:
    """A picture with its faces found and cut out, not yet judged."""

    picture: picture.Picture
    found: list[faces.FoundFace]
    crops: np.ndarray
    provenance: tuple[provenance.Finding, ...]
    seconds: dict[str, float]


class Detector:
    """Judges pictures with one model. Thread-safe; make it with `Detector.load()`."""

    def __init__(self, folder: model_store.ModelFolder, threads: int | None = None) -> None:
        threads = threads or min(os.cpu_count() or 1, 4)
        self._folder = folder
        self._classifier = Classifier(folder.networks[0].model, folder.networks[0].config.input_size, threads)
        self._finder = faces.FaceFinder(threads)
        self._busy, self._lock = 0, threading.Lock()

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        revision: str | None = None,
        refresh: bool = False,
        or_bundled: bool = False,
        threads: int | None = None,
    ) -> "Detector":
        """A detector with the model folder at the path `model`, with that of the Hub's `owner/name[@revision]`, or with
        the bundled one.

        Where the Hub cannot be reached, the cached revision or the bundled model is used, and `model.info.note` says
        so, unless `refresh` asks for the Hub's own. With `or_bundled` the bundled model, again with a note, also stands
        in for one that cannot be used. `threads` is how many cores a picture may use that is judged alone; by default
        all, at most four.
        Raises ModelError; see detector.model_store.load.
        """
        try:
            return cls(model_store.load(model, revision, refresh=refresh), threads)
        except ModelError as error:
            if not or_bundled:
                raise
            return cls(model_store.load(note=f"{error} Until then the bundled model is used."), threads)

    @property
    def model(self) -> model_store.ModelFolder:
        """What is loaded: its info, configuration and metrics."""
        return self._folder

    def judge_crops(self, crops: np.ndarray) -> np.ndarray:
        """P(fake), float64 (N,), of crops uint8 (N, S, S, 3) that were cut elsewhere: for measuring."""
        return self._folder.calibration.p_fake(self._classifier.judge(crops)[0])

    def detect(
        self,
        source: picture.Source,
        *,
        max_pixels: int = picture.MAX_PIXELS,
        max_bytes: int = picture.MAX_BYTES,
        min_face: int = faces.MIN_FACE,
    ) -> Result:
        """Judge every face of one picture: a path, bytes, a PIL image, an array, or what detector.picture.read gave.

        Raises ImageError, with a sentence for a person, for what cannot be judged.
        """
        seen = self._look(source, max_pixels, max_bytes, min_face)
        started = time.perf_counter()
        logits, maps = self._judge(seen.crops)
        return self._result(seen, logits, maps, time.perf_counter() - started)

    def detect_many(
        self,
        sources: Iterable[picture.Source],
        *,
        max_pixels: int = picture.MAX_PIXELS,
        max_bytes: int = picture.MAX_BYTES,
        min_face: int = faces.MIN_FACE,
        workers: int | None = None,
        batch_size: int = 16,
    ) -> Iterator[Result | ImageError]:
        """Judge many pictures, in order: a Result each, or the ImageError of one that cannot be judged.

        Pictures are read and searched for faces by `workers` threads (default: one a core), a bounded number ahead;
        the crops of up to `batch_size` pictures go through the network at once.
        """
        workers = workers or os.cpu_count() or 1

        def batches(pool: ThreadPoolExecutor) -> Iterator[list[Future[_Seen]]]:
            batch = []
            for source in sources:
                batch.append(pool.submit(self._look, source, max_pixels, max_bytes, min_face))
                if len(batch) == batch_size:
                    yield batch
                    batch = []
            if batch:
                yield batch

        with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(workers) as judges:
            waiting: deque[Future[list[Result | ImageError]]] = deque()
            for batch in batches(pool):
                waiting.append(judges.submit(self._judge_batch, batch))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    def _judge_batch(self, batch: list[Future[_Seen]]) -> list[Result | ImageError]:
        seen: list[_Seen | ImageError] = []
        for future in batch:
            try:
                seen.append(future.result())
            except ImageError as error:
                seen.append(error)
        judged = [item for item in seen if isinstance(item, _Seen)]
        started = time.perf_counter()
        logits, maps = self._judge(np.concatenate([s.crops for s in judged])) if judged else (None, None)
        share = (time.perf_counter() - started) / max(1, len(judged))
        results: list[Result | ImageError] = []
        position = 0
        for item in seen:
            if isinstance(item, ImageError):
                results.append(item)
                continue
            part = slice(position, position + len(item.crops))
            position = part.stop
            results.append(self._result(item, logits[part], maps[part], share))
        return results

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other picture is worked at: only then is it worth to split one up among the cores."""
        with self._lock:
            self._busy += 1
            alone = self._busy == 1
        try:
            yield alone
        finally:
            with self._lock:
                self._busy -= 1

    def _judge(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with self._alone() as alone:
            return self._classifier.judge(crops, alone=alone)

    def _look(self, source: picture.Source, max_pixels: int, max_bytes: int, min_face: int) -> _Seen:
        read = picture.read(source, max_pixels=max_pixels, max_bytes=max_bytes)
        times = [time.perf_counter()]
        findings = provenance.read(read.data, read.format)
        times.append(time.perf_counter())
        with self._alone() as alone:
            found = self._finder.find(read.pixels, min_face=min_face, alone=alone)
        network = self._folder.networks[0].config
        size, margin = network.input_size, network.crop_margin
        crops = np.empty((len(found), size, size, 3), np.uint8)
        for i, face in enumerate(found):
            crops[i] = faces.cut(read.pixels, face.box, size, margin)
        times.append(time.perf_counter())
        stages = zip(("provenance", "faces"), pairwise(times), strict=True)
        seconds = {"read": read.seconds, **{stage: end - start for stage, (start, end) in stages}}
        return _Seen(read, found, crops, findings, seconds)

    def _result(self, seen: _Seen, logits: np.ndarray, maps: np.ndarray, judging: float) -> Result:
        calibration = self._folder.calibration
        scores = [float(p) for p in calibration.p_fake(logits)]
        judged = [
            Face(found.box, found.score, p, calibration.verdict(p), crop, activation)
            for found, p, crop, activation in zip(seen.found, scores, seen.crops, maps, strict=True)
        ]
        judged.sort(key=lambda face: -face.p_fake)
        verdict, p_fake = calibration.verdict_of_picture(scores)
        read = seen.picture
        size = len(read.data) if read.data is not None else None
        return Result(
            verdict=verdict,
            p_fake=p_fake,
            faces=tuple(judged),
            provenance=seen.provenance,
            warnings=tuple(_warnings(seen)),
            picture=PictureInfo(read.width, read.height, read.format, size, read.sha256),
            model=self._folder.info,
            seconds={**seen.seconds, "model": judging, "total": sum(seen.seconds.values()) + judging},
        )


def _warnings(seen: _Seen) -> Iterator[Warning]:
    def some(count: int) -> str:
        return "One face is" if count == 1 else f"{count} faces are"

    if _is_graphic(seen.picture.pixels):
        yield Warning(
            WarningCode.NOT_A_PHOTOGRAPH,
            "This looks like a drawing, a graphic or a screenshot, not like a photograph: the detector has learned "
            "from photographs only.",
        )
    tiny = sum(face.side < TINY_FACE for face in seen.found)
    cut = sum(face.visible < CUT_OFF for face in seen.found)
    blurred = sum(_sharpness(crop) < _BLURRED for crop in seen.crops)
    if tiny:
        yield Warning(
            WarningCode.TINY_FACE,
            f"{some(tiny)} smaller than {TINY_FACE} pixels: little is left to judge by, use a larger copy.",
        )
    least = faces.least_face(seen.picture.width, seen.picture.height)
    if least > 2 * faces.MIN_FACE:
        yield Warning(
            WarningCode.LARGE_PICTURE,
            f"In a picture this large, faces smaller than {least} pixels may be missed: check a part of it for them.",
        )
    if cut:
        yield Warning(
            WarningCode.CUT_OFF_FACE,
            f"{some(cut)} cut off by the edge of the picture: what is missing could not be judged.",
        )
    if blurred:
        yield Warning(
            WarningCode.BLURRED_FACE,
            f"{some(blurred)} heavily blurred: the traces of a forgery may be gone, and so may those of a real photo.",
        )
    if len(seen.found) >= MANY_FACES:
        yield Warning(
            WarningCode.MANY_FACES,
            f"{len(seen.found)} faces were judged: the more faces, the likelier that one is called forged by mistake.",
        )


def _sharpness(crop: np.ndarray) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of the grey crop."""
    grey = crop.astype(np.float32).mean(axis=2)
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def _is_graphic(pixels: np.ndarray) -> bool:
    """Whether `pixels` uint8 (H, W, 3) are flat areas of a few exact colours, which noise and compression leave no
    photograph. A drawing that was shaded, or stored as JPEG, passes for a photograph too."""
    height, width = pixels.shape[:2]
    step = max(1, round((height * width / 20_000) ** 0.5))
    here, right, below = (
        pixels[down : height - 1 + down : step, along : width - 1 + along : step]
        for down, along in ((0, 0), (0, 1), (1, 0))
    )
    if ((here == right) & (here == below)).all(axis=2).mean() < _FLAT:
        return False
    colours = here.astype(np.int32) @ (65536, 256, 1)
    counts = np.sort(np.unique(colours, return_counts=True)[1])[:-1]  # without the background
    return bool(counts[-8:].sum() >= _FEW_COLOURS * counts.sum())
