"""The tab "Batch" and the endpoint /detect_batch: through the real app, and the parts that need no server."""

import base64
import csv
import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from PIL import Image

from detector import Detector, ImageError, Verdict, messages, picture
from detector.rows import CSV_COLUMNS, row_of
from tests.support import ROOT
from tests.support.running_app import (
    ASTRONAUT,
    ATTACK,
    RunningApp,
    batches,
    no_trace,
    nothing_kept,
    overflow,
    post,
    until,
)
from tests.ui.test_app import broken_file
from ui import batch, batch_list, errors, rate_limit, uploads

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OUT = "Its path leads out of the zip"


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


@pytest.fixture
def mixed(tmp_path: Path, hopper: Path) -> list[Path]:
    """A portrait, a picture without a face, what is no picture, and a zip of two with one that leads out of it."""
    Image.new("RGB", (64, 64), "white").save(tmp_path / "plain.png")
    files = {"trip/hopper.jpg": hopper.read_bytes(), "../out.jpg": b"x", "__MACOSX/._hopper.jpg": b"x"}
    broken, _ = broken_file(tmp_path)
    return [broken, tmp_path / "plain.png", ASTRONAUT, pack(tmp_path / "more.zip", files)]


NAMES = ["holiday.jpg", "plain.png", "astronaut.png", "trip/hopper.jpg", "../out.jpg"]


def slow() -> bytes:
    """A picture that takes long: without a face, it is searched twice."""
    file = io.BytesIO()
    Image.new("RGB", (2000, 1500), "teal").save(file, "JPEG")
    return file.getvalue()


def many(path: Path, count: int) -> Path:
    return pack(path / "many.zip", dict.fromkeys((f"{number:03}.jpg" for number in range(count)), slow()))


def give(page: "Page", *files: Any) -> None:
    page.get_by_role("tab", name="Batch").click()
    page.locator("#batch-upload input[type=file]").first.set_input_files(list(files))
    page.locator("#batch-upload .file-preview").wait_for()


def judge(page: "Page") -> None:
    page.locator("#batch-start").click()


def ended(page: "Page") -> str:
    """The words of the panel when all is over."""
    page.locator("#batch-status .ended, #batch-status [role=alert]").wait_for()
    return page.locator("#batch-status").inner_text()


def saved(page: "Page", button: str) -> tuple[str, bytes]:
    """Name and bytes of what the browser saves."""
    with page.expect_download() as download:
        page.locator(button).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


# --- The API ---------------------------------------------------------------------------------------------------------


def test_the_endpoint_answers_each_picture_in_order(client: Client, mixed: list[Path], hopper: Path) -> None:
    rows = client.predict(files=[handle_file(path) for path in mixed], api_name="/detect_batch")
    assert [row["file"] for row in rows] == NAMES
    broken, plain, portrait, zipped, out = rows
    assert broken == {"file": "holiday.jpg", "error": broken_file(mixed[0].parent)[1]}
    assert plain["verdict"] == "no_face" and plain["score"] is None
    assert out.keys() == {"file", "error"} and out["error"].startswith(OUT)
    for row, path in ((portrait, ASTRONAUT), (zipped, hopper)):
        expected = row_of(row["file"], Detector.load().detect(path))
        assert list(row) == list(expected)
        assert row.pop("seconds").keys() == expected.pop("seconds").keys()
        assert row == expected


def test_a_data_url_is_judged_and_bounded(running_app: RunningApp, hopper: Path) -> None:
    whole, cut = (f"data:;base64,{base64.b64encode(data).decode()}" for data in (hopper.read_bytes(), b"x"))
    answered = post(running_app, [{"url": whole}, {"url": cut}, {"url": "data:,%"}], "detect_batch")
    assert [name in answered for name in ("picture 1", "picture 2", "picture 3")] == [True] * 3
    assert answered.count("sha256") == 1 and "not a picture" in answered and "did not arrive whole" in answered


@pytest.mark.parametrize("nothing", [None, [], {}, "x", "data:image/png;base64,AAAA", 5, True], ids=repr)
def test_nothing_is_told_in_a_sentence(running_app: RunningApp, client: Client, nothing: object) -> None:
    answered = post(running_app, nothing, "detect_batch")
    assert answered.startswith("event: error") and "No pictures came with the request" in answered
    with pytest.raises(AppError, match="No pictures came with the request"):
        client.predict(files=nothing, api_name="/detect_batch")


def test_one_file_is_a_list_of_one(client: Client) -> None:
    [row] = client.predict(files=handle_file(ASTRONAUT), api_name="/detect_batch")
    assert row["file"] == "astronaut.png" and row["error"] is None


def test_an_entry_that_is_no_file_is_a_row(running_app: RunningApp, hopper: Path) -> None:
    whole = {"url": f"data:;base64,{base64.b64encode(hopper.read_bytes()).decode()}"}
    answered = post(running_app, [None, "x", whole, 5, [], {"path": 5}, {"url": 5}], "detect_batch")
    [rows] = json.loads(answered.partition("data: ")[2])
    assert [row["error"] for row in rows] == 2 * [uploads.NO_PICTURE] + [None] + 4 * [uploads.NO_PICTURE]


def test_what_was_not_sent_is_a_row_that_says_so(running_app: RunningApp) -> None:
    with no_trace(running_app):
        for path in ("/etc/hostname", "http://127.0.0.1:9/x.png", str(running_app.cache)):
            answered = post(running_app, [{"path": path, "meta": {"_type": "gradio.FileData"}}], "detect_batch")
            [[row]] = json.loads(answered.partition("event: complete\ndata: ")[2])
            assert row == {"file": "picture 1", "error": uploads.NO_PICTURE}


def test_too_many_pictures_are_refused(running_app: RunningApp) -> None:
    answered = post(running_app, [{"url": "data:image/png;base64,AAAA"}] * 201, "detect_batch")
    assert "more than 200 pictures" in answered and "event: error" in answered


def test_files_of_the_server_cannot_be_named(running_app: RunningApp) -> None:
    for path in (str(ASTRONAUT), "app.py", str(running_app.cache / ".." / "log")):
        for meta in ({}, {"meta": {"_type": "gradio.FileData"}}):
            answered = post(running_app, [{"path": path, **meta}], "detect_batch")
            assert "sha256" not in answered and str(ROOT) not in answered and str(running_app.cache) not in answered


# --- The page --------------------------------------------------------------------------------------------------------


def test_pictures_and_a_zip_become_one_list(look: Callable[..., "Page"], mixed: list[Path]) -> None:
    page = look()
    give(page, *mixed)
    judge(page)
    status = ended(page)
    assert "Done" in status and "3 of 5 pictures judged, 2 could not be" in status
    assert "2\nCould not be judged" in status
    assert page.locator("#batch-said").inner_text().strip() == "Done: 3 of 5 pictures judged, 2 could not be."
    assert page.locator("#batch-status progress").evaluate("bar => bar.value == 5 && bar.max == 5")

    rows = page.locator("#batch-table tbody tr")
    outcomes = rows.evaluate_all("rows => rows.map(row => row.dataset.outcome)")
    assert outcomes == sorted(outcomes, key=[*messages.VERDICTS, "error"].index)
    assert outcomes[2:] == ["no_face"] + 2 * ["error"]
    assert sorted(rows.locator("th").all_inner_texts()) == sorted(NAMES)
    assert rows.nth(3).locator("th").inner_text() == "../out.jpg" and OUT in rows.nth(3).inner_text()
    for number in range(2):  # a face each: the words, a shape beside them, the score and a copy of the picture
        row = rows.nth(number)
        assert messages.TITLES[Verdict(outcomes[number])] in row.inner_text()
        score = row.locator("[data-head=Score]").inner_text()
        assert re.fullmatch(r"(below 1|above 99|\d\d?)\s+reached by \d\d? of 100 real faces", score)
        assert row.locator("svg").count() == 1
        assert row.locator("img").evaluate("image => image.naturalWidth > 0 && image.alt.length > 0")
    assert rows.nth(2).locator("[data-head=Score]").inner_text() == "" and rows.nth(3).locator("img").count() == 0
    assert page.locator("#batch-table").get_by_role("columnheader").count() == 6
    assert "then the most suspicious" in page.locator("#batch-table caption").inner_text()
    assert str(ROOT) not in page.content() and "Traceback" not in page.content()
    assert overflow(page) <= 0
    lines = "counts => counts.map(count => count.getBoundingClientRect().height)"
    assert max(page.locator("#batch-status .tally li").evaluate_all(lines)) < 30, "no count goes over two lines"
    assert page.locator("#batch-stop").is_disabled() and page.locator("#batch-start").is_enabled()


def test_a_row_opens_in_detect(look: Callable[..., "Page"], mixed: list[Path], hopper: Path) -> None:
    page = look()
    give(page, *mixed)
    judge(page)
    ended(page)
    assert page.locator("#batch-table button").count() == 3, "what could not be judged has nothing to show"
    page.get_by_label("Clear").first.click()  # the files stay with the list
    for name, path in {"trip/hopper.jpg": hopper, "astronaut.png": ASTRONAUT}.items():
        page.get_by_role("tab", name="Batch").click()
        page.get_by_role("button", name=name, exact=True).press("Enter")
        page.locator(f"#record:has-text('{Detector.load().detect(path).picture.sha256}')").wait_for(state="attached")
        assert page.get_by_role("tab", name="Detect").get_attribute("aria-selected") == "true"
        page.locator("#upload .image-frame img").wait_for()
    report = json.loads(saved(page, "button:has-text('Download as JSON')")[1])
    assert report["file"] == "astronaut.png"


@pytest.mark.parametrize("number", [None, "x", 5, 0.5])
def test_a_row_that_is_not_kept_is_told(number: Any) -> None:
    for sent in (None, [{"path": "/etc/hostname"}]):
        with pytest.raises(errors.Refused, match="no longer kept here"):
            batch.picture_of(batch.Batch(files=sent), number)


def test_the_list_is_saved(look: Callable[..., "Page"], mixed: list[Path]) -> None:
    page = look()
    give(page, *mixed)
    judge(page)
    ended(page)
    shown = page.locator("#batch-table tbody th").all_inner_texts()

    name, data = saved(page, "#batch-json")
    rows = json.loads(data)
    assert name == "pictures.json" and [row["file"] for row in rows] == shown
    assert rows[0].keys() > {"file", "error", "verdict", "score", "faces", "provenance", "warnings", "picture"}
    assert rows[-1].keys() == {"file", "error"}

    name, data = saved(page, "#batch-csv")
    table = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert name == "pictures.csv" and [row["file"] for row in table] == shown
    assert tuple(table[0]) == CSV_COLUMNS
    assert table[0]["sha256"] == rows[0]["picture"]["sha256"] and float(table[0]["score"]) == rows[0]["score"]


def test_a_stop_ends_one_batch_waiting_or_at_work_and_keeps_what_is_done(
    running_app: RunningApp, look: Callable[..., "Page"], tmp_path: Path
) -> None:
    page, second, before = look(), look(), batches(running_app)
    for one in (page, second):
        give(one, many(tmp_path, 200))
    judge(page)
    page.locator("#batch-table tbody tr").first.wait_for()  # results come before the end
    judge(second)
    second.locator("#batch-status").get_by_text("Waiting for your turn").wait_for()
    second.locator("#batch-stop").click()
    assert "Stopped" in ended(second) and second.locator("#batch-table tbody tr").count() == 0
    assert page.locator("#batch-status .ended").count() == 0, "the other one goes on"

    page.locator("#batch-stop").click()
    assert "Stopped" in ended(page)
    until(lambda: batches(running_app) > before)  # the log has one line a batch, when its work is over
    rows = page.locator("#batch-table tbody tr")
    page.wait_for_function(  # what was at work is seen to its end, and told after that once more
        """() => { const said = document.querySelector('#batch-status').innerText.match(/(\\d+) of 200 pictures/);
        return said && Number(said[1]) === document.querySelectorAll('#batch-table tbody tr').length }"""
    )
    until(lambda: len(json.loads(saved(page, "#batch-json")[1])) == rows.count())
    assert 0 < rows.count() < 200 and "1 batch, 200 pictures" not in running_app.log

    page.get_by_label("Clear").first.click()  # and the next one need not wait
    give(page, ASTRONAUT)
    judge(page)
    page.locator("#batch-status").get_by_text("1 picture judged").wait_for()
    assert page.locator("#batch-table tbody tr").count() == 1


def test_a_page_that_is_left_ends_its_batch(
    running_app: RunningApp, look: Callable[..., "Page"], tmp_path: Path
) -> None:
    left, page = look(), look()
    give(left, many(tmp_path, 199))
    judge(left)
    left.locator("#batch-table tbody tr").first.wait_for()
    left.goto("about:blank")
    give(page, ASTRONAUT)
    judge(page)  # waits for its turn, which comes when the other one has ended
    ended(page)
    assert "1 batch, 199 pictures" not in running_app.log


def test_dark_and_narrow(look: Callable[..., "Page"], mixed: list[Path]) -> None:
    page = look(360, "dark")
    give(page, *mixed)
    judge(page)
    ended(page)
    assert overflow(page) <= 0
    rows = page.locator("#batch-table tbody tr")
    widths = rows.locator("th, td").evaluate_all(
        "cells => cells.map(cell => cell.getBoundingClientRect()).filter(box => box.width).map(box => box.right)"
    )
    assert max(widths) <= 360
    assert page.locator("#batch-table").get_by_role("row").count() == 6  # cards are still a table to who cannot see
    ground, ink = (
        page.evaluate(f"getComputedStyle(document.querySelector('{place}')).{style}.match(/\\d+/g).map(Number)")
        for place, style in (("#batch-table .panel", "backgroundColor"), ("#batch-table th", "color"))
    )
    assert max(ground[:3]) < 60 and min(ink[:3]) > 160


def test_the_keyboard_is_enough(look: Callable[..., "Page"]) -> None:
    page = look()
    give(page, ASTRONAUT)
    page.locator("#batch-start").focus()
    page.keyboard.press("Enter")
    ended(page)
    page.locator("#batch-start").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#batch-csv') !== null")


def test_too_much_is_told_calmly(look: Callable[..., "Page"], tmp_path: Path) -> None:
    page = look(360)
    give(page, pack(tmp_path / "crowd.zip", {f"{number}.jpg": b"x" for number in range(201)}))
    judge(page)
    assert "more than 200 pictures" in ended(page)
    assert page.locator("#batch-table tbody tr").count() == 0 and overflow(page) <= 0
    assert page.locator("#batch-csv button, button#batch-csv").first.is_disabled()


def test_the_limits_are_on_the_page_and_nothing_given_is_told_calmly(look: Callable[..., "Page"]) -> None:
    page = look()
    page.get_by_role("tab", name="Batch").click()
    for limit in ("200 pictures", "30 MB", "150 MB", "500 MB"):
        page.get_by_text(limit).first.wait_for()
    judge(page)
    assert "No pictures came" in ended(page)


def test_a_name_is_never_run(look: Callable[..., "Page"], tmp_path: Path, hopper: Path) -> None:
    page = look()
    give(page, pack(tmp_path / "names.zip", {f"{ATTACK}.jpg": hopper.read_bytes(), f"{ATTACK}.png": b"x"}))
    judge(page)
    ended(page)
    assert page.locator("#batch-table tbody th").all_inner_texts() == [f"{ATTACK}.jpg", f"{ATTACK}.png"]
    assert page.evaluate("window.broken") is None
    assert page.locator("#batch-table img[src=x], #batch-table script").count() == 0


def test_the_log_keeps_counts_not_names(running_app: RunningApp, client: Client, mixed: list[Path]) -> None:
    client.predict(files=[handle_file(path) for path in mixed], api_name="/detect_batch")
    assert "1 batch, 5 pictures, 2 errors" in running_app.log
    assert not any(name in running_app.log for name in ("holiday", "hopper", "many.zip", "out.jpg"))


def test_nothing_is_kept_when_its_time_is_over(chromium: "Browser", tmp_path: Path, mixed: list[Path]) -> None:
    with nothing_kept(chromium, tmp_path / "cache", "pictures.csv", "pictures.json") as page:
        give(page, *mixed)
        for _ in range(2):  # the second finds components that the first has updated
            judge(page)
            page.locator("#batch-status .ended").wait_for(state="detached")
            ended(page)


# --- The parts that need no server -----------------------------------------------------------------------------------


def gathered(files: Any) -> list[batch.Item]:
    with ExitStack() as zips:
        return batch.gather(files, zips)


def uploaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(path.parent))
    return {"path": str(path), "orig_name": path.name}


def test_pictures_are_read_when_their_turn_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploaded(many(tmp_path, 3), monkeypatch)
    with ExitStack() as zips:
        items = batch.gather([upload, upload], zips)
        assert [item.name for item in items] == ["000.jpg", "001.jpg", "002.jpg"] * 2
        assert items[4].source() == slow()


def test_zips_together_may_hold_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploaded(many(tmp_path, 2), monkeypatch)
    monkeypatch.setattr(uploads, "UNPACKED_BYTES", 3 * len(slow()))
    assert len(gathered([upload])) == 2
    with pytest.raises(errors.Refused, match="unpack to more than the limit"):
        gathered([upload, upload])


def test_a_zip_counts_as_the_pictures_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploaded(many(tmp_path, 5), monkeypatch)
    monkeypatch.setattr(uploads, "BATCH_FILES", 9)
    assert len(gathered([upload])) == 5
    with pytest.raises(errors.Refused, match="more than 9 pictures"):
        gathered([upload, upload])


@pytest.mark.parametrize("upload", [None, 5, "x", {}, {"path": 5}, {"path": "/etc/passwd"}, {"orig_name": 5}])
def test_what_is_no_file_is_a_row_with_its_sentence(upload: Any) -> None:
    (item,) = gathered([upload])
    with pytest.raises(ImageError):
        item.source()
    assert "/" not in item.name


@pytest.mark.parametrize(
    ("upload", "name"),
    [
        ({"orig_name": "a.jpg", "path": "/cache/0af/b.jpg"}, "a.jpg"),
        ({"orig_name": "C:\\photos\\a.jpg"}, "a.jpg"),
        ({"orig_name": "trip/größe 人.jpg"}, "größe 人.jpg"),
        ({"orig_name": "a\ud800\x00b\u202e.jpg"}, "a��b�.jpg"),
        ({"path": "/cache/0af/b.jpg"}, "b.jpg"),
        ({"orig_name": "", "url": "data:,"}, "picture 7"),
    ],
)
def test_a_file_has_the_name_that_the_visitor_knows(upload: dict[str, str], name: str) -> None:
    assert uploads.name_of(upload, 7) == name


@pytest.mark.slow
def test_a_closed_batch_begins_no_further_picture(detector: Detector, hopper: Path) -> None:
    begun, go_on = [], threading.Event()

    def source(number: int) -> Path:
        begun.append(number)
        if number >= 3:
            go_on.wait()
        return hopper

    others = set(threading.enumerate())
    rows = batch.judge(detector, [batch.Item(f"{n}.jpg", lambda n=n: source(n)) for n in range(50)])
    assert [next(rows).report["file"] for _ in range(3)] == ["0.jpg", "1.jpg", "2.jpg"]
    rows.close()
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("batch") and thread not in others:
            thread.join()
    assert len(begun) <= 3 + batch.WORKERS


def test_a_batch_of_pictures_over_the_limits_is_given_up(detector: Detector, hopper: Path) -> None:
    """Else the batches that wait for it would wait for hours."""

    def over() -> Path:
        raise ImageError(picture.TOO_MUCH, "resource_limit")

    sources = [over, over, lambda: hopper, over, *[over] * 30]
    rows = list(batch.judge(detector, [batch.Item(str(number), source) for number, source in enumerate(sources)]))
    told = [row.report["error"] for row in rows]
    assert told[:4] == [picture.TOO_MUCH, picture.TOO_MUCH, None, picture.TOO_MUCH]
    assert told.count(picture.TOO_MUCH) <= 2 + batch.WORKERS
    assert told[-1] == "Earlier pictures took too much time or memory to read: send the others without them."


def test_one_failure_is_not_the_end(detector: Detector, hopper: Path) -> None:
    def fail() -> Path:
        raise RuntimeError("/secret/place")

    items = [batch.Item("a.jpg", fail), batch.Item("b.jpg", lambda: hopper)]
    broken, whole = batch.judge(detector, items)
    assert broken.report == {"file": "a.jpg", "error": errors.UNEXPECTED}
    assert whole.report["error"] is None and whole.thumbnail.startswith("data:image/webp")
    assert len(whole.thumbnail) < 6_000


SHARES = {
    f"{name}_share": {"value": 0.031, "low": 0.02, "high": 0.043} for name in ("false_positive", "unseen", "seen")
}


def row(
    file: str, verdict: str | None, score: float | None = None, declared: str | None = None, **more: Any
) -> batch_list.Row:
    """`declared` is how far it can be trusted that AI made the picture, which the file says."""
    if verdict is None:
        return batch_list.Row({"file": file, "error": ATTACK}, 0)
    said = {"summary": ATTACK, "source": ATTACK, "meaning": ATTACK, "suggests": ATTACK}
    rest = {
        "provenance": [said],
        "warnings": [{"code": ATTACK, "text": ATTACK}],
        "picture": {"sha256": "0"},
        "model": {"digest": "1"},
        "origin": {"kind": "declared_ai" if declared else "none", "trust": declared, "by": ATTACK, "says": ATTACK},
        "headline": str(messages.TITLES[Verdict(verdict)]),
        **(SHARES if score else dict.fromkeys(SHARES)),
    }
    told = {"file": file, "error": None, "verdict": verdict, "score": score, "faces": [], **rest, **more}
    return batch_list.Row(told, 0)


ROWS = [
    row("=error", None),
    row("+none", "no_face"),
    row("clear", "no_signs", 0.01),
    row("doubt", "uncertain", 0.6),
    row("-fake", "likely_fake", 0.97),
    row("@faker", "likely_fake", 0.99),
    row(ATTACK, "uncertain", 0.2),
    row("leans", "leans_fake", 0.9),
    row("says", "no_face", declared="written"),
    row("proven", "no_signs", 0.02, declared="verified"),
]
SORTED = ["proven", "says", "@faker", "-fake", "leans", "doubt", ATTACK, "clear", "+none", "=error"]


def test_the_most_suspicious_comes_first() -> None:
    assert [row["file"] for row in json.loads(batch_list.json_of(ROWS))] == SORTED


def test_no_cell_of_the_csv_is_a_formula() -> None:
    table = list(csv.DictReader(io.StringIO(batch_list.csv_of(ROWS).decode("utf-8-sig"))))
    assert [cells["file"].removeprefix("'") for cells in table] == SORTED
    said = {cells["file"].removeprefix("'"): (cells["origin"], cells["origin_trust"]) for cells in table}
    assert said["proven"] == ("declared_ai", "verified") and said["doubt"] == ("none", "")
    assert not any(cell.startswith(("=", "+", "-", "@")) for cells in table for cell in cells.values())


def test_every_string_of_a_stranger_is_escaped() -> None:
    page = batch_list.table_html(ROWS)
    assert "<script" not in page and "<img" not in page and "&lt;script" in page


def test_a_picture_whose_face_cannot_be_judged_has_no_score() -> None:
    told = row("a", "uncertain", 0.42)
    assert ">42<" in batch_list.table_html([told])
    told.report["faces"] = [{"doubts": ["tiny_face"]}]
    assert ">42<" not in batch_list.table_html([told])


def test_a_score_stands_beside_how_rare_it_is() -> None:
    assert "reached by 3 of 100 real faces" in batch_list.table_html([row("a", "likely_fake", 0.95)])
    faces = [{"doubts": []}, {"doubts": []}, {"doubts": ["tiny_face"]}]
    assert "reached in 3 of 100 such photographs" in batch_list.table_html([row("a", "leans_fake", 0.9, faces=faces)])
    assert "reached" not in batch_list.table_html([row("a", "no_face")])


def test_each_outcome_has_words_and_a_shape_of_its_own() -> None:
    pages = [batch_list.table_html([row("a", verdict)]) for verdict in (*Verdict, None)]
    assert len({page[page.index("<svg") : page.index("</svg>")] for page in pages}) == len(Verdict) + 1
    assert len({page[page.index("</svg>") : page.index("</span>")] for page in pages}) == len(Verdict) + 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "Measuring"),
        (3, "A few seconds"),
        (31, "About 30 seconds"),
        (57, "About 1 minute left"),
        (200, "About 3 minutes left"),
    ],
)
def test_the_time_left_is_told_in_round_numbers(seconds: float | None, words: str) -> None:
    assert batch.time_left(seconds).startswith(words)


@pytest.mark.parametrize("limit", range(1, 7))
def test_a_batch_is_let_in_however_few_pictures_a_visitor_has(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "counter", MovingWindowRateLimiter(MemoryStorage()))
    monkeypatch.setenv("DETECTOR_PICTURES_PER_MINUTE", str(limit))
    rate_limit.admit_batch(None)
    with pytest.raises(errors.Refused, match="pictures in a minute"):
        rate_limit.admit(None, 2)


def test_a_visitor_has_so_many_batches_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "counter", MovingWindowRateLimiter(MemoryStorage()))
    monkeypatch.setenv("DETECTOR_BATCHES_PER_MINUTE", "2")
    rate_limit.admit_batch(None)
    rate_limit.admit_batch(None)
    with pytest.raises(errors.Refused, match="more than 2 batches in a minute"):
        rate_limit.admit_batch(None)
    rate_limit.admit(None, 50)  # two batches left room for single pictures
    with pytest.raises(errors.Refused, match="pictures in a minute"):
        rate_limit.admit(None)


def test_after_the_time_that_is_told_one_may_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1019.9]  # a minute begins soon, which is no new beginning
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(rate_limit, "counter", MovingWindowRateLimiter(MemoryStorage()))
    monkeypatch.setenv("DETECTOR_PICTURES_PER_MINUTE", "2")
    rate_limit.admit(None)
    rate_limit.admit(None)
    now[0] += 0.6
    with pytest.raises(errors.Refused) as refused:
        rate_limit.admit(None)
    assert 1 <= refused.value.retry_after <= 60
    now[0] += refused.value.retry_after
    rate_limit.admit(None)
