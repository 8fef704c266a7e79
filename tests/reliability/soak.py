"""The running app under good and bad calls, a few a second: `python -m tests.reliability soak --minutes 60`.

What visitors send is kept for five minutes instead of an hour, so that its deletion is seen too. A finding is a good
call that is not answered as it must be, a bad one that is not refused in a sentence, a file that is overdue for
deletion, or growth of memory, open files or threads: the median of the last third against that of the third before.
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
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from tests.reliability import seeds
from tests.reliability.report import conclude, progress
from tests.support import ROOT
from tests.support.running_app import serve

KEPT = 300  # seconds
_OVERDUE = KEPT + 60  # seconds: the sweeper looks every minute
_CLIENTS = 4
_SAMPLE = 5.0  # seconds
_GROWTH = 1.05  # ratio of the medians
_TIMEOUT = 600
_APP = f"""
import runpy, sys
from ui import storage
storage.KEPT_SECONDS = {KEPT}
sys.argv[0] = "app.py"
runpy.run_path("app.py", run_name="__main__")
"""


class Wrong(Exception):
    """An answer that is not what it must be."""


def soak(minutes: float, rate: float) -> int:
    """Returns the exit status. `rate` is calls a second, of all clients together."""
    counts: Counter[str] = Counter()
    findings: list[str] = []
    times: list[float] = []
    samples: dict[str, list[float]] = {"memory": [], "files": [], "threads": [], "overdue": []}
    with serve(command=("-c", _APP)) as app:
        started = time.monotonic()
        end = started + 60 * minutes
        own = set(_ages(app.cache))  # the page's own files stay

        def client(number: int) -> None:
            draw = random.Random(number)
            calls = Calls(app.url, draw)
            while (now := time.monotonic()) < end:
                kind, call = calls.choose()
                try:
                    call()
                except Exception as error:  # reported, whatever it is
                    findings.append(f"{call.__name__}: {error!r:.300}")
                counts[kind] += 1
                times.append(time.monotonic() - now)
                time.sleep(max(0.0, draw.uniform(0.5, 1.5) * _CLIENTS / rate - times[-1]))

        threads = [threading.Thread(target=client, args=[number], daemon=True) for number in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        process = psutil.Process(app.pid)
        while any(thread.is_alive() for thread in threads):
            time.sleep(min(_SAMPLE, max(0.1, end - time.monotonic() + 1)))
            if not process.is_running():
                findings.append(f"the app has ended: {app.log[-1000:]}")
                break
            samples["memory"].append(process.memory_info().rss / 1e6)
            samples["files"].append(process.num_fds())
            samples["threads"].append(process.num_threads())
            samples["overdue"].append(sum(age > _OVERDUE for file, age in _ages(app.cache).items() if file not in own))
            if len(times) % 100 < _CLIENTS:
                progress(f"{len(times)} calls, {len(findings)} wrong, {samples['memory'][-1]:.0f} MB")
        if unexpected := app.log.count("A request failed"):
            findings.append(f"the log has {unexpected} unexpected errors")
    wrong, figures = len(findings), {}
    for name, values in samples.items():
        third = len(values) // 3
        before, after = statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])
        figures[name] = f"{before:.0f}->{after:.0f}"
        if after > before * _GROWTH + 2:
            findings.append(f"{name} grew from {before:.0f} to {after:.0f}")
    if overdue := max(samples["overdue"]):
        findings.append(f"{overdue:.0f} files of visitors were overdue for deletion")
    return conclude(
        "soak", findings, minutes=minutes, **counts, wrong=wrong, p50_ms=1e3 * statistics.median(times), **figures
    )


def _ages(cache: Path) -> dict[str, float]:
    """Seconds since each file was written, by its path."""
    ages = {}
    for place, _, names in os.walk(cache):
        for name in names:
            with suppress(FileNotFoundError):  # it was deleted during the walk
                ages[os.path.join(place, name)] = time.time() - os.stat(os.path.join(place, name)).st_mtime
    return ages


class Calls:
    """Of one client. Each raises where it went wrong."""

    def __init__(self, url: str, draw: random.Random) -> None:
        self._url, self._draw = url, draw
        self.portrait = Image.open(ROOT / "ui" / "examples" / "astronaut.jpg").convert("RGB")
        self._pictures, self._zips = seeds.pictures(), seeds.zips()
        good = {self.detect: 12, self.detect_seed: 6, self.batch: 1.5, self.heatmap: 3, self.model: 3}
        bad = dict.fromkeys(
            (self.no_picture, self.data_url, self.elsewhere, self.hang_up, self.bad_zip, self.nonsense), 1
        )
        self._weights = {**{("good", call): weight for call, weight in good.items()}, ("bad", self.broken): 2,
                         **{("bad", call): weight for call, weight in bad.items()}}  # fmt: skip

    def choose(self) -> tuple[str, Callable[[], None]]:
        return self._draw.choices(list(self._weights), list(self._weights.values()))[0]

    # ---- good: the answer is known -----------------------------------------------------------------------------

    def detect(self) -> None:
        """A photograph that no other call has sent, in one of the common formats."""
        answer = self._ask("detect", self.upload(self._photo()))
        if answer.get("verdict") in (None, "no_face") or len(answer["faces"]) != 1:
            raise Wrong(f"another answer: {json.dumps(answer)[:300]}")

    def detect_seed(self) -> None:
        name = self._draw.choice(list(self._pictures))
        answer = self._ask("detect", self.upload(self._pictures[name]))
        if answer["picture"]["bytes"] != len(self._pictures[name]):
            raise Wrong(f"{name}: another picture was judged")

    def batch(self) -> None:
        rows = self._ask("detect_batch", [self.upload(self._zips["deflated.zip"]), self.upload(self._photo())])
        if len(rows) != 4 or any(row["error"] for row in rows):
            raise Wrong(f"another answer: {json.dumps(rows)[:300]}")

    def heatmap(self) -> None:
        answer = self._ask("heatmap", self.upload(self._photo()), 1)
        if not self.http(f"/gradio_api/file={answer['path']}"):
            raise Wrong("the heat map is empty")

    def model(self) -> None:
        if self._ask("model")["source"] != "bundled":
            raise Wrong("another model answers")

    # ---- bad: refused in a sentence ----------------------------------------------------------------------------

    def broken(self) -> None:
        photo = self._photo()
        others = (photo[: len(photo) // 3], b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
        self._refused(self.upload(self._draw.choice((*others, self._zips["deflated.zip"]))))

    def no_picture(self) -> None:
        self._refused(None)

    def data_url(self) -> None:
        self._refused({"url": "data:image/jpeg;base64,!!!!"})

    def elsewhere(self) -> None:
        """A file of the server that nobody has sent."""
        self._refused({"path": "/etc/passwd"})

    def bad_zip(self) -> None:
        data = self._zips[self._draw.choice(("paths.zip", "bomb.zip", "nested.zip", "lzma.zip"))]
        rows = self._ask("detect_batch", [self.upload(data)])
        if not all(row["error"] and row["error"].endswith(".") for row in rows):
            raise Wrong(f"not refused: {json.dumps(rows)[:300]}")

    def hang_up(self) -> None:
        """A visitor who leaves before the answer: the app must live on."""
        event = self._begin("detect", [self.upload(self._photo())])
        with urllib.request.urlopen(f"{self._url}/gradio_api/call/detect/{event}", timeout=_TIMEOUT):
            pass

    def nonsense(self) -> None:
        """No JSON, or none that fits."""
        body = self._draw.choice((b"{", b"[]", b'{"data": 5}', b"\xff" * 100))
        try:
            self.http("/gradio_api/call/detect", body)
        except urllib.error.HTTPError as error:
            if error.code not in (400, 422):
                raise Wrong(f"{body!r:.40} has status {error.code}") from None
        else:
            raise Wrong(f"{body!r:.40} was accepted")

    # ---- HTTP ------------------------------------------------------------------------------------------------

    def _photo(self) -> bytes:
        """The portrait, no two alike."""
        image, stream = self.portrait.copy(), io.BytesIO()
        for x in (0, 9):
            image.putpixel((x, 0), tuple(self._draw.randrange(256) for _ in range(3)))
        form = self._draw.choice(("JPEG", "JPEG", "JPEG", "WEBP", "PNG"))
        image.save(stream, form, quality=95, compress_level=1)
        return stream.getvalue()

    def upload(self, data: bytes) -> dict[str, Any]:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        body = head + data + b"\r\n--x--\r\n"
        [path] = json.loads(self.http("/gradio_api/upload", body, "multipart/form-data; boundary=x"))
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def _begin(self, endpoint: str, data: list[object]) -> str:
        return json.loads(self.http(f"/gradio_api/call/{endpoint}", json.dumps({"data": data}).encode()))["event_id"]

    def answer(self, endpoint: str, data: list[object]) -> tuple[str, Any]:
        """The name of the last event, and its data."""
        event = self._begin(endpoint, data)
        said = self.http(f"/gradio_api/call/{endpoint}/{event}").decode().rstrip().rpartition("event: ")[2]
        name, _, content = said.partition("\ndata: ")
        return name, json.loads(content)

    def _ask(self, endpoint: str, *data: object) -> Any:
        name, content = self.answer(endpoint, list(data))
        if name != "complete":
            raise Wrong(f"{name}: {content}")
        return content[0]

    def _refused(self, picture: object) -> None:
        name, content = self.answer("detect", [picture])
        if name != "error" or not content["error"].endswith("."):
            raise Wrong(f"not refused in a sentence: {name} {content}")

    def http(self, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        request = urllib.request.Request(self._url + path, body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            return response.read()
