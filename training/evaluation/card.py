"""config.json and metrics.json -> the model card, as `huggingface_hub` writes them."""

from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from training.data.sources import Source

# The Hub's copies of the ImageNet weights that the networks start from.
_BASE_MODELS = {
    "efficientnet-lite0": "timm/tf_efficientnet_lite0.in1k",
    "efficientnet-lite2": "timm/tf_efficientnet_lite2.in1k",
}

_COLUMNS = (
    ("AUC", "auc"),
    ("accuracy", "accuracy"),
    ("real above 0.5", "false_accusations"),
    ("fake below 0.5", "missed_fakes"),
    ("real called likely fake", "called_likely_fake_though_real"),
    ("calibration error", "ece"),
    ("uncertain", "uncertain"),
    ("wrong when decided", "error_when_decided"),
)


def render(config: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The README.md of a model folder: metadata that the Hub reads, and the text. Markdown with YAML front matter."""
    data = ModelCardData(
        license="other",
        license_name="non-commercial-research",
        license_link="README.md",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["deepfake-detection", "image-forensics", "litert", "tflite", config["architecture"]],
        base_model=_BASE_MODELS.get(config["architecture"]) if _is_pretrained(config) else None,
        datasets=datasets(config) or None,
        model_name="Deepfake Image Detector",
        eval_results=list(_eval_results(metrics)) or None,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_text(config, metrics)}", ignore_metadata_errors=False))


def datasets(config: dict[str, Any]) -> list[str]:
    """Those of the sources that the Hub has, by their names there."""
    return sorted({found for name in config.get("data", {}) if (found := Source(name).hub_id)})


def _eval_results(metrics: dict[str, Any]) -> Any:
    for name, conditions in metrics["sets"].items():
        clean = conditions["clean"]
        source, _, split = name.partition(" ")
        for title, key in (("AUC", "auc"), ("Accuracy", "accuracy")):
            if key in clean and clean.get("fake") and clean.get("real"):
                yield EvalResult(
                    task_type="image-classification",
                    dataset_type=source,
                    dataset_name=name,
                    dataset_split=split,  # or the Hub takes two splits of a source for one
                    metric_type=key if key == "accuracy" else "roc_auc",
                    metric_name=title,
                    metric_value=clean[key]["value"],
                )


def _text(config: dict[str, Any], metrics: dict[str, Any]) -> str:
    bands = config["bands"]
    parts = [
        f"""# Deepfake Image Detector: {config["architecture"]}, {config["input_size"]} pixels

Says of a face in a photograph how likely it is that it was forged, or that it cannot tell. A face is found by BlazeFace
(`{config["face_finder"]}`), cut out as a square of {config["crop_margin"]:g} face sides, and judged by a network whose
last features add up to the score, so that they double as the heat map. A face that is not clearly real at first sight
is judged mirrored too, and the mean counts. Below P(fake) {bands["real_below"]:.3f} the
verdict is *likely real*, from {bands["fake_above"]:.3f} *likely fake*, between them *uncertain*.

## Use

    python -m detector photo.jpg --model FOLDER

For a second look at a photograph before it is believed or passed on, by a person who also asks where it comes from.
**Not** for deciding about a person, as evidence on its own, for watching people, or to clear a picture as genuine: a
forgery made in a way that it has never seen can pass, and a real photograph can be called fake.

## Figures

Measured through the app's own path: a picture goes in whole, faces are found and cut out as they are when served. In
brackets 95% bootstrap intervals. *Uncertain* is the share that gets no verdict, *wrong when decided* the share of wrong
verdicts among the others. *Web*: half size, JPEG quality 60 to 80. *Hard*: quarter size, JPEG 40. *As given*: the data
set's own crops without a face finder, only to compare with published figures. Accuracy, *real above* and
*fake below 0.5* force a verdict at P(fake) 0.5; *real called likely fake* are the false accusations that the app makes.

Made by `{metrics["command"]}` on {metrics["date"]}.
""",
        *_set_tables(metrics["sets"]),
        _confusion(metrics["sets"]),
        _robustness(metrics.get("robustness") or {}),
        "![ROC](plots/roc.png) ![Reliability](plots/reliability.png)\n",
        _ablations(metrics.get("ablations") or []),
        _training(config),
        _limits(),
    ]
    return "\n".join(part for part in parts if part)


def _set_tables(sets: dict[str, Any]) -> Any:
    header = "| set | pictures judged | no face |" + "".join(f" {title} |" for title, _ in _COLUMNS)
    rule = "|---|---|---|" + "---|" * len(_COLUMNS)
    for condition in ("clean", "web", "hard", "as_given"):
        rows = [header, rule]
        for name, conditions in sets.items():
            row = conditions[condition]
            cells = [name, str(row.get("judged", 0)), f"{row.get('no_face', 0):.1%}"]
            cells += [_cell(row.get(key)) for _, key in _COLUMNS]
            rows.append("| " + " | ".join(cells) + " |")
        yield f"### {condition.replace('_', ' ').capitalize()}\n\n" + "\n".join(rows) + "\n"


def _cell(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" if figure else "-"


def _confusion(sets: dict[str, Any]) -> str:
    rows = [
        "### Confusion matrices (clean, at P(fake) 0.5)\n",
        "| set | real as real | real as fake | fake as real | fake as fake |",
        "|---|---|---|---|---|",
    ]
    for name, conditions in sets.items():
        c = conditions["clean"].get("confusion")
        if c:
            rows.append(
                f"| {name} | {c['real_as_real']} | {c['real_as_fake']} | {c['fake_as_real']} | {c['fake_as_fake']} |"
            )
    return "\n".join(rows) + "\n"


def _robustness(robustness: dict[str, Any]) -> str:
    if not robustness:
        return ""
    rows = [f"### AUC under corruption ({robustness['set']}, {robustness['pictures']} pictures, severity 1 to 5)\n",
            "| corruption | 1 | 2 | 3 | 4 | 5 |", "|---|---|---|---|---|---|"]  # fmt: skip
    for name, severities in robustness["corruptions"].items():
        cells = [f"{row['auc']['value']:.3f}" if "auc" in row else "-" for row in severities]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + f"\n\nMade by `{robustness['command']}`.\n\n![Robustness](plots/robustness.png)\n"


def _ablations(ablations: list[dict[str, Any]]) -> str:
    if not ablations:
        return ""
    sets = ablations[0]["sets"]
    columns = [(name, condition, "auc") for name in sets for condition in sets[name] if "auc" in sets[name][condition]]
    columns += [(name, "clean", "false_accusations") for name in sets if "auc" not in sets[name]["clean"]]
    header = [
        f"AUC {name}{'' if condition == 'clean' else f', {condition}'}"
        if figure == "auc"
        else f"{name}: real above 0.5"
        for name, condition, figure in columns
    ]
    judged = ", ".join(f"{s['clean'].get('fake', 0) + s['clean'].get('real', 0)} of {name}" for name, s in sets.items())
    rows = [
        "## What each choice brought\n",
        "Short runs that differ in one choice each, one run a row, through the app's crops on validation pictures: "
        f"{judged}. A choice that pays off only in longer training does not show here.\n",
        "| run | " + " | ".join(header) + " |",
        "|---|" + "---|" * len(header),
    ]
    for run in ablations:
        cells = [_cell(run["sets"][name][condition].get(figure)) for name, condition, figure in columns]
        rows.append(f"| {run['name']} | " + " | ".join(cells) + " |")
    rows.append(f"\nThe first row's command: `{ablations[0]['command']}`. All rows: `python -m training ablate`.")
    return "\n".join(rows) + "\n"


def _training(config: dict[str, Any]) -> str:
    rows = []
    for name, splits in config["data"].items():
        train, validation = splits["train"], splits["validation"]
        rows.append(
            f"- `{name}`: {train['fake']} fake and {train['real']} real faces to train, {validation['fake']} and "
            f"{validation['real']} to choose and calibrate. {splits.get('terms') or 'Terms: see the source'}."
        )
    history = "\n".join(f"    {line}" for line in config.get("commands", []))
    return f"""## Training

{chr(10).join(rows)}

The commands, with `DATA` the folder of the sources:

{history}

Seed {config["seed"]}, {config["date"]}, code at commit `{config["git_commit"]}`.{_origin(config)} The code is
Apache-2.0; **the weights carry the strictest terms of the data above: they are for non-commercial research and
education only.**
"""


def _origin(config: dict[str, Any]) -> str:
    return " The first run started from ImageNet weights (Apache-2.0)." if _is_pretrained(config) else ""


def _is_pretrained(config: dict[str, Any]) -> bool:
    first = config.get("commands", [""])[0]
    return config["architecture"].startswith("efficientnet") and "--weights" not in first


def _limits() -> str:
    return """## Limits

- It looks at faces only: a picture whose background, text or body was forged gets no hint of it.
- Generators that came after its data, or that differ from face swaps, StyleGAN and the blends of OpenForensics, may
  pass.
- Small, blurred, cut-off or heavily compressed faces lose the traces it looks for; the verdict is then more often
  uncertain.
- The data hold more of some ages and skin colours than of others, and no study of the differences was made.
- The probability is calibrated on a half-and-half mix of real and fake. Where fakes are rare, fewer of those it
  suspects are fake.
"""
