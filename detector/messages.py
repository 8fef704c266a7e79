"""What people read beside a verdict: how rare its score is, and what it cannot know. The page, the report and the
command line say the same; a program gets the shares instead."""

from detector.headline import DECLARED, NOT_PROOF, SENTENCES, TITLES, VERDICTS
from detector.shares import Share, Shares
from detector.verdict import Verdict

__all__ = ["DECLARED", "LIMITS", "NOT_PROOF", "SENTENCES", "TITLES", "VERDICTS"]

# How rare a score is: {shares} are one or more of those below it, {n} the faces of a picture.
SHARES = {
    "high": "This score or a higher one is given to {shares}.",
    "low": "A lower score is given to {shares}.",
    "real": "{share} real faces{interval}",
    "some_real": "a face in {share} photographs with {n} real faces each{interval}",
    "all_real": "every face in {share} photographs with {n} real faces each{interval}",
    "unseen": "{share} faces forged in ways it has never seen{interval}",
    "seen": "{share} faces forged in ways it was trained on{interval}",
    "interval": " ({low} to {high})",
    "between": ", to ",
    "last": " and to ",
    "of_100": "{n} of 100",
    "fewest": "fewer than 1 of 100",
    "most": "more than 99 of 100",
    "no_unseen": "It was never measured on faces forged in ways it has never seen.",
    "none": "How rare such a score is was never measured for this model.",
}
LIMITS = (
    "Whether the story is true. A real photograph with a false caption shows no signs of forgery.",
    "Anything outside the faces. A changed background, a removed person or a made-up scene goes unseen.",
    "Every kind of forgery. It knows the kinds it was trained on; faces by a newer generator may show it no signs at "
    "all.",
    "Anything about drawings, paintings and masks. It seldom notices that a picture is one, and where one is taken for "
    "a face, the score means nothing.",
    "Much about poor copies. Small, blurred, filtered or often-shared pictures lose their traces, and real ones are "
    "then called forged more often.",
    "How common fakes are where you found it. Its figures come from collections of test pictures.",
    "Who is to blame. Never accuse anyone on this alone: look for the first place the picture appeared, ask who took "
    "it, and get a second opinion.",
)


def rarity(verdict: Verdict, shares: Shares, faces: int = 1) -> str:
    """How rare a score is among real faces and forged ones, of 100 each with 95% intervals: one this high or higher,
    or, beside `no_signs`, a lower one. `faces` are those of a picture that could be judged."""
    low = verdict is Verdict.NO_SIGNS
    real = "real" if faces < 2 else "all_real" if low else "some_real"
    found = {real: shares.false_positive, "unseen": shares.unseen, "seen": shares.seen}
    told = [_share(name, share, low, faces) for name, share in found.items() if share]
    if not told:
        return SHARES["none"]
    *others, last = told
    listed = SHARES["last"].join([SHARES["between"].join(others), last] if others else [last])
    said = SHARES["low" if low else "high"].format(shares=listed)
    return said if shares.unseen else f"{said} {SHARES['no_unseen']}"


def _share(name: str, share: Share, low: bool, faces: int) -> str:
    ends = (share.value, share.low, share.high)
    value, *interval = [1 - end for end in (ends[0], ends[2], ends[1])] if low else ends
    least, most = map(per_100, interval)
    said = SHARES["interval"].format(low=least, high=most) if least != most else ""
    return SHARES[name].format(share=of_100(value), interval=said, n=faces)


def of_100(share: float) -> str:
    """A measured share, 0..1, as "20 of 100"; never 0 or 100, which no test can show."""
    return SHARES["fewest" if share < 0.01 else "most" if share > 0.99 else "of_100"].format(n=per_100(share))


def per_100(share: float) -> str:
    """The number alone: "20", "<1" or ">99"."""
    return "<1" if share < 0.01 else ">99" if share > 0.99 else f"{100 * share:.0f}"
