"""Links that reopen a result run out, by age and by number."""

import os
import time
from pathlib import Path

import pytest

from ui import links, storage
from ui.links import Links
from ui.storage import Folder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(links.time, "monotonic", lambda: now[0])
    return now


def test_a_link_finds_its_picture_and_no_other(tmp_path: Path) -> None:
    kept = Links(tmp_path)
    first, second = kept.make(b"one", ".jpeg", "me"), kept.make(b"two", ".png", "me")
    assert first != second and len(first) >= 24
    assert kept.find(first).read_bytes() == b"one" and kept.find(second).suffix == ".png"
    assert kept.find("") is kept.find("../" + first) is kept.find(first[:-1]) is None


def test_a_link_runs_out(clock: list[float], tmp_path: Path) -> None:
    kept = Links(tmp_path)
    token = kept.make(b"one", ".jpeg", "me")
    path = kept.find(token)
    clock[0] += 24 * 3600 - 1
    assert kept.find(token) == path
    clock[0] += 2
    assert kept.find(token) is None and not path.exists()


def test_a_host_may_let_links_live_longer(clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTOR_LINK_DAYS", "30")
    kept = Links(tmp_path)
    token = kept.make(b"one", ".jpeg", "me")
    clock[0] += 30 * 24 * 3600 - 1
    assert kept.find(token)
    clock[0] += 2
    assert kept.find(token) is None


def test_only_who_made_a_link_deletes_it(tmp_path: Path) -> None:
    kept = Links(tmp_path)
    token, other = kept.make(b"one", ".jpeg", "me"), kept.make(b"two", ".jpeg", "me")
    path = kept.find(token)
    for key in ("", token, kept.key(other), "ü", "\ud800"):
        assert not kept.delete(token, key) and path.exists()
    assert not kept.delete("no token", kept.key(other))
    assert kept.delete(token, kept.key(token)) and not path.exists()
    assert kept.find(token) is None and kept.find(other) is not None and not kept.delete(token, kept.key(token))


def test_the_oldest_goes_when_there_are_too_many(clock: list[float], tmp_path: Path) -> None:
    kept = Links(tmp_path)
    tokens = []
    for _ in range(links.MOST + 2):
        clock[0] += 1
        tokens.append(kept.make(b"x", ".png", "me"))
    assert [kept.find(token) is None for token in tokens[:4]] == [True, True, False, False]
    assert kept.find(tokens[-1]).exists()


def test_nobody_pushes_out_the_links_of_others(clock: list[float], tmp_path: Path) -> None:
    kept = Links(tmp_path)
    before = [kept.make(b"x", ".png", visitor) for visitor in ("one", "two", "two")]
    greedy = []
    for _ in range(2 * links.MOST):
        clock[0] += 1
        greedy.append(kept.make(b"x", ".png", "greedy"))
    after = kept.make(b"x", ".png", "three")
    assert all(kept.find(token).exists() for token in (*before, after, greedy[-1]))
    assert sum(kept.find(token) is not None for token in greedy) == links.MOST - len(before) - 1
    assert len(list(tmp_path.glob("*.png"))) == links.MOST


def test_links_outlive_the_process_where_the_host_gives_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETECTOR_LINKS", str(tmp_path / "links"))
    monkeypatch.setenv("DETECTOR_LINK_DAYS", "30")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "mine.png").touch()
    place = Folder(tmp_path)
    before = Links(place.links)
    old, new = before.make(b"old", ".png", "me"), before.make(b"new", ".jpeg", "me")
    key = before.key(old)
    made = time.time() - 29 * 24 * 3600
    os.utime(before.find(old), (made, made))
    place.end()
    place = Folder(tmp_path)
    place.sweep()
    after = Links(place.links)
    assert after.find(old).read_bytes() == b"old" and after.find(new).suffix == ".jpeg"
    assert after.find(storage.SECRET) is after.find("mine") is None
    now = links.time.monotonic()
    monkeypatch.setattr(links.time, "monotonic", lambda: now + 2 * 24 * 3600)
    assert after.find(old) is None and after.find(new)
    assert not after.delete(new, key) and after.delete(new, after.key(new)) and after.key(old) == key
    later = time.time() + 31 * 24 * 3600
    monkeypatch.setattr(storage.time, "time", lambda: later)
    place.sweep()
    assert [file.name for file in place.links.iterdir()] == [storage.SECRET]
    place.end()
    assert place.links.exists() and (tmp_path / "links" / "mine.png").exists(), "what else is in it is not ours"
