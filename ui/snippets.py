"""How to ask the detector from elsewhere: each function returns text that runs as it stands, beside a `photo.jpg`.

`url` is where the page is, without a slash at its end. The tab About, the README and the tests take the same text.
"""

import json

HERE = "http://127.0.0.1:7860"  # where `python app.py` serves

SHELL = """\
python -m detector photo.jpg
python -m detector holiday/ --csv > holiday.csv
python -m detector holiday/ --jsonl --heatmaps maps/"""

PACKAGE = """\
from detector import Detector

result = Detector.load().detect("photo.jpg")
print(result.verdict, result.score)"""


def curl(url: str) -> str:
    """For every shell."""
    return f"curl -F picture=@photo.jpg {url}/api/detect"


def python(url: str) -> str:
    """With the standard library alone."""
    return f"""\
import json
from pathlib import Path
from urllib.request import urlopen

photo = Path("photo.jpg").read_bytes()
with urlopen("{url}/api/detect", photo) as answer:
    result = json.load(answer)
print(result["verdict"], result["score"])"""


def javascript(url: str) -> str:
    """For Node.js 20, as a module; in a browser the photo is a File of an <input>."""
    return f"""\
import {{ openAsBlob }} from "node:fs";

const photo = await openAsBlob("photo.jpg");  // in a browser: input.files[0]
const answer = await fetch("{url}/api/detect", {{ method: "POST", body: photo }});
const result = await answer.json();
console.log(result.verdict, result.score);"""


def mcp(url: str) -> str:
    """What an assistant that speaks the Model Context Protocol is configured with."""
    return json.dumps({"mcpServers": {"deepfake-image-detector": {"url": f"{url}/gradio_api/mcp/"}}}, indent=2)
