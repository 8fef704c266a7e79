"""What the model catches and what not, by its own figures: a line for the first screen, and a row for each set."""

import re
from html import escape

from detector import Verdict, messages
from detector.messages import per_100
from detector.model_folder import DataRoles, Measured, MeasuredSet, Metrics, mean, value
from detector.text import excerpt
from ui.components import table_html

UNMEASURED = "On forgeries by generators it has never seen, nobody has measured how often this model is right."
_CLAIMS = (Verdict.LIKELY_FAKE, Verdict.LEANS_FAKE, Verdict.NO_SIGNS)
_HEADER = ("Pictures", "Forged: likely or leans", "Forged: no signs", "Real: likely or leans", "Real: no signs")


def line(metrics: Metrics | None) -> str:
    """How often it calls forged what is, and what is not, on sets that the model has never seen: every set counts
    alike."""
    unseen = [measured.clean for measured in (metrics.unseen if metrics else ())]
    fake, real = (mean(_called(measured, kind) for measured in unseen) for kind in ("fake", "real"))
    if fake is None or real is None:
        return UNMEASURED
    leans = any(measured.fake_leans_fake for measured in unseen)
    return (
        f"On forgeries by generators it has never seen it says likely {'or leans ' if leans else ''}forged in "
        f"{_told(fake)} of 100, and in {_told(real)} of 100 real photographs."
    )


def verdicts(metrics: Metrics) -> list[tuple[str, str]]:
    """Each verdict that claims something, and how often it is given to real and to forged faces that the model has
    never seen the like of; those only that were measured."""
    unseen = [measured.clean for measured in metrics.unseen]
    told = []
    for verdict in _CLAIMS:
        real, fake = (mean(value(getattr(of, f"{kind}_{verdict}")) for of in unseen) for kind in ("real", "fake"))
        if real is None or fake is None:
            continue
        does = "misses" if verdict is Verdict.NO_SIGNS else "catches"
        of_forged = f"{does} {_told(fake)} in 100 forgeries of unfamiliar generators"
        told.append((messages.VERDICTS[verdict], f"Gives this answer to {_told(real)} in 100 real faces; {of_forged}."))
    return told


def table(metrics: Metrics, data: DataRoles) -> str:
    """One row a set, in plain words, the unseen ones first; of a seen set its test pictures, where it has any."""
    return "".join(
        table_html(caption, _HEADER, [_row(measured, data) for measured in sets])
        for caption, sets in (
            ("Of 100 faces of kinds that it has never seen", metrics.unseen),
            ("Of 100 other faces of the kinds it was trained on, which flatters it", metrics.seen_once),
        )
        if sets
    )


def _row(measured: MeasuredSet, data: DataRoles) -> list[str]:
    found = measured.clean
    shares = (_called(found, "fake"), value(found.fake_no_signs), _called(found, "real"), value(found.real_no_signs))
    return [escape(name_of(measured, data)), *("–" if share is None else escape(per_100(share)) for share in shares)]


def name_of(measured: MeasuredSet, data: DataRoles) -> str:
    """What made the forgeries of a set, or what its photographs show: "Stable Diffusion 3, 2024"."""
    if measured.generators:
        return "; ".join(f"{one.name}, {one.year}" if one.year else one.name for one in measured.generators)
    of = data.unseen.get(measured.name) or data.test.get(measured.name) or data.train.get(measured.name)
    about = re.split("; |, without a clear licence", of.terms or "")[0] if of else ""
    name = about or measured.title.replace("-", " ")
    return excerpt(name[:1].upper() + name[1:], 100)


def _called(found: Measured, kind: str) -> float | None:
    """The share of the faces of a kind that is called likely forged, or leans to it."""
    likely, leans = (value(getattr(found, f"{kind}_{verdict}")) for verdict in ("likely_fake", "leans_fake"))
    return None if likely is None else likely + (leans or 0.0)


def _told(share: float) -> str:
    return per_100(share).replace("<1", "fewer than 1").replace(">99", "more than 99")
