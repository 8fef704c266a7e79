"""What `reconstruct` can be told. Imports nothing heavy, so that --help is quick."""

from dataclasses import dataclass

from training.options import option

ZOO = "zoo"
REGIONS = ("picture", "surroundings", "face")


@dataclass(frozen=True)
class ReconstructOptions:
    autoencoder: tuple[str, ...] = option(
        (),
        ".onnx or .keras files, owner/name[@revision] that diffusers reads, or zoo: some of many designs, trained here",
    )
    regions: tuple[str, ...] = option(
        REGIONS, "to draw from: the whole picture, a cut around the face, the face alone in such a cut", choices=REGIONS
    )
    count: int = option(1, "pairs of each photograph; they differ in autoencoder, region and scale")
    size: int = option(1024, "pixels of the longer side at most")
    mix: float = option(
        1.0, "least share of the reconstruction in the forged half, drawn from here to 1; the rest is the photograph"
    )
    limit: int | None = option(None, "photographs of each set, and a tenth as many for validation")
    designs: int = option(12, "of the zoo")
    steps: int = option(1500, "that a design is trained for, minutes on two cores")
    seed: int = option(1, "of all draws")
