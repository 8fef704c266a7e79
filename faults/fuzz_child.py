"""The process that the fuzzer runs in, started by faults.fuzz: it may die, and what it knew lies in a shared file.

`python -m faults.fuzz_child TARGET BOARD FINDINGS CORPUS SEEDS [libFuzzer's options]`
"""

import atheris  # isort: skip  (before what it is to watch)

import hashlib
import importlib
import random
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from faults.board import Board

if TYPE_CHECKING:
    from faults.targets import Target

# The modules whose coverage leads the fuzzer.
WATCHED = {
    "picture": ("detector.picture", "PIL", "pillow_heif"),
    "provenance": ("detector.provenance", "PIL", "xml", "defusedxml", "json"),
    "zip": ("ui.archive", "ui.intake", "zipfile"),
    "config": ("detector.model_folder.store", "detector.verdict", "json", "ui.about"),
}
SLOW = 2.0  # seconds of the process's own time
LARGE = 1_000_000_000  # bytes of the process at its peak


def main(name: str, board_file: str, findings: str, corpus: str, seeds_folder: str, *options: str) -> None:
    target = _instrumented(name)
    board = Board(Path(board_file))
    seen: set[str] = set()

    def keep(kind: str, data: bytes, why: str) -> None:
        """Once for each place that it comes from."""
        if (kind + why) in seen:
            return
        seen.add(kind + why)
        place = Path(findings, f"{kind}-{hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]}")
        place.write_bytes(data)
        place.with_suffix(".txt").write_text(why)
        board.findings += 1

    def one(data: bytes) -> None:
        board.begin(data)
        started = time.process_time()
        try:
            target.run(data)
        except Exception as error:  # whatever the room raises that it does not document
            at = traceback.extract_tb(error.__traceback__)[-1]
            keep(type(error).__name__, data, f"{error!r:.300} at {Path(at.filename).name}:{at.lineno}")
        took = time.process_time() - started
        if took > SLOW:
            keep("slow", data, f"over {SLOW:.0f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if peak > LARGE:
            keep("large", data, "over 1 GB")
        board.end(took, peak)

    def mutate(data: bytes, limit: int, seed: int) -> bytes:
        return target.mutate(data, limit, random.Random(seed), atheris.Mutate)

    words = [sys.argv[0], corpus, seeds_folder, *options, "-max_len=65536", "-rss_limit_mb=4000", "-verbosity=0"]
    atheris.Setup(words, one, custom_mutator=mutate)
    atheris.Fuzz()


def _instrumented(name: str) -> "Target":
    """Imported under the eyes of the fuzzer; what of the standard library is there already is imported anew."""
    watched = WATCHED[name]
    standard = {root for root in watched if root in sys.stdlib_module_names}
    for module in [module for module in sys.modules if module.partition(".")[0] in standard]:
        del sys.modules[module]
    with atheris.instrument_imports(include=list(watched)):
        target = importlib.import_module("faults.targets").TARGETS[name]
        target.run(b"")  # what it imports late
    return target


if __name__ == "__main__":
    main(*sys.argv[1:])
