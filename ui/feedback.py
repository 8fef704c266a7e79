"""The button "This is wrong": a new discussion, filled in, where whoever runs the app reads of wrong verdicts.

docs/wrong-verdicts.md says how such a report becomes a case of `python -m training evaluate --cases`.
"""

import json
import logging
from html import escape
from typing import Any
from urllib.parse import quote

from detector import Result, messages, settings

log = logging.getLogger(__name__)

_FACES = 8  # of a picture, the most suspicious: the whole report must fit into an address
_ON_A_SPACE = "https://huggingface.co/spaces/{space}/discussions/new?title={{title}}&description={{body}}"
_BODY = """The verdict was: {words}.

What is the picture really, and how do you know?



Leave the rest as it is. It holds nothing of the picture itself, its name or what its file says. Add the picture \
only if everybody may see it.

```json
{facts}
```
"""


def address() -> str | None:
    """Where reports go, with {title} and {body} for what is filled in: what DETECTOR_REPORTS says, else the Space's own
    discussions, else None."""
    told = settings.read()
    given = told.reports
    if given:
        if given.startswith(("https://", "http://", "mailto:")) and "{body}" in given:
            return given
        log.warning(
            "DETECTOR_REPORTS is not an address with {title} and {body} in it, such as "
            "https://github.com/owner/name/issues/new?title={title}&body={body}: nobody can report a wrong verdict."
        )
        return None
    return _ON_A_SPACE.format(space=told.space) if told.space else None


def link_html(result: Result, where: str | None) -> str:
    """The button; nothing where `where`, what `address` gave, is None."""
    if where is None:
        return ""
    title = f"Wrong verdict: {messages.VERDICTS[result.verdict]}, {result.picture.sha256[:12]}"
    body = _BODY.format(words=messages.VERDICTS[result.verdict], facts=json.dumps(facts(result), indent=1))
    filled = where.replace("{title}", quote(title, safe="")).replace("{body}", quote(body, safe=""))
    return (
        f'<p class="page doubt"><a href="{escape(filled)}" target="_blank" rel="noopener noreferrer">This is wrong</a>'
        '<span class="soft">Opens a report that you can read before you send it: scores, sizes and checksums, not your '
        "picture.</span></p>"
    )


def facts(result: Result) -> dict[str, Any]:
    """What a report tells of a result: verdict, scores, sizes, checksums and model; nothing that shows the picture, and
    nothing that its file says."""
    told = result.to_dict()
    return {
        "verdict": told["verdict"],
        "score": told["score"],
        "faces": [
            {
                "size": [face.box[2] - face.box[0], face.box[3] - face.box[1]],
                "detection_score": round(face.detection_score, 4),
                "score": round(face.score, 6),
            }
            for face in result.faces[:_FACES]
        ],
        "picture": told["picture"],
        "model": {key: told["model"][key] for key in ("source", "repo", "revision", "digest")},
    }
