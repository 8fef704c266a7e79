"""What messengers and networks show of a link to this page: a title, a sentence and a picture."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

PICTURE = Path(__file__).with_name("link-preview.jpg")  # 1200 x 630, made by `python -m tests.screenshots`
_TITLE = "Deepfake Image Detector"
_SENTENCE = (
    "Was a face in this photo forged? Add a picture: every face is judged, and the page says when it can’t tell."
)

# {root} becomes the address of the page: a picture is only found by its whole address.
HEAD = f"""<title>{_TITLE}</title>
<meta name="description" content="{_SENTENCE}">
<meta property="og:type" content="website">
<meta property="og:url" content="{{root}}/">
<meta property="og:title" content="{_TITLE}">
<meta property="og:description" content="{_SENTENCE}">
<meta property="og:image" content="{{root}}/{PICTURE.name}">
<meta property="og:image:width" content="1200">
<meta property="og:image:height" content="630">
<meta property="og:image:alt" content="A portrait in which a face is marked">
<meta name="twitter:card" content="summary_large_image">
"""


def route() -> Route:
    """Where the picture is."""

    async def send(_: Request) -> FileResponse:
        return FileResponse(PICTURE, headers={"Cache-Control": "max-age=86400"})

    return Route(f"/{PICTURE.name}", send)
