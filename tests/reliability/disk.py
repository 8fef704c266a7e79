"""Full disks, read-only disks, and model folders that are not what they say: `python -m tests.reliability disk`.

The disks are small ones in memory (tmpfs), in a mount namespace of this command's own: Linux, with `unshare` allowed.
On such a disk a command must end with a sentence, leave no half file under a final name, and succeed once there is
room.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from detector import face_detector
from detector.model_folder import store
from tests.reliability import trials
from tests.reliability.report import conclude, progress
from tests.support import ROOT
from tests.support.bundled import FILES
from tests.support.environment import offline
from tests.support.hub_fixtures import environment
from tests.support.model_config import signed

ROOM = 400 << 20  # bytes: enough for everything here
PAGE = 4096


class Tally:
    def __init__(self) -> None:
        self.cases = 0
        self.findings: list[str] = []

    def case(self, kept: bool, otherwise: str) -> None:
        """Count one; `otherwise` says what was wrong."""
        self.cases += 1
        if not kept:
            self.findings.append(otherwise)


def disk(only: Sequence[str] = ()) -> int:
    """Returns the exit status. `only` names the trials to run."""
    if (status := again_with_small_disks("disk", *only)) is not None:
        return status
    started, tally = time.monotonic(), Tally()
    known = {"model_folders": model_folders, "rows": _rows, "heatmaps": _heatmaps, "training": _training, "hub": _hub,
             "app": _app}  # fmt: skip
    if unknown := set(only) - set(known):
        print(f"There is no trial {', '.join(sorted(unknown))}: {', '.join(known)}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        for name in only or known:
            Path(folder, name).mkdir()
            try:
                known[name](Path(folder, name), tally)
            except Exception as error:  # the others go on
                tally.case(False, f"{name} could not be tried: {error!r:.500}")
            progress(f"{name}: {tally.cases} cases so far, {len(tally.findings)} findings")
    return conclude("disk", tally.findings, cases=tally.cases, seconds=time.monotonic() - started)


def again_with_small_disks(*words: str) -> int | None:
    """Run `python -m tests.reliability` with `words` where disks can be mounted, and return its exit status; None where
    it runs there already."""
    if os.environ.get("RELIABILITY_INSIDE") == "yes":
        return None
    command = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        print("This machine allows no small disks: `unshare --map-root-user --mount` must work.", file=sys.stderr)
        return 2
    command += [sys.executable, "-m", "tests.reliability", *words]
    return subprocess.run(command, env={**os.environ, "RELIABILITY_INSIDE": "yes"}, check=False).returncode


@contextmanager
def full(place: Path, size: int | None) -> Iterator[Callable[[], None]]:
    """A disk of `size` bytes at `place`, or a read-only one; call what is yielded to make room."""

    def mount(options: str) -> None:
        subprocess.run(["mount", *options.split(), str(place)], check=True)

    place.mkdir(exist_ok=True)
    mount(f"-t tmpfs -o size={size or ROOM} none")
    try:
        if size is None:
            mount("-o remount,ro")
        yield lambda: mount(f"-o remount,rw,size={ROOM}")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _kind(size: int | None) -> str:
    return "a read-only disk" if size is None else f"{size >> 10} kB"


def _python(
    words: list[object], environment: dict[str, str], output: int | Path = subprocess.DEVNULL
) -> tuple[int, str]:
    """Exit status and what was said on stderr."""
    stdout = output.open("wb") if isinstance(output, Path) else output
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )
    return done.returncode, done.stderr


def _refused(ended: tuple[int, str]) -> bool:
    """Whether a command ended as one should that cannot write."""
    status, said = ended
    return status == 2 and "Traceback" not in said and said.rstrip().endswith(".")


Words = Callable[[Path], list[object]]


def _command(
    tally: Tally, folder: Path, words: Words, sizes: list[int], *, again: Words | None = None, status: int = 0
) -> None:
    """Run `words` of a folder on disks of too few bytes and on a read-only one; each time once more with room, where
    `again` ends with `status`."""
    place, environment = folder / "disk", offline(folder / "home")
    for size in [*sizes, None]:
        with full(place, size) as make_room:
            ended = _python(words(place), environment)
            what = f"{folder.name} on {_kind(size)}: {ended[0]} {ended[1][-400:]}"
            tally.case(_refused(ended), what)
            tally.case(not (halves := trials.broken(place)), f"{what}: {halves}")
            make_room()
            ended = _python((again or words)(place), environment)
            what = f"{folder.name} with room after {_kind(size)}: {ended[0]} {ended[1][-400:]}"
            tally.case(ended[0] == status, what)
            tally.case(not (halves := trials.broken(place)), f"{what}: {halves}")


def _rows(folder: Path, tally: Tally) -> None:
    """The rows of the command line go to a full disk."""
    trials.write_photographs(folder / "photos", 8)
    rows = folder / "disk" / "rows.jsonl"
    with full(rows.parent, PAGE):
        ended = _python(["-m", "detector", folder / "photos", "--jsonl"], offline(folder / "home"), rows)
        tally.case(_refused(ended), f"--jsonl: {ended[0]} {ended[1][-400:]}")
        tally.case(not trials.broken(rows.parent), "a whole line is no JSON")


def _heatmaps(folder: Path, tally: Tally) -> None:
    trials.write_photographs(folder / "photos", 8)
    words = ["-m", "detector", folder / "photos", "--jsonl", "--heatmaps"]
    _command(tally, folder, lambda disk: [*words, disk / "maps"], [PAGE, 40 * PAGE], status=trials.Batch.status)


def _training(folder: Path, tally: Tally) -> None:
    export, fit = trials.Export(), trials.Fit()
    with export.prepared(folder):
        # Too little for model.tflite, and for model.keras.
        _command(tally, folder, lambda disk: export.command(folder, disk), [PAGE, 100 * PAGE])
        _command(
            tally, folder, lambda disk: fit.command(folder, disk), [150 * PAGE],
            again=lambda disk: fit.command(folder, disk, again=True),
        )  # fmt: skip


def _hub(folder: Path, tally: Tally) -> None:
    """Where there is no room to download a model, the bundled one answers, and a note says why."""
    from tests.support.hub_server import serve

    code = (
        "import sys; from detector import Detector; model = Detector.load('owner/name').model.info; "
        "print(model.source, model.note, file=sys.stderr)"
    )
    with serve(folder / "hub", xet=False) as hub:
        hub.put("owner/name", FILES)
        place = folder / "disk"
        variables = offline(folder, **environment(hub, place))
        for size in (PAGE, 20 * PAGE, 200 * PAGE, None):
            with full(place, size) as make_room:
                status, said = _python(["-c", code], variables)
                noted = "bundled owner/name could not be loaded" in said and "could not be written" in said
                tally.case(status == 0 and noted, f"hub on {_kind(size)}: {status} {said[-400:]}")
                make_room()
                status, said = _python(["-c", code], variables)
                tally.case("hub None" in said, f"hub with room after {_kind(size)}: {status} {said[-400:]}")


def _app(folder: Path, tally: Tally) -> None:
    """What visitors send finds no room: they are told, the app lives on, and judges again once there is room."""
    from tests.reliability.soak import Calls
    from tests.support.running_app import serve

    place = folder / "disk"
    with full(place, 4096 * PAGE), serve(GRADIO_TEMP_DIR=str(place)) as app:
        calls, filler = Calls(app.url, random.Random(1)), place / "filler"
        with suppress(OSError), filler.open("wb") as file:
            while True:  # to the last byte
                file.write(bytes(PAGE))
        failures = {call.__name__: _failure(call) for call in (calls.detect, calls.heatmap, calls.batch, calls.model)}
        for name, failure in failures.items():
            tally.case((failure is None) == (name == "model"), f"{name} on a full disk: {failure}")
        filler.unlink()
        for call in (calls.detect, calls.heatmap, calls.batch, calls.model):
            failure = _failure(call)
            tally.case(failure is None, f"{call.__name__} with room again: {failure}")


def _failure(call: Callable[[], None]) -> str | None:
    try:
        call()
    except Exception as error:  # reported, whatever it is
        return f"{error!r:.300}"
    return None


# ---- model folders that are not what they say --------------------------------------------------------------------

# The runtime is native code, so folders are loaded in a process of its own. Prints "refused", "judged", or what was
# wrong.
_LOAD = """
import sys
from detector import Detector, ModelError
for folder in sys.argv[2:]:
    try:
        Detector.load(folder, threads=1).detect(sys.argv[1])
        print("judged", flush=True)
    except ModelError as error:
        print("refused" if str(error).endswith(".") and folder not in str(error) else repr(error), flush=True)
    except BaseException as error:
        print(repr(error)[:300], flush=True)
"""


def model_folders(folder: Path, tally: Tally, lengths: int = 40) -> None:
    """Cut off, swapped, and with a wrong input size; also with the hash of what is there, as an attacker would."""
    network = (store.BUNDLED / store.MODEL).read_bytes()
    config = json.loads((store.BUNDLED / store.CONFIG).read_text("utf-8"))
    network_config = config["networks"][0]
    size = network_config["input_size"]
    cuts = [len(network) * number // lengths for number in range(lengths)]
    files = {f"the first {cut} bytes of the network": network[:cut] for cut in cuts}
    files["the face detector for a model"] = face_detector.MODEL.read_bytes()
    files["model.keras for a model"] = (store.BUNDLED / store.KERAS).read_bytes()
    cases: list[tuple[str, bytes, dict[str, object]]] = []
    for what, content in files.items():
        cases.append((what, content, {}))
        cases.append((f"{what}, with its hash", content, {"sha256": hashlib.sha256(content).hexdigest()}))
    for lie in (32, 64, size - 1, size + 1, 2 * size, 1024, 31, 1025, 0, -1, 10**9, str(size + 1), None, [size]):
        cases.append((f"an input size of {lie!r}", network, {"input_size": lie}))
    cases.append(("nothing wrong", network, {}))
    folders = []
    for number, (_, content, changes) in enumerate(cases):
        folders.append(folder / f"case-{number}")
        folders[-1].mkdir()
        (folders[-1] / store.MODEL).write_bytes(content)
        changed = signed({**config, "networks": [{**network_config, **changes}]})
        (folders[-1] / store.CONFIG).write_text(json.dumps(changed))
    for (what, *_), answer in zip(cases, loaded(folders), strict=True):
        expected = "judged" if what == "nothing wrong" else "refused"
        tally.case(answer == expected, f"model folder with {what}: {answer}")


def loaded(folders: list[Path]) -> list[str]:
    """What became of each folder. After one that ended the process, a new process goes on."""
    words = [sys.executable, "-c", _LOAD, str(ROOT / "ui" / "examples" / "astronaut.jpg")]
    answers: list[str] = []
    while len(answers) < len(folders):
        rest = map(str, folders[len(answers) :])
        done = subprocess.run([*words, *rest], cwd=ROOT, capture_output=True, text=True, check=False)
        answers += done.stdout.splitlines()
        if done.returncode:
            answers.append(f"the process ended with status {done.returncode}")
    return answers
