"""The folder that `python -m web build` writes, and what it refuses."""

import hashlib
import json
import signal
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from detector.model_folder.store import BUNDLED
from tests.support import ROOT
from web import build as room
from web.build import BuildError, build

pytest_plugins = ["tests.support.web_page"]
pytestmark = pytest.mark.slow


def test_the_folder_is_whole_and_fits_a_visit(built: Path) -> None:
    page = json.loads((built / "page.json").read_text("utf-8"))
    found = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    assert found == {*page["files"], "page.json", "sw.js"}
    for path, listed in page["files"].items():
        content = (built / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (listed["bytes"], listed["sha256"])
    networks = {network["file"] for network in page["networks"]}
    for network in networks:
        assert (built / network).read_bytes() == (BUNDLED / network).read_bytes()
    assert page["load"] - sum(page["files"][network]["bytes"] for network in networks) < 13_000_000
    kept = (built / "sw.js").read_text().split('FILES = "')[1].split('"')[0].split()
    assert {f"{path}" for path in page["files"] if path.endswith((".html", ".css"))} <= set(kept) <= {*found, "./"}


def test_the_page_loads_nothing_from_elsewhere(built: Path) -> None:
    policy = (built / "index.html").read_text().split('Content-Security-Policy" content="')[1].split('"')[0]
    rules = {name: sources for name, *sources in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == ["'none'"] and rules["connect-src"] == ["'self'"]
    assert {source for sources in rules.values() for source in sources} == {
        *("'none'", "'self'", "'wasm-unsafe-eval'", "blob:")
    }


def test_it_is_built_anew_over_itself_and_over_nothing_else(built: Path, tmp_path: Path, python) -> None:
    out = tmp_path / "page"
    assert python("-m", "web", "build", out).stdout.strip() == str(out)
    assert (out / "page.json").read_bytes() == (built / "page.json").read_bytes(), "the same from the same"
    own = {name: out / name for name in ("old.js", "litert/old/2.js")}
    mine = {name: out / name for name in (".git/HEAD", "CNAME", "litert/notes.txt")}
    for file in (*own.values(), *mine.values(), tmp_path / "outside.txt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    listed = json.loads((out / "page.json").read_text("utf-8"))
    listed["files"] |= dict.fromkeys([*own, "../outside.txt", str(tmp_path / "outside.txt")], {})
    (out / "page.json").write_text(json.dumps(listed), "utf-8")
    build(out)
    assert not [file for file in own.values() if file.exists()] and not (out / "litert" / "old").exists()
    assert all(file.read_text() == "mine" for file in (*mine.values(), tmp_path / "outside.txt"))
    (tmp_path / "letter.txt").write_text("mine")
    refused = python("-m", "web", "build", tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert (tmp_path / "letter.txt").exists() and "name an empty or a new one" in refused.stderr
    missing = python("-m", "web", "build", out, "--model", tmp_path / "nothing")
    assert missing.returncode == 2 and missing.stderr.startswith("There is no model folder called nothing")


def test_another_programs_page_json_is_no_page_of_ours(tmp_path: Path) -> None:
    (tmp_path / "page.json").write_text('{"files": {"letter.txt": {}}}')
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(BuildError, match="name an empty or a new one"):
        build(tmp_path)
    assert (tmp_path / "letter.txt").exists()


def test_a_link_shows_a_picture_by_its_whole_address(built: Path, tmp_path: Path) -> None:
    """Or none: by a relative one no messenger finds it."""
    assert "og:image" not in (built / "index.html").read_text("utf-8")
    build(tmp_path, address="https://example.org/d/")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert '<meta property="og:image" content="https://example.org/d/link-preview.jpg">' in page
    assert (tmp_path / "link-preview.jpg").is_file()


def test_without_npm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room, "LIBRARY", tmp_path / "library")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="install npm, on Debian by `apt-get install npm`"):
        build(tmp_path / "page")


def test_it_is_served_here() -> None:
    command = [sys.executable, "-m", "web", "serve", "--port", "0"]
    # A shell's background jobs start with SIGINT ignored, and what they start inherits that.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed,  # noqa: PLW1509  # takes no lock
    ) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}litert/litert_wasm_internal.wasm", timeout=60) as response:
                assert response.headers["Content-Type"] == "application/wasm"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    assert process.returncode == 0
