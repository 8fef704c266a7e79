"""Detector: the one path from a picture to a Result."""

import math
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from detector import finder, picture, provenance, quality
from detector.classifier import Classifier
from detector.crop import crop_face
from detector.errors import ImageError, ModelError
from detector.model_folder import store
from detector.result import Evidence, Face, PictureInfo, Result
from detector.sessions import Cores


@dataclass(frozen=True)
class _Seen:
    """A picture with its faces found and cut out, not yet judged; `crops` has an array for each look."""

    picture: picture.Picture
    found: list[finder.FoundFace]
    crops: tuple[np.ndarray, ...]
    provenance: tuple[provenance.Finding, ...]
    seconds: dict[str, float]


_Look = tuple[int, float]  # at a face, see Detector.looks
_Judged = tuple[np.ndarray, np.ndarray]  # by one look: logits (N,) and activation maps (N, h, w), weighted and added up


class Detector:
    """Judges pictures with one model. Thread-safe; make it with `Detector.load()`."""

    def __init__(self, folder: store.ModelFolder, threads: int | None = None) -> None:
        self._trust = provenance.from_environment()
        self._cores = Cores(threads or min(os.cpu_count() or 1, 4))
        self._folder = folder
        self._networks: dict[_Look, list[tuple[float, Classifier]]] = {}
        for network in folder.networks:
            size, margin, weight = network.config.input_size, network.config.crop_margin, network.config.weight
            classifier = Classifier(network.model, size, self._cores)
            self._networks.setdefault((size, margin), []).append((weight, classifier))
        self._finder = finder.FaceDetector(self._cores)

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
        Raises ModelError, see detector.model_folder.store.load, and SettingError where the environment variable
        DETECTOR_TRUST_LIST says nothing usable.
        """
        try:
            return cls(store.load(model, revision, refresh=refresh), threads)
        except ModelError as error:
            if not or_bundled:
                raise
            return cls(store.load(note=f"{error} Until then the bundled model is used."), threads)

    @property
    def model(self) -> store.ModelFolder:
        """What is loaded: its info, configuration and metrics."""
        return self._folder

    @property
    def looks(self) -> tuple[tuple[int, float], ...]:
        """Size in pixels and margin in face sides of the crops of a face; networks that ask for the same share them."""
        return tuple(self._networks)

    def judge_crops(self, *crops: np.ndarray) -> np.ndarray:
        """P(fake), float64 (N,), of crops that were cut elsewhere, an array uint8 (N, S, S, 3) for each of `looks`: for
        measuring."""
        return self._folder.calibration.p_fake(_fused(self._judge(crops)))

    def detect(
        self,
        source: picture.Source,
        *,
        max_pixels: int = picture.MAX_PIXELS,
        max_bytes: int = picture.MAX_BYTES,
        min_face: int = finder.MIN_FACE,
    ) -> Result:
        """Judge every face of one picture: a path, bytes, a PIL image, an array, or what detector.picture.read gave.

        Raises ImageError, with a sentence for a person, for what cannot be judged.
        """
        seen = self._look(source, max_pixels, max_bytes, min_face)
        started = time.perf_counter()
        judged = self._judge(seen.crops)
        return self._result(seen, judged, time.perf_counter() - started)

    def detect_many(
        self,
        sources: Iterable[picture.Source],
        *,
        max_pixels: int = picture.MAX_PIXELS,
        max_bytes: int = picture.MAX_BYTES,
        min_face: int = finder.MIN_FACE,
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
        readable = [item for item in seen if isinstance(item, _Seen)]
        started = time.perf_counter()
        judged = self._judge([np.concatenate(parts) for parts in zip(*(s.crops for s in readable), strict=True)])
        share = (time.perf_counter() - started) / max(1, len(readable))
        results: list[Result | ImageError] = []
        position = 0
        for item in seen:
            if isinstance(item, ImageError):
                results.append(item)
                continue
            part = slice(position, position + len(item.found))
            position = part.stop
            results.append(self._result(item, [(logits[part], maps[part]) for logits, maps in judged], share))
        return results

    def _judge(self, crops: Sequence[np.ndarray]) -> list[_Judged]:
        """What the networks say of each look. `crops` is empty where no picture could be read."""
        looks = zip(self._networks.values(), crops, strict=True) if crops else ()
        with self._cores.one_more():
            return [_added([(w, *c.predict(own)) for w, c in networks]) for networks, own in looks]

    def _look(self, source: picture.Source, max_pixels: int, max_bytes: int, min_face: int) -> _Seen:
        read = picture.read(source, max_pixels=max_pixels, max_bytes=max_bytes)
        times = [time.perf_counter()]
        findings = provenance.read(read.data, read.format, self._trust)
        times.append(time.perf_counter())
        with self._cores.one_more():
            found = self._finder.find(read.pixels, min_face=min_face)
        crops = tuple(_crops(read.pixels, found, *look) for look in self._networks)
        times.append(time.perf_counter())
        stages = zip(("provenance", "faces"), pairwise(times), strict=True)
        seconds = {"read": read.seconds, **{stage: end - start for stage, (start, end) in stages}}
        return _Seen(read, found, crops, findings, seconds)

    def _result(self, seen: _Seen, judged: list[_Judged], judging: float) -> Result:
        calibration = self._folder.calibration
        scores = [float(p) for p in calibration.p_fake(_fused(judged))]
        margins = [margin for _, margin in self._networks]
        faces = []
        for i, (found, p) in enumerate(zip(seen.found, scores, strict=True)):
            loudest = max(range(len(judged)), key=lambda number: judged[number][0][i])
            evidence = Evidence.SURROUNDINGS if margins[loudest] > min(margins) else Evidence.FACE
            crop, activation = seen.crops[loudest][i], judged[loudest][1][i]
            box = _scaled(found.box, seen.picture)
            faces.append(Face(box, found.score, p, calibration.verdict(p), evidence, found.roll, crop, activation))
        faces.sort(key=lambda face: -face.p_fake)
        verdict, p_fake = calibration.verdict_of_picture(scores)
        read = seen.picture
        size = len(read.data) if read.data is not None else None
        return Result(
            verdict=verdict,
            p_fake=p_fake,
            faces=tuple(faces),
            provenance=seen.provenance,
            warnings=tuple(quality.warnings(seen.picture, seen.found, seen.crops[0])),
            picture=PictureInfo(read.width, read.height, read.format, size, read.sha256),
            model=self._folder.info,
            seconds={**seen.seconds, "model": judging, "total": sum(seen.seconds.values()) + judging},
        )


def _scaled(box: tuple[int, int, int, int], seen: picture.Picture) -> tuple[int, int, int, int]:
    """A box in `pixels` of a picture as one in the picture itself, which may be larger."""
    height, width = seen.pixels.shape[:2]
    across, down = seen.width / width, seen.height / height
    return round(box[0] * across), round(box[1] * down), round(box[2] * across), round(box[3] * down)


def _fused(judged: list[_Judged]) -> np.ndarray:
    """The logits of the faces: the sum over looks."""
    total: np.ndarray = np.sum([logits for logits, _ in judged], axis=0)
    return total


def _added(judged: list[tuple[float, np.ndarray, np.ndarray]]) -> _Judged:
    """The weighted sum of what networks say, (weight, logits, maps) each: the mean of a map stays its logit."""
    height, width = (math.lcm(*(maps.shape[axis] for _, _, maps in judged)) for axis in (1, 2))
    logits: np.ndarray = np.sum([weight * own for weight, own, _ in judged], axis=0)
    maps: np.ndarray = np.sum([weight * _spread(own, height, width) for weight, _, own in judged], axis=0)
    return logits, maps


def _spread(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (N, h, w) with each value repeated, (N, height, width)."""
    return maps.repeat(height // maps.shape[1], axis=1).repeat(width // maps.shape[2], axis=2)


def _crops(pixels: np.ndarray, found: Sequence[finder.FoundFace], size: int, margin: float) -> np.ndarray:
    """The faces as a network sees them, uint8 (N, size, size, 3)."""
    crops = np.empty((len(found), size, size, 3), np.uint8)
    for i, face in enumerate(found):
        crops[i] = crop_face(pixels, face.box, size, margin, roll=face.roll)
    return crops
