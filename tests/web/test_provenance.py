"""The browser reads the same marks as Python, and says the same of them."""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from skimage.data import astronaut

from detector import provenance
from tests.support import marked_files as marked
from tests.support.credentials import Authority, signed
from tests.support.marked_files import exif, png, save, with_chunk, xmp
from tests.support.web_page import give, served
from web.build import build

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["tests.support.web_page"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Example Pictures")


@pytest.fixture(scope="module")
def listing(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as it is built where a trust list is in force."""
    folder = tmp_path_factory.mktemp("listing")
    (folder / "trusted.pem").write_bytes(authority.pem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "DETECTOR_TRUST_LIST", str(folder / "trusted.pem"))
        return build(folder / "page")


def texts() -> dict[str, bytes]:
    """Marks in texts, EXIF, XMP and IPTC, each where its program writes it, and near misses."""
    comment = {0x9286: b"UNICODE\0" + json.dumps(marked.EASY_DIFFUSION).encode("utf-16-be")}
    raw = marked.raw_profile
    files = {
        "settings.png": png(parameters=marked.SETTINGS),
        "packed.png": with_chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(marked.SETTINGS.encode())),
        "comfy.png": png(prompt=marked.COMFY_PROMPT, workflow=marked.COMFY_WORKFLOW),
        "comf.png": with_chunk(b"comf", b"prompt\0" + marked.COMFY_PROMPT.encode(), at_end=True),
        "resize.png": png(prompt=marked.COMFY_RESIZE),
        "swarm.png": png(parameters=marked.SWARM),
        "swarm.jpg": save(exif=exif({0x0110: marked.SWARM})),
        "mre.png": png(Comment=json.dumps(marked.FOOOCUS_MRE)),
        "mre.jpg": save(comment=json.dumps(marked.FOOOCUS_MRE)),
        "ruined.png": png(parameters=json.dumps(marked.RUINED_FOOOCUS)),
        "fooocus.webp": save("WEBP", exif=exif({0x9286: json.dumps(marked.FOOOCUS), 0x0131: "Fooocus v2.5.5"})),
        "easy.png": png(**{key: str(value) for key, value in marked.EASY_DIFFUSION.items()}),
        "easy-labels.png": png(**{key: str(value) for key, value in marked.EASY_DIFFUSION_LABELS.items()}),
        "easy.webp": save("WEBP", exif=exif({}, comment)),
        "draw-things.png": png(Software="Draw Things", Comment=json.dumps(marked.DRAW_THINGS)),
        "mflux.jpg": save(exif=exif({}, {0x9286: b"ASCII\0\0\0" + json.dumps(marked.MFLUX).encode()})),
        "tensor.png": png(generation_data=json.dumps(marked.TENSOR_ART)),
        "invoke.png": png(Dream='"a red fox" -s 50 -S 1234 -W 512 -H 512 -C 7.5 -A k_lms'),
        "novelai.png": png(Software="NovelAI", Comment='{"prompt": "a", "steps": 28, "uc": "", "seed": 1}'),
        "job.png": png(Description=marked.JOB),
        "comment.gif": save("GIF", comment=marked.SETTINGS),
        "xp.jpg": save(exif=exif({0x9C9C: marked.SETTINGS.encode("utf-16-le") + b"\0\0"})),
        "grok.jpg": save(exif=exif({0x010E: marked.PROOF, 0x013B: marked.UUID})),
        "flux.webp": save("WEBP", exif=exif({0x010F: "Black Forest Labs", 0x0131: "AI generated;txt2img;flux"})),
        "comfy.webp": save("WEBP", exif=exif({0x0110: "prompt:" + marked.COMFY_PROMPT})),
        "samsung.jpg": marked.samsung({"A": "b", "PhotoEditor_Re_Edit_Data": '{"genAIType": 2}'}),
        "restored.png": png(postprocessing="CodeFormer visibility: 0.5, CodeFormer weight: 0"),
        "label.png": png(**{"XML:com.adobe.xmp": marked.AI_ATTRIBUTE.decode()}),
        "label.webp": save("WEBP", xmp=marked.AI_ATTRIBUTE),
        "label.avif": save("AVIF", xmp=marked.AI_ATTRIBUTE, exif=exif(marked.BODY, marked.LENS)),
        "raw-xmp.png": raw("xmp", marked.AI_ATTRIBUTE),
        "raw-app1.png": raw("APP1", b"http://ns.adobe.com/xap/1.0/\0" + marked.AI_ATTRIBUTE),
        "raw-exif.png": raw("exif", exif({0x0131: "Midjourney 6"})),
        "raw-iptc.png": raw("iptc", marked.iptc((110, b"Made with Google AI"))),
        "iptc.jpg": marked.with_iptc(
            (110, b"Made with Google AI"), (65, b"Adobe Photoshop"), (120, marked.JOB.encode())
        ),
        "aigc.jpg": save(
            exif=exif({}, {0x9286: b"ASCII\0\0\0" + json.dumps({"AIGC": json.loads(marked.AIGC)}).encode()})
        ),
        "aigc.png": png(AIGC=marked.AIGC.replace('"1"', '"3"')),
        "camera.jpg": save(exif=exif({**marked.BODY, 0x0131: "Snapseed 2.0"}, marked.LENS)),
        "cleaned.png": png(Software="Midjourney <script>alert('x') & [b](c)</script>\x07" + "y" * 300),
    }
    packets = {
        "made": xmp('photoshop:Credit="Made with Google AI" xmp:CreatorTool="豆包"'),
        "clean-up": xmp('photoshop:Credit="Apple Photos Clean Up"'),
        "system": xmp('Iptc4xmpExt:AISystemUsed="Example & Model"'.replace("&", "&amp;")),
        "element": xmp(
            "", f"<Iptc4xmpExt:DigitalSourceType>{marked.IPTC}screenCapture</Iptc4xmpExt:DigitalSourceType>"
        ),
        "resource": xmp("", f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{marked.IPTC}compositeSynthetic"/>'),
        "aigc": xmp('TC260:Label="2" TC260:ContentProducer="Example"'),
        "job": xmp(
            "",
            f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{marked.JOB}</rdf:li></rdf:Alt></dc:description>',
        ),
        "other-space": xmp('dc:DigitalSourceType="trainedAlgorithmicMedia"'),
        "ingredient": xmp(
            "",
            '<xmpMM:Ingredients><rdf:Bag><rdf:li rdf:parseType="Resource"><Iptc4xmpExt:DigitalSourceType>'
            f"{marked.IPTC}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType></rdf:li></rdf:Bag></xmpMM:Ingredients>",
        ),
        "entities": b'<!DOCTYPE x [<!ENTITY a "ha">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a;</x:xmpmeta>',
        "broken": b"<x:xmpmeta",
    }
    files |= {f"xmp-{name}.jpg": save(xmp=packet) for name, packet in packets.items()}
    near = {
        "parameters": "Steps: 3, Sampler: chocolates, a recipe",
        "prompt": '{"title": "my holiday", "place": {"name": "Rome"}}',
        "Comment": '{"c": 1, "uc": 2, "scale": 3}',
        "Source": "A lecture on Midjourney",
        "AIGC": '{"Label": "1"}',
    }
    files |= {f"near-{name}.png": png(**{name: text}) for name, text in near.items()}
    files["bare.jpg"] = save()
    return files


def credentials(authority: Authority) -> dict[str, bytes]:
    """Pictures signed by somebody on the list and by a stranger, whole and broken, each by another kind of manifest."""
    stranger = Authority("Example Pictures")

    def sign(
        actions: list, by: Authority = authority, format_: str = "JPEG", parent: bytes | None = None, **more
    ) -> bytes:
        ingredient = ("parentOf", parent) if parent else None
        return signed(by.signer("Example Pictures"), save(format_), marked.MIME[format_], actions, ingredient, **more)

    whole, shot = sign([marked.AI]), sign([marked.SHOT], by=stranger)
    changed = bytearray(whole)
    changed[-60] ^= 0xFF
    opened = [marked.opened(), {"action": "c2pa.cropped"}]
    return {
        "signed.jpg": whole,
        "signed.png": sign([marked.SHOT], format_="PNG"),
        "signed.webp": sign([marked.created("compositeWithTrainedAlgorithmicMedia")], format_="WEBP"),
        "signed.avif": sign([marked.created("screenCapture")], format_="AVIF"),
        "stranger.jpg": shot,
        "passed-on.jpg": sign(opened, parent=shot),
        "parent.jpg": sign(opened, parent=whole),
        "changed.jpg": bytes(changed),
        "damaged.jpg": whole.replace(b"cbor", b"cbos"),
        "another.jpg": whole.replace(b"Example Generator", b"Another Generator"),
        "remote.jpg": sign([marked.AI], remote="http://127.0.0.1:9/manifest.c2pa"),
        "named-only.jpg": save(comment="c2pa"),
    }


def test_the_browser_reads_what_python_reads(
    visitor: Callable[..., "Page"],
    listing: Path,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    portrait = Image.fromarray(astronaut()).crop((130, 0, 330, 200)).resize((128, 128))
    monkeypatch.setattr(marked, "picture", lambda: portrait)  # one without a face is searched at every angle
    files = {**texts(), **credentials(authority)}
    source = provenance.trust_list.FileList(listing.parent / "trusted.pem")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with served(listing) as url:
        shown = give(visitor(url), [tmp_path / name for name in files])
    told = 0
    for (name, data), row in zip(files.items(), shown, strict=True):
        found = provenance.read(data, None, source)
        assert row["provenance"] == [finding.to_dict() for finding in found], name
        assert row["origin"] == provenance.origin(found).to_dict(), name
        told += bool(found)
    assert told >= 55
    signatures = {finding["signature"] for row in shown for finding in row["provenance"]}
    assert signatures == {None, "trusted", "unknown", "changed", "invalid"}


def test_what_the_file_says_stands_under_the_verdict(visitor: Callable[..., "Page"], url: str, tmp_path: Path) -> None:
    stranger = Authority("Example Pictures").signer("Example Pictures")
    (tmp_path / "signed.jpg").write_bytes(signed(stranger, save(), "image/jpeg", [marked.AI]))
    page = visitor(url)
    [row] = give(page, [tmp_path / "signed.jpg"])
    assert row["provenance"][0]["signature"] == "unchecked"
    panel = page.locator(".result .evidence")
    assert row["provenance"][0]["summary"] in panel.inner_text() and "Points to AI" in panel.inner_text()
    assert panel.locator("[data-signature=unchecked]").inner_text() == "Signer not checked"


def test_credentials_are_read_without_a_network(visitor: Callable[..., "Page"], built: Path, tmp_path: Path) -> None:
    """The library that reads them comes after the page is ready, and is kept like the rest."""
    stranger = Authority("Example Pictures").signer("Example Pictures")
    (tmp_path / "signed.jpg").write_bytes(signed(stranger, save(), "image/jpeg", [marked.AI]))
    Image.new("RGB", (64, 64)).save(tmp_path / "bare.jpg")
    with served(built) as url:
        page = visitor(url)
        page.get_by_text("Ready, also offline.").wait_for()
        page.wait_for_function(
            "async () => (await Promise.all((await caches.keys()).map(async name => (await (await caches.open(name))"
            ".keys()).some(({url}) => url.endsWith('c2pa_bg.wasm'))))).some(Boolean)"
        )
        page.close()
    again = page.context.new_page()
    again.goto(url)
    again.locator("[data-state=ready]").wait_for()
    [row] = give(again, [tmp_path / "signed.jpg"])
    assert row["provenance"][0]["suggests"] == "ai_made"
