"""The shapes and colours that stand for the verdicts."""

from detector import Verdict
from detector.provenance import OriginKind

# One look a verdict: the name of its colours in the style sheet, and the colour of its box on a photograph.
TONES = {
    Verdict.LIKELY_FAKE: "fake",
    Verdict.LEANS_FAKE: "leans",
    Verdict.UNCERTAIN: "unsure",
    Verdict.NO_SIGNS: "clear",
    Verdict.NO_FACE: "none",
}
BOX_COLOURS = {
    Verdict.LIKELY_FAKE: (196, 52, 28),
    Verdict.LEANS_FAKE: (148, 92, 0),
    Verdict.UNCERTAIN: (92, 101, 111),
    Verdict.NO_SIGNS: (58, 88, 120),
}

# Drawn on a grid of 24. Told apart by outline alone: triangle, empty triangle, diamond, empty lens, disc, dashed
# square, square with a stroke. "clear" is no tick: nothing was found, and nothing is confirmed. "real" is a photograph
# known to be one.
SHAPES = {
    "fake": '<path d="M12 2.2 23 21.3H1z" class="fill"/><path d="M12 9v5.6M12 17.6v.6" class="ink"/>',
    "leans": '<path d="M12 3.4 22 20.6H2z" class="line"/><path d="M12 9.4v5M12 17v.6" class="line"/>',
    "unsure": '<path d="M12 1 23 12 12 23 1 12z" class="fill"/>'
    '<path d="M9.3 9.6c.2-3.5 5.5-3.4 5.4 0 0 2.1-2.7 2.1-2.7 4.1M12 16.9v.5" class="ink"/>',
    "clear": '<circle cx="10" cy="10" r="8" class="line"/><path d="m16 16 6 6" class="line"/>',
    "real": '<circle cx="12" cy="12" r="11" class="fill"/><path d="m7 12.4 3.5 3.5L17 8.8" class="ink"/>',
    "none": '<rect x="2" y="2" width="20" height="20" rx="4" class="dashes"/>'
    '<circle cx="12" cy="9.6" r="3" class="line"/><path d="M6.6 18.4c.8-5.2 10-5.2 10.8 0" class="line"/>',
    "error": '<rect x="2" y="2" width="20" height="20" rx="4" class="line"/><path d="m5.5 18.5 13-13" class="line"/>',
    "wait": '<rect x="2" y="4" width="20" height="16" rx="3" class="line"/>'
    '<circle cx="8.2" cy="9.6" r="1.8" class="line"/><path d="m3 18 5.5-4.5 3.5 3 4.5-5 5 5" class="line"/>',
}


DECLARED = TONES[Verdict.LIKELY_FAKE]  # of a file that says it was made with AI


def tone_of(verdict: Verdict, origin: OriginKind) -> str:
    """The look of an answer: what the file declares goes before the verdict."""
    return DECLARED if origin is OriginKind.DECLARED_AI else TONES[verdict]


def icon(tone: str) -> str:
    """Inline SVG of a verdict's shape, hidden from screen readers: the words beside it say the same."""
    return f'<svg class="icon {tone}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{SHAPES[tone]}</svg>'
