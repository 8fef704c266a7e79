"""What to do where the answer is open: three steps, each of which may say more than a score. Nothing of the picture
goes anywhere: the links open the front pages of other sites, and the visitor decides what to add there."""

from html import escape

from detector import Result, Verdict

OPEN = (Verdict.LEANS_FAKE, Verdict.UNCERTAIN)  # the verdicts that leave the question open
TITLE = "What to do next"
LOOK_UP = (
    ("Google Lens", "https://lens.google.com/"),
    ("TinEye", "https://tineye.com/"),
    ("Yandex", "https://yandex.com/images/"),
    ("Bing", "https://www.bing.com/visualsearch"),
    ("Content Credentials Verify", "https://contentcredentials.org/verify"),
)
# What to do, how, and the sites that help with it.
STEPS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Look the picture up",
        "An older copy may show what it was before, and the file may carry signed credentials. These open in a new "
        "tab, and nothing is sent along: you add the picture there yourself.",
        LOOK_UP,
    ),
    (
        "Get the original and try that",
        "Ask for the file itself, not a screenshot or what a messenger passed on: each copy loses traces.",
        (),
    ),
    (
        "Ask who took it",
        "Who took it, where and when, where else does it appear, and are there other pictures of the same moment?",
        (),
    ),
)


def steps_html(result: Result) -> str:
    """The steps; nothing where the verdict leaves nothing open."""
    if result.verdict not in OPEN:
        return ""
    steps = "".join(
        f"<li><h3>{escape(what)}</h3><p>{escape(how)}</p>{_sites(sites)}</li>" for what, how, sites in STEPS
    )
    return (
        f'<section class="page panel next" aria-label="{TITLE}"><h2>{TITLE}</h2>'
        f'<ol class="steps">{steps}</ol></section>'
    )


def _sites(sites: tuple[tuple[str, str], ...]) -> str:
    links = "".join(
        f'<li><a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(name)}</a></li>'
        for name, address in sites
    )
    return f'<ul class="sites">{links}</ul>' if links else ""
