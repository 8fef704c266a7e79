"""What the environment says, and the sentence for what it says wrongly."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from detector import __main__ as command_line
from detector import settings
from detector.errors import SettingError
from detector.model_folder import BUNDLED
from scale import __main__ as scale
from tests.support import ROOT
from training import __main__ as training
from web import __main__ as web


def test_what_is_not_set_or_empty_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DETECTOR_MODEL", "DETECTOR_PICTURES_PER_MINUTE", "DETECTOR_REFRESH_MINUTES", "DETECTOR_GALLERY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DETECTOR_WAITING", " ")
    told = settings.read()
    assert (told.model, told.gallery) == (None, None)
    assert (told.pictures_per_minute, told.batches_per_minute, told.waiting, told.refresh_minutes) == (60, 6, 32, 10)


def test_what_is_set_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTOR_PICTURES_PER_MINUTE", "0")
    monkeypatch.setenv("DETECTOR_REFRESH_MINUTES", "0.5")
    monkeypatch.setenv("DETECTOR_MODEL", "owner/name")
    told = settings.read()
    assert (told.pictures_per_minute, told.refresh_minutes, told.model) == (0, 0.5, "owner/name")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DETECTOR_PICTURES_PER_MINUTE", "-1"),
        ("DETECTOR_PICTURES_PER_MINUTE", "9" * 5000),
        ("DETECTOR_BATCHES_PER_MINUTE", "1.5"),
        ("DETECTOR_WAITING", "0"),
        ("DETECTOR_LINK_DAYS", "0"),
        ("DETECTOR_LINK_DAYS", "366"),
        ("DETECTOR_WORKERS", "-1"),
        ("DETECTOR_PICTURE_SECONDS", "0"),
        ("DETECTOR_REFRESH_MINUTES", "nan"),
        ("DETECTOR_REFRESH_MINUTES", "often"),
        ("DETECTOR_REFRESH_MINUTES", "1e300"),
        ("DETECTOR_REFRESH_MINUTES", "1e-300"),
        ("DETECTOR_REPORTS", "https://example.org/\udcff{body}"),
        ("DETECTOR_REVISION", "v1\nv2"),
        ("SPACE_ID", "\x1b[31m"),
    ],
)
def test_what_means_nothing_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=rf"^{name} must be .*\.$"):
        settings.read()


# --- From every entry -------------------------------------------------------------------------------------------------

LONG = "x" * 5000  # no file can be called so
RUBBISH = {
    "DETECTOR_MODEL": [LONG, "\udcff", "a\nb", "/dev/null", "@"],
    "DETECTOR_REVISION": [LONG, "..", "\udcff"],
    "DETECTOR_TRUST_LIST": [LONG, "/dev/null", "/dev/zero", "/tmp", "ftp://x", "https://\udcff", "{circle}", "{pipe}"],
    "DETECTOR_PICTURES_PER_MINUTE": ["x", "9" * 5000],
    "DETECTOR_BATCHES_PER_MINUTE": ["x"],
    "DETECTOR_MEGABYTES_PER_MINUTE": ["x", "9" * 5000],
    "DETECTOR_WAITING": ["x", "0", "²"],
    "DETECTOR_LINK_DAYS": ["x", "9" * 5000],
    "DETECTOR_LINKS": [LONG, "\udcff", "/dev/null", "{pipe}"],
    "DETECTOR_WORKERS": ["x", "-1"],
    "DETECTOR_PICTURE_SECONDS": ["x", "0"],
    "DETECTOR_REFRESH_MINUTES": ["x", "nan", "1e300"],
    "DETECTOR_GALLERY": [LONG, "\udcff", "/dev/null", "{pipe}"],
    "DETECTOR_REPORTS": [LONG, "\udcff", "https://{body"],
    "DETECTOR_FRAME_ANCESTORS": ["x", "\udcff", "'none' https://example.org"],
    "SPACE_ID": ["\udcff"],
    "GRADIO_SERVER_PORT": ["x", "65536", ""],
    "GRADIO_NUM_PORTS": ["0"],
    "GRADIO_NODE_NUM_PORTS": ["1.5"],
}
ENTRIES: dict[str, Callable[[Path], int]] = {
    "detector": lambda out: command_line.main([str(ROOT / "ui" / "examples" / "astronaut.jpg"), "--jsonl"]),
    "web": lambda out: web.main(["build", str(out)]),
    "scale": lambda out: scale.main(["judge", str(out / "nothing"), str(out)]),
    "training": lambda out: training.main(["evaluate", str(BUNDLED), "--cases", str(out)]),
}


def test_every_setting_is_tried() -> None:
    named = set(re.findall(r"[A-Z]+_[A-Z_]+", (ROOT / "detector" / "settings.py").read_text("utf-8")))
    assert named - {"XDG_CACHE_HOME"} == RUBBISH.keys()


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    return {name: tmp_path / name for name in ("circle", "pipe")}


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        (entry, name, value)
        for entry in ENTRIES
        for name in RUBBISH
        for value in RUBBISH[name][: None if entry == "detector" else 1]
    ],
    ids=lambda word: repr(word[:40]),
)
def test_no_setting_ends_a_command_in_a_traceback(
    entry: str, name: str, value: str, odd: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that does not need it may go on; else the exit status is 2, and what went wrong a sentence."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv(name, value.format(**odd) if "{" in value and "body" not in value else value)
    assert ENTRIES[entry](tmp_path / "out") in (0, 2)


APP = """
import importlib, os, socket, sys
import gradio

def ended(*arguments):
    sys.modules.pop("app", None)
    try:
        status = importlib.import_module("app").main(list(arguments))
    except SystemExit as end:
        status = end.code
    print(f"status {status}", file=sys.stderr)
    return status

with socket.socket() as busy:
    busy.bind(("127.0.0.1", 0))
    busy.listen()
    assert ended("--port", str(busy.getsockname()[1])) == 2
assert ended("--model", "nowhere") == 2
gradio.Blocks.launch = lambda *_, **__: None
"""


@pytest.mark.slow
def test_no_setting_and_no_port_ends_the_app_in_a_traceback(odd: dict[str, Path], python: Callable) -> None:
    """The app's module is imported anew for each, in one process; only the first of them gets as far as a server."""
    cases = [(n, v.format(**odd) if "{" in v and "body" not in v else v) for n in RUBBISH for v in RUBBISH[n]]
    tried = f"{APP}\nfor name, value in {cases!r}:\n    os.environ[name] = value\n    assert ended() in (0, 2)\n"
    ran = python("-c", tried + "    os.environ.pop(name, None)\nprint('done')", HF_HUB_OFFLINE="1")
    assert ran.stdout.split()[-1:] == ["done"] and "Traceback" not in ran.stderr, ran.stderr[-2000:]
    port, model, *rest = re.split(r"^status \d\n", ran.stderr, flags=re.MULTILINE)
    assert re.search(
        r"^Port \d+ is in use, or you may not use it: choose another one with --port\.$", port, re.MULTILINE
    )
    assert model == "There is no model folder called nowhere: give the folder that holds model.tflite.\n"
    told = dict(zip((f"{name}={value}" for name, value in cases), rest, strict=False))
    assert told["DETECTOR_WAITING=x"] == "DETECTOR_WAITING must be a whole number from 1 to 999999999, such as 32.\n"
    assert told[f"DETECTOR_TRUST_LIST={odd['pipe']}"].startswith("DETECTOR_TRUST_LIST names no file with certificates")
    assert told["GRADIO_SERVER_PORT=x"] == "GRADIO_SERVER_PORT must be a whole number from 1 to 65535, such as 7860.\n"
    assert "must be" not in told["GRADIO_SERVER_PORT="] and "must be" in told["GRADIO_NUM_PORTS=0"]
    assert str(odd["pipe"]) not in ran.stderr
