"""What a link to the page shows elsewhere."""

import io
import re
import urllib.request

import pytest
from gradio.routes import templates
from PIL import Image

import app
from detector import Detector
from tests.support.running_app import RunningApp


def tags(page: str) -> list[tuple[str, str]]:
    """The names and contents of the <meta> tags that tell of a link."""
    found = re.findall(r'<meta\s+(?:property|name)="((?:og|twitter):[^"]*|description)"\s+content="([^"]*)"', page)
    assert len(found) == len(re.findall(r'"(?:og|twitter):', page)) + 1
    return found


def test_a_link_shows_our_title_sentence_and_picture(running_app: RunningApp) -> None:
    with urllib.request.urlopen(running_app.url, timeout=60) as answer:
        page = answer.read().decode()
    told = dict(found := tags(page))
    assert len(told) == len(found), "no tag stands twice"
    assert told["og:title"] == "Deepfake Image Detector" and f"<title>{told['og:title']}</title>" in page
    assert told["og:description"] == told["description"] and "forged" in told["description"]
    assert told["og:url"] == f"{running_app.url}/"
    assert not any("gradio" in value.lower() or "{" in value for value in told.values())
    with urllib.request.urlopen(told["og:image"], timeout=60) as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.read())) as image:
            assert image.size == (int(told["og:image:width"]), int(told["og:image:height"])) == (1200, 630)


@pytest.mark.parametrize("page", ["index", "share"])
def test_with_a_public_link_too(page: str) -> None:
    app.build(Detector.load)
    served = templates.env.get_template(f"frontend/{page}.html").render(
        config={"root": "https://example.org/x"}, gradio_api_info={}
    )
    assert dict(tags(served))["og:image"] == "https://example.org/x/link-preview.jpg"
