"""Marks that generators and editors leave: their names, and settings that nobody else writes."""

import re
from collections.abc import Iterator
from typing import Any

from detector.provenance import forms
from detector.provenance.containers import Metadata
from detector.provenance.finding import EDITOR_MARK, GENERATOR_MARK, Finding, Suggests
from detector.provenance.forms import JSON_PLACES, TEXT_PLACES, form_of, is_dream, is_settings
from detector.provenance.programs import EDITORS, FACE_EDITORS, GENERATING_NODE, GENERATORS, UUID, named
from detector.provenance.sentences import MARKS
from detector.provenance.untrusted import as_dict, ends, parse_json
from detector.provenance.xmp import NS_DC, NS_EXIF, NS_TIFF, NS_XMP
from detector.text import excerpt

SHOWN = 5  # programs of a kind: a file may name any number


def generators(metadata: Metadata) -> Iterator[Finding]:
    found: dict[str, str] = {}
    for place, value in _program_fields(metadata):
        if name := named(GENERATORS, value):
            found.setdefault(name, MARKS["field"].format(place=place, value=excerpt(value, 60)))
    untold: dict[str, str] = {}
    for place, value in _free_fields(metadata):
        if mark := _mark(place, value, metadata):
            name, evidence, generates = mark
            (found if generates else untold).setdefault(name, evidence)
    if program := form_of("texts", dict(metadata.texts)):
        found.setdefault(program, MARKS["settings"])
    if _is_grok(metadata):
        found.setdefault("Grok", MARKS["signature"])
    for name, evidence in list(found.items())[:SHOWN]:
        summary = MARKS["generator"].format(name=name, evidence=evidence)
        yield Finding(GENERATOR_MARK, summary, MARKS["generator_meaning"], Suggests.AI_MADE, by=name)
    for name, evidence in untold.items():
        if name not in found:
            summary = MARKS["untold"].format(name=name, evidence=evidence)
            yield Finding(GENERATOR_MARK, summary, MARKS["untold_meaning"], Suggests.NEUTRAL, by=name)


def editors(metadata: Metadata) -> Iterator[Finding]:
    for place, value in metadata.texts:
        if place in ("postprocessing", "extras"):
            for name in dict.fromkeys(re.findall(forms.RESTORED, ends(value))):
                summary = MARKS["restored"].format(name=name)
                yield Finding(EDITOR_MARK, summary, MARKS["restored_meaning"], Suggests.AI_EDITED, by=name)
        if place == "photoeditor_re_edit_data" and re.search(forms.SAMSUNG_AI, ends(value)):
            yield Finding(EDITOR_MARK, MARKS["samsung"], MARKS["samsung_meaning"], Suggests.AI_EDITED, by="Samsung")
    found: dict[str, str] = {}
    for place, value in _program_fields(metadata):
        if not place.endswith(("Make", "Model")) and (name := named(FACE_EDITORS, value) or named(EDITORS, value)):
            found.setdefault(name, MARKS["field"].format(place=place, value=excerpt(value, 60)))
    for name, evidence in list(found.items())[:SHOWN]:
        meaning = MARKS["face_editor_meaning" if name in FACE_EDITORS else "editor_meaning"]
        summary = MARKS["saved"].format(name=name, evidence=evidence)
        yield Finding(EDITOR_MARK, summary, meaning, Suggests.EDITED, by=name)


def _program_fields(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """The fields that name the program that wrote the file, as (place, value)."""
    for name in ("Software", "ProcessingSoftware", "Make", "Model"):
        if isinstance(value := metadata.exif.get(name), str):
            yield f"the EXIF field {name}", value
    for key, value in metadata.texts:
        if key in ("software", "generator", "source"):
            yield "a text field of the file", value
        elif key in JSON_PLACES and isinstance(software := as_dict(parse_json(value)).get("software"), str):
            yield "a text field of the file", software
    for namespace, name in ((NS_XMP, "CreatorTool"), (NS_TIFF, "Software"), (NS_TIFF, "Make"), (NS_TIFF, "Model")):
        for value in metadata.xmp.get((namespace, name), []):
            yield f"the XMP field {name}", value
    if "OriginatingProgram" in metadata.iptc:
        yield "the IPTC field for the program", metadata.iptc["OriginatingProgram"]


def _free_fields(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """The fields that hold text of any kind, as (lower-case key, value)."""
    yield from metadata.texts
    for name in ("UserComment", "ImageDescription", "XPComment", "XPSubject", "XPTitle", "Make", "Model"):
        if isinstance(value := metadata.exif.get(name), str):
            # ComfyUI writes EXIF fields as "prompt:{…}" and "workflow:{…}".
            key, colon, rest = value.partition(":")
            if colon and key.lower() in ("prompt", "workflow"):
                yield key.lower(), rest
            else:
                yield name.lower(), value
    for namespace, name in ((NS_DC, "description"), (NS_EXIF, "UserComment")):
        for value in metadata.xmp.get((namespace, name), []):
            yield name.lower(), value
    if "Caption" in metadata.iptc:
        yield "description", metadata.iptc["Caption"]


def _mark(place: str, value: str, metadata: Metadata) -> tuple[str, str, bool] | None:
    """(program, its mark, whether it generated anything) for a text field that only a generator writes."""
    if place in TEXT_PLACES:
        if is_settings(value):
            fooocus = dict(metadata.texts).get("fooocus_scheme", "").lower() in ("fooocus", "a1111")
            if place == "parameters" and fooocus:
                return "Fooocus", MARKS["settings"], True
            return "a Stable Diffusion program", MARKS["steps"], True
        if re.search(forms.JOB, ends(value), re.I):
            return "Midjourney", MARKS["job"], True
    if place == "dream" and is_dream(value):
        return "InvokeAI", MARKS["settings"], True
    if place not in JSON_PLACES or not value.lstrip().startswith("{"):
        return None
    content = as_dict(parse_json(value))
    if place in ("prompt", "workflow", "usercomment"):
        nodes = _node_types(content)
        if len(nodes) > 1:
            return "ComfyUI", MARKS["graph"], any(GENERATING_NODE.search(node) for node in nodes)
    program = form_of(place, content)
    return (program, MARKS["settings"], True) if program else None


def _is_grok(metadata: Metadata) -> bool:
    """Two fields that mean little by themselves: a signature, which nobody else can check, and a picture's number."""
    artist = metadata.exif.get("Artist")
    texts = [metadata.exif.get(name) for name in ("ImageDescription", "UserComment")]
    return (
        isinstance(artist, str)
        and re.fullmatch(UUID, artist, re.I) is not None
        and any(isinstance(text, str) and re.match(forms.SIGNATURE, text) for text in texts)
    )


def _node_types(content: dict[str, Any]) -> list[str]:
    """The kinds of node of a ComfyUI graph, [] where this is none: its `prompt` form or its `workflow` form."""
    if isinstance(content.get("prompt"), dict):  # Civitai keeps both forms in one object
        content = content["prompt"]
    nodes = content.get("nodes")
    if isinstance(nodes, list) and isinstance(content.get("links"), list):
        kinds: list[Any] = [node.get("type") if isinstance(node, dict) and "id" in node else None for node in nodes]
    else:
        kinds = [
            node.get("class_type") if isinstance(node, dict) and isinstance(node.get("inputs"), dict) else None
            for node in content.values()
            if isinstance(node, dict)
        ]
    return kinds if kinds and all(isinstance(kind, str) for kind in kinds) else []
