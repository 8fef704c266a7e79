"""A stranger's text on the page."""

import json
import logging

import pytest

from detector.errors import ImageError, ModelError, SettingError
from detector.rows import json_line
from detector.text import excerpt, start_log, visible
from scale.errors import ScaleError
from training.errors import TrainingError
from web.build import BuildError

# Escape sequences in seven and eight bits, a bell, a line break, what turns the line round, and bytes that are no text.
STEERING = "\x1b]0;owned\x07 \x9b31m \u202egpj.exe \r\n\u2028 \x00\x7f \U000e0041 \udcff"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x1b[31mc\u202ed\ne", "ab31mcd e"),
        ("<img src=x onerror=alert(1)>", "img src=x onerror=alert(1)"),
        ("![x](https://example.org/x.png)", "!x(https example.org/x.png)"),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_an_excerpt_is_fit_to_be_shown(text, shown):
    assert excerpt(text) == shown


def test_what_steers_a_terminal_is_shown_as_an_escape() -> None:
    assert visible("größe 人 👩‍💻\u3000.jpg") == "größe 人 👩‍💻\u3000.jpg"
    assert visible("a\x1b[31m\n\u202eb\udce9") == r"a\x1b[31m\n\u202eb\udce9"
    assert visible(STEERING).isprintable()


def test_a_line_of_json_steers_no_terminal_and_says_the_same() -> None:
    line = json_line({"file": STEERING})
    assert line.isprintable() and json.loads(line) == {"file": STEERING}


@pytest.mark.parametrize("kind", [ImageError, ModelError, SettingError, ScaleError, TrainingError, BuildError])
def test_no_sentence_of_an_error_steers_a_terminal(kind: type[Exception]) -> None:
    assert str(kind(f"There is no file called {STEERING}.")).isprintable()


def test_no_line_of_the_log_steers_a_terminal_or_looks_like_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.INFO)
    start_log(logging.INFO, "%(levelname)s %(message)s")
    try:
        raise ValueError(STEERING)
    except ValueError:
        logging.exception("row 5 (%s)", STEERING)
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("ERROR row 5 (") and first.endswith(")")
    assert rest[0] == "Traceback (most recent call last):" and all(line.isprintable() for line in (first, *rest))
