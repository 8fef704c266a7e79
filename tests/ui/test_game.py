"""The game, in the real app and a real browser; its rules, and where its pictures come from."""

import gc
import io
import json
import re
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from detector import Detector, Verdict
from tests.support.running_app import PATIENCE, RunningApp, api_client, free_port, serve
from ui import game, pictures, rounds

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

GALLERY = pictures.read(pictures.BUNDLED)
TELLTALES = {text for shown in GALLERY for text in (shown.made, shown.caption, shown.file.stem)}


@pytest.fixture
def table(look: Callable[..., "Page"]) -> Callable[..., "Page"]:
    """As `look`, with the game's tab open."""

    def open_tab(*arguments: Any, **named: Any) -> "Page":
        page = look(*arguments, **named)
        page.get_by_role("tab", name="Game").click()
        return page

    return open_tab


def play(page: "Page") -> None:
    page.locator("#play").click()
    page.locator("#stage img").wait_for()


def number_of(page: "Page") -> tuple[int, int]:
    """Which picture of how many is on show, as its alt text says."""
    number, count = re.fullmatch(r"Picture (\d+) of (\d+)", page.locator("#stage img").get_attribute("alt")).groups()
    return int(number), int(count)


def truth(page: "Page") -> str:
    told = page.locator("#told [data-truth]")
    told.wait_for()
    return told.get_attribute("data-truth")


def wait_for_picture(page: "Page", number: int) -> None:
    page.wait_for_function(
        "n => document.querySelector('#stage img')?.alt.startsWith(`Picture ${n} `) && "
        "!document.querySelector('#told [data-truth]')",
        arg=number,
    )


def scores(page: "Page") -> str:
    return page.locator("#status").inner_text()


# --- A game ----------------------------------------------------------------------------------------------------------


def test_a_whole_game_with_a_reload_in_the_middle(table: Callable[..., "Page"]) -> None:
    page = table()
    play(page)
    count = number_of(page)[1]
    seen, right = [], 0
    assert count == min(len({shown.person for shown in GALLERY}), rounds.ROUNDS)
    for number in range(1, count + 1):
        assert number_of(page) == (number, count)
        seen.append(page.locator("#stage img").get_attribute("src"))
        guess = "real" if number % 2 else "fake"
        page.locator(f"#guess-{guess}").click()
        right += truth(page) == guess
        clue = "What to look at" if truth(page) == "real" else "What gives it away"
        assert page.locator("#told").get_by_text(clue).is_visible()
        assert f"You {right}" in re.sub(r"\s+", " ", scores(page))
        if number == count // 2:
            before = scores(page)
            page.reload()
            page.get_by_role("tab", name="Game").click()
            page.get_by_role("button", name=f"Continue with picture {number}", exact=True).wait_for()
            play(page)
            truth(page)  # the answer to the last guess is still there
            assert scores(page) == before and number_of(page) == (number, count)
        if number < count:
            page.locator("#following").click()
            wait_for_picture(page, number + 1)
    assert len(set(seen)) == count  # no picture twice
    page.locator("#finish").click()
    page.locator("#summary li").first.wait_for()
    assert page.locator("#summary li").count() == count
    words = page.locator("#summary").inner_text()
    assert f"You had {right} of {count} right" in words
    shared = page.locator("#share textarea").input_value()
    assert f"{right} of {count}" in shared and shared.count("●") == right and shared.count("○") == count - right
    assert shared.splitlines()[-1] == page.evaluate("location.origin + location.pathname")
    page.locator("#again").click()
    wait_for_picture(page, 1)
    assert "You 0" in re.sub(r"\s+", " ", scores(page))


def test_keys_guess_and_go_on_but_not_elsewhere(table: Callable[..., "Page"]) -> None:
    page = table()
    assert page.locator(".rules kbd").all_inner_texts() == ["R", "F", "N"]
    play(page)
    page.keyboard.press("n")  # not its turn
    page.get_by_role("tab", name="Detect").click()
    page.locator("#upload").wait_for()
    page.keyboard.press("r")
    page.get_by_role("tab", name="Game").click()
    page.locator("#stage img").wait_for()
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), {id: 'typing'}))")
    page.locator("#typing").press("f")
    page.locator("#typing").evaluate("box => box.remove()")
    assert page.locator("#told [data-truth]").count() == 0 and number_of(page)[0] == 1
    page.keyboard.press("F")
    truth(page)
    assert "You said forged" in page.locator("#told").inner_text()
    page.wait_for_function("() => document.querySelector('#told [tabindex]') === document.activeElement")
    page.keyboard.press("r")  # a guess cannot be taken back
    page.keyboard.press("n")
    wait_for_picture(page, 2)


def test_the_answer_is_nowhere_before_the_guess(table: Callable[..., "Page"], running_app: RunningApp) -> None:
    page = table()
    heard = []
    page.on("response", lambda response: heard.append(response))  # noqa: PLW0108  Playwright marks the listener
    play(page)
    page.wait_for_function("() => !document.querySelector('#guess-real').disabled")
    kept = page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
    texts = [page.content(), page.evaluate("document.documentElement.innerHTML"), kept]
    for response in heard:
        if "json" in response.headers.get("content-type", ""):
            texts.append(response.text())
    for place in ("config", "gradio_api/info", "gradio_api/openapi.json"):
        texts.append(urllib.request.urlopen(f"{running_app.url}/{place}", timeout=60).read().decode())
    for text in texts:
        assert not [telltale for telltale in TELLTALES if telltale in text]
        assert "data-truth" not in text
    source = page.locator("#stage img").get_attribute("src")
    with urllib.request.urlopen(source) as file:
        image = Image.open(io.BytesIO(file.read()))
    assert image.format == "WEBP" and not image.getexif() and "exif" not in image.info and "xmp" not in image.info


@pytest.mark.parametrize("place", ["ui/gallery/gallery.json", f"ui/gallery/{GALLERY[0].file.name}"])
def test_the_gallery_is_not_served_as_files(running_app: RunningApp, place: str) -> None:
    for path in (place, str(pictures.BUNDLED.parent.parent / place)):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{running_app.url}/gradio_api/file={path}", timeout=60)


def test_no_layout_jump_and_nothing_cut_off_on_a_dark_telephone(table: Callable[..., "Page"]) -> None:
    page = table(360, "dark")
    play(page)
    places = "['#guess-real', '#told .told'].map(s => document.querySelector(s).getBoundingClientRect()).map(b => "
    before = page.evaluate(places + "[b.top + scrollY, b.height])")
    page.locator("#guess-fake").click()
    truth(page)
    assert page.evaluate(places + "[b.top + scrollY, b.height])") == before
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert (
        max(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"))
        < 60
    )
    page.locator("#told [data-model]").wait_for()
    assert page.locator("#told [data-model] svg, #told .top svg").count() == 2  # verdicts by shape, too


def test_a_restart_of_the_server_begins_a_new_game_and_says_so(chromium: "Browser", tmp_path: Path) -> None:
    """With another gallery, a folder, which is played then."""
    port = free_port()
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    with serve(port=port) as first:
        page.goto(first.url)
        page.get_by_role("tab", name="Game").click()
        play(page)
        assert game.FORGOTTEN not in scores(page)
        page.locator("#guess-real").click()
        truth(page)
    with serve(port=port, DETECTOR_GALLERY=str(a_gallery(tmp_path))) as second:
        page.goto(second.url)
        page.get_by_role("tab", name="Game").click()
        play(page)
        assert game.FORGOTTEN in scores(page) and number_of(page) == (1, 4)
        page.locator("#guess-real").click()
        truth(page)  # which counts
        words = page.locator("#told").inner_text()
        assert "No face found" in words and "half a point" in words and "What to look at" not in words
        assert game.FORGOTTEN not in scores(page) and "Picture 1 of" in scores(page)
        page.reload()
        page.get_by_role("tab", name="Game").click()
        play(page)
        truth(page)
    page.close()


# --- The API ---------------------------------------------------------------------------------------------------------


def events(running_app: RunningApp) -> dict[int, str]:
    """The number and name of every event that takes the game's token."""
    config = json.load(urllib.request.urlopen(f"{running_app.url}/config", timeout=60))
    [token] = [part["id"] for part in config["components"] if part["type"] == "browserstate"]
    return {event["id"]: event["api_name"] for event in config["dependencies"] if event["inputs"] == [token]}


def call(running_app: RunningApp, event: int, token: Any, session: str) -> tuple[str, list]:
    """What an event answers to somebody who has no page: the whole text, and the data."""
    body = json.dumps({"fn_index": event, "data": [token], "session_hash": session}).encode()
    head = {"Content-Type": "application/json"}
    join = urllib.request.Request(f"{running_app.url}/gradio_api/queue/join", body, head)
    urllib.request.urlopen(join, timeout=60).read()
    stream = f"{running_app.url}/gradio_api/queue/data?session_hash={session}"
    with urllib.request.urlopen(stream, timeout=90) as response:
        for line in response:
            if b"process_completed" in line:
                message = json.loads(line.removeprefix(b"data: "))
                return line.decode(), message["output"].get("data", [])
    raise AssertionError("the event did not end")


def test_the_api_shows_nothing_of_the_game(running_app: RunningApp) -> None:
    shown = api_client(running_app.url).view_api(return_format="dict")
    assert set(shown["named_endpoints"]) == {"/detect", "/detect_batch", "/heatmap", "/model"}
    assert not shown["unnamed_endpoints"]
    for name in {*events(running_app).values(), "real", "fake", "play", "summary"}:
        body = urllib.request.Request(
            f"{running_app.url}/gradio_api/call/{name}", b'{"data": [null]}', {"Content-Type": "application/json"}
        )
        try:
            asked = json.load(urllib.request.urlopen(body, timeout=60))
        except urllib.error.HTTPError:
            continue
        stream = f"{running_app.url}/gradio_api/call/{name}/{asked['event_id']}"
        told = urllib.request.urlopen(stream, timeout=60).read().decode()
        assert "data-truth" not in told and not [telltale for telltale in TELLTALES if telltale in told]


def test_no_event_tells_the_truth_without_a_guess_that_counts(running_app: RunningApp) -> None:
    named = {name: event for event, name in events(running_app).items()}
    token = None
    for name in ("real", "fake", "go_on", "summary", "play"):  # without a game, a guess is none
        text, data = call(running_app, named[name], token, f"before-{name}")
        assert "data-truth" not in text and "Picture 1 of" in text
        assert not [telltale for telltale in TELLTALES if telltale in text]
    token = next(value for value in data if isinstance(value, str) and re.fullmatch(r"[\w-]{32}", value))
    for name in ("go_on", "summary", "play"):  # nor can the guess be left out
        assert "data-truth" not in call(running_app, named[name], token, f"without-{name}")[0]
    first = call(running_app, named["real"], token, "guess")[0]
    second = call(running_app, named["fake"], token, "second-guess")[0]
    for text in (first, second):
        assert "data-truth" in text and "You said real" in text and "You said forged" not in text


# --- The rules -------------------------------------------------------------------------------------------------------


def answer(verdict: Verdict) -> game.Answer:
    return rounds.Answer(verdict, None, None, None)


def some_games(count: int = 6, people: int | None = None, verdict: Verdict = Verdict.LIKELY_FAKE) -> rounds.Games:
    gallery = [pictures.Shown(Path(f"{i}.jpg"), i % 2 == 1, who=f"{i % (people or count)}") for i in range(count)]
    return rounds.Games(lambda: gallery, lambda index: answer(verdict))


@pytest.mark.parametrize(
    ("verdict", "of_fake", "of_real"),
    [
        (Verdict.LIKELY_FAKE, 1, 0),
        (Verdict.NO_SIGNS, 0, 1),
        (Verdict.UNCERTAIN, 0.5, 0.5),
        (Verdict.NO_FACE, 0.5, 0.5),
    ],
)
def test_the_model_gets_half_a_point_where_it_does_not_decide(verdict: Verdict, of_fake: float, of_real: float) -> None:
    assert answer(verdict).points(True) == of_fake and answer(verdict).points(False) == of_real


def test_no_signs_are_a_bet_and_the_rules_say_so() -> None:
    shown = pictures.Shown(Path("a.jpg"), True)
    played = rounds.Round(0, False, True, answer(Verdict.NO_SIGNS))
    assert "“No signs of forgery found” counts as a guess of “real”, and is wrong where the picture is" in game.RULES
    assert "<b>No signs of forgery found</b>, a bet on real – wrong." in game.answer_html(played, shown)


def test_a_guess_counts_once_and_next_waits_for_it() -> None:
    games = some_games()
    token, played = games.find(None)
    games.go_on(played)
    assert played.waiting and not played.played
    games.guess(played, True)
    games.guess(played, False)
    assert len(played.played) == 1 and played.played[0].guess
    games.go_on(played)
    games.go_on(played)
    assert played.waiting and len(played.played) == 1
    assert games.find(token) == (token, played)


@pytest.mark.parametrize("token", [None, "", "made up", 5, [], {"a": 1}])
def test_a_token_that_is_unknown_gets_a_new_game(token: Any) -> None:
    games = some_games()
    assert games.find(token)[0] != token
    assert len({games.find(token)[0] for _ in range(5)}) == 5


class _Another:
    """A detector, as far as the game knows."""

    def __init__(self, own: Detector) -> None:
        self.model, self.detect, self.preview = own.model, own.detect, own.preview


def test_a_replaced_detector_is_let_go(detector: Detector) -> None:
    """With it go its processes; what it said of a picture may stay."""
    current = [_Another(detector)]
    with gr.Blocks() as blocks:
        game.build(lambda: current[0])
    events = {event.fn.__name__: event.fn for event in blocks.fns.values() if event.fn}
    token = next(iter(events["play"](None).values()))
    assert isinstance(token, str)
    told = [value for value in events["real"](token).values() if isinstance(value, str) and "data-model" in value]
    assert len(told) == 1
    replaced = weakref.ref(current[0])
    current[0] = _Another(detector)
    gc.collect()
    assert replaced() is None


def test_old_games_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "KEPT_GAMES", 3)
    games = some_games()
    first = games.find(None)[0]
    others = [games.find(None)[0] for _ in range(3)]
    assert games.find(others[-1])[0] == others[-1]
    assert games.find(first)[0] != first


def test_scores_and_streak() -> None:
    games = some_games(4)
    _, played = games.find(None)
    for right in (True, False, True, True):
        is_fake = bool(played.order[len(played.played)] % 2)
        games.guess(played, is_fake is right)
        games.go_on(played) if len(played.played) < 4 else None
    assert played.over and played.score == 3 and played.streak == 2 and played.model_score == 2
    assert "3 of 4" in game.share_text(played) and "●○●●" in game.share_text(played)


def test_a_large_gallery_comes_without_repeats_over_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ROUNDS", 4)
    games = some_games(10)
    _, played = games.find(None)
    seen = []
    for _ in range(3):
        seen += played.order
        for _ in played.order:
            games.guess(played, True)
            games.go_on(played)
    assert sorted(set(seen[:8])) == sorted(seen[:8]) and set(seen) == set(range(10))


def test_nobody_comes_twice_in_a_game_and_half_are_forged() -> None:
    games = some_games(24, people=8)
    _, played = games.find(None)
    for _ in range(6):
        assert len({index % 8 for index in played.order}) == len(played.order) == 8
        assert 3 <= sum(index % 2 for index in played.order) <= 5
        for _ in played.order:
            games.guess(played, True)
            games.go_on(played)


def test_the_bundled_games_show_each_person_once() -> None:
    games = rounds.Games(lambda: GALLERY, lambda index: answer(Verdict.UNCERTAIN))
    order = games.find(None)[1].order
    shown = [GALLERY[index] for index in order]
    assert len({one.who for one in shown}) == len(shown) == len({one.who for one in GALLERY}) <= rounds.ROUNDS
    assert abs(sum(1 if one.is_fake else -1 for one in shown)) <= 3
    generated = [one for one in GALLERY if re.search("FLUX|SDXL|DALL", one.made)]
    assert len(generated) >= 4 and all(one in shown for one in generated)


@pytest.mark.parametrize(
    ("verdict", "right", "headline"),
    [
        (Verdict.UNCERTAIN, 0, "The detector caught no forgery"),
        (Verdict.NO_SIGNS, 1, "The detector caught no forgery"),
        (Verdict.LIKELY_FAKE, 4, "You beat the detector"),
        (Verdict.LIKELY_FAKE, 0, "The detector was ahead"),
        (Verdict.LIKELY_FAKE, 2, "A draw with the detector"),
    ],
)
def test_no_detector_is_ahead_that_caught_nothing(verdict: Verdict, right: int, headline: str) -> None:
    games = some_games(4, verdict=verdict)
    _, played = games.find(None)
    for number in range(4):
        is_fake = bool(played.order[number] % 2)
        games.guess(played, is_fake is (number < right))
        games.go_on(played) if number < 3 else None
    page = game.summary_html(played, [pictures.Shown(Path("a.jpg"), True)] * 4)
    assert f">{headline}<" in page and f"the detector {2 if verdict is Verdict.LIKELY_FAKE else 0}." in page


@pytest.mark.parametrize(("value", "words"), [(0, "0"), (0.5, "½"), (1, "1"), (7.5, "7½"), (12.0, "12")])
def test_half_points_in_words(value: float, words: str) -> None:
    assert game.points(value) == words


def test_what_a_gallery_says_is_escaped() -> None:
    attack = "<img src=x onerror=alert(1)>"
    shown = pictures.Shown(Path("a.jpg"), True, attack, attack, attack)
    played = rounds.Round(0, True, True, answer(Verdict.NO_FACE))
    over = rounds.Game([0], set(), [played], waiting=False)
    for page in (game.answer_html(played, shown), game.summary_html(over, [shown])):
        assert "<img" not in page and "&lt;img" in page


# --- Where the pictures come from ------------------------------------------------------------------------------------


def test_the_bundled_gallery_gives_nothing_away() -> None:
    assert len(GALLERY) >= 10 and abs(sum(1 if shown.is_fake else -1 for shown in GALLERY)) <= 2
    files = [file for file in pictures.BUNDLED.iterdir() if file.suffix == ".jpg"]
    assert {shown.file for shown in GALLERY} == set(files)
    assert sum(file.stat().st_size for file in files) < 2_000_000
    tables = set()
    for shown in GALLERY:
        assert shown.made and shown.source and shown.caption and re.fullmatch(r"[0-9a-f]{12}", shown.file.stem)
        with Image.open(shown.file) as image:
            assert image.format == "JPEG" and not image.getexif() and max(image.size) <= 512
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            tables.add(json.dumps(image.quantization))
    assert len(tables) == 1  # one quality for all


def a_gallery(folder: Path, kinds: tuple[str, ...] = ("Real", "fake")) -> Path:
    for number, kind in enumerate(kinds):
        (folder / "train" / kind).mkdir(parents=True)
        for i in range(2):
            pixels = np.full((64, 64, 3), 90 * number + 30 * i, np.uint8)
            Image.fromarray(pixels).save(folder / "train" / kind / f"{i}.PNG")
    (folder / "train" / kinds[0] / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_a_folder_can_be_the_gallery(tmp_path: Path) -> None:
    read = pictures.load(str(a_gallery(tmp_path)))
    assert [(shown.is_fake, shown.file.name) for shown in read] == [
        (False, "0.PNG"),
        (False, "1.PNG"),
        (True, "0.PNG"),
        (True, "1.PNG"),
    ]


def test_a_large_folder_is_thinned_out_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST", 1)
    assert [shown.is_fake for shown in pictures.read(a_gallery(tmp_path))] == [False, True]


@pytest.mark.parametrize("kinds", [("Real",), ("Fake",), ("cats", "dogs")])
def test_a_folder_without_both_kinds_is_told_and_replaced(
    tmp_path: Path, kinds: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    assert pictures.load(str(a_gallery(tmp_path, kinds))) == GALLERY
    assert "folders called Real and Fake" in caplog.text


@pytest.mark.parametrize("content", ["no json", "[5]", '[{"file": "a.jpg"}]', None])
def test_a_bad_list_is_told_and_replaced(tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture) -> None:
    outside = {"file": "../a.jpg", "label": "real", "made": "", "source": "", "caption": ""}
    (tmp_path / pictures.LIST).write_text(json.dumps([outside]) if content is None else content)
    assert pictures.load(str(tmp_path)) == GALLERY
    assert "fix it" in caplog.text


def test_a_data_set_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def snapshot_download(repo: str, **options: Any) -> str:
        asked.update(options, repo=repo)
        return str(a_gallery(tmp_path))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert len(pictures.load("someone/faces@v1")) == 4
    assert asked["repo"] == "someone/faces" and asked["revision"] == "v1" and asked["repo_type"] == "dataset"
    assert "*.png" in asked["allow_patterns"] and "*.PNG" in asked["allow_patterns"]


@pytest.mark.parametrize("name", ["nobody/nothing", "not a name at all", "/nowhere"])
def test_a_gallery_that_cannot_be_had_is_told_and_replaced(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pictures.load(name) == GALLERY
    assert "could not be fetched" in caplog.text
