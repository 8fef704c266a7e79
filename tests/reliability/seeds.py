"""Small files to begin fuzzing from: real photographs in every format with every kind of mark, zips, configurations."""

import hashlib
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import skimage.data
from PIL import Image, ImageCms, PngImagePlugin

from detector.model_folder import BUNDLED, CONFIG
from tests.reliability.targets import MODEL
from tests.support import credentials
from tests.support.model_config import signed

SIDE = 64  # pixels: decoding is to be quick, and hostile headers do not need more

XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'
    ' xmp:CreatorTool="Adobe Photoshop 25.0" photoshop:Credit="Made with Google AI" TC260:Label="1" '
    'TC260:ContentProducer="0011"><Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/'
    "trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
).encode()
SETTINGS = "a portrait\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 123, Size: 512x512, Model hash: 6ce0161689"
GRAPH = json.dumps({"3": {"class_type": "KSampler", "inputs": {}}, "8": {"class_type": "VAEDecode", "inputs": {}}})
ACTIONS = [
    {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "softwareAgent": "Example Model 3",
    },
    {"action": "c2pa.edited"},
]
AIGC = json.dumps({"AIGC": {"Label": "1", "ContentProducer": "0011", "ProduceID": "f12"}})


def pictures() -> dict[str, bytes]:
    """File name -> bytes: every format and kind of sample that is read, some with all the marks that are looked for."""
    hopper = Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg").convert("RGB")
    other = hopper.resize((SIDE, SIDE))
    face = Image.fromarray(skimage.data.astronaut()).crop((100, 0, 356, 256)).resize((SIDE, SIDE))
    small, grey, palette = face.resize((40, 40)), face.convert("L"), face.quantize(32)
    bit, cmyk, alpha = face.convert("1"), face.convert("CMYK"), face.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(face.size))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = _exif()
    marks: dict[str, Any] = {"exif": exif, "xmp": XMP}
    two = {"save_all": True, "append_images": [other]}
    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "plain.jpg": (face, "JPEG", {}),
        "progressive.jpg": (hopper.resize((50, SIDE)), "JPEG", {"progressive": True, "icc_profile": profile}),
        "grey.jpg": (grey, "JPEG", {}),
        "cmyk.jpg": (cmyk, "JPEG", {}),
        "marked.jpg": (face, "JPEG", {**marks, "comment": SETTINGS.encode()}),
        "two.mpo": (face, "MPO", two),
        "plain.png": (face, "PNG", {}),
        "grey16.png": (deep, "PNG", {}),
        "bit.png": (bit, "PNG", {}),
        "palette.png": (palette, "PNG", {"transparency": 3}),
        "alpha.png": (alpha, "PNG", {}),
        "animated.png": (face, "PNG", two),
        "marked.png": (face, "PNG", {"exif": exif, "pnginfo": _png_texts()}),
        "lossy.webp": (face, "WEBP", marks),
        "lossless.webp": (alpha, "WEBP", {"lossless": True}),
        "animated.webp": (face, "WEBP", two),
        "plain.avif": (face, "AVIF", marks),
        "alpha.avif": (alpha, "AVIF", {}),
        "plain.heic": (face, "HEIF", marks),
        "grey.heic": (grey, "HEIF", {}),
        "alpha.heic": (alpha, "HEIF", {}),
        "plain.gif": (palette, "GIF", {}),
        "animated.gif": (palette, "GIF", {**two, "transparency": 2, "comment": b"dream"}),
        "plain.bmp": (small, "BMP", {}),
        "bit.bmp": (bit, "BMP", {}),
        "palette.bmp": (palette, "BMP", {}),
        "lzw.tif": (face, "TIFF", {"compression": "tiff_lzw"}),
        "marked.tif": (small, "TIFF", {"exif": exif}),
        "jpeg.tif": (face, "TIFF", {"compression": "jpeg"}),
        "deflate.tif": (palette, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "fax.tif": (bit, "TIFF", {"compression": "group4"}),
        "grey16.tif": (deep, "TIFF", {}),
        "float.tif": (Image.fromarray(np.asarray(small.convert("L")) / np.float32(255)), "TIFF", {}),
        "cmyk.tif": (cmyk, "TIFF", {"compression": "packbits"}),
        "two.tif": (palette, "TIFF", {"save_all": True, "append_images": [palette], "compression": "tiff_lzw"}),
    }
    files = {name: _saved(*how) for name, how in made.items()}
    files["iptc.jpg"] = _with_iptc(files["plain.jpg"])
    files["rgb16.png"] = cv2.imencode(".png", np.asarray(face)[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    signer = credentials.signer_info()
    for kind in ("jpeg", "png", "webp", "avif"):
        data = _saved(face, kind.upper(), {})
        files[f"signed.{kind}"] = credentials.signed(signer, data, f"image/{kind}", ACTIONS, thumbnail=False)
    return files


def _saved(image: Image.Image, format_: str, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif.update({0x010F: "Canon", 0x0110: "EOS R5", 0x0112: 6, 0x0131: "Stable Diffusion", 0x010E: "prompt:" + GRAPH})
    comment = b"UNICODE\0" + AIGC.encode("utf-16-be")
    shot = {0x829A: 0.01, 0x829D: 2.8, 0x8827: 200, 0x9003: "2024:05:06 07:08:09", 0x9286: comment}
    exif.get_ifd(0x8769).update(shot)
    return exif.tobytes()


def _png_texts() -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", SETTINGS)
    texts.add_text("Software", "NovelAI", zip=True)
    texts.add_itxt("prompt", GRAPH, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    texts.add_text("AIGC", AIGC)
    return texts


def _with_iptc(jpeg: bytes) -> bytes:
    """With the credit line in Photoshop's segment."""
    data = b"".join(
        b"\x1c\x02" + bytes([tag]) + struct.pack(">H", len(value)) + value
        for tag, value in ((65, b"Midjourney"), (110, b"Made with Google AI"), (120, SETTINGS.encode()))
    )
    body = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def zips() -> dict[str, bytes]:
    """File name -> bytes: good zips and kinds of hostile ones."""
    all_pictures = pictures()
    some = {name: all_pictures[name] for name in ("plain.jpg", "grey.jpg", "palette.png")}
    bmp = [("a.bmp", all_pictures["bit.bmp"])]
    return {
        "stored.zip": _packed(some.items(), zipfile.ZIP_STORED),
        "deflated.zip": _packed((f"trip/größe/{name}", data) for name, data in some.items()),
        "bzip2.zip": _packed(bmp, zipfile.ZIP_BZIP2),
        "lzma.zip": _packed(bmp, zipfile.ZIP_LZMA),
        "paths.zip": _packed((name, b"1") for name in ("../a.jpg", "/b.jpg", "C:\\c.jpg", "__MACOSX/._d")),
        "nested.zip": _packed([("a.jpg", _packed(some.items())), ("b.zip", b"")]),
        "twins.zip": _packed([("a.jpg", some["grey.jpg"]), ("a.jpg", some["grey.jpg"][::-1])]),
        "bomb.zip": _packed([("a.bmp", bytes(2_000_000))]),
        "comment.zip": _packed([("a.jpg", b"x")], comment=b"PK\x05\x06 not the end"),
        "empty.zip": _packed([]),
    }


def _packed(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two files of one name are meant
        for name, data in files:
            file.writestr(name, data)
        file.comment = comment
    return stream.getvalue()


def configs() -> dict[str, bytes]:
    """File name -> bytes of a config.json: the bundled one, short ones, and some that lie. All are of MODEL."""
    bundled = json.loads((BUNDLED / CONFIG).read_text("utf-8"))
    network = bundled["networks"][0] | {"sha256": hashlib.sha256(MODEL).hexdigest()}
    bundled["networks"] = [network]
    least = {key: bundled[key] for key in ("architecture", "networks", "temperature", "thresholds")}
    least["format_version"] = 2  # without a digest, which any change would break
    variants = {
        "bundled": bundled,
        "shown": least | {key: bundled[key] for key in ("data", "calibration", "date", "versions", "commands")},
        "least": least,
        "two": least | {"networks": [network, network]},
        "strings": least | {"networks": [network | {"input_size": "224", "weight": "1"}], "temperature": "1e0"},
        "newer": least | {"format_version": 99},
        "unbounded": least | {"temperature": float("inf"), "networks": [network | {"crop_margin": float("nan")}]},
        "empty": {},
    }
    return {f"{name}.json": json.dumps(signed(content), indent=1).encode() for name, content in variants.items()}


SEEDS: dict[str, Callable[[], dict[str, bytes]]] = {
    "picture": pictures, "provenance": pictures, "zip": zips, "config": configs,
}  # fmt: skip
