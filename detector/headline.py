"""The one place where an answer gets its headline, from what the faces show and from what the file declares."""

from dataclasses import dataclass

from detector.provenance import Origin, OriginKind, Trust
from detector.verdict import Verdict

# A verdict in few words, and as a whole headline.
VERDICTS = {
    Verdict.LIKELY_FAKE: "Likely forged",
    Verdict.LEANS_FAKE: "Leans forged",
    Verdict.UNCERTAIN: "Can’t tell",
    Verdict.NO_SIGNS: "No signs of forgery found",
    Verdict.NO_FACE: "No face found",
}
TITLES = {
    **VERDICTS,
    Verdict.LEANS_FAKE: "Leans forged, but not enough to say so",
    Verdict.UNCERTAIN: "Can’t tell: real and forged faces score alike here",
}
NOT_JUDGED_TITLE = "Can’t tell: the face cannot be judged"
NOT_PROOF = "That does not prove the picture real: some forgeries score as low."
_NO_FACE = (
    "The detector judges photographed faces only, so it has nothing to say about this picture. That does not mean that "
    "the picture is real."
)
_OF_A_FORGERY = f"of the traces of a forgery that the detector knows. {NOT_PROOF}"
# Of a picture with one face, and with {n} of them.
SENTENCES = {
    Verdict.LIKELY_FAKE: (
        "The face carries traces that forged faces carry.",
        "The most suspicious of {n} faces carries traces that forged faces carry.",
    ),
    Verdict.LEANS_FAKE: (
        "The face carries more of the traces of a forgery than most real faces do.",
        "The most suspicious of {n} faces carries more of the traces of a forgery than most real faces do.",
    ),
    Verdict.UNCERTAIN: (
        "The traces in the face point neither way clearly enough.",
        "The traces in the most suspicious of {n} faces point neither way clearly enough.",
    ),
    Verdict.NO_SIGNS: (
        f"The face carries none {_OF_A_FORGERY}",
        f"None of the {{n}} faces carries any {_OF_A_FORGERY}",
    ),
    Verdict.NO_FACE: (_NO_FACE, _NO_FACE),
}
NOT_JUDGED = (
    "It is too small, cut off, blurred, covered or near an empty corner for a verdict.",
    "At least one of the {n} faces is too small, cut off, blurred, covered or near an empty corner to judge; none is "
    "called forged.",
)
DECLARED = "Says that it was made with AI"  # in few words
# Of what a file declares. {by} is a signer or a program, {title} the headline of the faces alone.
WORDS = {
    "declared_ai": "This file says that it was made with AI",
    "faces": "What the detector says about the faces: {title}.",
    "camera": "Signed by a camera, yet {verdict}: the two disagree",
    "disagree": (
        "One of the two misleads: the detector suspects some real faces, and a camera can take a picture of a forged "
        "one."
    ),
    "edited": "{title}; the file says that it was edited",
    "signer": "Its signer",
    "program": "A mark in the file",
}
# How far it can be trusted. What is only written in comes from a program, the rest from a signer.
TRUSTED = {
    "verified": "{by} says so and signed it: the file is unchanged since then, and the signer is on the trust list.",
    "intact": "{by} says so and signed it: the file is unchanged since then, but the signer is not vouched for.",
    "written": "{by} says so, and nobody signed it: such a mark can be added, changed or removed by anybody.",
}
TAKEN = (
    "{by} vouches with its signature that a camera took the picture: the file is unchanged since then, and the signer "
    "is on the trust list."
)
YET = {Verdict.LIKELY_FAKE: "likely forged", Verdict.LEANS_FAKE: "it leans forged"}  # what a camera contradicts


@dataclass(frozen=True)
class Headline:
    """`title`, then whole sentences: who declares what and how far that can be trusted, and what the faces show."""

    title: str
    lines: tuple[str, ...]


def headline(verdict: Verdict, origin: Origin, faces: int, *, judged: bool = True) -> Headline:
    """What a picture with so many faces is said to be. `judged` is False where too little shows of the face that
    decides. What the file declares changes no verdict, but a file that declares AI leads with that."""
    title = TITLES[verdict] if judged else NOT_JUDGED_TITLE
    shown = sentence(verdict, faces, judged=judged)
    by = origin.by or WORDS["program" if origin.trust is Trust.WRITTEN else "signer"]
    trusted = TRUSTED[origin.trust].format(by=by) if origin.trust else ""
    match origin.kind:
        case OriginKind.DECLARED_AI:
            return Headline(WORDS["declared_ai"], (trusted, f"{WORDS['faces'].format(title=title)} {shown}"))
        case OriginKind.CAMERA:
            taken = TAKEN.format(by=by)
            if verdict in YET:
                return Headline(WORDS["camera"].format(verdict=YET[verdict]), (taken, shown, WORDS["disagree"]))
            return Headline(title, (shown, taken))
        case OriginKind.EDITED:
            # Most published photographs bear the unsigned mark of an editor: that is no headline.
            signed = origin.trust is not Trust.WRITTEN
            return Headline(
                WORDS["edited"].format(title=title) if signed else title, (shown, f"{origin.says} {trusted}")
            )
    return Headline(title, (shown,))


def sentence(verdict: Verdict, faces: int, *, judged: bool = True) -> str:
    """What a verdict means for a picture with so many faces; where the face that decides could not be `judged`, why
    there is none."""
    one, many = SENTENCES[verdict] if judged else NOT_JUDGED
    return one if faces == 1 else many.format(n=faces)
