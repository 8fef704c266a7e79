"""Where pictures come from, as the command line names it."""

import math
from dataclasses import dataclass
from pathlib import Path

from detector.model_folder import hub
from training.errors import TrainingError

DEFAULT_DATA = "JamieWithofs/Deepfake-and-real-images"

_OPENFORENSICS = (
    "OpenForensics (Le et al., ICCV 2021, Zenodo 5528418), 256 x 256 release 'Deepfake and real images'; CC BY 4.0"
)
# What is known of the sources that the bundled model was trained on, by the name of their folder or repository.
TERMS = {
    "openforensics": _OPENFORENSICS,
    DEFAULT_DATA: _OPENFORENSICS,
    "dfdc": "DFDC face swaps (Dolhansky et al. 2020), tight face crops; for research only",
    "stylegan": "StyleGAN faces and FFHQ photographs ('140k real and fake faces'); FFHQ: CC BY-NC-SA 4.0",
    "portraits": "All-Age-Faces and UTKFace, real faces only; UTKFace: non-commercial research",
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
    def terms(self) -> str | None:
        """Whose pictures they are and what they may be used for, None where that is not known here."""
        return TERMS.get(self.name.partition("@")[0])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
