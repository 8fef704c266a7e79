"""Where pictures come from, as the command line names it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.model_folder import Generator, hub
from training.errors import TrainingError

DEFAULT_DATA = "JamieWithofs/Deepfake-and-real-images"

_OPENFORENSICS = (
    "OpenForensics (Le et al., ICCV 2021, Zenodo 5528418), 256 x 256 release 'Deepfake and real images'; CC BY 4.0"
)
_STYLEGAN = "StyleGAN faces and FFHQ photographs ('140k real and fake faces'); FFHQ: CC BY-NC-SA 4.0"
_OF_PAIRS = "training photographs beside what FLUX.2's tiny autoencoder (MIT) makes of them, on their terms"
# What is known of the sources that the bundled model was trained on, by the name of their folder or repository.
TERMS = {
    "openforensics": _OPENFORENSICS,
    DEFAULT_DATA: _OPENFORENSICS,
    "dfdc": "DFDC face swaps (Dolhansky et al. 2020), tight face crops; for research only",
    "stylegan": _STYLEGAN,
    "portraits": "All-Age-Faces and UTKFace, real faces only; UTKFace: non-commercial research",
    "t2i": "SFHQ-T2I (SelfishGene), portraits by SDXL and FLUX.1; MIT",
    "sd14": "portraits by Stable Diffusion 1.4, a collection without a clear licence; for research only",
    "studio-gan": "studio portraits by the StyleGAN2 family, a collection without a clear licence; for research only",
    "stylegan2": "faces by StyleGAN2, a collection without a clear licence; for research only",
    "stylegan-more": _STYLEGAN,
    "mebeauty": "MEBeauty portraits of people of six origins, a collection without a clear licence; for research only",
    "unsplash-men": "photographs of men, a collection without a clear licence; for research only",
    "all-age-faces": "All-Age-Faces; non-commercial research",
    "headshots": "portraits by FLUX.1 with LoRAs, of headshot services, without a clear licence; for research only",
    "edits": "people dressed and placed anew by GPT Image and others, without a clear licence; for research only",
    "portraits-mixed": "portraits by diffusion models and StyleGAN2, without a clear licence; for research only",
    "speakers": "conference speakers up to 2021, without a clear licence; for research only",
    "players": "photographs of athletes, without a clear licence; for research only",
    "unseen-sd3": "portraits by Stable Diffusion 3; CC0",
    "unseen-nano-banana": "pictures by Gemini 3 Pro Image as passed on in social media; for research only",
    "unseen-tpdne": "faces by StyleGAN2 at 1,024 pixels, and FFHQ photographs; FFHQ: CC BY-NC-SA 4.0",
    "unseen-inswapper": "FFHQ photographs, and face swaps into them by inswapper_128; FFHQ: CC BY-NC-SA 4.0",
    "unseen-congress": "portraits of members of the US Congress since 1870; mostly public domain",
    "unseen-speakers": "conference speakers of 2022 and 2023, without a clear licence; for research only",
    "pairs-taef2": _OF_PAIRS,
    "pairs-unmixed": _OF_PAIRS,
    "groups-utkface": "UTKFace by origin, sex and age; non-commercial research",
}
# What made the forgeries of sources that have no column `generator`, by their name.
GENERATORS = {
    "openforensics": "OpenForensics face swaps",
    DEFAULT_DATA: "OpenForensics face swaps",
    "dfdc": "DFDC face swaps",
    "stylegan": "StyleGAN",
}
# When generators came out, by what a column `generator` calls them.
GENERATOR_YEARS = {
    "DFDC face swaps": 2019,
    "OpenForensics face swaps": 2021,
    "Gemini 3 Pro Image (Nano Banana Pro)": 2025,
    "SDXL and FLUX.1": 2024,
    "Stable Diffusion 1.4": 2022,
    "Stable Diffusion 3": 2024,
    "StyleGAN": 2018,
    "StyleGAN2": 2019,
    "StyleGAN2, 1024 px": 2019,
    "StyleGAN2 family, studio portraits": 2019,
    "inswapper_128": 2023,
}
# Copies on the Hub that put the official splits of another set together into one, by their name in small letters.
MERGED = {"hemg/deepfake-and-real-images": DEFAULT_DATA}


_ON_THE_HUB = {"openforensics": DEFAULT_DATA}  # folders that are a copy of a set there


@dataclass(frozen=True)
class Source:
    """`spec` is a Hub id (`owner/name` or `owner/name@revision`) or a folder; `weight` how often, relative to its
    size, its pictures are drawn in training."""

    spec: str
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "Source":
        """`SPEC` or `SPEC:WEIGHT`. Raises TrainingError for a weight that is not a positive number."""
        spec, colon, weight = text.rpartition(":")
        if not colon or not _is_number(weight):
            return cls(text)
        if not 0 < float(weight) < math.inf:
            raise TrainingError(f"The weight of {spec} must be a number above 0.")
        return cls(spec, float(weight))

    @property
    def name(self) -> str:
        """What the source is called in figures: a Hub id as it is, a folder by its name."""
        return Path(self.spec).resolve().name if Path(self.spec).is_dir() else self.spec

    @property
    def place(self) -> str:
        """What the source is called in a command that someone else can run: a folder is below DATA."""
        return f"DATA/{self.name}" if Path(self.spec).is_dir() else self.spec

    @property
    def hub_id(self) -> str | None:
        """`owner/name` of the set on the Hub, None where there is none."""
        name = self.name.partition("@")[0]
        named = hub.parse(name)
        return named[0] if named else _ON_THE_HUB.get(name)

    @property
    def merged_from(self) -> str | None:
        """The set whose official splits this copy has lost: no part of it is a test."""
        return MERGED.get(self.name.partition("@")[0].lower())

    @property
    def generator(self) -> Generator | None:
        """What made its forgeries, where the source is one that is known here."""
        name = GENERATORS.get(self.name.partition("@")[0])
        return generator(name) if name else None

    @property
    def terms(self) -> str | None:
        """Whose pictures they are and what they may be used for, None where that is not known here."""
        return TERMS.get(self.name.partition("@")[0])


def generator(name: str) -> Generator:
    """The generator that a column of that name's word names, with its year where it is known."""
    return Generator(name, GENERATOR_YEARS.get(name))


def by_role(data: Sequence[str], unseen: Sequence[str]) -> tuple[list[Source], list[Source]]:
    """The sources to train on and the unseen ones. Raises TrainingError where one stands in both, or two of them have
    one name, since figures go by the name."""
    seen_sources, unseen_sources = ([Source.parse(text) for text in texts] for texts in (data, unseen))
    for source in unseen_sources:
        for other in seen_sources:
            if source.name == other.name or (source.hub_id and source.hub_id == other.hub_id):
                raise TrainingError(
                    f"{source.name} stands in --data and in --unseen: a set is trained on or unseen, never both."
                )
    names = [source.name for source in seen_sources + unseen_sources]
    if len(set(names)) < len(names):
        raise TrainingError("Two sources have the same name: rename a folder, since figures go by the name.")
    return seen_sources, unseen_sources


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
