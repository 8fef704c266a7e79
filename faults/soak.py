"""`python -m faults soak --minutes 60`: the running app under good and bad calls, a few a second.

What visitors send is kept for a few minutes instead of an hour, so that its deletion is seen too; all else is as it is.
Fails on a good call that is not answered as it must be, a bad call that is not refused in a sentence, a file of a
visitor that is overdue for deletion, or growth: the last third of the time against the third before, in memory, open
files and threads. How many files of visitors there are goes up and down with how fast this machine answers.
"""

import io
import json
import os
import random
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from faults import seeds
from faults.figures import conclude, progress

KEPT_MINUTES = 5
_CLIENTS = 4
_SAMPLE = 5.0  # seconds
_GROWTH = 1.05  # of the medians of the two thirds: more is growth
_TIMEOUT = 600
_OVERDUE = 60 * KEPT_MINUTES + 600 + 60  # seconds: gradio looks every ten minutes

# app.py with another time to keep what came; the rest of the command line is its own.
_APP = f"""
import runpy, sys
from ui import intake
intake.KEPT_SECONDS = {60 * KEPT_MINUTES}
sys.argv[0] = "app.py"
runpy.run_path("app.py", run_name="__main__")
"""


class Wrong(Exception):
    """An answer that is not what it must be."""


@dataclass
class _Samples:
    """Of the server, over time."""

    own: frozenset[str]  # the page's own files in the cache: they stay
    memory: list[float] = field(default_factory=list)  # MB
    files: list[float] = field(default_factory=list)  # open, sockets included
    threads: list[float] = field(default_factory=list)
    visitors: list[float] = field(default_factory=list)  # files that they sent or were shown, on disk
    overdue: list[float] = field(default_factory=list)  # of these, by the time that they are kept

    def take(self, process: psutil.Process, cache: Path) -> None:
        self.memory.append(process.memory_info().rss / 1e6)
        self.files.append(process.num_fds())
        self.threads.append(process.num_threads())
        ages = [age for file, age in _ages(cache).items() if file not in self.own]
        self.visitors.append(len(ages))
        self.overdue.append(sum(age > _OVERDUE for age in ages))


def _ages(cache: Path) -> dict[str, float]:
    """Seconds since each file was written, by its path."""
    ages = {}
    for place, _, names in os.walk(cache):
        for name in names:
            try:
                ages[os.path.join(place, name)] = time.time() - os.stat(os.path.join(place, name)).st_mtime
            except FileNotFoundError:  # deleted meanwhile
                pass
    return ages


def soak(minutes: float, rate: float, *, seed: int = 1) -> int:
    """Returns the exit status. `rate` is calls a second, of all clients together."""
    from tests.support.running_app import serve

    with serve(command=("-c", _APP)) as app:
        started = time.monotonic()
        end = started + 60 * minutes
        samples, counts, wrong, times = _Samples(frozenset(_ages(app.cache))), Counter(), [], []
        lock = threading.Lock()

        def client(number: int) -> None:
            draw = random.Random(f"{seed} {number}")
            calls = Calls(app.url, draw)
            while (now := time.monotonic()) < end:
                name, call = calls.choose()
                try:
                    call()
                except Exception as error:  # counted, whatever it is
                    with lock:
                        wrong.append(f"{name}: {error!r:.300}")
                with lock:
                    counts[name.partition(" ")[0]] += 1
                    times.append(time.monotonic() - now)
                time.sleep(max(0.0, draw.uniform(0.5, 1.5) * _CLIENTS / rate - (time.monotonic() - now)))

        threads = [threading.Thread(target=client, args=[number], daemon=True) for number in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        process, told = psutil.Process(app.pid), 0
        while any(thread.is_alive() for thread in threads):
            time.sleep(min(_SAMPLE, max(0.1, end - time.monotonic() + 1)))
            if not process.is_running():
                wrong.append(f"the app has ended: {app.log[-1000:]}")
                break
            samples.take(process, app.cache)
            if (minute := int((time.monotonic() - started) // 60)) > told:
                told = minute
                progress(
                    f"minute {minute}: {sum(counts.values())} calls, {len(wrong)} wrong, {samples.memory[-1]:.0f} MB, "
                    f"{samples.files[-1]:.0f} open files, {samples.threads[-1]:.0f} threads, "
                    f"{samples.visitors[-1]:.0f} files of visitors, {samples.overdue[-1]:.0f} overdue"
                )
        unexpected = app.log.count("A request failed")
    findings = wrong[:20] + [f"{len(wrong) - 20} more"] * (len(wrong) > 20)
    if unexpected:
        findings.append(f"the log has {unexpected} errors that nobody expected")
    figures: dict[str, str] = {}
    for name, values in vars(samples).items():
        if name == "own":
            continue
        third = len(values) // 3
        before, after = statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])
        figures[name] = f"{before:.0f}->{after:.0f}"
        if name != "visitors" and after > before * _GROWTH + 2:
            findings.append(f"{name} grew from {before:.0f} to {after:.0f}")
    if max(samples.overdue):
        findings.append(f"{max(samples.overdue):.0f} files of visitors were overdue for deletion")
    return conclude(
        "soak", findings, minutes=minutes, good=counts["good"], bad=counts["bad"], wrong=len(wrong),
        p50_ms=1e3 * statistics.median(times), worst_s=max(times), **figures,
    )  # fmt: skip


class Calls:
    """Of one client: each is a name that begins with good or bad, and a function that raises where it went wrong."""

    def __init__(self, url: str, draw: random.Random) -> None:
        self._url, self._draw = url, draw
        self._portrait = Image.open(Path(__file__).parent.parent / "ui" / "examples" / "astronaut.jpg").convert("RGB")
        self._pictures, self._zips = seeds.pictures(), seeds.zips()
        good = (self.detect, self.detect_seed, self.batch, self.heatmap, self.model)
        bad = (self.broken, self.no_picture, self.data_url, self.elsewhere, self.hang_up, self.bad_zip)
        bad = (*bad, self.nonsense)
        self._choices = [("good", call) for call in good] * 3 + [("bad", call) for call in bad]
        self._weights = [4, 2, 0.5, 1, 1] * 3 + [2, 1, 1, 1, 1, 1, 1]

    def choose(self) -> tuple[str, Callable[[], None]]:
        [(kind, call)] = self._draw.choices(self._choices, self._weights)
        return f"{kind} {call.__name__}", call

    # --- Good: the answer is known ------------------------------------------------------------------------------------

    def detect(self) -> None:
        """A photograph that no other call has sent, in one of the common formats."""
        answer = self._ask("detect", self._file(self._upload(self._photo())))
        if answer.get("verdict") not in ("likely_real", "uncertain", "likely_fake") or len(answer["faces"]) != 1:
            raise Wrong(f"another answer: {json.dumps(answer)[:300]}")

    def detect_seed(self) -> None:
        name = self._draw.choice(list(self._pictures))
        answer = self._ask("detect", self._file(self._upload(self._pictures[name])))
        if answer["picture"]["bytes"] != len(self._pictures[name]):
            raise Wrong(f"{name}: another picture was judged")

    def batch(self) -> None:
        files = [self._file(self._upload(data)) for data in (self._zips["deflated.zip"], self._photo())]
        rows = self._ask("detect_batch", files)
        if len(rows) != 4 or any(row["error"] for row in rows):
            raise Wrong(f"another answer: {json.dumps(rows)[:300]}")

    def heatmap(self) -> None:
        answer = self._ask("heatmap", self._file(self._upload(self._photo())), 1)
        if not self._get(f"/gradio_api/file={answer['path']}"):
            raise Wrong("the heat map is empty")

    def model(self) -> None:
        if self._ask("model")["source"] != "bundled":
            raise Wrong("another model answers")

    # --- Bad: refused in a sentence -----------------------------------------------------------------------------------

    def broken(self) -> None:
        data = bytearray(self._photo())
        match self._draw.randrange(4):
            case 0:
                del data[len(data) // 3 :]
            case 1:
                data = bytearray(b"no picture at all")
            case 2:
                data = bytearray(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
            case 3:
                data = bytearray(self._zips["deflated.zip"])
        self._refused("detect", self._file(self._upload(bytes(data))))

    def no_picture(self) -> None:
        self._refused("detect", None)

    def data_url(self) -> None:
        self._refused("detect", {"url": "data:image/jpeg;base64,!!!!"})

    def elsewhere(self) -> None:
        """A file of the server that nobody has sent."""
        self._refused("detect", {"path": "/etc/passwd"})

    def bad_zip(self) -> None:
        data = self._zips[self._draw.choice(("paths.zip", "bomb.zip", "nested.zip", "lzma.zip"))]
        rows = self._ask("detect_batch", [self._file(self._upload(data))])
        if not all(row["error"] and row["error"].endswith(".") for row in rows):
            raise Wrong(f"not refused: {json.dumps(rows)[:300]}")

    def hang_up(self) -> None:
        """A visitor who leaves before the answer: only the app must live on."""
        event = self._begin("detect", [self._file(self._upload(self._photo()))])
        with urllib.request.urlopen(f"{self._url}/gradio_api/call/detect/{event}", timeout=_TIMEOUT):
            pass

    def nonsense(self) -> None:
        """No JSON, or none that fits."""
        body = self._draw.choice((b"{", b"[]", b'{"data": 5}', b'{"data": [[[[1]]]]}', b"\xff" * 100))
        try:
            self._post("/gradio_api/call/detect", body, "application/json")
        except urllib.error.HTTPError as error:
            if error.code >= 500 and error.code != 500:
                raise Wrong(f"status {error.code}") from None

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def _photo(self) -> bytes:
        """The portrait, no two alike."""
        image = self._portrait.copy()
        image.putpixel((0, 0), tuple(self._draw.randrange(256) for _ in range(3)))
        image.putpixel((9, 0), tuple(self._draw.randrange(256) for _ in range(3)))
        stream = io.BytesIO()
        form = self._draw.choice(("JPEG", "JPEG", "JPEG", "WEBP", "PNG"))
        image.save(stream, form, **({"compress_level": 1} if form == "PNG" else {"quality": 95}))
        return stream.getvalue()

    def _file(self, path: str) -> dict[str, object]:
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def _upload(self, data: bytes) -> str:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        [path] = json.loads(
            self._post("/gradio_api/upload", head + data + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
        )
        return path

    def _begin(self, endpoint: str, data: list[object]) -> str:
        body = json.dumps({"data": data}).encode()
        return json.loads(self._post(f"/gradio_api/call/{endpoint}", body, "application/json"))["event_id"]

    def _answer(self, endpoint: str, data: list[object]) -> str:
        event = self._begin(endpoint, data)
        return self._get(f"/gradio_api/call/{endpoint}/{event}").decode()

    def _ask(self, endpoint: str, *data: object) -> object:
        answer = self._answer(endpoint, list(data))
        if "event: complete" not in answer:
            raise Wrong(answer[:300])
        return json.loads(answer.split("event: complete\ndata: ", 1)[1].splitlines()[0])[0]

    def _refused(self, endpoint: str, *data: object) -> None:
        answer = self._answer(endpoint, list(data))
        if "event: error" not in answer or not json.loads(answer.split("data: ", 1)[1])["error"].endswith("."):
            raise Wrong(f"not refused in a sentence: {answer[:300]}")

    def _post(self, path: str, body: bytes, kind: str) -> bytes:
        request = urllib.request.Request(self._url + path, body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            return response.read()

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self._url + path, timeout=_TIMEOUT) as response:
            return response.read()
