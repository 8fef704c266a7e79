"""What a run of `fit` can be told, every default with its reason. Imports no Keras, so that --help is quick."""

import argparse
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from detector.fusion import MAX, SUM
from training.augment import corruptions
from training.data.sources import DEFAULT_DATA, Source

# The networks of training.architectures, and the input size in pixels that each was designed for.
ARCHITECTURES = {
    "efficientnet-lite0": 224,
    "efficientnet-lite0-probe": 224,
    "clip-vit-b16-probe": 224,
    "efficientnetv2-b0": 224,
    "efficientnetv2-l": 480,
    "sequential-baseline": 256,
}


def option(default: Any, why: str, choices: tuple[str, ...] = ()) -> Any:
    """A field that add_fields() makes an argument of; `choices` are all that it may hold."""
    return field(default=default, metadata={"help": why, "choices": choices})


@dataclass(frozen=True)
class FitOptions:
    """Defaults are those of the bundled model unless a preset says otherwise."""

    data: tuple[str, ...] = option(
        (DEFAULT_DATA,), "SPEC or SPEC:WEIGHT each: a Hub id, a folder of pictures or parquet"
    )
    unseen: tuple[str, ...] = option(
        (), "sources whose validation split chooses the checkpoint; none of their pictures is trained on"
    )
    streaming: bool = option(
        False,
        "read the pictures from the Hub while training, for sets too large to download; their faces are detected again",
    )
    streaming_block: int = option(2048, "pictures of each source in the shuffle buffer, in memory, while streaming")
    architecture: str = option("efficientnet-lite0", f"one of {', '.join(ARCHITECTURES)}", choices=tuple(ARCHITECTURES))
    weights: str = option("imagenet", '"imagenet", "none", or a .keras file to go on from')
    freeze_through: str = option(
        "", "the last of the layers that keep their weights; block2_add makes a step nearly twice as fast"
    )
    input_size: int = option(0, "pixels; 0: what the architecture was designed for")
    margin: float = option(1.4, "crop side / face size: the face, its outline and what a blend must match around it")
    jitter: float = option(
        1.0, "strength of random scale, shift and resampling of the crop; 0 teaches the data set's geometry"
    )
    corruptions: tuple[str, ...] = option(
        corruptions.TRAINING, "alterations to draw from; none with no name given", choices=corruptions.TRAINING
    )
    reencode: bool = option(
        True, "make sizes and encodings of all pictures alike, or a network learns those of the data sets"
    )
    reencode_pairs: bool = option(
        True, "the same for pairs, whose halves are alike already: it wipes out much of what decoders leave"
    )
    self_blend: float = option(0.1, "share of real faces blended with themselves into forgeries")
    epochs: float = option(8.0, "passes over the weighted data")
    l2: float = option(5.0, "L2 penalty on a probe's weights, in units of its mean loss; other networks ignore it")
    batch_size: int = option(32, "crops in a step")
    learning_rate: float = option(1e-3, "AdamW's peak, after the warm-up, for a batch of 32")
    warmup_fraction: float = option(0.05, "share of all steps in which the learning rate rises")
    weight_decay: float = option(0.02, "of AdamW, on kernels only")
    ema_decay: float = option(
        0.999, "decay of the exponential moving average of the weights, which is validated and kept; 0: none"
    )
    label_smoothing: float = option(0.05, "some labels are wrong, and sure answers calibrate badly")
    patience: int = option(4, "validations without a better AUC before stopping")
    validations_per_epoch: int = option(1, "each followed by a checkpoint")
    limit: int | None = option(None, "pictures of each class and split, for trials")
    seed: int = option(1, "random seed: weights, shuffling, augmentation")
    threads: int = option(4, "data-loading threads")
    crop_processes: int = option(0, "data-loading processes, where threads cannot keep up with a GPU; 0: none")

    @property
    def size(self) -> int:
        return self.input_size or ARCHITECTURES[self.architecture]

    def command(self, run: str) -> str:
        """The `fit` command with these options, DATA and RUNS for the folders of data and runs."""
        data, unseen = (
            tuple(s.place + (f":{s.weight:g}" if s.weight != 1 else "") for s in map(Source.parse, texts))
            for texts in (self.data, self.unseen)
        )
        weights = self.weights
        if weights.endswith(".keras"):
            weights = "RUNS/" + "/".join(Path(weights).parts[-2:])
        named = dataclasses.replace(self, data=data, unseen=unseen, weights=weights)
        return " ".join(["python -m training fit", *given_words(named), f"--out RUNS/{run}"])


@dataclass(frozen=True)
class ExportOptions:
    """What an export can be told."""

    weights: tuple[float, ...] = option((), "what the logit of each network counts (default: 1 each)")
    fusion: tuple[str, ...] = option(
        (), "how the logit of each network joins those before it (default: sum each)", choices=(SUM, MAX)
    )
    unseen: tuple[str, ...] = option(
        (), "sources whose validation split fits temperature and thresholds, in place of the run's own"
    )
    wise_ft_alpha: float = option(
        1.0, "WiSE-FT interpolation: 1 is the network of the run, towards 0 its initial weights"
    )
    onnx: bool = option(False, 'write model.onnx too, for ONNX Runtime; needs pip install ".[onnx]"')


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
    add_fields(parser, FitOptions)


def add_fields(parser: argparse.ArgumentParser, kind: Any) -> None:
    """An argument for every option() of a dataclass."""
    for each in dataclasses.fields(kind):
        name, text = "--" + each.name.replace("_", "-"), each.metadata["help"].replace("%", "%%")
        more: dict[str, Any] = {"choices": each.metadata["choices"] or None, "metavar": each.name.upper()}
        if isinstance(each.default, tuple):
            of, _ = get_args(each.type)
            more |= {"type": of, "nargs": "*" if more["choices"] else "+"}
            if each.default and of is float:
                more["nargs"] = len(each.default)
            text += f" (default: {' '.join(map(str, each.default))})" if each.default else ""
        elif isinstance(each.default, bool):
            more = {"action": argparse.BooleanOptionalAction if each.default else "store_true"}
        else:
            more["type"] = int if each.default is None else type(each.default)
            text += f" (default: {'all' if each.default is None else each.default})"
        parser.add_argument(name, default=argparse.SUPPRESS, help=text, **more)


def given_fields(arguments: argparse.Namespace, kind: Any) -> dict[str, Any]:
    """What was parsed with add_fields(), without what was not said."""
    values = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(kind) if f.name in arguments}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def given_words(options: Any) -> list[str]:
    """The arguments of add_fields() that give these options, without those that are as by default."""
    words = []
    for each in dataclasses.fields(options):
        name, value = each.name.replace("_", "-"), getattr(options, each.name)
        if value == each.default:
            continue
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words.append(" ".join([f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]))
    return words


def from_arguments(arguments: argparse.Namespace) -> FitOptions:
    """What was parsed with `add_arguments`; the preset says the rest."""
    return FitOptions(**{**PRESETS[arguments.preset], **given_fields(arguments, FitOptions)})
