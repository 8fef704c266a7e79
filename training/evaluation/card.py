"""config.json and metrics.json -> the model card, as `huggingface_hub` writes them."""

import dataclasses
from collections.abc import Iterator, Sequence

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from detector.fusion import MAX, SUM
from detector.model_folder import (
    CalibrationLimits,
    Figure,
    Measured,
    MeasuredSet,
    Metrics,
    ModelConfig,
    ReencodingLadder,
    Robustness,
    no_signs_shares,
)
from detector.shares import Curves, Share
from detector.verdict import Calibration
from training import onnx_file
from training.data.sources import Source
from training.recipes import is_recipe

# The Hub's copies of the ImageNet weights that the networks start from.
_BASE_MODELS = {"efficientnet-lite0": "timm/tf_efficientnet_lite0.in1k"}

_COLUMNS = (
    ("AUC", "auc"),
    ("accuracy", "accuracy"),
    ("false positive rate", "false_positive_rate"),
    ("false negative rate", "false_negative_rate"),
    ("real called likely fake", "real_likely_fake"),
    ("real: no signs", "real_no_signs"),
    ("fake called likely fake", "fake_likely_fake"),
    ("fake: no signs", "fake_no_signs"),
    ("abstention rate", "abstention_rate"),
    ("selective risk", "selective_risk"),
    ("ECE", "ece"),
)
REENCODING_FIGURES = {
    "AUC": "auc",
    "false positive rate": "false_positive_rate",
    "abstention rate": "abstention_rate",
}
_CONDITIONS = {
    "clean": "Clean: the pictures as they are",
    "half_size_jpeg": "Half size, JPEG quality 60 to 80",
    "quarter_size_jpeg": "Quarter size, JPEG quality 40",
    "no_crop": "No crop: the data set's own pictures without the face detector, to compare with published figures",
}


def render(config: ModelConfig, metrics: Metrics, *, onnx: bool = False) -> str:
    """The README.md of a model folder, with `onnx` of one that has ONNX files: metadata that the Hub reads, and the
    text. Markdown with YAML front matter."""
    architectures = config.architecture.split(" and ")
    data = ModelCardData(
        license="other",
        license_name="non-commercial-research",
        license_link="README.md",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["deepfake-detection", "image-forensics", "litert", "tflite", *(["onnx"] * onnx), *architectures],
        base_model=_BASE_MODELS.get(architectures[0]) if _is_pretrained(config) else None,
        datasets=datasets(config) or None,
        model_name="Deepfake Image Detector",
        eval_results=list(_eval_results(metrics)) or None,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_text(config, metrics, onnx)}", ignore_metadata_errors=False))


def datasets(config: ModelConfig) -> list[str]:
    """Those of the sources to train on that the Hub has, by their names there."""
    return sorted({found for name in config.data.train if (found := Source(name).hub_id)})


def _eval_results(metrics: Metrics) -> Iterator[EvalResult]:
    for measured in metrics.sets:
        clean = measured.clean
        both = bool(clean.fake and clean.real)
        for title, kind, figure in (
            ("AUC", "roc_auc", clean.auc),
            ("Accuracy", "accuracy", clean.accuracy if both else None),
        ):
            if figure:
                yield EvalResult(
                    task_type="image-classification",
                    dataset_type=measured.name,
                    dataset_name=measured.title,
                    dataset_split=measured.split,  # or the Hub takes two splits of a source for one
                    metric_type=kind,
                    metric_name=title,
                    metric_value=figure.value,
                )


def _text(config: ModelConfig, metrics: Metrics, onnx: bool) -> str:
    calibration = config.calibration
    sizes = " and ".join(dict.fromkeys(f"{network.input_size}" for network in config.networks))
    parts = [
        f"""# Deepfake Image Detector: {config.architecture}, {sizes} pixels

Says of a face in a photograph how much speaks for a forgery and how rare that is, or that it cannot tell. A face is
found by the face detector `{config.face_detector}`.
It is judged by {_networks(config)}.
Maps of evidence add up to the score and double as the heat map. The score, 0 to 1, is no probability. From
{calibration.likely_fake_from:.3f} on a face is *likely fake*, {_leans(calibration)}below
{calibration.no_signs_below:.3f} it has *no signs of forgery*, in between it is *uncertain*. No signs of forgery is no
claim that a photograph is real.

## Use

    python -m detector photo.jpg --model FOLDER

For a second look at a photograph before it is believed or passed on, by a person who also asks where it comes from.
**Not** for deciding about a person, as evidence on its own, for watching people, or to clear a picture as genuine: a
forgery made in a way that it has never seen can pass, and a real photograph can be called fake.
""",
        onnx_file.example(config) if onnx else "",
        _unseen(metrics),
        f"""## All figures

Measured through the app's own path: a picture goes in whole, faces are found and cut out as they are when served. In
brackets 95% intervals: Wilson's for rates, a stratified bootstrap for AUC and ECE. Fake is the positive class. Accuracy
and the false positive and false negative rates force a verdict at a score of 0.5. The abstention rate is the share that
gets no verdict, the selective risk the share of wrong verdicts among the others. The AUC of an unseen set is that of
its forgeries against the real faces of all unseen sets.

Made by `{metrics.command}` on {metrics.date}. What was said of each picture stands in scores.csv or scores.csv.gz.
""",
        *_set_tables(metrics.sets),
        _rarity(metrics.curves),
        _confusion(metrics.sets),
        _groups(metrics.sets),
        _robustness(metrics.robustness),
        _reencoding(metrics.reencoding),
        "![ROC](plots/roc.png) ![Reliability](plots/reliability.png)\n",
        _training(config),
        _limits(),
    ]
    return "\n".join(part for part in parts if part)


def _leans(calibration: Calibration) -> str:
    if calibration.leans_fake_from is None:
        return ""
    return f"from {calibration.leans_fake_from:.3f} on it *leans fake*, "


def _networks(config: ModelConfig) -> str:
    margins = [f"{network.crop_margin:g}" for network in config.networks]
    if len(margins) == 1:
        return f"a network that sees a square of {margins[0]} face sides"
    sums, maxima = ([f"{n.weight:g}" for n in config.networks if n.fusion == of] for of in (SUM, MAX))
    squares = " and ".join(dict.fromkeys(margins))
    seen = f"{('two', 'three')[len(margins) - 2]} networks that see squares of {squares} face sides"
    parts = [f"whose logits are added with the weights {' and '.join(sums)}"] if len(sums) > 1 else []
    parts += [
        f"of which one counts, times {weight}, where its logit is higher than that of the others" for weight in maxima
    ]
    return ", ".join([seen, *parts])


def _unseen(metrics: Metrics) -> str:
    title = "## Generators and cameras that it has never seen\n"
    if not metrics.unseen:
        return (
            f"{title}\nNothing was measured on them: the figures below are of the kinds of forgery it was trained on.\n"
        )
    shares = no_signs_shares(metrics)
    text = (
        "None of these pictures was trained on. They chose the checkpoint and the thresholds, and tell what to expect "
        "of pictures from elsewhere.\n"
    )
    if shares.unseen is not None:
        text += (
            f"\nOf 100 faces by these generators, {100 * shares.unseen:.0f} get *no signs of forgery*"
            + (f"; of 100 forged in ways it was trained on, {100 * shares.seen:.0f}" if shares.seen is not None else "")
            + (f"; of 100 real faces here, {100 * shares.unseen_real:.0f}" if shares.unseen_real is not None else "")
            + ". Every set counts alike.\n"
        )
    fake = [
        [str(generator), measured.name, str(found.fake), _cell(found.auc), *_verdicts(found, "fake")]
        for measured in metrics.unseen
        for generator, found in _by_generator(measured)
        if found.fake
    ]
    real = [
        [measured.name, str(c.real), *_verdicts(c, "real"), _cell(c.false_positive_rate)]
        for measured in metrics.unseen
        for c in [measured.clean]
        if c.real
    ]
    tables = []
    if fake:
        tables.append(_table(["generator", "set", "faces", "AUC", *_VERDICTS], fake))
    if real:
        tables.append(_table(["real photographs", "faces", *_VERDICTS, "score above 0.5"], real))
    return "\n".join([title, text, *tables])


def _by_generator(measured: MeasuredSet) -> list[tuple[str, Measured]]:
    if measured.by_generator:
        return [(str(part.generator), part.conditions["clean"]) for part in measured.by_generator]
    return [(", ".join(map(str, measured.generators)) or "-", measured.clean)]


_VERDICTS = ("likely fake", "leans fake", "can't tell", "no signs")


def _verdicts(found: Measured, kind: str) -> list[str]:
    """The shares of the verdicts of _VERDICTS among the faces of one kind, "fake" or "real"."""
    likely, leans, no_signs = (getattr(found, f"{kind}_{name}") for name in ("likely_fake", "leans_fake", "no_signs"))
    rest = 1 - sum(figure.value for figure in (likely, leans, no_signs) if figure)
    return [_cell(likely), _cell(leans), f"{max(0.0, rest):.3f}", _cell(no_signs)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _set_tables(sets: Sequence[MeasuredSet]) -> Iterator[str]:
    for condition, title in _CONDITIONS.items():
        rows = []
        for measured in sets:
            if found := measured.conditions.get(condition):
                cells = [_cell(getattr(found, key)) for _, key in _COLUMNS]
                rows.append([measured.title, measured.role, str(found.judged), f"{found.no_face:.1%}", *cells])
        header = ["set", "role", "pictures judged", "no face", *(title for title, _ in _COLUMNS)]
        yield f"### {title}\n\n" + _table(header, rows)


_SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


def _rarity(curves: Curves | None) -> str:
    if curves is None:
        return ""
    rows = [[f"{score:.2f}", *map(_cell, vars(curves.at(score)).values())] for score in _SCORES]
    groups = ("real faces", "forged in ways never seen", "forged in ways trained on")
    shown = zip(groups, (curves.real, curves.unseen, curves.seen), strict=True)
    counts = ", ".join(f"{curve.n:,} {group} of {len(curve.sets)} sets" for group, curve in shown if curve)
    return (
        "### How rare a score is\n\nThe share of faces that score at least so high, the mean over sets of pictures: "
        f"{counts}. In brackets the 95% interval that Wilson's of the sets give (method of variance estimates "
        "recovery): it tells of chance in the pictures, not of how other sets would differ.\n\n"
        + _table(["score", *groups], rows)
    )


def _cell(figure: Figure | Share | None) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]" if figure else "-"


def _confusion(sets: Sequence[MeasuredSet]) -> str:
    rows = [
        [measured.title, *(str(count) for count in dataclasses.astuple(measured.clean.confusion))]
        for measured in sets
        if measured.clean.confusion
    ]
    header = ["set", "real as real", "real as fake", "fake as real", "fake as fake"]
    return "### Confusion matrices (clean, at a score of 0.5)\n\n" + _table(header, rows)


def _groups(sets: Sequence[MeasuredSet]) -> str:
    rows = [
        [measured.title, group.attribute, group.group, str(group.judged)]
        + [_cell(group.false_positive_rate), _cell(group.real_likely_fake), _cell(group.abstention_rate)]
        for measured in sets
        for group in measured.groups
    ]
    header = ["set", "by", "group", "real faces", "false positive rate", "called likely fake", "abstention rate"]
    return "### By group (clean real faces)\n\n" + _table(header, rows) if rows else ""


def _robustness(robustness: Robustness | None) -> str:
    if not robustness:
        return ""
    rows = [
        [name, *(f"{row.auc.value:.3f}" if row.auc else "-" for row in severities)]
        for name, severities in robustness.corruptions.items()
    ]
    return (
        f"### AUC under corruption ({robustness.set}, {robustness.pictures} pictures, severity 1 to 5)\n\n"
        + _table(["corruption", "1", "2", "3", "4", "5"], rows)
        + f"\nMade by `{robustness.command}`.\n\n![Robustness](plots/robustness.png)\n"
    )


def _reencoding(measured: ReencodingLadder | None) -> str:
    if not measured:
        return ""
    rows = [
        [ladder, title, *(f"{figure.value:.3f}" if figure else "-" for figure in figures)]
        for ladder, rounds in measured.ladders.items()
        for title, name in REENCODING_FIGURES.items()
        for figures in [[getattr(row.measured, name) for row in rounds]]
    ]
    count = max(len(rounds) for rounds in measured.ladders.values())
    return (
        f"### Shared again and again ({', '.join(measured.sets)}; {measured.pictures} pictures)\n\n"
        "Each round scales the picture down and saves it as a social network does.\n\n"
        + _table(["each round", "figure", *(str(number) for number in range(count))], rows)
        + f"\nMade by `{measured.command}`.\n\n![Re-encoding](plots/reencoding.png)\n"
    )


def _training(config: ModelConfig) -> str:
    rows = [
        f"- `{name}`: {found.train.fake} fake and {found.train.real} real faces to train, {found.validation.fake} and "
        f"{found.validation.real} to {'watch it' if config.data.unseen else 'choose'} and calibrate. "
        f"{found.terms or 'Terms: see the source'}."
        for name, found in config.data.train.items()
    ]
    rows += [
        f"- `{name}`, unseen: {found.counts.fake} fake and {found.counts.real} real faces to choose and calibrate"
        f"{', by ' + ', '.join(map(str, found.generators)) if found.generators else ''}. "
        f"{found.terms or 'Terms: see the source'}."
        for name, found in config.data.unseen.items()
    ]
    limits = config.limits
    fitted = (
        f"\nThe thresholds let at most {limits.max_unseen_no_signs:.0%} of the forgeries of each unseen set come out "
        f"as no signs, {limits.max_seen_no_signs:.0%} of those of the seen sets on average, and at most "
        f"{limits.max_false_positive_rate:.1%} of real faces as likely fake, {_of_sets(limits)}; config.json has the "
        "shares of each.\n"
        if limits
        else ""
    )
    steps = [line for line in config.commands if not is_recipe(line)]
    history = "\n".join(f"    {line}" for line in steps)
    recipes = " and ".join(f"`{line}`" for line in config.commands if is_recipe(line))
    all_at_once = f"{recipes} do all of it, with `DATA` the folder of the sources. Step by step" if recipes else ""
    return f"""## Training

{chr(10).join(rows)}
{fitted}
{all_at_once or "The commands, with `DATA` the folder of the sources"}:

{history}

Seed {config.seed}, {config.date}, code at commit `{config.git_commit}`.{_origin(config)} The code is
Apache-2.0; **the weights carry the strictest terms of the data above: they are for non-commercial research and
education only.**
"""


def _of_sets(limits: CalibrationLimits) -> str:
    if limits.max_leans_rate is None:
        return "in each set"
    return (
        f"on average over the sets ({limits.max_false_positive_rate_of_set:.0%} in any large one); at most "
        f"{limits.max_leans_rate:.0%} likely fake or leaning to it ({limits.max_leans_rate_of_set:.0%})"
    )


def _origin(config: ModelConfig) -> str:
    first = " The first run started from ImageNet weights (Apache-2.0)." if _is_pretrained(config) else ""
    clip = " The blocks of CLIP ViT-B/16 are OpenAI's own (MIT)." if "clip-vit-b16" in config.architecture else ""
    return first + clip


def _is_pretrained(config: ModelConfig) -> bool:
    first = next((line for line in config.commands if not is_recipe(line)), "")
    return config.architecture.startswith("efficientnet") and "--weights" not in first


def _limits() -> str:
    return """## Limits

- It looks at faces only: a picture whose background, text or body was forged gets no hint of it.
- Generators that came after its data, or that differ from those it was trained on, may pass: the first tables say how
  often.
- Small, blurred, cut-off or heavily compressed faces lose the traces it looks for; the verdict is then more often
  uncertain.
- The data hold more of some ages and skin colours than of others, and the false positive rate differs between them.
- Where fakes are rare, fewer of those that it suspects are fake.
"""
