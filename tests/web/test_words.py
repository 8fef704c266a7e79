"""The browser's words, verdicts and shares are Python's, whatever the faces show and the file declares."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from detector import Detector, Result, Verdict, messages
from detector.provenance import Finding, Signature, Suggests
from detector.result import WarningCode
from detector.shares import Shares

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["tests.support.web_page"]

SAID = (
    (),
    *(
        (Finding("a", "It says {so}.", "c", suggests, signature, by=by),)
        for suggests in (Suggests.AI_MADE, Suggests.AI_EDITED, Suggests.EDITED, Suggests.CAMERA)
        for signature, by in ((Signature.TRUSTED, "Example {title}"), (Signature.UNKNOWN, None), (None, "Example"))
    ),
)
_TOLD = """async results => { const page = await (await fetch("page.json")).json();
const { headline, rarity } = await import("./headline.js");
return results.map(result => ({ ...headline(result, page),
rarity: rarity(result, page, result.faces.filter(({ doubts }) => !doubts.length).length) })) }"""
_AT = """async ([scores, faces]) => { const page = await (await fetch("page.json")).json();
const { sharesAt, verdictOf } = await import("./verdict.js");
return scores.flatMap(score => faces.map(n => [verdictOf(score, page.calibration, n),
sharesAt(score, page.curves, n)])) }"""


def results(judged: Result, detector: Detector) -> Iterator[Result]:
    """Every verdict beside everything that a file may say, of one face, of several, of one that cannot be judged, and
    of models that were measured less."""
    for verdict in Verdict:
        for said in SAID:
            for n, doubts in ((1, ()), (4, ()), (1, (WarningCode.TINY_FACE,)), (2, (WarningCode.TINY_FACE,))):
                shares = detector.model.curves.at(0.004 + 0.2 * n, n)
                part = dataclasses.replace(shares, unseen=None) if said else shares
                face = dataclasses.replace(judged.faces[0], verdict=verdict, doubts=doubts)
                faces = () if verdict is Verdict.NO_FACE else (face, *judged.faces * (n - 1))
                measured = Shares() if doubts else part
                yield dataclasses.replace(judged, verdict=verdict, provenance=said, faces=faces, shares=measured)


def test_the_words_are_those_of_python(
    visitor: Callable[..., "Page"], url: str, detector: Detector, hopper: Path
) -> None:
    given = list(results(detector.detect(hopper), detector))
    page = visitor(f"{url}page.json", wait=False)  # which starts no detector
    told: list[dict[str, Any]] = page.evaluate(_TOLD, [result.to_dict() for result in given])
    assert len({one["title"] for one in told}) >= 12
    for result, one in zip(given, told, strict=True):
        assert (one["title"], tuple(one["lines"])) == (result.headline.title, result.headline.lines)
        assert one["rarity"] == messages.rarity(result.verdict, result.shares, result.judged)


def test_verdicts_and_shares_are_those_of_python(visitor: Callable[..., "Page"], url: str, detector: Detector) -> None:
    scores, faces = [i / 500 for i in range(501)], [0, 1, 3, 12]
    told = iter(visitor(f"{url}page.json", wait=False).evaluate(_AT, [scores, faces]))
    calibration, curves = detector.model.calibration, detector.model.curves
    given = set()
    for score in scores:
        for n in faces:
            verdict, shares = next(told)
            given.add(verdict)
            assert verdict == calibration.among(n).verdict(score)
            for name, share in curves.at(score, n).to_dict().items():
                assert shares[name] == pytest.approx(share, abs=1.1e-4)
    assert given == {*Verdict} - {Verdict.NO_FACE}
