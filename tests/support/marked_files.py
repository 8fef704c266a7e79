"""Pictures that carry marks, in real containers, for the tests of detector.provenance."""

import io
import json
import struct
import zlib

from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from detector.provenance import Finding, read

SUGGESTIONS = {"ai_made", "ai_edited", "edited", "camera", "neutral"}
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MIME = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
SETTINGS = (
    "portrait of a woman, soft light\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, "
    "Seed: 1234567, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned, Version: v1.6.0"
)
COMFY_PROMPT = json.dumps(
    {
        "3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}},
        "9": {"class_type": "SaveImage", "inputs": {}},
    }
)
COMFY_WORKFLOW = json.dumps(
    {
        "last_node_id": 2,
        "nodes": [{"id": 1, "type": "KSampler"}, {"id": 2, "type": "SaveImage"}],
        "links": [[1, 1, 0, 2, 0, "IMAGE"]],
        "version": 0.4,
    }
)
COMFY_RESIZE = json.dumps(
    {
        "1": {"class_type": "LoadImage", "inputs": {}},
        "2": {"class_type": "ImageScale", "inputs": {}},
        "3": {"class_type": "SaveImage", "inputs": {}},
    }
)
SWARM = json.dumps({"sui_image_params": {"prompt": "a cat", "model": "sd_xl_base", "seed": 1, "steps": 20}})
AIGC = json.dumps({"Label": "1", "ContentProducer": "001191110102MACQD9K64010000", "ProduceID": "f123b54e"})
# Each as the program's own source writes it.
EASY_DIFFUSION = {
    "prompt": "a cat",
    "negative_prompt": "",
    "seed": 123,
    "use_stable_diffusion_model": "sd-v1-4",
    "sampler_name": "euler_a",
    "num_inference_steps": 25,
    "guidance_scale": 7.5,
}
EASY_DIFFUSION_LABELS = {
    "Prompt": "a cat",
    "Negative Prompt": "",
    "Seed": 123,
    "Stable Diffusion model": "sd-v1-4",
    "Sampler": "euler_a",
    "Steps": 25,
    "Guidance Scale": 7.5,
}
FOOOCUS = {"prompt": "a cat", "base_model": "juggernaut", "seed": "1", "steps": 30, "metadata_scheme": "fooocus"}
FOOOCUS_MRE = {
    "prompt": "a cat",
    "negative_prompt": "",
    "seed": 1,
    "sampler": "dpmpp_2m_sde_gpu",
    "performance": "Speed",
    "steps": 30,
    "cfg": 4,
    "base_model": "juggernaut.safetensors",
    "scale": 1,
}
RUINED_FOOOCUS = {
    "Prompt": "a cat",
    "Negative": "",
    "steps": 30,
    "cfg": 4,
    "seed": 1,
    "sampler_name": "dpmpp_2m_sde_gpu",
    "base_model_name": "juggernaut.safetensors",
}
DRAW_THINGS = {
    "c": "a cat",
    "uc": "",
    "steps": 20,
    "sampler": "DPM++ 2M Karras",
    "scale": 7,
    "seed": 1,
    "model": "sd_v1.5",
}
MFLUX = {"mflux_version": "0.24.0", "model": "schnell", "seed": 2, "steps": 4, "prompt": "a cat"}
TENSOR_ART = {
    "models": [],
    "prompt": "a cat",
    "negativePrompt": "",
    "samplerName": "Euler",
    "steps": 25,
    "cfgScale": 7,
    "baseModel": {},
}
PROOF = "Signature: " + "QUJDREVG" * 20
UUID = "0b4f3a5e-8d3c-4c55-9a44-1f2e3d4c5b6a"
JOB = "a castle --ar 3:2 --v 6.0 Job ID: 2b3c4d5e-1a2b-4c3d-8e9f-0123456789ab"


def picture() -> Image.Image:
    return Image.radial_gradient("L").convert("RGB")


def save(format_: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, format_, **options)
    return buffer.getvalue()


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        info.add_itxt(key, value)
    return save("PNG", pnginfo=info)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(kind: bytes, body: bytes, at_end: bool = False) -> bytes:
    data = save("PNG")
    position = len(data) - 12 if at_end else 33
    return data[:position] + chunk(kind, body) + data[position:]


def exif(fields: dict[int, object], shot: dict[int, object] | None = None) -> bytes:
    result = Image.Exif()
    result.update(fields)
    if shot:
        result.get_ifd(0x8769).update(shot)
    return result.tobytes()


def xmp(attributes: str = "", elements: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" '
        f'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def suggested(data: bytes, format_: str | None = None) -> list[str]:
    return [finding.suggests for finding in read(data, format_)]


def only(data: bytes, format_: str | None = None) -> Finding:
    (finding,) = read(data, format_)
    return finding


def created(kind: str) -> dict[str, str]:
    return {"action": "c2pa.created", "digitalSourceType": IPTC + kind, "softwareAgent": "Example Model 3"}


def opened(action: str = "c2pa.opened") -> dict[str, object]:
    return {"action": action, "parameters": {"ingredientIds": ["source"]}}


def iptc(*fields: tuple[int, bytes]) -> bytes:
    """A block of IPTC's second part, as Photoshop keeps it."""
    records = b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value for number, value in fields)
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records + b"\0" * (len(records) % 2)


def with_iptc(*fields: tuple[int, bytes]) -> bytes:
    """A JPEG with it."""
    body, data = b"Photoshop 3.0\0" + iptc(*fields), save()
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + data[2:]


def raw_profile(name: str, body: bytes) -> bytes:
    """A PNG with what it has no place for, kept as ImageMagick does."""
    digits = body.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\n{name}\n{len(body):8}\n{lines}\n"
    return with_chunk(b"zTXt", f"Raw profile type {name}\0\0".encode() + zlib.compress(text.encode()))


def samsung(notes: dict[str, str]) -> bytes:
    """A JPEG with the notes that the gallery's editor on a Samsung telephone appends."""
    blocks, entries = b"", []
    for name, note in notes.items():
        block = struct.pack("<HHI", 0, 0x0BA1, len(name)) + name.encode() + note.encode()
        entries.append((len(blocks), len(block)))
        blocks += block
    listed = b"".join(struct.pack("<HHII", 0, 0x0BA1, len(blocks) - at, size) for at, size in entries)
    head = struct.pack("<4sII", b"SEFH", 107, len(entries)) + listed
    return save() + blocks + head + struct.pack("<I4s", len(head), b"SEFT")


AI = created("trainedAlgorithmicMedia")
SHOT = created("digitalCapture")
AI_ATTRIBUTE = xmp(f'Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"')
BODY = {0x010F: "Canon", 0x0110: "Canon EOS R5", 0x0131: "Firmware 1.8.1"}
LENS = {
    0x829A: IFDRational(1, 250),
    0x829D: IFDRational(28, 10),
    0x8827: 400,
    0x9003: "2024:05:06 07:08:09",
    0x920A: IFDRational(50),
    0xA434: "RF50mm F1.2L",
}
