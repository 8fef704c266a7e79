"""What people read of a verdict: its name, and the measured shares beside it. The page, the report and the command line
say the same; a program gets the verdict's code and `no_signs_shares` instead."""

from dataclasses import dataclass

from detector.model_folder import Metrics, no_signs_shares
from detector.model_folder.stated import mean
from detector.verdict import Verdict

VERDICTS = {
    Verdict.LIKELY_FAKE: "Likely forged",
    Verdict.UNCERTAIN: "I can’t tell",
    Verdict.NO_SIGNS: "No signs of forgery found",
    Verdict.NO_FACE: "No face found",
}
_LOW, _HIGH = "score this low", "score this high"
_GENERATORS = "generators the detector has never seen"
_REAL = "real faces from collections the detector has never seen"
_UNMEASURED = "Not measured"
NOT_PROOF = "That does not prove the picture real: some forgeries score as low."

_NO_FACE = (
    "The detector judges photographed faces only and saw none here, so it has nothing to say about this picture. "
    "That does not mean that the picture is real."
)
_OF_A_FORGERY = f"of the traces of a forgery that the detector knows. {NOT_PROOF}"
# Of a picture with one face, and with {n} of them.
SENTENCES = {
    Verdict.LIKELY_FAKE: (
        "The face carries traces that forged faces carry.",
        "The most suspicious of {n} faces carries traces that forged faces carry.",
    ),
    Verdict.UNCERTAIN: (
        "The face could be either: its traces point neither way clearly enough.",
        "The most suspicious of {n} faces could be either: its traces point neither way clearly enough.",
    ),
    Verdict.NO_SIGNS: (
        f"The face carries none {_OF_A_FORGERY}",
        f"None of the {{n}} faces carries any {_OF_A_FORGERY}",
    ),
    Verdict.NO_FACE: (_NO_FACE, _NO_FACE),
}
NOT_JUDGED = (
    "Too little of the face shows for a verdict.",
    "Too little of one of the {n} faces shows for a verdict; none of the others is called forged.",
)
LIMITS = (
    "Whether the story is true. A real photograph with a false caption shows no signs of forgery.",
    "Anything outside the faces. A changed background, a removed person or a made-up scene goes unseen.",
    "Every kind of forgery. It knows the kinds it was trained on; faces by a newer generator may show it no signs at "
    "all.",
    "Anything about drawings, paintings and masks. It seldom notices that a picture is one, and where one is taken for "
    "a face, the score means nothing.",
    "Much about poor copies. Small, blurred, filtered or often-shared pictures lose their traces, and real ones are "
    "then called forged more often.",
    "The odds where you found it. Its figures come from collections of test pictures; forgeries may be rarer, or more "
    "common, where you are.",
    "Enough to accuse anybody. Look for the first place the picture appeared, ask who took it, and get a second "
    "opinion.",
)


@dataclass(frozen=True)
class Fact:
    """A measured share: `number` is "20 of 100" or "Not measured", `of` says of which faces, `rest` ends the sentence.
    `parts` are the same for each generator, "Stable Diffusion 3 (2024): 17", the most often missed first."""

    number: str
    of: str
    rest: str
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        sentence = f"{self.number} {self.of} {self.rest}."
        return f"{sentence} Of 100 each: {'; '.join(self.parts)}." if self.parts else sentence


def sentence(verdict: Verdict, faces: int, *, judged: bool = True) -> str:
    """What a verdict means for a picture with so many faces; where the face that decides could not be `judged`, why
    there is none."""
    one, many = SENTENCES[verdict] if judged else NOT_JUDGED
    return one if faces == 1 else many.format(n=faces)


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


def facts_line(verdict: Verdict, metrics: Metrics | None) -> str:
    """The same in one sentence, for a face or a picture among many; "" where there are none."""
    parts = [f"{fact.number[0].lower()}{fact.number[1:]} {fact.of}" for fact in facts(verdict, metrics)]
    rest = _LOW if verdict is Verdict.NO_SIGNS else _HIGH
    return f"{rest.capitalize()}: {', '.join(parts)}." if parts else ""


def _no_signs(metrics: Metrics | None) -> tuple[Fact, ...]:
    shares = no_signs_shares(metrics)
    trained = "faces forged in the ways it was trained on"
    if shares.seen is None:
        seen = Fact(_UNMEASURED, f"on {trained}", "either")
    else:
        seen = Fact(of_100(shares.seen), trained, _LOW)
    if shares.unseen is None:
        return Fact(_UNMEASURED, f"on {_GENERATORS}", "– any number of their faces may score this low"), seen
    parts = tuple(f"{share.generator}: {per_100(share.no_signs.value)}" for share in shares.generators)
    return Fact(of_100(shares.unseen), f"faces by {_GENERATORS}", _LOW, parts), seen


def _likely_fake(metrics: Metrics | None) -> tuple[Fact, ...]:
    unseen = metrics.unseen if metrics else ()
    accused = mean([measured.clean.real_likely_fake for measured in unseen])
    found = mean([measured.clean.fake_likely_fake for measured in unseen])
    if accused is None:
        return (Fact(_UNMEASURED, f"on {_REAL}", "– some may score this high"),)
    real = Fact(of_100(accused), _REAL, _HIGH)
    return (real,) if found is None else (real, Fact(of_100(found), f"faces by {_GENERATORS}", _HIGH))
