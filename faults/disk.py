"""`python -m faults disk`: a full disk, a read-only one, and model folders that are not what they say.

The disks are small ones in memory (tmpfs), in a mount namespace of this command's own: Linux, with `unshare` allowed. A
command on such a disk must end with a sentence and leave no half file under a final name, and succeed once there is
room. Model folders are loaded in a process of their own, since the runtime is native code.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from detector import faces
from detector.model_folder import store
from faults import trials
from faults.figures import conclude, progress
from faults.kill import ROOT

ROOM = 400 << 20  # bytes: enough for everything here
_PAGE = 4096


def disk(only: Sequence[str] = ()) -> int:
    """Returns the exit status. `only` names trials to make alone."""
    if os.environ.get("FAULTS_INSIDE") != "yes":
        words = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "faults", "disk", *only]
        if shutil.which("unshare") is None or subprocess.run([*words[:3], "true"], check=False).returncode:
            print("This machine allows no small disks: `unshare --map-root-user --mount` must work.", file=sys.stderr)
            return 2
        return subprocess.run(words, env={**os.environ, "FAULTS_INSIDE": "yes"}, check=False).returncode
    started = time.monotonic()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        for trial in (_model_folders, _rows, _heatmaps, _fit_and_export, _hub_cache, _app):
            if only and trial.__name__.strip("_") not in only:
                continue
            place = folder / trial.__name__.strip("_")
            place.mkdir()
            before = len(tally.findings)
            try:
                trial(place, tally)
            except Exception as error:  # the others go on
                tally.case(False, f"{trial.__name__.strip('_')} could not be tried: {error!r:.500}")
            progress(
                f"{trial.__name__.strip('_')}: {tally.cases} cases in all, {tally.findings[before:] or 'all good'}"
            )
    return conclude("disk", tally.findings, cases=tally.cases, seconds=time.monotonic() - started)


@dataclass
class Tally:
    cases: int = 0
    findings: list[str] = field(default_factory=list)

    def case(self, kept: bool, otherwise: str) -> None:
        """Count one; `otherwise` says what was wrong."""
        self.cases += 1
        if not kept:
            self.findings.append(otherwise)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A disk of `size` bytes, whole pages."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def resize(place: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def read_only(place: Path, yes: bool) -> None:
    subprocess.run(["mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(place)], check=True)


def _python(*words: object, environment: dict[str, str] | None = None, output: Path | None = None) -> tuple[int, str]:
    """Exit status and what was said on stderr."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    with output.open("wb") if output else open(os.devnull, "wb") as stdout:
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=stdout, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stderr.decode(errors="replace")


def _told(status: int, said: str) -> bool:
    """Whether it ended as a command should that cannot write."""
    lines = [line for line in said.splitlines() if line.strip()]
    return status == 2 and "Traceback" not in said and bool(lines) and lines[-1].endswith(".")


Words = Callable[[Path], list[object]]


def _command(
    tally: Tally, name: str, place: Path, words: Words, sizes: list[int], *, again: Words | None = None, status: int = 0
) -> None:
    """What `words` makes of a folder on a small disk: at each size too little, then read-only; and each time once more
    with room, where `again` ends with `status`."""
    for size in [*sizes, None]:
        kind = "a read-only disk" if size is None else f"{size >> 10} kB"
        with small_disk(place, size or ROOM) as mounted:
            if size is None:
                read_only(mounted, True)
            ended, said = _python(*words(mounted))
            tally.case(_told(ended, said), f"{name} on {kind}: status {ended}: {said[-400:]}")
            tally.case(not (halves := trials.broken(mounted)), f"{name} on {kind}: {halves}")
            if size is None:
                read_only(mounted, False)
            else:
                resize(mounted, ROOM)
            ended, said = _python(*(again or words)(mounted))
            tally.case(ended == status, f"{name} with room after {kind}: status {ended}: {said[-400:]}")
            tally.case(not (halves := trials.broken(mounted)), f"{name} with room after {kind}: {halves}")


def _rows(folder: Path, tally: Tally) -> None:
    """The rows of the command line go to a full disk."""
    trials.write_photographs(folder / "photos", 8)
    with small_disk(folder / "disk", _PAGE) as mounted:
        ended, said = _python("-m", "detector", folder / "photos", "--jsonl", output=mounted / "rows")
        tally.case(_told(ended, said), f"--jsonl: status {ended}: {said[-400:]}")
        lines = (mounted / "rows").read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        tally.case(all(map(json.loads, whole)), "a line that is whole is no JSON")


def _heatmaps(folder: Path, tally: Tally) -> None:
    trials.write_photographs(folder / "photos", 8)  # two more cannot be judged: status 1
    _command(
        tally, "--heatmaps", folder / "disk",
        lambda disk: ["-m", "detector", folder / "photos", "--jsonl", "--heatmaps", disk / "maps"],
        [_PAGE, 40 * _PAGE], status=1,
    )  # fmt: skip


def _fit_and_export(folder: Path, tally: Tally) -> None:
    export, fit = trials.Export(), trials.Fit()
    os.environ.update(trials.at_home(folder / "home"))
    with export.prepared(folder):
        sizes = [_PAGE, 100 * _PAGE]  # too little for model.tflite, and for model.keras
        _command(tally, "export", folder / "disk", lambda disk: export.command(folder, disk), sizes)
        _command(
            tally, "fit", folder / "disk", lambda disk: fit.command(folder, disk), [150 * _PAGE],
            again=lambda disk: fit.again(folder, disk),
        )  # fmt: skip


def _hub_cache(folder: Path, tally: Tally) -> None:
    """A model that there is no room to download to: the bundled one stands in, and a note says why."""
    from tests.support.hub_server import OWNER, serve

    code = (
        "from detector import Detector; d = Detector.load('owner/name').model.info; "
        "import sys; print(d.source, d.note, file=sys.stderr)"
    )
    names = (store.CONFIG, store.MODEL)
    with serve(folder / "hub", xet=False) as hub:
        hub.put("owner/name", {name: (store.BUNDLED / name).read_bytes() for name in names})
        for size in (_PAGE, 20 * _PAGE, 200 * _PAGE, None):
            kind = "a read-only disk" if size is None else f"{size >> 10} kB"
            with small_disk(folder / "disk", size or ROOM) as mounted:
                environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(mounted), "HF_TOKEN": OWNER,
                               "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}  # fmt: skip
                if size is None:
                    read_only(mounted, True)
                ended, said = _python("-c", code, environment=environment)
                noted = "bundled owner/name could not be had" in said and "could not be written" in said
                tally.case(ended == 0 and noted, f"hub cache on {kind}: status {ended}: {said[-400:]}")
                if size is None:
                    read_only(mounted, False)
                else:
                    resize(mounted, ROOM)
                ended, said = _python("-c", code, environment=environment)
                tally.case(ended == 0 and "hub None" in said, f"hub cache with room after {kind}: {said[-400:]}")


def _app(folder: Path, tally: Tally) -> None:
    """What visitors send finds no room: they are told, the app lives, and serves when there is room again."""
    from faults.soak import Calls, Wrong
    from tests.support.running_app import serve

    with small_disk(folder / "disk", 4096 * _PAGE) as mounted, serve(GRADIO_TEMP_DIR=str(mounted)) as app:
        filler = mounted / "filler"
        with suppress(OSError), filler.open("wb") as file:  # to the last byte
            while True:
                file.write(bytes(_PAGE))
        calls = Calls(app.url, random.Random(1))
        for call in (calls.detect, calls.heatmap, calls.batch):
            try:
                call()
            except (urllib.error.HTTPError, Wrong):
                tally.case(True, "")
            else:
                tally.case(False, f"{call.__name__} was answered on a full disk")
            calls.model()
        filler.unlink()
        for call in (calls.detect, calls.heatmap, calls.batch, calls.model):
            try:
                call()
            except Exception as error:  # told, whatever it is
                tally.case(False, f"{call.__name__} with room again: {error!r:.300}")
            else:
                tally.case(True, "")


# --- Model folders that are not what they say -------------------------------------------------------------------------

# Prints "refused", "judged", or what should not be.
_LOAD = """
import sys
from detector import Detector, ModelError
import numpy as np
from PIL import Image
for folder in sys.argv[2:]:
    try:
        detector = Detector.load(folder, threads=1)
        detector.detect(sys.argv[1])
        print("judged", flush=True)
    except ModelError as error:
        print("refused" if str(error).endswith(".") and folder not in str(error) else repr(error), flush=True)
    except BaseException as error:
        print(repr(error)[:300], flush=True)
"""


def _model_folders(folder: Path, tally: Tally) -> None:
    model_folders(folder, tally, lengths=40)


def model_folders(folder: Path, tally: Tally, *, lengths: int) -> None:
    """Truncated, swapped and lied about; with the hash of what is there, as somebody would who means harm."""
    network = (store.BUNDLED / store.MODEL).read_bytes()
    config = json.loads((store.BUNDLED / store.CONFIG).read_text("utf-8"))
    size = config["input_size"]
    cases: list[tuple[str, bytes, dict[str, object], bool]] = []
    cuts = [len(network) * number // lengths for number in range(lengths)]
    files = {f"the first {cut} bytes of the network": network[:cut] for cut in cuts}
    files["the face finder for a model"] = faces.MODEL.read_bytes()
    files["model.keras for a model"] = (store.BUNDLED / store.KERAS).read_bytes()
    for what, content in files.items():
        cases.append((what, content, {}, False))
        cases.append((f"{what}, with its hash", content, {"sha256": hashlib.sha256(content).hexdigest()}, False))
    for lie in (32, 64, size - 1, size + 1, 2 * size, 1024, 31, 1025, 0, -1, 10**9, str(size + 1), None, [size]):
        cases.append((f"an input size of {lie!r}", network, {"input_size": lie}, False))
    cases.append(("the truth", network, {}, True))
    folders = []
    for number, (_, content, changes, _) in enumerate(cases):
        place = folder / f"case-{number}"
        place.mkdir()
        (place / store.MODEL).write_bytes(content)
        (place / store.CONFIG).write_text(json.dumps({**config, **changes}))
        folders.append(place)
    answers = loaded(folders)
    for (what, _, _, good), answer in zip(cases, answers, strict=True):
        tally.case(answer == ("judged" if good else "refused"), f"model folder with {what}: {answer}")


def loaded(folders: list[Path]) -> list[str]:
    """What became of each folder; the process begins anew behind one that ended it."""
    photo = Path(__file__).parent.parent / "ui" / "examples" / "astronaut.jpg"
    answers: list[str] = []
    while len(answers) < len(folders):
        rest = folders[len(answers) :]
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, str(photo), *map(str, rest)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        answers += done.stdout.splitlines()
        if done.returncode:
            answers.append(f"the process ended with status {done.returncode}")
    return answers
