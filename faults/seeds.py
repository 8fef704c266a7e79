"""Small files to begin fuzzing from: real photographs in every format with every kind of mark, zips, configurations."""

import hashlib
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import c2pa
import cv2
import matplotlib
import numpy as np
import skimage.data
from PIL import Image, ImageCms, PngImagePlugin
from pillow_heif import from_pillow

from detector.model_folder.store import BUNDLED, CONFIG
from faults.targets import MODEL
from tests.support import credentials

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
AIGC = json.dumps({"AIGC": {"Label": "1", "ContentProducer": "0011", "ProduceID": "f12"}})


def photographs() -> tuple[Image.Image, Image.Image]:
    """Two portraits, RGB, SIDE pixels high."""
    hopper = Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg").convert("RGB")
    astronaut = Image.fromarray(skimage.data.astronaut()).crop((100, 0, 356, 256))
    return astronaut.resize((SIDE, SIDE)), hopper.resize((SIDE * hopper.width // hopper.height, SIDE))


def pictures() -> dict[str, bytes]:
    """File name -> bytes: every format and kind of sample that is read, some with all the marks that are looked for."""
    return dict(_pictures())


def _pictures() -> Iterator[tuple[str, bytes]]:
    face, other = photographs()
    grey, palette = face.convert("L"), face.quantize(32)
    exif = _exif()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    yield "plain.jpg", _saved(face, "JPEG", quality=80)
    yield "progressive.jpg", _saved(other, "JPEG", quality=70, progressive=True, icc_profile=profile)
    yield "grey.jpg", _saved(grey, "JPEG")
    yield "cmyk.jpg", _saved(face.convert("CMYK"), "JPEG")
    yield "marked.jpg", _saved(face, "JPEG", exif=exif, xmp=XMP, comment=SETTINGS.encode())
    yield "iptc.jpg", _with_iptc(_saved(face, "JPEG"))
    yield "two.mpo", _saved(face, "MPO", save_all=True, append_images=[other.resize(face.size)])

    yield "plain.png", _saved(face, "PNG")
    yield "grey16.png", _saved(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG")
    rgb16 = cv2.imencode(".png", np.asarray(face)[..., ::-1].astype(np.uint16) * 257)[1]
    yield "rgb16.png", rgb16.tobytes()
    yield "bit.png", _saved(face.convert("1"), "PNG")
    yield "palette.png", _saved(palette, "PNG", transparency=3)
    yield "alpha.png", _saved(_with_alpha(face), "PNG")
    yield "animated.png", _saved(face, "PNG", save_all=True, append_images=[other.resize(face.size)])
    yield "marked.png", _saved(face, "PNG", exif=exif, pnginfo=_png_texts())

    yield "lossy.webp", _saved(face, "WEBP", quality=70, exif=exif, xmp=XMP)
    yield "lossless.webp", _saved(_with_alpha(face), "WEBP", lossless=True)
    yield "animated.webp", _saved(face, "WEBP", save_all=True, append_images=[other.resize(face.size)], quality=30)
    yield "plain.avif", _saved(face, "AVIF", quality=50, exif=exif, xmp=XMP)
    yield "alpha.avif", _saved(_with_alpha(face), "AVIF", quality=30)
    yield "plain.heic", _heic(face, exif=exif, xmp=XMP)
    yield "grey.heic", _heic(grey)
    yield "alpha.heic", _heic(_with_alpha(face))

    yield "plain.gif", _saved(palette, "GIF")
    yield "animated.gif", _saved(palette, "GIF", save_all=True, append_images=[grey], transparency=2, comment=b"dream")
    yield "plain.bmp", _saved(face.resize((40, 40)), "BMP")
    yield "bit.bmp", _saved(face.convert("1"), "BMP")
    yield "palette.bmp", _saved(palette, "BMP")

    yield "lzw.tif", _saved(face, "TIFF", compression="tiff_lzw")
    yield "marked.tif", _saved(face.resize((40, 40)), "TIFF", exif=exif)
    yield "jpeg.tif", _saved(face, "TIFF", compression="jpeg")
    yield "deflate.tif", _saved(palette, "TIFF", compression="tiff_adobe_deflate")
    yield "fax.tif", _saved(face.convert("1"), "TIFF", compression="group4")
    yield "grey16.tif", _saved(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "TIFF")
    yield "float.tif", _saved(Image.fromarray(np.asarray(grey.resize((40, 40))) / np.float32(255)), "TIFF")
    yield "cmyk.tif", _saved(face.convert("CMYK"), "TIFF", compression="packbits")
    yield "two.tif", _saved(palette, "TIFF", save_all=True, append_images=[palette], compression="tiff_lzw")

    signer = credentials.signer_info()
    for name, format_ in (
        ("signed.jpg", "JPEG"),
        ("signed.png", "PNG"),
        ("signed.webp", "WEBP"),
        ("signed.avif", "AVIF"),
    ):
        yield name, _signed(signer, _saved(face, format_), picture_type(format_))


def picture_type(format_: str) -> str:
    return f"image/{format_.lower()}"


def _saved(image: Image.Image, format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def _heic(image: Image.Image, **marks: bytes) -> bytes:
    stream = io.BytesIO()
    file = from_pillow(image)
    for name, value in marks.items():
        file.info[name] = value
    file.save(stream, quality=50)
    return stream.getvalue()


def _with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def _exif() -> bytes:
    exif = Image.Exif()
    exif.update({0x010F: "Canon", 0x0110: "EOS R5", 0x0112: 6, 0x0131: "Stable Diffusion", 0x010E: "prompt:" + GRAPH})
    shot = {
        0x829A: 0.01,
        0x829D: 2.8,
        0x8827: 200,
        0x9003: "2024:05:06 07:08:09",
        0x9286: b"UNICODE\0" + AIGC.encode("utf-16-be"),
    }
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


def _signed(signer: c2pa.C2paSignerInfo, data: bytes, mime: str) -> bytes:
    made = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "softwareAgent": "Example Model 3",
    }
    return credentials.signed(signer, data, mime, [made, {"action": "c2pa.edited"}], thumbnail=False)


def zips() -> dict[str, bytes]:
    """File name -> bytes: good zips and kinds of hostile ones."""
    all_pictures = pictures()
    some = {name: all_pictures[name] for name in ("plain.jpg", "grey.jpg", "palette.png")}
    return {
        "stored.zip": _packed(some, zipfile.ZIP_STORED),
        "deflated.zip": _packed({f"trip/größe/{name}": data for name, data in some.items()}, zipfile.ZIP_DEFLATED),
        "bzip2.zip": _packed({"a.bmp": all_pictures["bit.bmp"]}, zipfile.ZIP_BZIP2),
        "lzma.zip": _packed({"a.bmp": all_pictures["bit.bmp"]}, zipfile.ZIP_LZMA),
        "paths.zip": _packed({"../a.jpg": b"1", "/b.jpg": b"2", "C:\\c.jpg": b"3", "__MACOSX/._d": b"4", "e/": b""}),
        "nested.zip": _packed({"a.jpg": _packed(some), "b.zip": b""}),
        "twins.zip": _packed_twice("a.jpg", some["grey.jpg"]),
        "bomb.zip": _packed({"a.bmp": bytes(2_000_000)}, zipfile.ZIP_DEFLATED),
        "comment.zip": _packed({"a.jpg": b"x"}, comment=b"PK\x05\x06 not the end"),
        "empty.zip": _packed({}),
    }


def _packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, data in files.items():
            file.writestr(name, data)
        file.comment = comment
    return stream.getvalue()


def _packed_twice(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two files of one name are the point
        file.writestr(name, data)
        file.writestr(name, data[::-1])
    return stream.getvalue()


def configs() -> dict[str, bytes]:
    """File name -> bytes of a config.json: the bundled one, short ones, and some that lie. All are of MODEL."""
    bundled = json.loads((BUNDLED / CONFIG).read_text("utf-8"))
    bundled["sha256"] = hashlib.sha256(MODEL).hexdigest()
    needed = ("format_version", "architecture", "input_size", "crop_margin", "temperature", "bands", "sha256")
    least = {key: bundled[key] for key in needed}
    shown = least | {key: bundled[key] for key in ("data", "stated_rate", "date", "versions", "commands")}
    variants = {
        "bundled": bundled,
        "shown": shown,
        "least": least,
        "strings": {**least, "input_size": "224", "crop_margin": "1.4", "temperature": "1e0"},
        "newer": {**least, "format_version": 2},
        "unbounded": {**least, "temperature": float("inf"), "crop_margin": float("nan")},
        "empty": {},
    }
    return {f"{name}.json": json.dumps(content, indent=1).encode() for name, content in variants.items()}
