"""python -m benchmarks.serving: how fast the running app answers, against the detector itself on the same cores.

Starts `python app.py`, then prints: seconds until the page is there; a JPEG of 0.3 megapixels judged by plain HTTP, by
POST through gradio's queue and by gradio_client, p50 and p95 in ms with 1, 8 and 32 clients, and answers per second;
the same picture through `Detector.detect` and `detect_many`; memory after 200 calls and at the end. Machines are noisy:
read the ratios. Needs the extra `tests`; uploads are part of every call.
"""

import argparse
import json
import math
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable

import psutil
from gradio_client import Client, handle_file

from benchmarks.running_app import serve
from benchmarks.speed import jpeg, photograph
from detector import Detector, options

_SIZE = (640, 480)  # 0.3 megapixels
_CLIENTS = (1, 8, 32)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="for one and eight clients (default: %(default)s)")
    parser.add_argument("--crowd", type=float, default=120, help="seconds for 32 clients (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=2000, help="in all, for the memory (default: %(default)s)")
    arguments = parser.parse_args()
    picture = jpeg(photograph(_SIZE))
    alone = detector_alone(picture, arguments.seconds)
    started = time.perf_counter()
    with serve() as app:
        print(f"page ready                {time.perf_counter() - started:6.1f} s after the start of the process")
        server = psutil.Process(app.pid)
        by_http(app.url, picture)
        report("plain HTTP", lambda: by_http(app.url, picture), arguments, alone)
        by_queue(app.url, picture)
        report("gradio queue", lambda: by_queue(app.url, picture), arguments, alone)
        with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
            file.write(picture)
            file.flush()
            clients = threading.local()

            def through_client() -> None:
                if not hasattr(clients, "one"):
                    clients.one = Client(app.url, verbose=False)
                clients.one.predict(picture=handle_file(file.name), api_name="/detect")

            report("gradio_client", through_client, arguments, alone)
        memory(server, lambda: by_http(app.url, picture), arguments.calls)


def detector_alone(picture: bytes, seconds: float) -> float:
    """Photographs a second of `Detector.detect_many`, and what one `detect` takes."""
    detector = Detector.load(threads=1)
    list(detector.detect_many([picture] * 20))
    count = max(40, int(seconds * 10))
    started = time.perf_counter()
    list(detector.detect_many([picture] * count))
    rate = count / (time.perf_counter() - started)
    single = Detector.load()
    times = []
    for _ in range(40):
        started = time.perf_counter()
        single.detect(picture)
        times.append(time.perf_counter() - started)
    print(f"Detector.detect           {1e3 * statistics.median(times):6.1f} ms, one at a time")
    print(f"Detector.detect_many      {rate:6.1f} photographs/s")
    return rate


def by_http(url: str, picture: bytes) -> None:
    """One answer by plain HTTP, on a connection of its own."""
    with urllib.request.urlopen(f"{url}/api/detect", picture, timeout=120) as response:
        json.load(response)["verdict"]


def by_queue(url: str, picture: bytes) -> None:
    """One answer through gradio's queue without a client library: upload, call, and the stream of its answer."""
    boundary = b"--x\r\n"
    head = b'Content-Disposition: form-data; name="files"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    upload = urllib.request.Request(f"{url}/gradio_api/upload", boundary + head + picture + b"\r\n--x--\r\n")
    upload.add_header("Content-Type", "multipart/form-data; boundary=x")
    with urllib.request.urlopen(upload, timeout=60) as response:
        [path] = json.load(response)
    body = json.dumps({"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}).encode()
    call = urllib.request.Request(f"{url}/gradio_api/call/detect", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=60) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{url}/gradio_api/call/detect/{event}", timeout=120) as response:
        answer = response.read().decode()
    if "event: complete" not in answer:
        raise RuntimeError(answer)


def report(name: str, call: Callable[[], None], arguments: argparse.Namespace, alone: float) -> None:
    for clients in _CLIENTS:
        seconds = arguments.crowd if clients == max(_CLIENTS) else arguments.seconds
        times, failed, took = _together(call, clients, seconds)
        cuts = statistics.quantiles(times, n=20) if len(times) > 1 else [math.nan] * 19
        rate = len(times) / took
        print(
            f"{name:14s} {clients:3d} clients   p50 {1e3 * cuts[9]:6.1f} ms   p95 {1e3 * cuts[18]:6.1f} ms   "
            f"{rate:5.1f} answers/s ({rate / alone:.0%} of detect_many)   {failed} of {len(times) + failed} failed"
        )


def _together(call: Callable[[], None], clients: int, seconds: float) -> tuple[list[float], int, float]:
    """Seconds of each answer, how many failed, and how long it took in all."""
    times: list[float] = []
    failures: list[Exception] = []
    started = time.perf_counter()

    def one() -> None:
        while time.perf_counter() - started < seconds:
            before = time.perf_counter()
            try:
                call()
            except Exception as error:  # counted, whatever it is
                failures.append(error)
            else:
                times.append(time.perf_counter() - before)

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(failures), time.perf_counter() - started


def memory(server: psutil.Process, call: Callable[[], None], calls: int) -> None:
    for _ in range(min(200, calls)):
        call()
    before = _held(server)
    for _ in range(calls - 200):
        call()
    after = _held(server)
    print(
        f"memory after 200 and {calls} calls   {before / 1e6:.0f} and {after / 1e6:.0f} MB ({after / before - 1:+.1%})"
    )


def _held(server: psutil.Process) -> int:
    """Bytes of the app's process and its workers, what they share counted once."""
    return sum(process.memory_full_info().pss for process in (server, *server.children(recursive=True)))


if __name__ == "__main__":
    options.told(main)
