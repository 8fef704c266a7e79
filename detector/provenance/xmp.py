"""Labels in XMP and IPTC: the digital source type, the tools' credit lines, and China's AIGC label."""

import re
from collections.abc import Iterator

from detector.provenance.containers import Metadata
from detector.provenance.finding import AIGC_LABEL, XMP_IPTC, Finding, Suggests
from detector.provenance.programs import GENERATORS, MADE_WITH, named
from detector.provenance.sentences import LABELS
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
# The tools' own credit lines. A credit names people and agencies, who may well report on a generator.
CREDITS = {r"edited with google ai\.?|apple photos clean ?up": "ai_edit", r"apple image playground": "ai"}


def source_types(metadata: Metadata) -> Iterator[Finding]:
    """IPTC's digital source type, the name of the AI system, and the credit lines of Google's and Apple's tools."""
    sayings: dict[str, tuple[str, str | None]] = {}  # what is said -> by which label, and by whom
    for name in ("DigitalSourceType", "DigitalSourceFileType", "DigitalSourcefileType"):
        for value in metadata.xmp.get((NS_IPTC_EXT, name), []):
            if saying := source_type(value):
                sayings.setdefault(saying, (LABELS["source_type"], None))
    for value in metadata.xmp.get((NS_IPTC_EXT, "AISystemUsed"), []):
        if shown := excerpt(value, 60):
            sayings.setdefault("ai", (LABELS["ai_system"].format(value=shown), shown))
    for credit in [*metadata.xmp.get((NS_PHOTOSHOP, "Credit"), []), metadata.iptc.get("Credit", "")]:
        program = named(GENERATORS, credit) if re.match(MADE_WITH, credit, re.I) else None
        saying = next((says for line, says in CREDITS.items() if re.fullmatch(line, credit, re.I)), None)
        if saying or program:
            label = LABELS["credit"].format(value=excerpt(credit))
            sayings.setdefault(saying or "ai", (label, program or excerpt(credit)))
    for saying, (words, suggests) in SAYINGS.items():
        if saying in sayings:
            label, by = sayings[saying]
            yield Finding(
                XMP_IPTC, LABELS["says"].format(label=label, words=words), LABELS["unsigned"], suggests, by=by
            )


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
        by = excerpt(producer_names[0], 60)
        summary = LABELS[{"1": "aigc_made", "2": "aigc_possibly", "3": "aigc_suspected"}[kind]].format(by=by)
        suggests = Suggests.AI_MADE if kind == "1" else Suggests.NEUTRAL
        yield Finding(AIGC_LABEL, summary, LABELS["unsigned"], suggests, by=by)
        return
