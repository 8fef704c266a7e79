"""Plain HTTP: one request for a picture and its answer, with the same limits and sentences as the page."""

import encodings
import http.client
import io
import json
import pkgutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import httpx
import numpy as np
import psutil
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from pydantic import ConfigDict, TypeAdapter

from detector import Detector, Result
from detector.heatmap import overlay
from tests.support import ROOT
from tests.support.running_app import ASTRONAUT, RunningApp, api_client, limited, no_trace, overflow, serve
from tests.ui.test_bad_input import JUDGED, REFUSED
from ui import about, http_api

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert self.json.keys() == {"error"} and self.json["error"].keys() == {"code", "message"}
        return self.json["error"]["code"]

    @property
    def message(self) -> str:
        return self.json["error"]["message"]


def ask(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=120) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def send(url: str, picture: bytes, **fields: str) -> Answer:
    """As a form, the way curl -F does."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()]
    head = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="posted.jpg"\r\n\r\n'
    body = b"".join(parts) + head + picture + b"\r\n--x--\r\n"
    return ask(url, body, {"Content-Type": "multipart/form-data; boundary=x"})


@pytest.fixture(scope="module")
def judged() -> Result:
    return Detector.load().detect(ASTRONAUT)


@pytest.fixture(scope="module")
def api(running_app: RunningApp) -> str:
    return f"{running_app.url}/api"


# --- What is answered -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [send, ask], ids=["form", "body"])
def test_one_request_answers_what_the_detector_answers(api: str, judged: Result, way: Callable[..., Answer]) -> None:
    answer = way(f"{api}/detect", ASTRONAUT.read_bytes())
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    answered, expected = answer.json, judged.to_dict()
    assert answered.pop("seconds").keys() == expected.pop("seconds").keys()
    assert answered == expected


def test_the_heat_map_comes_as_a_png(api: str, judged: Result) -> None:
    answers = [
        send(f"{api}/heatmap", ASTRONAUT.read_bytes()),
        send(f"{api}/heatmap", ASTRONAUT.read_bytes(), face="1"),
        ask(f"{api}/heatmap?face=1", ASTRONAUT.read_bytes()),
    ]
    assert {(answer.status, answer.headers["Content-Type"]) for answer in answers} == {(200, "image/png")}
    assert len({answer.body for answer in answers}) == 1
    with Image.open(io.BytesIO(answers[0].body)) as marked:
        size, expected = marked.size, overlay(judged.faces[0].crop, judged.faces[0].activation)
        difference = np.asarray(marked.convert("RGB").resize(expected.shape[1::-1]), int) - expected
    assert size == (512, 512) and np.abs(difference).mean() < 6  # there and back in size


def test_the_model_is_told(api: str) -> None:
    assert ask(f"{api}/model").json == json.loads(json.dumps(about.describe(Detector.load().model)))


# --- What is refused --------------------------------------------------------------------------------------------------

EXPECTED = {
    "vast.png": (413, "too_large"),
    "cut.jpg": (400, "damaged"),
    "drawing.svg": (415, "unsupported_format"),
    "script.png": (415, "unsupported_format"),
    "words.jpg": (400, "not_a_picture"),
    "nothing.png": (400, "empty"),
    "tiny.png": (400, "too_small"),
}


@pytest.mark.parametrize("endpoint", ["detect", "heatmap"])
@pytest.mark.parametrize("name", REFUSED)
def test_bad_pictures_get_a_status_a_code_and_a_sentence(api: str, name: str, endpoint: str) -> None:
    make, sentence = REFUSED[name]
    answer = send(f"{api}/{endpoint}", make())
    assert (answer.status, answer.code) == EXPECTED[name]
    assert sentence in answer.message and len(answer.message) < 160


@pytest.mark.parametrize("name", JUDGED)
def test_every_kind_of_picture_is_judged(api: str, name: str) -> None:
    answer = send(f"{api}/detect", JUDGED[name]())
    assert answer.status == 200 and len(answer.json["faces"]) == 1


@pytest.mark.parametrize(
    "start", [b"%PDF-1.7", b"8BPS", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"\x1a\x45\xdf\xa3"]
)
def test_other_kinds_of_file_are_named(api: str, start: bytes) -> None:
    answer = send(f"{api}/detect", start + bytes(2000))
    assert (answer.status, answer.code) == (415, "unsupported_format")
    assert "files are not read" in answer.message or "not a picture" in answer.message


FORM = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (PART % (b"image", b'; filename="a.jpg"', b"x") + b"--x--\r\n", FORM, 422, "missing_picture"),
        (PART % (b"picture", b"", b"x") + b"--x--\r\n", FORM, 422, "missing_picture"),
        (b"--x--\r\n", FORM, 422, "missing_picture"),
        (b"", {}, 422, "missing_picture"),
        (PART % (b"picture", b"", b"x" * 20_000) + b"--x--\r\n", FORM, 400, "malformed_form"),
        (PART % (b"picture", b'; filename="a.jpg"', b"x") * 2 + b"--x--\r\n", FORM, 400, "malformed_form"),
        (b"no form", FORM, 400, "malformed_form"),
        (b"no form", {"Content-Type": "multipart/form-data"}, 400, "malformed_form"),
        (b'{"picture": "data:image/png;base64,AAAA"}', {"Content-Type": "application/json"}, 400, "not_a_picture"),
    ],
)
def test_a_wrong_form_is_told(api: str, body: bytes, headers: dict, status: int, code: str) -> None:
    answer = ask(f"{api}/detect", body, headers)
    assert (answer.status, answer.code) == (status, code), answer.message


CODECS = sorted({module.name for module in pkgutil.iter_modules(encodings.__path__)} | {"x" * 5000, "a%00b", "..", '"'})
ODD_NAME = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\nno picture\r\n--x--\r\n'


@pytest.mark.parametrize("name", [b"picture", b"xn--bbbb", b"a\xff\xe9", b"-" + b"a" * 3000])
@pytest.mark.parametrize("route", ["api/detect", "gradio_api/upload"])  # /api/heatmap reads forms as /api/detect does
def test_no_codec_that_a_client_names_is_an_error_of_ours(running_app: RunningApp, route: str, name: bytes) -> None:
    with httpx.Client(base_url=running_app.url, timeout=60) as client:
        for codec in CODECS:
            headers = {"Content-Type": f"multipart/form-data; boundary=x; charset={codec}"}
            answered = client.post(
                f"/{route}", content=ODD_NAME % (b"files" if "upload" in route else name, name), headers=headers
            )
            assert answered.status_code in (200, 400, 422), codec


ODD_BODIES = [
    b"\xff\xfe",
    b'{"data": ["\xff"]}',
    b'{"data": NaN}',
    b'{"data": [{"path": "\\ud800"}]}',
    b"[" * 100_000,
    b"5",
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain; charset=punycode", "application/x-www-form-urlencoded"]
)
def test_no_body_is_an_error_of_ours_or_sent_back(running_app: RunningApp, kind: str, body: bytes) -> None:
    with httpx.Client(base_url=running_app.url, timeout=60) as client:
        for route in ("call/detect", "call/detect_batch", "queue/join", "reset", "cancel", "upload"):
            answered = client.post(f"/gradio_api/{route}", content=body, headers={"Content-Type": kind})
            assert answered.status_code < 500 and len(answered.content) < 300, (route, answered.text)


@pytest.mark.parametrize("face", ["0", "2", "1.5", "-1", "one", "", "²", "9" * 5000])
def test_a_wrong_number_of_a_face_is_told(api: str, face: str) -> None:
    answer = send(f"{api}/heatmap", ASTRONAUT.read_bytes(), face=face)
    assert answer.status == 422 and answer.code in ("wrong_field", "no_such_face") and "whole number" in answer.message


def test_where_there_is_no_face_no_face_is_marked(api: str) -> None:
    answer = ask(f"{api}/heatmap", (ROOT / "ui" / "examples" / "galaxies.jpg").read_bytes())
    assert (answer.status, answer.code) == (422, "no_such_face") and answer.message.startswith("No face was found")


def test_a_field_that_is_not_known_is_told(api: str) -> None:
    answer = send(f"{api}/heatmap", ASTRONAUT.read_bytes(), faces="2")
    assert (answer.status, answer.code) == (422, "wrong_field") and "send only picture and face" in answer.message


def test_other_addresses_and_methods_answer_alike(api: str) -> None:
    assert (ask(f"{api}/nothing").status, ask(f"{api}/nothing").code) == (404, "not_found")
    answer = ask(f"{api}/detect")
    assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "method_not_allowed", "POST")


def test_no_answer_names_a_path_of_the_server(api: str, running_app: RunningApp) -> None:
    bodies = [b"x", b"", ASTRONAUT.read_bytes()[:9000], str(ASTRONAUT).encode()]
    texts = [ask(f"{api}/{call}", body).body for call in ("detect", "heatmap", "nothing") for body in bodies]
    texts += [ask(f"{api}/{page}").body for page in ("docs", "openapi.json", "model", "../api/%2e%2e/app.py")]
    for text in texts:
        for place in (str(ROOT), "site-packages", "Traceback", str(running_app.cache)):
            assert place.encode() not in text


def test_the_log_counts_and_names_nothing(api: str, running_app: RunningApp) -> None:
    """For a picture that nobody else sends: what other tests have begun may still be at work."""
    with Image.open(ASTRONAUT) as image:
        file = io.BytesIO()
        image.rotate(1).save(file, "PNG")
    before = running_app.log.count("1 picture, 1 faces")
    send(f"{api}/detect", file.getvalue())
    assert running_app.log.count("1 picture, 1 faces") > before
    assert "posted.jpg" not in running_app.log
    kept = [path for path in running_app.cache.rglob("*") if path.is_file()]
    assert not [path for path in kept if path.name == "posted.jpg" or path.stat().st_size == len(file.getvalue())]


# --- Limits -----------------------------------------------------------------------------------------------------------


def connection(app: RunningApp) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(app.url).netloc, timeout=120)


def test_too_large_is_told_before_it_is_sent(running_app: RunningApp) -> None:
    asking = connection(running_app)
    asking.putrequest("POST", "/api/detect")
    asking.putheader("Content-Length", "3000000000")
    asking.endheaders()  # and not one byte of it
    response = asking.getresponse()
    assert response.status == 413 and json.load(response)["error"]["code"] == "too_large"
    asking.close()


def test_a_stream_without_end_is_cut_off_in_bounded_memory(running_app: RunningApp) -> None:
    """No length is told: 300 MB would come. The answer is there after little more than what a picture may have."""
    server, chunk = psutil.Process(running_app.pid), bytes(1_000_000)
    asking = connection(running_app)
    asking.putrequest("POST", "/api/detect")
    asking.putheader("Transfer-Encoding", "chunked")
    asking.endheaders()
    before, most, sent = server.memory_info().rss, 0, 0
    while sent < 300 and not _answered(asking.sock):
        asking.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        sent, most = sent + 1, max(most, server.memory_info().rss)
        time.sleep(0.005)
    assert 30 <= sent < 100 and most - before < 60e6
    response = asking.getresponse()
    assert response.status == 413 and json.load(response)["error"]["code"] == "too_large"
    asking.close()


def _answered(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        sock.settimeout(120)


@pytest.mark.slow
def test_a_visitor_has_one_minute_for_page_and_programs() -> None:
    with limited(per_minute=2) as app:
        client = api_client(app.url)
        assert ask(f"{app.url}/api/detect", ASTRONAUT.read_bytes()).status == 200
        client.predict(picture=handle_file(ASTRONAUT), api_name="/detect")
        answer = ask(f"{app.url}/api/heatmap", ASTRONAUT.read_bytes())
        assert (answer.status, answer.code) == (429, "too_many_pictures")
        assert answer.message.startswith("That was more than 2 pictures in a minute")
        assert int(answer.headers["Retry-After"]) > 0
        with pytest.raises(AppError, match="more than 2 pictures in a minute: please wait"):
            client.predict(picture=handle_file(ASTRONAUT), api_name="/detect")


def test_who_has_left_is_not_waited_for(running_app: RunningApp, api: str) -> None:
    """Half a picture, and gone: the next one is answered, and the log has no trace."""
    with no_trace(running_app):
        for _ in range(5):
            asking = connection(running_app)
            asking.putrequest("POST", "/api/detect")
            asking.putheader("Content-Length", "500000")
            asking.endheaders()
            asking.send(bytes(1000))
            asking.close()
        assert send(f"{api}/detect", ASTRONAUT.read_bytes()).status == 200


# --- Its description --------------------------------------------------------------------------------------------------


def test_the_description_says_what_is_answered(api: str, judged: Result) -> None:
    described = ask(f"{api}/openapi.json").json
    assert described["openapi"].startswith("3.1") and described["paths"].keys() == {"/detect", "/heatmap", "/model"}
    assert urljoin(f"{api}/openapi.json", described["servers"][0]["url"]) == api
    for path in ("/detect", "/heatmap"):
        post = described["paths"][path]["post"]
        assert {"200", "400", "413", "415", "422", "429", "503"} <= post["responses"].keys()
        assert "picture" in post["requestBody"]["content"]["multipart/form-data"]["schema"]["required"]

    class Strict(http_api.ResultAnswer):
        model_config = ConfigDict(extra="forbid")

    class StrictFace(http_api.FaceAnswer):
        model_config = ConfigDict(extra="forbid")

    told = judged.to_dict()
    assert Strict.model_validate_json(json.dumps(told)).model_fields_set == told.keys()
    assert TypeAdapter(list[StrictFace]).validate_json(json.dumps(told["faces"]))


def test_its_page_stands_alone_and_tries_a_call(
    look: Callable[..., "Page"], running_app: RunningApp, judged: Result
) -> None:
    page = look(360, "dark")
    page.goto(f"{running_app.url}/api/docs")
    assert overflow(page) <= 0
    page.locator("form[action=detect] input[type=file]").set_input_files(ASTRONAUT)
    page.locator("form[action=detect] button").click()
    page.wait_for_url("**/api/detect")
    assert judged.picture.sha256 in page.content()


def test_the_page_links_to_it(look: Callable[..., "Page"]) -> None:
    page = look()
    page.get_by_role("tab", name="About").click()
    page.get_by_text("Use it from your own programs").click()
    page.locator("#calls a[href='api/docs']").click()
    page.get_by_role("heading", name="POST /api/detect").wait_for()


def test_pages_of_others_may_ask(api: str) -> None:
    """A page that runs elsewhere on this machine; of strangers' pages gradio lets none ask a detector on localhost."""
    answer = ask(f"{api}/detect", ASTRONAUT.read_bytes(), {"Origin": "http://localhost:3000"})
    assert answer.status == 200 and answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    stranger = ask(f"{api}/detect", ASTRONAUT.read_bytes(), {"Origin": "https://example.org"})
    assert stranger.headers["Access-Control-Allow-Origin"] is None


@pytest.mark.slow
def test_behind_a_proxy_with_a_path(judged: Result) -> None:
    """The proxy takes /detector away from the address, as proxies do, and the app is told of it."""
    with serve(GRADIO_ROOT_PATH="/detector") as app:
        url = f"{app.url}/api"
        for asked in (url, f"{app.url}/detector/api"):  # and one that leaves it
            answer = ask(f"{asked}/detect", ASTRONAUT.read_bytes())
            assert answer.json["picture"]["sha256"] == judged.picture.sha256
        described = ask(f"{url}/openapi.json").json["servers"][0]["url"]
        assert urljoin("https://host/detector/api/openapi.json", described) == "https://host/detector/api"
        links = ask(f"{url}/docs").body.decode()
        assert 'href="openapi.json"' in links and 'action="detect"' in links and 'href="/' not in links
