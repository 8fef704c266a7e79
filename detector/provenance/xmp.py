"""Labels in XMP and IPTC: the digital source type, the tools' credit lines, and China's AIGC label."""

import re
from collections.abc import Iterator

from detector.provenance.containers import Metadata
from detector.provenance.finding import AIGC_LABEL, XMP_IPTC, Finding, Suggests
from detector.provenance.programs import GENERATORS, MADE_WITH, named
from detector.provenance.source_type import SAYINGS, source_type
from detector.provenance.untrusted import as_dict, parse_json
from detector.text import excerpt

NS_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29"
NS_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0"
NS_XMP = "http://ns.adobe.com/xap/1.0"
NS_DC = "http://purl.org/dc/elements/1.1"
NS_DCTERMS = "http://purl.org/dc/terms"
NS_EXIF = "http://ns.adobe.com/exif/1.0"
NS_TIFF = "http://ns.adobe.com/tiff/1.0"
NS_AIGC = "http://www.tc260.org.cn/ns/AIGC/1.0"
UNSIGNED = "Such a label is unsigned, so anyone can add, change or remove it; honest programs add it to what they make."


def source_types(metadata: Metadata) -> Iterator[Finding]:
    """IPTC's digital source type, the name of the AI system, and the credit lines of Google's and Apple's tools."""
    sayings: dict[str, str] = {}
    for name in ("DigitalSourceType", "DigitalSourceFileType", "DigitalSourcefileType"):
        for value in metadata.xmp.get((NS_IPTC_EXT, name), []):
            if saying := source_type(value):
                sayings.setdefault(saying, "The label “digital source type”")
    for value in metadata.xmp.get((NS_IPTC_EXT, "AISystemUsed"), []):
        if value:
            sayings.setdefault("ai", f"The label “AI system used: {excerpt(value, 60)}”")
    credits = [*metadata.xmp.get((NS_PHOTOSHOP, "Credit"), []), metadata.iptc.get("Credit", "")]
    for credit in credits:
        # A credit names people and agencies, who may well report on a generator: only the tools' own phrases count.
        if re.fullmatch(r"edited with google ai\.?", credit, re.I):
            sayings.setdefault("ai_edit", f"The credit line “{excerpt(credit)}”")
        elif re.fullmatch(r"apple image playground", credit, re.I) or (
            re.match(MADE_WITH, credit, re.I) and named(GENERATORS, credit)
        ):
            sayings.setdefault("ai", f"The credit line “{excerpt(credit)}”")
    for saying, (words, suggests) in SAYINGS.items():
        if saying in sayings:
            yield Finding(XMP_IPTC, f"{sayings[saying]} says that the picture {words}.", UNSIGNED, suggests)


def aigc_labels(metadata: Metadata) -> Iterator[Finding]:
    """The label that China asks of generators (GB 45438-2025): JSON in XMP, a PNG text or the EXIF user comment."""
    candidates = [*metadata.xmp.get((NS_AIGC, "AIGC"), [])]
    candidates += [value for key, value in metadata.texts if key == "aigc"]
    direct = {name: values[0] for (namespace, name), values in metadata.xmp.items() if namespace == NS_AIGC and values}
    labels = [direct, *(parse_json(text) for text in candidates)]
    labels.append(as_dict(parse_json(metadata.exif.get("UserComment", ""))).get("AIGC"))
    for label in labels:
        label = as_dict(label)
        label = as_dict(label.get("AIGC")) or label
        producers = [label.get(name) for name in ("ContentProducer", "ContentPropagator", "ProduceID", "PropagateID")]
        producer_names = [name for name in producers if isinstance(name, str) and name]
        kind = str(label.get("Label"))
        if kind not in ("1", "2", "3") or not producer_names:
            continue
        by = f" (named in it: “{excerpt(producer_names[0], 60)}”)"
        if kind == "1":
            summary = f"China's AIGC label says that the picture was made by generative AI{by}."
        else:
            doubt = "possibly" if kind == "2" else "suspected to be"
            summary = f"China's AIGC label says that the picture is {doubt} AI-made{by}."
        yield Finding(AIGC_LABEL, summary, UNSIGNED, Suggests.AI_MADE if kind == "1" else Suggests.NEUTRAL)
        return
