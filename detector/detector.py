"""Detector: the one path from a picture to a Result."""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from pickle import PickleBuffer

import numpy as np
from PIL import Image

from detector import face_detector, fusion, picture, provenance, quality
from detector.classifier import Classifier
from detector.covering import CoveringDetector
from detector.crop import crop_face
from detector.errors import ImageError, ModelError
from detector.fusion import Look
from detector.isolation import Pool
from detector.model_folder import NetworkConfig, store
from detector.result import Evidence, Face, PictureInfo, Result, WarningCode
from detector.sessions import Cores
from detector.shares import Shares
from detector.verdict import SUSPICION, Verdict


@dataclass(frozen=True)
class _Prepared:
    """A picture with its faces found and cut out, not yet judged; `crops` has an array for each of
    `Detector.crop_specs`."""

    picture: picture.Picture
    found: list[face_detector.DetectedFace]
    crops: tuple[np.ndarray, ...]
    doubts: list[tuple[WarningCode, ...]]
    provenance: tuple[provenance.Finding, ...]
    seconds: dict[str, float]


_View = tuple[int, float, str]  # of networks that are added up: input size, margin and fusion


class Detector:
    """Judges pictures with one model. Thread-safe; make it with `Detector.load()`."""

    def __init__(
        self,
        folder: store.ModelFolder,
        threads: int | None = None,
        *,
        isolated: bool = False,
        workers: int | None = None,
    ) -> None:
        self._trust = provenance.from_environment()
        threads = threads or min(os.cpu_count() or 1, 4)
        self.cores = Cores(threads)
        self._folder = folder
        self._pool = Pool(folder, threads, workers) if isolated else None
        if self._pool is None:
            self._load()

    def _load(self) -> None:
        self._networks: dict[_View, list[tuple[float, Classifier]]] = {}
        for network in self._folder.networks:
            classifier = Classifier(network.model, network.config.input_size, self.cores)
            self._networks.setdefault(_view(network.config), []).append((network.config.weight, classifier))
        self._face_detector = face_detector.FaceDetector(self.cores)
        self._covering = CoveringDetector(self.cores)

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        revision: str | None = None,
        refresh: bool = False,
        or_bundled: bool = False,
        threads: int | None = None,
        isolated: bool = False,
        workers: int | None = None,
    ) -> "Detector":
        """A detector with the model folder at the path `model`, with that of the Hub's `owner/name[@revision]`, or with
        the bundled one.

        Where the Hub cannot be reached, the cached revision or the bundled model is used, and `model.info.note` says
        so, unless `refresh` asks for the Hub's own. With `or_bundled` the bundled model, again with a note, also stands
        in for one that cannot be used. `threads` is how many cores a picture may use that is judged alone; by default
        all, at most four.

        With `isolated`, which is for strangers' files, pictures are read and judged in `workers` processes (default:
        DETECTOR_WORKERS, else one a core) with limits of memory and time: what exceeds them, or crashes a decoder, is
        an ImageError and costs nothing else. It needs Linux, or macOS, where memory is not bounded.

        Raises ModelError, see detector.model_folder.store.load, and SettingError where the environment variable
        DETECTOR_TRUST_LIST is invalid.
        """

        def of(folder: store.ModelFolder) -> Detector:
            return cls(folder, threads, isolated=isolated, workers=workers)

        try:
            return of(store.load(model, revision, refresh=refresh))
        except ModelError as error:
            if not or_bundled:
                raise
            return of(store.load(note=f"{error} Until then the bundled model is used."))

    @property
    def model(self) -> store.ModelFolder:
        """What is loaded: its info, configuration and metrics."""
        return self._folder

    @property
    def crop_specs(self) -> tuple[tuple[int, float], ...]:
        """Size in pixels and margin in face sides of the crops of a face; networks that are added up share them, where
        they ask for the same."""
        return tuple((size, margin) for size, margin, _ in dict.fromkeys(map(_view, self._folder.config.networks)))

    def score_crops(self, *crops: np.ndarray) -> np.ndarray:
        """Scores, float64 (N,), of crops cut elsewhere, an array uint8 RGB (N, S, S, 3) for each of `crop_specs`:
        for measuring."""
        if self._pool is not None:
            scores: np.ndarray = self._pool.ask("score_crops", *crops)
            return scores
        return self._folder.calibration.score(fusion.fuse(self._judge(crops)))

    def detect(
        self,
        source: picture.Source,
        *,
        max_pixels: int = picture.MAX_PIXELS,
        max_bytes: int = picture.MAX_BYTES,
        min_face: int = face_detector.MIN_FACE,
    ) -> Result:
        """Judge every face of one picture: a path, bytes, a PIL image, an array in the order RGB, not OpenCV's BGR, or
        what detector.picture.read gave.

        Raises ImageError, with a sentence for a person, for what cannot be judged, and ModelError where the networks
        say nothing usable.
        """
        if self._pool is not None:
            result: Result = self._pool.ask(
                "detect",
                _given(source, max_pixels, max_bytes),
                max_pixels=max_pixels,
                max_bytes=max_bytes,
                min_face=min_face,
            )
            return result
        return self._detect(self._prepare(source, max_pixels, max_bytes, min_face))

    def detect_with_preview(self, source: picture.Source, longest: int) -> tuple[Result, np.ndarray]:
        """What `detect` gives, and the pixels that `preview` gives of the same picture."""
        if self._pool is not None:
            answer: tuple[Result, np.ndarray] = self._pool.ask("detect_with_preview", _given(source), longest)
            return answer
        seen = self._prepare(source, picture.MAX_PIXELS, picture.MAX_BYTES, face_detector.MIN_FACE)
        return self._detect(seen), _reduced(seen.picture.pixels, longest)

    def preview(self, source: picture.Source, longest: int) -> tuple[PictureInfo, np.ndarray]:
        """What a picture is, and its pixels: upright, uint8 RGB (H, W, 3), scaled so that the longer side has at most
        `longest`. Raises ImageError."""
        if self._pool is not None:
            answer: tuple[PictureInfo, np.ndarray] = self._pool.ask("preview", _given(source), longest)
            return answer
        read = picture.read(source)
        return _info(read), _reduced(read.pixels, longest)

    def detect_many(
        self,
        sources: Iterable[picture.Source],
        *,
        max_pixels: int = picture.MAX_PIXELS,
        max_bytes: int = picture.MAX_BYTES,
        min_face: int = face_detector.MIN_FACE,
        workers: int | None = None,
        batch_size: int = 16,
    ) -> Iterator[Result | ImageError]:
        """Judge many pictures, in order, each as `detect` takes one: a Result each, or the ImageError of one that
        cannot be judged.

        Pictures are read and searched for faces by `workers` threads (default: one a core), a bounded number ahead;
        the crops of up to `batch_size` pictures go through the network at once.
        """
        if self._pool is not None:
            options = {"max_pixels": max_pixels, "max_bytes": max_bytes, "min_face": min_face}
            yield from self._apart(sources, workers or self._pool.places, options)
            return
        workers = workers or os.cpu_count() or 1

        def batches(pool: ThreadPoolExecutor) -> Iterator[list[Future[_Prepared]]]:
            batch = []
            for source in sources:
                batch.append(pool.submit(self._prepare, source, max_pixels, max_bytes, min_face))
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

    def _apart(
        self, sources: Iterable[picture.Source], workers: int, options: dict[str, int]
    ) -> Iterator[Result | ImageError]:
        """Each by itself, so that one that ends its worker is known."""

        def one(source: picture.Source) -> Result | ImageError:
            try:
                return self.detect(source, **options)
            except ImageError as error:
                return error

        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[Result | ImageError]] = deque()
            for source in sources:
                waiting.append(pool.submit(one, source))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _detect(self, seen: _Prepared) -> Result:
        started = time.perf_counter()
        looks = self._judge(seen.crops)
        return self._result(seen, looks, time.perf_counter() - started)

    def _judge_batch(self, batch: list[Future[_Prepared]]) -> list[Result | ImageError]:
        seen: list[_Prepared | ImageError] = []
        for future in batch:
            try:
                seen.append(future.result())
            except ImageError as error:
                seen.append(error)
        readable = [item for item in seen if isinstance(item, _Prepared)]
        started = time.perf_counter()
        looks = self._judge([np.concatenate(parts) for parts in zip(*(s.crops for s in readable), strict=True)])
        share = (time.perf_counter() - started) / max(1, len(readable))
        results: list[Result | ImageError] = []
        position = 0
        for item in seen:
            if isinstance(item, ImageError):
                results.append(item)
                continue
            part = slice(position, position + len(item.found))
            position = part.stop
            results.append(self._result(item, [look[part] for look in looks], share))
        return results

    def _judge(self, crops: Sequence[np.ndarray]) -> list[Look]:
        """What the networks say of each kind of crop. `crops` is empty where no picture could be read."""
        if not crops:
            return []
        with self.cores.one_more():
            return [
                fusion.add([(weight, *classifier.predict(own)) for weight, classifier in networks], view[-1])
                for (view, networks), own in zip(self._networks.items(), crops, strict=True)
            ]

    def _prepare(self, source: picture.Source, max_pixels: int, max_bytes: int, min_face: int) -> _Prepared:
        read = picture.read(source, max_pixels=max_pixels, max_bytes=max_bytes)
        times = [time.perf_counter()]
        try:
            findings = provenance.read(read.data, read.format, self._trust)
        except MemoryError:
            raise ImageError(picture.TOO_MUCH, "resource_limit") from None
        times.append(time.perf_counter())
        with self.cores.one_more():
            found = self._face_detector.find(read.pixels, min_face=min_face)
            covering = self._covering.logits(read.pixels, found)
        crops = tuple(_crops(read.pixels, found, *spec) for spec in self.crop_specs)
        widest = max(margin for _, margin in self.crop_specs)
        doubts = quality.doubts(read.pixels, found, crops[0], covering, widest)
        times.append(time.perf_counter())
        stages = zip(("provenance", "faces"), pairwise(times), strict=True)
        seconds = {"read": read.seconds, **{stage: end - start for stage, (start, end) in stages}}
        return _Prepared(read, found, crops, doubts, findings, seconds)

    def _result(self, seen: _Prepared, looks: list[Look], judging: float) -> Result:
        calibration = self._folder.calibration
        curves = self._folder.curves
        scores = [float(score) for score in calibration.score(fusion.fuse(looks))]
        can = [not doubts for doubts in seen.doubts]
        verdicts = calibration.verdicts(scores, can)
        shares = [curves.at(score) if curves and known else Shares() for score, known in zip(scores, can, strict=True)]
        margins = [margin for _, margin in self.crop_specs]
        faces = []
        for i, found in enumerate(seen.found):
            top = fusion.deciding(looks, i)
            evidence = Evidence.SURROUNDINGS if margins[top] > min(margins) else Evidence.FACE
            faces.append(
                Face(
                    box=_scaled(found.box, seen.picture),
                    detection_score=found.score,
                    score=scores[i],
                    shares=shares[i],
                    verdict=verdicts[i],
                    evidence=evidence,
                    roll=found.roll,
                    doubts=seen.doubts[i],
                    crop=seen.crops[top][i],
                    activation=looks[top].maps[i],
                )
            )
        faces.sort(key=lambda face: (SUSPICION.index(face.verdict), face.score), reverse=True)
        return Result(
            verdict=faces[0].verdict if faces else Verdict.NO_FACE,
            score=faces[0].score if faces else None,
            shares=curves.at(faces[0].score, sum(can)) if curves and faces and not faces[0].doubts else Shares(),
            faces=tuple(faces),
            provenance=seen.provenance,
            warnings=tuple(quality.warnings(seen.picture, seen.found, seen.doubts)),
            picture=_info(seen.picture),
            model=self._folder.info,
            seconds={**seen.seconds, "model": judging, "total": sum(seen.seconds.values()) + judging},
        )


def _scaled(box: tuple[int, int, int, int], seen: picture.Picture) -> tuple[int, int, int, int]:
    """A box in `pixels` of a picture as one in the picture itself, which may be larger."""
    height, width = seen.pixels.shape[:2]
    across, down = seen.width / width, seen.height / height
    return round(box[0] * across), round(box[1] * down), round(box[2] * across), round(box[3] * down)


def _given(source: picture.Source, max_pixels: int = picture.MAX_PIXELS, max_bytes: int = picture.MAX_BYTES) -> object:
    """`source` as a worker is given it: a file's bytes are read there alone."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if not isinstance(source, bytes):
        return picture.read(source, max_pixels=max_pixels, max_bytes=max_bytes)
    if len(source) > max_bytes:
        raise picture.oversize(max_bytes)
    return PickleBuffer(source)


def _info(read: picture.Picture) -> PictureInfo:
    size = len(read.data) if read.data is not None else None
    return PictureInfo(read.width, read.height, read.format, size, read.sha256)


def _reduced(pixels: np.ndarray, longest: int) -> np.ndarray:
    scale = longest / max(pixels.shape)
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))


def _view(network: NetworkConfig) -> _View:
    return network.input_size, network.crop_margin, network.fusion


def _crops(pixels: np.ndarray, found: Sequence[face_detector.DetectedFace], size: int, margin: float) -> np.ndarray:
    """The faces as a network sees them, uint8 (N, size, size, 3)."""
    crops = np.empty((len(found), size, size, 3), np.uint8)
    for i, face in enumerate(found):
        crops[i] = crop_face(pixels, face.box, size, margin, roll=face.roll)
    return crops
