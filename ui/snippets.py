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
print(result.verdict, result.p_fake)"""


def python(url: str) -> str:
    """Needs `pip install gradio_client`."""
    return f"""\
from gradio_client import Client, handle_file

app = Client("{url}")
result = app.predict(handle_file("photo.jpg"), api_name="/detect")
print(result["verdict"], result["p_fake"])"""


def javascript(url: str) -> str:
    """For Node.js, as a module; needs `npm install @gradio/client`."""
    return f"""\
import {{ openAsBlob }} from "node:fs";
import {{ Client }} from "@gradio/client";

const picture = await openAsBlob("photo.jpg");
const app = await Client.connect("{url}");
const {{ data }} = await app.predict("/detect", {{ picture }});
console.log(data[0].verdict, data[0].p_fake);
process.exit();  // or the connection of the client stays open"""


def curl(url: str) -> str:
    """For a POSIX shell: send the picture, ask, and wait for the answer."""
    return f"""\
URL={url}/gradio_api
FILE=$(curl -sS -F files=@photo.jpg $URL/upload | cut -d '"' -f 2)
ASK='{{"data": [{{"path": "'$FILE'"}}]}}'
EVENT=$(curl -sS --json "$ASK" $URL/call/detect | cut -d '"' -f 4)
curl -sSN $URL/call/detect/$EVENT"""


def mcp(url: str) -> str:
    """What an assistant that speaks the Model Context Protocol is configured with."""
    return json.dumps({"mcpServers": {"deepfake-image-detector": {"url": f"{url}/gradio_api/mcp/"}}}, indent=2)
