"""Who is turned away, and how: a full queue, more than a minute's share, and callers who have left."""

import asyncio
import base64
import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import gradio as gr
import pytest
from gradio.data_classes import PredictBodyInternal
from gradio.routes import templates
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from detector import Detector
from tests.support.running_app import (
    ASTRONAUT,
    RunningApp,
    answer,
    api_client,
    batches,
    changed,
    give,
    limited,
    post,
    serve,
    until,
)
from tests.ui.test_app import upload
from tests.ui.test_batch import many
from tests.ui.test_http_api import Answer, ask
from ui import detect, uploads
from ui.errors import BUSY
from ui.gradio_patches import Page

if TYPE_CHECKING:
    from playwright.sync_api import Page as BrowserPage

CALL = "/gradio_api/call/detect"


HOLD = """
import os, time
from detector import Detector
def held(judge):
    def when_let_go(*given, **named):
        while os.path.exists(os.environ["HOLD"]):
            time.sleep(0.05)
        return judge(*given, **named)
    return when_let_go
Detector.detect, Detector.detect_with_preview = held(Detector.detect), held(Detector.detect_with_preview)
"""  # pictures take as long as the file is there


def crowd_of_programs(app: RunningApp, hold: Path) -> None:
    """By plain HTTP: who finds no place is told, and those in the queue are answered."""
    hold.touch()
    answers: list[Answer] = []

    def come() -> None:
        answers.append(ask(f"{app.url}/api/detect", ASTRONAUT.read_bytes()))

    crowd = [threading.Thread(target=come) for _ in range(16)]
    for thread in crowd:
        thread.start()
    until(lambda: len(answers) == 16 - 12 - 1)  # all but those that are judged at once, and the one that waits
    assert {(answer.status, answer.code, answer.message) for answer in answers} == {(503, "busy", BUSY)}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    hold.unlink()
    for thread in crowd:
        thread.join()
    assert [answer.status for answer in answers].count(200) == 13


def test_a_full_queue_is_told_in_the_same_sentence_to_all(look: Callable[..., "BrowserPage"], tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    with serve(command=changed(HOLD), DETECTOR_WAITING="1", HOLD=str(hold)) as app:
        crowd_of_programs(app, hold)
        page, client = look(url=app.url), api_client(app.url)
        crowd = handle_file(many(tmp_path, 200))
        give(page, ASTRONAUT)
        assert answer(page) != "error"
        hold.touch()
        running = client.submit([crowd], api_name="/detect_batch")
        until(lambda: running.status().code.name == "PROCESSING")
        waiting = client.submit([crowd], api_name="/detect_batch")
        until(lambda: waiting.status().code.name == "IN_QUEUE")

        with pytest.raises(AppError) as error:
            client.predict(handle_file(ASTRONAUT), api_name="/detect")
        assert error.value.message == BUSY
        told = post(app, None)
        assert told.startswith("event: error") and json.loads(told.partition("data: ")[2])["error"] == BUSY

        page.get_by_text("No face", exact=True).click()
        page.locator("#verdict [role=alert]").wait_for()
        assert BUSY in page.locator("#verdict").inner_text()
        assert not page.locator("#cards").is_visible(), "the old answer does not stand beside a new picture"
        page.get_by_role("tab", name="Batch").click()
        page.locator("#batch-upload input[type=file]").first.set_input_files(ASTRONAUT)
        page.locator("#batch-upload .file-preview").wait_for()
        page.locator("#batch-start").click()
        page.locator("#batch-status [role=alert]").wait_for()
        page.wait_for_function("() => !document.querySelector('#batch-start').disabled")
        assert BUSY in page.locator("#batch-status").inner_text()

        waiting.cancel()
        until(waiting.done)  # the client asks for it in a thread
        running.cancel()
        hold.unlink()
        until(lambda: batches(app) == 1)  # the one that waited never began
        expected = Detector.load().detect(ASTRONAUT).verdict
        assert client.predict(handle_file(ASTRONAUT), api_name="/detect")["verdict"] == expected
        assert "200 pictures" not in app.log and "Traceback" not in app.log


@pytest.mark.slow
def test_calls_leave_nothing_to_sum_up() -> None:
    """gradio would go through all earlier calls after each, which takes longer and longer."""
    with Page() as blocks:
        gr.Button().click(lambda: None)
    queue = blocks.queue()._queue

    async def call(times: int) -> None:
        for _ in range(times):
            await queue.push(PredictBodyInternal(data=[], fn_index=0, request=None), None, None)

    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, call(20)).result()
    records = list(queue.event_analytics.values())
    assert queue.events_recorded == 20 and len(records) == 1
    assert queue.compute_analytics_summary(records) == {"functions": {}}


@pytest.mark.slow
def test_refusals_that_nobody_fetches_are_forgotten() -> None:
    with Page() as blocks:
        gr.Button().click(lambda: None)
    blocks.queue(max_size=0)  # always full

    async def turn_away(count: int) -> None:
        for _ in range(count):
            body = PredictBodyInternal(data=[], fn_index=0, request=None)
            success, event, _ = await blocks._queue.push(body, None, None)
            assert success and event in blocks._queue.pending_messages_per_session

    with ThreadPoolExecutor(1) as beside:  # the browser has a loop in this thread
        beside.submit(asyncio.run, turn_away(250)).result()
    assert len(blocks._queue.pending_messages_per_session) == len(blocks._queue.pending_event_ids_session) == 200
    assert len(blocks._queue) == 0


@pytest.mark.slow
def test_what_waits_holds_no_picture_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    picture = ASTRONAUT.read_bytes()
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    with Page() as blocks:
        gr.Button().click(lambda: None)
    queue = blocks.queue()._queue

    async def waiting(*data: object) -> list[Any]:
        _, event, _ = await queue.push(PredictBodyInternal(data=list(data), fn_index=0, request=None), None, None)
        return queue.event_ids_to_events[event].data.data

    with ThreadPoolExecutor(1) as beside:
        [one], [[none, two]], [cut] = (
            beside.submit(asyncio.run, waiting(given)).result()
            for given in (
                {"url": url, "orig_name": "a.png"},
                [None, {"url": url, "path": "x"}],
                {"url": f"{url}%", "orig_name": "b.png"},
            )
        )
        assert cut == {"url": uploads.NOT_WHOLE, "orig_name": "b.png"}
        assert [one["orig_name"], none, two["orig_name"]] == ["a.png", None, "x"] and one["url"] is two["url"] is None
        assert Path(one["path"]).read_bytes() == picture and two["path"] == one["path"]
        for large in (url * 3, {"a": {"url": url * 3}}, {url * 3: 0}, ["x" * 100] * 20_000):
            assert beside.submit(asyncio.run, waiting(large, 5)).result() == [None, None]


@pytest.mark.parametrize("page", ["index", "share"])  # with a public link it is another
def test_what_is_pasted_is_heard_from_the_head_on(page: str) -> None:
    import app

    app.build(Detector.load)
    served = templates.env.get_template(f"frontend/{page}.html").render(config={}, gradio_api_info={})
    head = served.partition("</head>")[0]
    assert detect.HEAD.partition("<script")[2] in head
    assert "<script>" not in served and served.count("<script") == served.count('<script nonce="')
    assert "amazonaws" not in served, "with a public link, too, it comes from here"


def test_a_batch_ends_when_its_caller_leaves(running_app: RunningApp, tmp_path: Path) -> None:
    before, who = batches(running_app), "leaves"
    files = {"data": [[{"path": upload(running_app, many(tmp_path, 198).read_bytes())}]], "session_hash": who}
    ask(f"{running_app.url}{CALL}_batch", json.dumps(files).encode(), {"Content-Type": "application/json"})
    listening = http.client.HTTPConnection(urlsplit(running_app.url).netloc, timeout=60)
    listening.request("GET", f"/gradio_api/queue/data?session_hash={who}")
    told = listening.getresponse()
    while b"process_starts" not in told.readline():
        pass
    listening.close()
    until(lambda: batches(running_app) > before)
    assert "1 batch, 198 pictures" not in running_app.log


def test_a_batch_ends_when_it_is_called_off(running_app: RunningApp, client: Client, tmp_path: Path) -> None:
    before = batches(running_app)
    job = client.submit([handle_file(many(tmp_path, 197))], api_name="/detect_batch")
    until(lambda: job.status().code.name == "PROCESSING")
    job.cancel()
    until(lambda: batches(running_app) > before)
    assert "1 batch, 197 pictures" not in running_app.log


# --- Who is one visitor ----------------------------------------------------------------------------------------------


def asked(app: RunningApp, forwarded: str | None = None, source: str = "127.0.0.1") -> str:
    """What a visitor is told who connects from `source`, an address of the loopback, with an X-Forwarded-For."""
    connection = http.client.HTTPConnection(urlsplit(app.url).netloc, timeout=60, source_address=(source, 0))
    headers = {"Content-Type": "application/json"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    connection.request("POST", CALL, b'{"data": [null]}', headers)
    event = json.load(connection.getresponse())["event_id"]
    connection.request("GET", f"{CALL}/{event}")
    told = connection.getresponse().read().decode()
    connection.close()
    return json.loads(told.partition("data: ")[2])["error"]


@pytest.mark.slow
def test_on_a_space_the_address_that_the_proxy_saw_counts() -> None:
    with limited(per_minute=1, SPACE_ID="owner/name") as app:
        assert asked(app, "203.0.113.1, 10.16.3.80") == uploads.NO_PICTURE
        assert asked(app, "203.0.113.2, 10.16.3.80") == uploads.NO_PICTURE, "another visitor"
        assert "more than 1 pictures" in asked(app, "203.0.113.1, 10.16.7.7"), "by way of another proxy"
        assert "more than 1 pictures" in asked(app, "198.51.100.9, 203.0.113.1"), "what a visitor sent comes first"
        assert "more than 1 pictures" in asked(app, "10.0.0.1, 203.0.113.2, 10.16.3.80")

        def status(forwarded: str) -> int:  # of plain HTTP, which counts the same
            return ask(f"{app.url}/api/detect", b"no picture", {"X-Forwarded-For": forwarded}).status

        assert status("203.0.113.3, 10.16.3.80") == 400
        assert status("203.0.113.1, 10.16.3.80") == status("203.0.113.3, 10.16.7.7") == 429


@pytest.mark.slow
def test_elsewhere_nobody_but_this_machine_may_name_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    with limited(per_minute=1) as app:
        assert asked(app, "203.0.113.1", source="127.0.0.2") == uploads.NO_PICTURE
        assert "more than 1 pictures" in asked(app, "203.0.113.2", source="127.0.0.2"), "not believed"
        assert asked(app, source="127.0.0.3") == uploads.NO_PICTURE
        assert asked(app, "203.0.113.1") == uploads.NO_PICTURE, "a proxy on this machine is"
