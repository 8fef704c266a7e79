"""Settings of a generation, as the programs write them: text and objects that nobody else writes by chance.

docs/provenance.md says where each was read. The static page is given the same tables.
"""

import re
from dataclasses import dataclass

from detector.provenance.programs import UUID
from detector.provenance.untrusted import ends

# The places of free text, by lower-case key: PNG text, comments of JPEG and GIF, EXIF, XMP and IPTC.
TEXT_PLACES = frozenset(
    "parameters usercomment comment description imagedescription xpcomment xpsubject xptitle".split()
)

# The last line that AUTOMATIC1111's web UI, its relatives and Civitai write: "Steps: 20, Sampler: …, Seed: …".
SETTINGS_ALL = (r"\bSteps: \d{1,5},", r"\bSeed: \d")
SETTINGS_TWO = (r"\bSampler: \w", r"\b(?:CFG|Guidance) [sS]cale: \d", r"\bSize: \d+x\d+", r"\bModel(?: hash)?: \w")
DREAM_ALL = (r" -s ?\d", r" -S ?\d", r" -C ?\d")  # InvokeAI's first command line: "a fox" -s 50 -S 123 -C 7.5
JOB = rf"\bJob ID: {UUID}"  # Midjourney's description ends in it
SIGNATURE = r"Signature: [A-Za-z0-9+/=]{64,}"  # Grok's, beside an artist who is a UUID
RESTORED = r"\b(GFPGAN|CodeFormer) visibility: ?\d"  # faces redrawn by AUTOMATIC1111's web UI
SAMSUNG_AI = r'"genAIType"\s*:\s*-?[1-9]'  # the gallery's editor on Galaxy phones


@dataclass(frozen=True)
class Form:
    """An object at one of `places`, as JSON, that has all of `must` and at least `least` of `known`, in lower case. The
    place "texts" is the object of all of a file's text fields. `inside` names the object within it that counts."""

    program: str
    places: tuple[str, ...]
    known: tuple[str, ...]
    least: int
    must: tuple[str, ...] = ()
    inside: str = ""


FORMS = (
    Form(
        "SwarmUI",
        ("parameters", "usercomment", "model"),  # the last one in older versions
        tuple(
            "prompt negativeprompt model seed steps cfgscale images width height aspectratio resolution sampler "
            "scheduler comfyuisampler autowebuisampler swarm_version".split()
        ),
        3,
        inside="sui_image_params",
    ),
    Form(
        "Fooocus",
        ("parameters", "usercomment"),
        tuple(
            "prompt full_prompt negative_prompt base_model base_model_hash seed sampler scheduler performance styles "
            "steps guidance_scale sharpness metadata_scheme version".split()
        ),
        3,
        ("base_model",),
    ),
    Form(
        "Fooocus-MRE",
        ("comment",),
        tuple(
            "prompt negative_prompt real_prompt styles seed sampler scheduler performance steps cfg sharpness "
            "base_model refiner_model".split()
        ),
        5,
        ("base_model",),
    ),
    Form(
        "RuinedFooocus",
        ("parameters",),
        tuple("prompt negative steps cfg seed sampler_name scheduler base_model_name base_model_hash loras".split()),
        5,
        ("base_model_name",),
    ),
    Form(
        "InvokeAI",
        ("invokeai_metadata",),
        tuple("positive_prompt negative_prompt model seed steps scheduler generation_mode app_version".split()),
        3,
    ),
    Form("InvokeAI", ("sd-metadata",), ("image", "app_id", "model", "model_hash"), 2, ("image",)),
    Form("NovelAI", ("comment",), tuple("prompt uc steps sampler seed scale n_samples".split()), 4, ("prompt", "uc")),
    Form(
        "Easy Diffusion",
        ("texts", "usercomment"),
        tuple(
            "prompt negative_prompt seed use_stable_diffusion_model use_vae_model sampler_name scheduler_name width "
            "height num_inference_steps guidance_scale".split()
        ),
        5,
        ("use_stable_diffusion_model",),
    ),
    Form(
        "Easy Diffusion",
        ("texts", "usercomment"),
        (
            *(
                "prompt",
                "negative prompt",
                "seed",
                "stable diffusion model",
                "vae model",
                "sampler",
                "scheduler",
                "width",
            ),
            *("height", "steps", "guidance scale"),
        ),
        5,
        ("stable diffusion model",),
    ),
    Form(
        "Draw Things",
        ("usercomment", "comment"),
        tuple("c uc seed steps sampler scale model strength size seed_mode v2".split()),
        6,
        ("c", "uc"),
    ),
    Form("MFLUX", ("usercomment",), ("mflux_version", "model", "seed", "steps", "prompt"), 3, ("mflux_version",)),
    Form(
        "Tensor.Art",
        ("generation_data",),
        tuple("models prompt negativeprompt samplername steps cfgscale seed basemodel workengine".split()),
        5,
    ),
)
JSON_PLACES = frozenset(place for form in FORMS for place in form.places) | {"prompt", "workflow"}


def is_settings(text: str) -> bool:
    text = ends(text)
    return all(re.search(pattern, text) for pattern in SETTINGS_ALL) and (
        sum(re.search(pattern, text) is not None for pattern in SETTINGS_TWO) > 1
    )


def is_dream(text: str) -> bool:
    options = text.rpartition('"')[2]
    return text.startswith('"') and all(re.search(pattern, options) for pattern in DREAM_ALL)


def form_of(place: str, content: dict[str, object]) -> str | None:
    """The program that writes such an object at `place`, a lower-case key."""
    for form in FORMS:
        if place in form.places:
            found = content.get(form.inside) if form.inside else content
            keys = {key.lower() for key in found} if isinstance(found, dict) else set()
            if keys.issuperset(form.must) and len(keys.intersection(form.known)) >= form.least:
                return form.program
    return None
