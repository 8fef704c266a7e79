"""Labels in XMP and IPTC, each beside a near miss."""

import pytest

from detector.provenance import read
from tests.support.marked_files import AI_ATTRIBUTE, AIGC, IPTC, JOB, only, png, save, with_iptc, xmp


@pytest.mark.parametrize("format_", ["JPEG", "WEBP", "TIFF", "AVIF", "HEIF", "PNG"])
def test_the_source_type_is_read_in_every_container(format_):
    if format_ == "PNG":
        data = png(**{"XML:com.adobe.xmp": AI_ATTRIBUTE.decode()})
    elif format_ == "TIFF":
        data = save("TIFF", tiffinfo={700: AI_ATTRIBUTE})
    else:
        data = save(format_, xmp=AI_ATTRIBUTE)
    finding = only(data)
    assert (finding.source, finding.suggests) == ("XMP/IPTC", "ai_made")


@pytest.mark.parametrize(
    ("packet", "suggests"),
    [
        (
            xmp("", f"<Iptc4xmpExt:DigitalSourceType>{IPTC}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>"),
            "ai_made",
        ),
        (xmp("", f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{IPTC}trainedAlgorithmicMedia"/>'), "ai_made"),
        (xmp('Iptc4xmpExt:DigitalSourceType="trainedAlgorithmicMedia"'), "ai_made"),
        (xmp(f'Iptc4xmpExt:DigitalSourceType="{IPTC}compositeWithTrainedAlgorithmicMedia"'), "ai_edited"),
        (xmp(f'Iptc4xmpExt:DigitalSourceType="{IPTC}digitalCapture"'), "camera"),
        (xmp('Iptc4xmpExt:AISystemUsed="Example Model"'), "ai_made"),
        (xmp('photoshop:Credit="Made with Google AI"'), "ai_made"),
        (xmp('photoshop:Credit="Edited with Google AI"'), "ai_edited"),
        (xmp('photoshop:Credit="Apple Photos Clean Up"'), "ai_edited"),
        (xmp('xmp:CreatorTool="MFLUX 0.24.0"'), "ai_made"),
        (xmp('photoshop:Credit="Apple Image Playground"'), "ai_made"),
        (xmp("", f"<TC260:AIGC>{AIGC.replace(chr(34), '&quot;')}</TC260:AIGC>"), "ai_made"),
        (xmp("", f"<TC260:AIGC>{AIGC.replace(chr(34), '&quot;').replace('1', '2', 1)}</TC260:AIGC>"), "neutral"),
        (xmp('TC260:Label="1" TC260:ContentProducer="Example"'), "ai_made"),
        (xmp('xmp:CreatorTool="Draw Things"'), "ai_made"),
        (xmp('xmp:CreatorTool="Adobe Firefly 3"'), "ai_made"),
        (xmp('xmp:CreatorTool="豆包"'), "ai_made"),
        (xmp('xmp:CreatorTool="Adobe Photoshop 25.0 (Windows)"'), "edited"),
        (
            xmp("", f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{JOB}</rdf:li></rdf:Alt></dc:description>'),
            "ai_made",
        ),
    ],
)
def test_xmp_statements(packet, suggests):
    assert only(save(xmp=packet), "JPEG").suggests == suggests


@pytest.mark.parametrize(
    "packet",
    [
        xmp(f'Iptc4xmpExt:DigitalSourceType="https://example.org/{"x" * 40}/trainedAlgorithmicMedia"'),
        xmp('Iptc4xmpExt:DigitalSourceType="not trainedAlgorithmicMedia"'),
        xmp('dc:DigitalSourceType="trainedAlgorithmicMedia"'),  # another namespace
        xmp('Iptc4xmpExt:AISystemUsed=""'),
        xmp('photoshop:Credit="Reporting on Midjourney"'),
        xmp('photoshop:Credit="Midjourney"'),  # a press picture of the company
        xmp('photoshop:Credit="Made with love"'),
        xmp('xmp:CreatorTool="17.1"'),  # as phones write it
        xmp('xmp:CreatorTool="I draw things"'),
        xmp('xmp:CreatorTool="Gemini Scanner"'),
        xmp(
            "",
            "<dc:description>Made with Midjourney and Stable Diffusion, says trainedAlgorithmicMedia</dc:description>",
        ),
        xmp("", "<TC260:AIGC>AIGC</TC260:AIGC>"),
        xmp('TC260:Label="1"'),  # nobody is named
        xmp('TC260:Label="7" TC260:ContentProducer="Example"'),
        xmp(
            "",
            '<xmpMM:Ingredients><rdf:Bag><rdf:li rdf:parseType="Resource"><Iptc4xmpExt:DigitalSourceType>'
            f"{IPTC}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType></rdf:li></rdf:Bag></xmpMM:Ingredients>",
        ),  # of another picture
    ],
)
def test_xmp_near_misses(packet):
    assert read(save(xmp=packet), "JPEG") == ()


def test_iptc_fields():
    assert only(with_iptc((110, b"Made with Google AI"))).suggests == "ai_made"
    assert only(with_iptc((65, b"Adobe Photoshop"))).suggests == "edited"
    assert only(with_iptc((120, JOB.encode()))).suggests == "ai_made"
    assert read(with_iptc((110, b"Example Agency"), (120, b"Job ID: 17, a picture made with Google AI")), "JPEG") == ()


# https://cv.iptc.org/newscodes/digitalsourcetype/ of October 2024, the retired ones too, and the C2PA's own two
SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "ai_made",
    "algorithmicMedia": "neutral",
    "compositeWithTrainedAlgorithmicMedia": "ai_edited",
    "compositeSynthetic": "ai_edited",
    "algorithmicallyEnhanced": "edited",
    "humanEdits": "edited",
    "minorHumanEdits": "edited",
    "composite": "edited",
    "compositeCapture": "edited",
    "digitalCapture": "camera",
    "computationalCapture": "camera",
    "negativeFilm": "camera",
    "positiveFilm": "camera",
    "print": "neutral",
    "screenCapture": "neutral",
    "virtualRecording": "neutral",
    "digitalCreation": "neutral",
    "digitalArt": "neutral",
    "softwareImage": "neutral",
    "dataDrivenMedia": "neutral",
}


@pytest.mark.parametrize("kind", SOURCE_TYPES)
def test_every_source_type_is_told(kind):
    for written in (IPTC + kind, IPTC.replace("http:", "https:") + kind, f"digsrctype:{kind}", kind):
        finding = only(save(xmp=xmp(f'Iptc4xmpExt:DigitalSourceType="{written}"')), "JPEG")
        assert finding.suggests == SOURCE_TYPES[kind] and finding.summary.startswith(
            "The label “digital source type” says"
        )
    c2pa_own = xmp('Iptc4xmpExt:DigitalSourceType="http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"')
    assert only(save(xmp=c2pa_own)).suggests == "ai_made"
    assert read(save(xmp=xmp('Iptc4xmpExt:DigitalSourceType="http://c2pa.org/digitalsourcetype/empty"')), "JPEG") == ()
