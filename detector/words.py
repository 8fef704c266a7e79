"""What people read of a verdict: its name, and the measured shares beside it. The page, the report and the command line
say the same; a program gets the verdict's code and `no_signs_shares` instead."""

from dataclasses import dataclass

from detector.model_folder.schema import Metrics
from detector.model_folder.stated import mean, no_signs_shares
from detector.verdict import Verdict

VERDICTS = {
    Verdict.LIKELY_FAKE: "Likely forged",
    Verdict.UNCERTAIN: "I can’t tell",
    Verdict.NO_SIGNS: "No signs of forgery found",
    Verdict.NO_FACE: "No face found",
}
NOT_PROOF = "That does not prove the picture real: some forgeries score as low."


@dataclass(frozen=True)
class Fact:
    """A measured share: `number` is "20 of 100" or "Not measured", `text` goes on from there, `parts` are the same for
    each generator, "Stable Diffusion 3 (2024): 17", the most often missed first."""

    number: str
    text: str
    parts: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Without the parts."""
        return f"{self.number} {self.text}."

    def __str__(self) -> str:
        return f"{self.sentence} Of 100 each: {'; '.join(self.parts)}." if self.parts else self.sentence


def of_100(share: float) -> str:
    """A measured share, 0..1, as "20 of 100"; never 0 or 100, which no test can show."""
    return f"{per_100(share)} of 100".replace("<1", "Fewer than 1").replace(">99", "More than 99")


def per_100(share: float) -> str:
    """The number alone: "20", "<1" or ">99"."""
    return "<1" if share < 0.01 else ">99" if share > 0.99 else f"{100 * share:.0f}"


def facts(verdict: Verdict, metrics: Metrics | None) -> tuple[Fact, ...]:
    """The two shares that stand beside a verdict, of generators and cameras that the model has never seen first; none
    beside a verdict that claims nothing."""
    if verdict is Verdict.NO_SIGNS:
        return _no_signs(metrics)
    return _likely_fake(metrics) if verdict is Verdict.LIKELY_FAKE else ()


def _no_signs(metrics: Metrics | None) -> tuple[Fact, ...]:
    shares = no_signs_shares(metrics)
    if shares.unseen is None:
        unseen = Fact(
            "Not measured", "on generators it has never seen: any number of the faces they make may score this low"
        )
    else:
        parts = tuple(f"{share.generator}: {per_100(share.no_signs.value)}" for share in shares.generators)
        unseen = Fact(of_100(shares.unseen), "faces by generators it has never seen score this low", parts)
    if shares.seen is None:
        return unseen, Fact("Not measured", "on faces forged in the ways it was trained on")
    return unseen, Fact(of_100(shares.seen), "faces forged in the ways it was trained on score this low")


def _likely_fake(metrics: Metrics | None) -> tuple[Fact, ...]:
    unseen = metrics.unseen if metrics else ()
    accused = mean([measured.clean.real_likely_fake for measured in unseen])
    found = mean([measured.clean.fake_likely_fake for measured in unseen])
    if accused is None:
        real = Fact("Not measured", "on real faces from collections it has never seen: some may score this high")
    else:
        real = Fact(of_100(accused), "real faces from collections it has never seen score this high")
    if found is None:
        return (real,)
    return real, Fact(of_100(found), "faces by generators it has never seen score this high")
