"""Marks that generators and editors leave: their names, and settings that nobody else writes."""

import re
from collections.abc import Iterator
from typing import Any

from detector.provenance.containers import Metadata
from detector.provenance.finding import EDITOR_MARK, GENERATOR_MARK, Finding, Suggests
from detector.provenance.programs import EDITORS, FACE_EDITORS, GENERATING_NODE, GENERATORS, MARK_KEYS, UUID, named
from detector.provenance.untrusted import as_dict, ends, parse_json
from detector.provenance.xmp import NS_DC, NS_EXIF, NS_TIFF, NS_XMP
from detector.text import excerpt


def generators(metadata: Metadata) -> Iterator[Finding]:
    found: dict[str, str] = {}
    for place, value in _program_fields(metadata):
        if name := named(GENERATORS, value):
            found.setdefault(name, f"{place} says “{excerpt(value, 60)}”")
    keys = dict(metadata.texts)
    untold: dict[str, str] = {}
    for key, value in _free_fields(metadata):
        mark = _mark(key, value, keys)
        if mark and mark[2]:
            found.setdefault(mark[0], mark[1])
        elif mark:
            untold.setdefault(mark[0], mark[1])
    for name, evidence in list(found.items())[:5]:
        yield Finding(
            GENERATOR_MARK,
            f"The file bears the mark of {name}, a generator of pictures: {evidence}.",
            "The program or a copy of its fields wrote this; such marks are unsigned, can be forged, and do not tell "
            "how much of the picture is generated.",
            Suggests.AI_MADE,
        )
    for name, evidence in untold.items():
        if name not in found:
            yield Finding(
                GENERATOR_MARK,
                f"The file went through {name}: {evidence}, but none of the steps in it is known to generate pictures.",
                "Such programs also resize and convert ordinary photographs, so this tells little.",
                Suggests.NEUTRAL,
            )


def editors(metadata: Metadata) -> Iterator[Finding]:
    found: dict[str, str] = {}
    for place, value in _program_fields(metadata):
        if not place.endswith(("Make", "Model")) and (name := named(FACE_EDITORS, value) or named(EDITORS, value)):
            found.setdefault(name, f"{place} says “{excerpt(value, 60)}”")
    for name, evidence in list(found.items())[:5]:
        if name in FACE_EDITORS:
            meaning = (
                "This app can change faces, but the file does not tell what was changed, and the field can be forged."
            )
        else:
            meaning = (
                "Most published photographs pass through such a program, and the file does not tell what was changed."
            )
        yield Finding(EDITOR_MARK, f"The file was saved by {name}: {evidence}.", meaning, Suggests.EDITED)


def _program_fields(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """The fields that name the program that wrote the file, as (place, value)."""
    for name in ("Software", "ProcessingSoftware", "Make", "Model"):
        if isinstance(value := metadata.exif.get(name), str):
            yield f"the EXIF field {name}", value
    for key, value in metadata.texts:
        if key in ("software", "generator"):
            yield "a text field of the file", value
    for namespace, name in ((NS_XMP, "CreatorTool"), (NS_TIFF, "Software"), (NS_TIFF, "Make"), (NS_TIFF, "Model")):
        for value in metadata.xmp.get((namespace, name), []):
            yield f"the XMP field {name}", value
    if "OriginatingProgram" in metadata.iptc:
        yield "the IPTC field for the program", metadata.iptc["OriginatingProgram"]


def _free_fields(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """The fields that hold text of any kind, as (lower-case key, value)."""
    yield from metadata.texts
    for name in ("UserComment", "ImageDescription", "Make", "Model"):
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


def _mark(key: str, value: str, keys: dict[str, str]) -> tuple[str, str, bool] | None:
    """(program, its mark, whether it generated anything) for a text field that only a generator writes."""
    if key in ("parameters", "usercomment", "comment", "description", "imagedescription"):
        scheme = keys.get("fooocus_scheme", "").lower()
        if _is_settings(value):
            if key == "parameters" and scheme in ("fooocus", "a1111"):
                return "Fooocus", "it holds the settings of a generation", True
            return "a Stable Diffusion program", "it holds the settings of a generation (steps, sampler, seed)", True
        if re.search(rf"\bJob ID: {UUID}", ends(value), re.I):
            return "Midjourney", "its description ends in a Midjourney job number", True
    if not value.lstrip().startswith("{"):
        if key == "dream" and value.startswith('"'):
            options = value.rpartition('"')[2]
            if all(re.search(pattern, options) for pattern in (r" -s ?\d", r" -S ?\d", r" -C ?\d")):
                return "InvokeAI", "it holds the settings of a generation", True
        return None
    if key not in MARK_KEYS:
        return None
    content = as_dict(parse_json(value))
    if isinstance(content.get("sui_image_params"), dict) and len(content["sui_image_params"]) > 2:
        return "SwarmUI", "it holds the settings of a generation", True
    if key in ("prompt", "workflow", "usercomment"):
        nodes = _node_types(content)
        if len(nodes) > 1:
            generates = any(GENERATING_NODE.search(node) for node in nodes)
            return "ComfyUI", "it holds a graph of processing steps", generates
    fooocus = key == "parameters" and keys.get("fooocus_scheme", "").lower() in ("fooocus", "a1111")
    if fooocus and len(content.keys() & {"prompt", "base_model", "seed", "sampler", "performance", "styles"}) > 2:
        return "Fooocus", "it holds the settings of a generation", True
    if key == "usercomment" and content.get("metadata_scheme") == "fooocus" and "base_model" in content:
        return "Fooocus", "it holds the settings of a generation", True
    invoke = {
        "positive_prompt",
        "negative_prompt",
        "model",
        "seed",
        "steps",
        "scheduler",
        "generation_mode",
        "app_version",
    }
    if key == "invokeai_metadata" and len(content.keys() & invoke) > 2:
        return "InvokeAI", "it holds the settings of a generation", True
    if (
        key == "sd-metadata"
        and isinstance(content.get("image"), dict)
        and content.keys() & {"app_id", "model", "model_hash"}
    ):
        return "InvokeAI", "it holds the settings of a generation", True
    if (
        key == "comment"
        and len(content.keys() & {"prompt", "uc", "steps", "sampler", "seed", "scale", "n_samples"}) > 3
    ):
        return "NovelAI", "it holds the settings of a generation", True
    return None


def _is_settings(text: str) -> bool:
    """The last line that AUTOMATIC1111's web UI, its relatives and Civitai write: "Steps: 20, Sampler: …, Seed: …"."""
    text = ends(text)
    return (
        re.search(r"\bSteps: \d{1,5},", text) is not None
        and re.search(r"\bSeed: \d", text) is not None
        and sum(
            re.search(pattern, text) is not None
            for pattern in (
                r"\bSampler: \w",
                r"\b(?:CFG|Guidance) [sS]cale: \d",
                r"\bSize: \d+x\d+",
                r"\bModel(?: hash)?: \w",
            )
        )
        > 1
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
