"""Workers: the same answers as in this process, and what is left of pictures that break or exhaust them."""

import dataclasses
import gc
import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from detector import Detector, ImageError, ModelError, isolation, picture
from detector.isolation import CRASHED
from detector.model_folder import ModelFolder, store
from tests.support.attacks import poison as poison

pytestmark = pytest.mark.slow


@pytest.fixture
def others() -> set[psutil.Process]:
    """The workers of other tests."""
    return workers(set())


def workers(others: set[psutil.Process]) -> set[psutil.Process]:
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has ended
            if "detector.worker" in child.cmdline():
                found.add(child)
    return found - others


@pytest.fixture(scope="module")
def isolated() -> Detector:
    return Detector.load(isolated=True, workers=2)


def png(text: str = "", side: int = 48) -> bytes:
    """A small picture that shows nobody, with `text` behind it."""
    file = io.BytesIO()
    noise = np.random.default_rng(list(text.encode())).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue() + text.encode()


WAYS: dict[str, Callable[[Path], picture.Source]] = {
    "path": lambda file: file,
    "bytes": Path.read_bytes,
    "PIL image": Image.open,
    "array": lambda file: np.asarray(Image.open(file)),
    "what was read": picture.read,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_answers_what_this_process_answers(
    isolated: Detector, detector: Detector, hopper: Path, way: str
) -> None:
    here, there = detector.detect(WAYS[way](hopper)), isolated.detect(WAYS[way](hopper))
    assert there == here and there.seconds.keys() == here.seconds.keys()
    for mine, other in zip(here.faces, there.faces, strict=True):
        assert np.array_equal(mine.crop, other.crop)
        assert np.allclose(mine.activation, other.activation, atol=1e-2)


def test_a_preview_is_the_upright_picture_made_smaller(isolated: Detector, detector: Detector, hopper: Path) -> None:
    info, pixels = isolated.preview(hopper, 100)
    assert info == detector.detect(hopper).picture
    assert pixels.shape == (100, round(100 * info.width / info.height), 3) and pixels.dtype == np.uint8
    result, whole = isolated.detect_with_preview(hopper, 5000)
    assert np.array_equal(whole, picture.read(hopper).pixels) and result == detector.detect(hopper)


def test_what_is_larger_than_the_shared_memory_goes_too() -> None:
    sent = [np.full(size, number, np.uint8) for number, size in enumerate((1000, isolation.SHARED, 2000))]
    here, there = Pipe()
    with isolation.memory_file() as memory, ThreadPoolExecutor(1) as other:
        memory.truncate(isolation.SHARED)
        coming = other.submit(isolation.Channel(there, memory.fileno()).receive)
        isolation.Channel(here, memory.fileno()).send(sent)
        received = coming.result()
    assert all(np.array_equal(a, b) and b.flags.writeable for a, b in zip(sent, received, strict=True))


def test_many_come_in_order_with_their_errors(isolated: Detector, detector: Detector, hopper: Path) -> None:
    sources = [hopper, b"nonsense", png("a"), Path("missing.jpg"), b"", bytes(picture.MAX_BYTES + 1)] * 3
    answers = zip(isolated.detect_many(sources), detector.detect_many(sources), strict=True)
    for there, here in answers:
        if isinstance(here, ImageError):
            assert isinstance(there, ImageError) and (str(there), there.code) == (str(here), here.code)
        else:
            assert there == here


def test_a_worker_takes_no_more_memory_than_promised(others: set[psutil.Process], hopper: Path) -> None:
    one = Detector.load(isolated=True, workers=1)
    one.detect(hopper)
    assert max(map(_own_memory, workers(others))) < 310_000


def _own_memory(worker: psutil.Process) -> int:
    """In kB."""
    rollup = Path(f"/proc/{worker.pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(("Private_", "Shared_Dirty")))


@pytest.mark.parametrize("side", [2000, 6300], ids=["4 megapixels", "40 megapixels"])
def test_a_large_picture_without_a_face_is_judged_and_leaves_no_memory_taken(
    others: set[psutil.Process], side: int
) -> None:
    """It is searched at every size and turn that there is; afterwards its worker is as small as before."""
    one = Detector.load(isolated=True, workers=1)
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    file = io.BytesIO()
    noise.resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG")
    assert one.detect(file.getvalue()).verdict == "no_face"
    assert max(map(_own_memory, workers(others))) < 310_000


FAULTS = {"crash": (CRASHED, "crashed"), "grow": (picture.TOO_MUCH, "resource_limit"),
          "spin": (picture.TOO_MUCH, "resource_limit"), "hang": (picture.TOO_MUCH, "resource_limit")}  # fmt: skip


@pytest.fixture
def poisoned(others: set[psutil.Process], poison: None, monkeypatch: pytest.MonkeyPatch) -> Detector:
    monkeypatch.setenv("DETECTOR_PICTURE_SECONDS", "1")
    return Detector.load(isolated=True, workers=1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_picture_that_ends_its_worker_gets_a_sentence(
    poisoned: Detector, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    with monkeypatch.context() as patch, pytest.raises(ImageError) as error:
        if fault == "hang":
            patch.setattr(isolation, "HUNG", 5)
        poisoned.detect(png(fault))
    assert (str(error.value), error.value.code) == FAULTS[fault]
    assert poisoned.detect(png("a")).verdict == "no_face"


def test_a_worker_that_somebody_else_ends_costs_nothing(poisoned: Detector, others: set[psutil.Process]) -> None:
    [worker] = workers(others)
    worker.kill()
    assert poisoned.detect(png("a")).verdict == "no_face"
    assert poisoned.detect(png("shot")).verdict == "no_face"
    assert Path(os.environ["SHOT"]).exists()


def test_slow_pictures_keep_nobody_waiting(poisoned: Detector, others: set[psutil.Process]) -> None:
    poisoned.detect(png("a"))
    with ThreadPoolExecutor(2) as attackers:
        slow = [attackers.submit(poisoned.detect, png("hang")) for _ in range(2)]
        while len(workers(others)) < 3:
            time.sleep(0.1)
        for _ in range(5):
            assert poisoned.detect(png("a")).verdict == "no_face"
        assert not any(one.done() for one in slow), "nobody waits for them"
        for worker in sorted(workers(others), key=psutil.Process.create_time)[:2]:
            worker.terminate()
        for one in slow:
            with pytest.raises(ImageError, match="crashed the process"):
                one.result()


def test_no_worker_is_left_behind(others: set[psutil.Process]) -> None:
    one = Detector.load(isolated=True, workers=1)
    one.detect(png("a"))
    started = workers(others)
    del one
    gc.collect()
    assert started and not psutil.wait_procs(started, 30)[1]


# --- Networks ---------------------------------------------------------------------------------------------------------


def with_network(change: Callable[[bytearray], None]) -> ModelFolder:
    """The bundled model with another network, and its right hash, as an attacker would give it."""
    folder = store.load()
    first, *others = folder.networks
    network = bytearray(first.model)
    change(network)
    return dataclasses.replace(folder, networks=(dataclasses.replace(first, model=bytes(network)), *others))


def nowhere_a_number(network: bytearray) -> None:
    middle = len(network) // 4 // 16 * 16
    network[middle : middle + 400_000] = bytes.fromhex("0000c07f") * 100_000


def test_a_network_that_answers_with_no_number_is_refused(hopper: Path) -> None:
    folder = with_network(nowhere_a_number)
    with pytest.raises(ModelError, match="answer is not a number"):
        Detector(folder).detect(hopper)
    with pytest.raises(ModelError, match="answer is not a number"):
        Detector(folder, isolated=True)


def test_a_network_that_crashes_ends_a_worker_only(poison: None, tmp_path: Path) -> None:
    crashing = with_network(lambda network: network.extend(b"crash"))
    with pytest.raises(ModelError, match="crashed the process that tried it"):
        Detector(crashing, isolated=True)
    assert Detector(with_network(lambda network: network.extend(b"whole")), isolated=True).detect(png("a"))
