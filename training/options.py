"""What a run of `fit` can be told, every default with its reason. Imports no Keras, so that --help is quick."""

import argparse
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.augment import corruptions
from training.data.sources import DEFAULT_DATA, Source

# The networks of training.architectures, and the input size in pixels that each was designed for.
ARCHITECTURES = {
    "efficientnet-lite0": 224,
    "efficientnet-lite2": 260,
    "efficientnet-lite0-probe": 224,
    "efficientnetv2-b0": 224,
    "efficientnetv2-l": 480,
    "sequential-baseline": 256,
}


def _option(default: Any, why: str) -> Any:
    return field(default=default, metadata={"help": why})


@dataclass(frozen=True)
class FitOptions:
    """Defaults are those of the bundled model unless a preset says otherwise."""

    data: tuple[str, ...] = _option(
        (DEFAULT_DATA,), "SPEC or SPEC:WEIGHT each: a Hub id, a folder of pictures or parquet"
    )
    unseen: tuple[str, ...] = _option(
        (), "sources whose validation split chooses the checkpoint; none of their pictures is trained on"
    )
    streaming: bool = _option(
        False,
        "read the pictures from the Hub while training, for sets too large to download; their faces are found anew",
    )
    streaming_block: int = _option(2048, "pictures that are shuffled together while streaming; two such are in memory")
    architecture: str = _option("efficientnet-lite0", f"one of {', '.join(ARCHITECTURES)}")
    weights: str = _option("imagenet", '"imagenet", "none", or a .keras file to go on from')
    frozen_until: str = _option(
        "", "name of a layer: it and all before it stay as they are; block2_add makes a step nearly twice as fast"
    )
    input_size: int = _option(0, "pixels; 0: what the architecture was designed for")
    margin: float = _option(1.4, "crop side in face sides: the face, its outline and what a blend must match around it")
    jitter: float = _option(1.0, "of the crop's scale, place and resampling; 0 teaches the data set's geometry")
    corruptions: tuple[str, ...] = _option(corruptions.TRAINING, "alterations to draw from; none with no name given")
    reencode: bool = _option(
        True, "make sizes and encodings of all pictures alike, or a network learns those of the data sets"
    )
    self_blend: float = _option(0.1, "share of real faces blended with themselves into forgeries")
    epochs: float = _option(8.0, "times that as many pictures go by as the weighted sources hold")
    penalty: float = _option(5.0, "of a probe's squared weights, in units of its mean loss; other networks ignore it")
    batch_size: int = _option(32, "crops in a step")
    learning_rate: float = _option(1e-3, "AdamW's peak, after the warm-up, for a batch of 32")
    warm_up: float = _option(0.05, "share of all steps")
    weight_decay: float = _option(0.02, "of AdamW, on kernels only")
    averaging: float = _option(
        0.999, "momentum of the running mean of the weights, which is validated and kept (Keras' use_ema); 0: none"
    )
    label_smoothing: float = _option(0.05, "some labels are wrong, and sure answers calibrate badly")
    patience: int = _option(4, "validations without a better AUC before stopping")
    validations_per_epoch: int = _option(1, "each followed by a checkpoint")
    limit: int | None = _option(None, "pictures of each class and split, for trials")
    seed: int = _option(1, "of weights, order and alterations")
    threads: int = _option(4, "that decode and cut")
    crop_processes: int = _option(0, "that decode and cut, where threads cannot keep up with a GPU; 0: none")

    @property
    def size(self) -> int:
        return self.input_size or ARCHITECTURES[self.architecture]

    def command(self, run: str) -> str:
        """The `fit` command with these options, DATA and RUNS for the folders of data and runs."""
        words = ["python -m training fit"]
        for option in dataclasses.fields(self):
            value = getattr(self, option.name)
            if value == option.default:
                continue
            if option.name in ("data", "unseen"):
                sources = [Source.parse(text) for text in value]
                value = [s.place + (f":{s.weight:g}" if s.weight != 1 else "") for s in sources]
            elif option.name == "weights" and value.endswith(".keras"):
                value = "RUNS/" + "/".join(Path(value).parts[-2:])
            if value is False:
                words.append(f"--no-{option.name.replace('_', '-')}")
                continue
            text = " ".join(value) if isinstance(value, (list, tuple)) else "" if value is True else value
            words.append(f"--{option.name.replace('_', '-')} {text}".rstrip())
        return " ".join([*words, f"--out RUNS/{run}"])


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    # Ends in minutes on two cores and shows that everything works; its model is not for use.
    "laptop": {"input_size": 128, "limit": 600, "epochs": 2.0, "validations_per_epoch": 1},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """An argument for every option, and --preset."""
    changes = "; ".join(
        f"{preset}: " + (", ".join(f"{key.replace('_', '-')} {value}" for key, value in options.items()) or "as below")
        for preset, options in PRESETS.items()
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), default="default", help=f"{changes} (default: default)")
    for option in dataclasses.fields(FitOptions):
        name = "--" + option.name.replace("_", "-")
        text = option.metadata["help"].replace("%", "%%")
        choices = list(ARCHITECTURES) if option.name == "architecture" else None
        if isinstance(option.default, tuple):
            text += f" (default: {' '.join(option.default)})"
            many = "+" if option.name in ("data", "unseen") else "*"
            choices = None if many == "+" else list(option.default)
            parser.add_argument(
                name, nargs=many, choices=choices, metavar=option.name.upper(), default=argparse.SUPPRESS, help=text
            )
        elif isinstance(option.default, bool):
            action = argparse.BooleanOptionalAction if option.default else "store_true"
            parser.add_argument(name, action=action, default=argparse.SUPPRESS, help=text)
        else:
            text += f" (default: {'all' if option.default is None else option.default})"
            kind = int if option.default is None else type(option.default)
            metavar = option.name.upper()
            parser.add_argument(name, type=kind, choices=choices, metavar=metavar, default=argparse.SUPPRESS, help=text)


def from_arguments(arguments: argparse.Namespace) -> FitOptions:
    """What was parsed with `add_arguments`; the preset says the rest."""
    values = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(FitOptions) if f.name in arguments}
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return FitOptions(**{**PRESETS[arguments.preset], **values})
