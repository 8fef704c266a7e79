"""A small version of the trial of attacks: one attacker, once each, and shares where a busy machine has no seconds."""

import statistics
from collections.abc import Iterator

import pytest

from benchmarks.speed import jpeg, photograph
from tests.reliability import attack
from tests.support.attacks import PICTURES, hidden_names
from tests.support.running_app import RunningApp, serve

PHOTO = jpeg(photograph((640, 480)))


@pytest.fixture(scope="module")
def app() -> Iterator[RunningApp]:
    with serve(DETECTOR_PICTURE_SECONDS="1") as app:
        attack.send(app, PHOTO)
        yield app


@pytest.mark.parametrize("name", PICTURES)
def test_an_attack_costs_nobody_else_anything(app: RunningApp, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack, "MOST_SECONDS", 300)  # the trial itself holds the minute
    file = PICTURES[name]()
    told = attack.one(app, lambda: attack.send(app, file), PHOTO, attackers=2, rounds=1, visits=5)
    assert attack.wrong(told, len(file)) == []
    most = max(attack.VISITOR, told.seconds)
    assert statistics.median(told.visits) < most, "they wait for nobody else's picture"
    assert "Traceback" not in app.log


def test_forty_names_of_one_crowded_zip_are_forty_sentences(app: RunningApp) -> None:
    zipped = hidden_names()
    told = attack.one(app, lambda: attack.send_zip(app, zipped), PHOTO, attackers=1, rounds=1, visits=5)
    assert attack.wrong(told, len(zipped), "far too many files") == []
    assert "".join(told.answers).count("far too many files") == 40


def test_what_breaks_the_promise_is_seen() -> None:
    told = attack.Told({"judged", "Something went wrong"}, 61.0, 3_000_000_000, [0.1])
    assert len(attack.wrong(told, 4_000_000)) == 4
