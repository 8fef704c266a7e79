"""python -m benchmarks.web: how much the static page loads, how soon it is ready, and how fast it judges beside Python.

Needs Chromium, and npm for LiteRT.js. Python judges the same pictures on the same machine: read the ratios.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.browser import browser
from benchmarks.speed import PHOTOS, jpeg, photograph
from detector import Detector, options
from web.build import build
from web.serve import server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROUNDS = 8


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="model folder (default: the bundled one)")
    model = parser.parse_args().model
    print(f"{os.cpu_count()} cores; medians of {ROUNDS}")
    with tempfile.TemporaryDirectory() as work:
        page = build(Path(work) / "page", model)
        weigh(page)
        with browser() as chromium:
            measure(page, Detector.load(model), chromium.new_context(), Path(work))


def weigh(folder: Path) -> None:
    """What a first visit loads."""
    page = json.loads((folder / "page.json").read_text("utf-8"))
    networks = {network["file"] for network in page["networks"]}
    size = sum(page["files"][path]["bytes"] for path in networks)
    wasm = (folder / "litert" / "litert_wasm_internal.wasm").stat().st_size
    rest = sum(v["bytes"] for path, v in page["files"].items() if "_wasm_" not in path and ".tflite" not in path)
    later = page["files"]["c2pa/c2pa_bg.wasm"]["bytes"]
    total = page["load"] + rest - later
    print(f"to load, MB: {total / 1e6:.1f}, of it networks {size / 1e6:.1f}, WebAssembly {wasm / 1e6:.1f}")
    print(f"once it is ready, for Content Credentials: {later / 1e6:.1f}")


def measure(folder: Path, detector: Detector, context: "BrowserContext", work: Path) -> None:
    """Seconds to ready and ms per photograph."""
    with server(folder) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}/"
        page = context.new_page()
        page.set_default_timeout(300_000)
        first = ready(page, url)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        again = statistics.median(ready(page, url) for _ in range(5))
        print(f"\nready after {first:.2f} s, the second time {again:.2f} s")
        for name, size in PHOTOS.items():
            files = []
            for number in range(ROUNDS + 1):  # the first compiles the face detector for its shape
                files.append(work / f"{number}.jpg")
                files[-1].write_bytes(jpeg(photograph(size, turn=number)))
            here = [seconds_in(page, file) for file in files][1:]
            there = [detector.detect(file).seconds["total"] for file in files][1:]
            a, b = statistics.median(here) * 1e3, statistics.median(there) * 1e3
            print(f"  {name:<16} browser {a:7.0f} ms   Python {b:7.0f} ms   {a / b:5.1f}   memory {memory():.0f} MB")
        running.shutdown()
    context.close()


def ready(page: "Page", url: str) -> float:
    began = time.perf_counter()
    page.goto(url)
    page.locator("[data-state=ready]").wait_for()
    return time.perf_counter() - began


def seconds_in(page: "Page", file: Path) -> float:
    page.locator("#choose").set_input_files(file)
    page.locator("[data-state=judged]").wait_for()
    with page.expect_download() as download:
        page.locator("#json").click()
    page.locator("#clear").click()
    return json.loads(download.value.path().read_text("utf-8"))["seconds"]["total"]


def memory() -> float:
    """MB of the browser's largest process, which is the page's."""
    return max(child.memory_info().rss for child in psutil.Process().children(recursive=True)) / 1e6


if __name__ == "__main__":
    options.told(main)
