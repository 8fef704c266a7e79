"""Files that are made to exhaust whoever reads them, sent to the running app: `python -m tests.reliability attack`.

Two attackers send each file at the same time, over and over, while a visitor has a photograph judged. An attacker must
get a verdict or the one sentence, the app's process and any worker must stay within SECURITY.md's promise, and the
visitor's answers must stay fast.
"""

import json
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from benchmarks.speed import jpeg, photograph
from detector.picture import TOO_MUCH
from tests.reliability.report import conclude, progress
from tests.support.attacks import MOST_BYTES, PICTURES, hidden_names
from tests.support.running_app import RunningApp, serve

MOST_MEMORY = 2_000_000_000  # bytes, of the app's process and the largest worker together: SECURITY.md
MOST_SECONDS = 60.0  # for an answer: likewise
VISITOR = 1.0  # seconds: the visitor's p95
_VISITS, _PAUSE = 20, 0.2  # at least, and seconds between two
_BOUNDARY = b"--x\r\n"


@dataclass
class Told:
    """What became of one attack: `answers` of the attackers in words, the longest in seconds, the most memory in bytes,
    and the seconds of each of the visitor's answers."""

    answers: set[str] = field(default_factory=set)
    seconds: float = 0.0
    memory: int = 0
    visits: list[float] = field(default_factory=list)


def attack(attackers: int = 2, rounds: int = 2) -> int:
    """Returns the exit status."""
    findings, started = [], time.monotonic()
    with serve() as app:
        photo = jpeg(photograph((640, 480)))
        quiet = [_visit(app, photo) for _ in range(40)][20:]
        progress(f"a visitor alone: p50 {statistics.median(quiet):.2f} s, p95 {_p95(quiet):.2f} s")
        most, slowest, visits = 0, 0.0, list[float]()
        for name, make in PICTURES.items():
            file = make()
            told = one(app, lambda file=file: send(app, file), photo, attackers, rounds)
            findings += [f"{name}: {what}" for what in wrong(told, len(file))]
            progress(f"{name}: {', '.join(sorted(told.answers))}; {told.seconds:.1f} s, {told.memory >> 20} MB; "
                     f"a visitor's p95 {_p95(told.visits):.2f} s")  # fmt: skip
            most, slowest = max(most, told.memory), max(slowest, told.seconds)
            visits += told.visits
        zipped = hidden_names()
        told = one(app, lambda: send_zip(app, zipped), photo, 1, 1)
        findings += [f"hidden names: {what}" for what in wrong(told, len(zipped), "far too many files")]
        visits += told.visits
        if "Traceback" in app.log:
            findings.append("the log has a traceback")
    if (p95 := _p95(visits)) > VISITOR:
        findings.append(f"the visitor waited {p95:.1f} s at p95, {statistics.median(visits):.2f} s at p50")
    return conclude(
        "attack", findings, attacks=len(PICTURES) + 1, seconds=time.monotonic() - started, slowest_answer=slowest,
        peak_mb=most >> 20, visits=len(visits),
        visitor_p50_ms=1e3 * statistics.median(visits), visitor_p95_ms=1e3 * p95,
    )  # fmt: skip


def one(
    app: RunningApp, send: Callable[[], str], photo: bytes, attackers: int, rounds: int, visits: int = _VISITS
) -> Told:
    """`send` from so many attackers at once, so many times each, while a visitor goes on, `visits` times at least."""
    told, over = Told(), threading.Event()

    def attacker() -> None:
        for _ in range(rounds):
            began = time.monotonic()
            told.answers.add(send())
            told.seconds = max(told.seconds, time.monotonic() - began)

    def watch() -> None:
        server = psutil.Process(app.pid)
        while not over.wait(0.05):
            sizes = [0]
            for child in server.children(recursive=True):
                with suppress(psutil.Error):  # gone meanwhile
                    sizes.append(child.memory_info().rss)
            told.memory = max(told.memory, server.memory_info().rss + max(sizes))

    with ThreadPoolExecutor(attackers + 1) as pool:
        pool.submit(watch)
        sent = [pool.submit(attacker) for _ in range(attackers)]
        while not all(each.done() for each in sent) or len(told.visits) < visits:
            told.visits.append(_visit(app, photo))
            time.sleep(_PAUSE)
        over.set()
        for each in sent:
            each.result()
    return told


def wrong(told: Told, size: int, sentence: str = TOO_MUCH) -> list[str]:
    """What broke the promise."""
    found = [f"an answer {answer!r}" for answer in told.answers if answer != "judged" and sentence not in answer]
    found += [f"a file of {size} bytes"] * (size > MOST_BYTES)
    found += [f"{told.seconds:.0f} s for an answer"] * (told.seconds > MOST_SECONDS)
    found += [f"{told.memory >> 20} MB"] * (told.memory > MOST_MEMORY)
    return found


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _visit(app: RunningApp, photo: bytes) -> float:
    began = time.monotonic()
    if (answer := send(app, photo)) != "judged":
        raise AssertionError(f"a visitor was answered {answer!r}")
    return time.monotonic() - began


def send(app: RunningApp, file: bytes) -> str:
    """ "judged", or the sentence."""
    try:
        with urllib.request.urlopen(f"{app.url}/api/detect", file, timeout=300) as response:
            json.load(response)["verdict"]
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]["message"]
    return "judged"


def send_zip(app: RunningApp, zipped: bytes, names: int = 40) -> str:
    """The answers to a batch that names one zip so many times, in one text."""
    head = b'Content-Disposition: form-data; name="files"; filename="a.zip"\r\nContent-Type: application/zip\r\n\r\n'
    upload = urllib.request.Request(f"{app.url}/gradio_api/upload", _BOUNDARY + head + zipped + b"\r\n--x--\r\n")
    upload.add_header("Content-Type", "multipart/form-data; boundary=x")
    with urllib.request.urlopen(upload, timeout=60) as response:
        [path] = json.load(response)
    file = {"path": path, "orig_name": "a.zip", "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [[file] * names]}).encode()
    kind = {"Content-Type": "application/json"}
    call = urllib.request.Request(f"{app.url}/gradio_api/call/detect_batch", body, kind)
    with urllib.request.urlopen(call, timeout=60) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/detect_batch/{event}", timeout=300) as response:
        return response.read().decode()
