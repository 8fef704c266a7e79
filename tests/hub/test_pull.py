"""A model by its name on the Hub: what is fetched, what is refused, and what stands in when the Hub is away."""

import dataclasses
import hashlib
import json
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi, constants

import app
from detector import Detector, ModelError
from detector.__main__ import main
from detector.model_folder import BUNDLED, CONFIG, KERAS, METRICS, MODEL, load
from detector.model_folder import hub as room
from detector.model_folder.scores import SCORES
from tests.support.bundled import FILES, NETWORKS
from tests.support.hub_fixtures import by_lfs
from tests.support.hub_server import READER, STRANGER, Fault, Hub
from tests.support.model_config import signed
from ui import about, answer

pytest_plugins = ["tests.support.hub_fixtures"]

REPO = "owner/model"
REAL = {**FILES, "README.md": (BUNDLED / "README.md").read_bytes()}


def another(files: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    """The same files with another configuration, and figures of it."""
    config = signed({**json.loads(files[CONFIG]), **changes})
    made = {CONFIG: json.dumps(config).encode()}
    if METRICS in files:
        made[METRICS] = json.dumps({**json.loads(files[METRICS]), "digest": config["digest"]}).encode()
    return {**files, **made}


def with_hash(files: dict[str, bytes], digest: str) -> dict[str, bytes]:
    """The same files, of one network whose hash the configuration gives so."""
    config = load().config
    network = dataclasses.replace(config.networks[0], sha256=digest)
    return {**files, CONFIG: json.dumps(dataclasses.replace(config, networks=(network,)).to_dict()).encode()}


# Enough to be loaded, though not to judge by.
_OTHERS = (*NETWORKS, METRICS)
SMALL = {**{name: content for name, content in REAL.items() if name not in _OTHERS}, MODEL: bytes(range(256)) * 400}
SMALL = with_hash(SMALL, hashlib.sha256(SMALL[MODEL]).hexdigest())


def refusal(*arguments: object, **options: object) -> str:
    with pytest.raises(ModelError) as caught:
        load(*arguments, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and ":" in sentence and "http" not in sentence and "\n" not in sentence
    return sentence


@pytest.fixture
def quick(monkeypatch):
    """Attempts that follow at once, and no late download of another test."""
    monkeypatch.setattr(room, "late_downloads", {})
    monkeypatch.setattr(room, "WAITS", (0.01, 0.01))


def whole(hub: Hub) -> None:
    """What the cache holds of the repository is what the Hub has."""
    for folder in Path(constants.HF_HUB_CACHE).glob("models--owner--model/snapshots/*"):
        files = hub[REPO].find(folder.name).files
        for path in folder.iterdir():
            assert path.read_bytes() == files[path.name].content
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


# --- What is fetched -------------------------------------------------------------------------------------------------


def test_a_model_by_its_name(hub: Hub):
    api = HfApi()
    api.create_repo(REPO)
    api.upload_folder(repo_id=REPO, folder_path=BUNDLED)  # by the path of uploads that is tested
    commit = hub[REPO].find("main").oid
    assert (hub[REPO].find("main").files[MODEL].xet is not None) == hub.xet
    folder, bundled = load(REPO), load()
    assert (folder.info.source, folder.info.repo, folder.info.revision) == ("hub", REPO, commit)
    assert folder.info.note is None and folder.info.digest == bundled.info.digest
    assert folder.networks == bundled.networks and folder.metrics == bundled.metrics
    assert not any(KERAS in line or "README" in line or ".png" in line for line in hub.requests if "resolve" in line)
    whole(hub)
    picture = np.full((64, 64, 3), 200, np.uint8)
    assert Detector(folder).detect(picture).to_dict()["model"]["revision"] == commit


def test_what_is_kept_is_not_sent_again_and_a_commit_asks_nobody(hub: Hub):
    commit = hub.put(REPO, SMALL)
    load(REPO)
    sent = len(hub.requests)
    assert load(REPO).info.revision == commit
    assert len(hub.requests) == sent + 1, "what main is now"
    assert load(REPO, commit).info == load(f"{REPO}@{commit}").info
    assert len(hub.requests) == sent + 1
    load(REPO, commit, refresh=True)
    assert len(hub.requests) > sent + 3


@by_lfs
def test_branches_tags_and_commits(hub: Hub):
    first = hub.put(REPO, SMALL)
    HfApi().create_tag(REPO, tag="v1.0")
    second = hub.put(REPO, another(SMALL, temperature=2.0))
    assert load(REPO).info.revision == load(REPO, "main").info.revision == second
    assert load(f"{REPO}@v1.0").info.revision == load(REPO, "v1.0").info.revision == load(REPO, first).info.revision
    assert load(REPO).calibration.temperature == 2 != load(REPO, first).calibration.temperature


@by_lfs
def test_metrics_may_be_missing(hub: Hub):
    hub.put(REPO, {name: SMALL[name] for name in (CONFIG, MODEL)})
    assert load(REPO).metrics is None


@by_lfs
def test_how_rare_a_score_is_comes_from_the_scores_of_an_older_folder(hub: Hub):
    metrics = json.loads(REAL[METRICS])
    del metrics["curves"]
    older = {METRICS: json.dumps(metrics).encode(), SCORES: (BUNDLED / SCORES).read_bytes()}
    hub.put(REPO, {**REAL, **older})
    assert load().curves is not None and load(REPO).curves == load().curves


def test_the_file_of_a_second_network_comes_too(hub: Hub):
    config = json.loads(SMALL[CONFIG])
    [first] = config["networks"]
    content = bytes(range(255, -1, -1)) * 400
    second = {**first, "file": "model-2.tflite", "sha256": hashlib.sha256(content).hexdigest(), "crop_margin": 2.6}
    both = another(SMALL, networks=[first, second])
    hub.put(REPO, both)
    assert refusal(REPO).startswith(f"{REPO} on the Hub has no model-2.tflite, so it is not a model for this detector:")
    assert not any(MODEL in line for line in hub.requests if "resolve" in line)
    hub.put(REPO, {**both, "model-2.tflite": content})
    assert [network.model for network in load(REPO).networks] == [SMALL[MODEL], content]
    whole(hub)


@by_lfs
def test_a_folder_of_that_name_goes_first(hub: Hub, tmp_path, monkeypatch):
    hub.put(REPO, SMALL)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BUNDLED, tmp_path / REPO)
    assert load(REPO).info.source == "folder"
    assert hub.requests == []


@by_lfs
def test_a_private_model_by_token(hub: Hub, monkeypatch):
    hub.put(REPO, SMALL, private=True)
    monkeypatch.setenv("HF_TOKEN", READER)
    assert load(REPO).info.source == "hub"


# --- Refusals --------------------------------------------------------------------------------------------------------


@by_lfs
def test_each_refusal_has_its_own_sentence(hub: Hub, monkeypatch):
    hub.put(REPO, SMALL, private=True)
    hub.put("owner/gated", SMALL, gated=True)
    hub.put("owner/other", {"weights.bin": b"1"})
    sentences = [refusal("owner/nothing"), refusal(REPO, "v9"), refusal("owner/other"), refusal("a..b/c")]
    monkeypatch.setenv("HF_TOKEN", STRANGER)
    sentences += [refusal("owner/gated")]
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    sentences += [refusal(REPO)]
    monkeypatch.delenv("HF_TOKEN")
    sentences += [refusal(REPO)]
    assert sentences == [
        "The Hub has no owner/nothing, or your token may not see it: check the name and the token.",
        "owner/model has no revision v9: name a branch, a tag or a whole commit.",
        "owner/other on the Hub has no config.json, so it is not a model for this detector: check the name.",
        "a..b/c is not a valid name on the Hub: write owner/name or owner/name@revision.",
        "owner/gated on the Hub asks to accept its terms first: do so on its page, and set HF_TOKEN.",
        "The Hub rejects your token: make a new one and set HF_TOKEN.",
        "The Hub has no public owner/model: check the name, or set HF_TOKEN if it is private.",
    ]


def test_another_network_than_the_configuration_is_for(hub: Hub):
    hub.put(REPO, with_hash(SMALL, "0" * 64))
    assert refusal(REPO).startswith("model.tflite does not match its checksum in config.json:")


@by_lfs
def test_a_newer_format_is_refused_before_the_network_is_fetched(hub: Hub):
    hub.put(REPO, another(SMALL, format_version=99))
    assert refusal(REPO).startswith("The model is of format 99, newer")
    assert not any(MODEL in line for line in hub.requests)


def test_a_revision_of_a_folder():
    assert refusal(BUNDLED, "v1") == refusal(str(BUNDLED), refresh=True)


# --- Faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [429, 500, 503, "lost"])
@pytest.mark.parametrize("match", ["GET /api/models", "HEAD .*config.json"])
def test_what_passes_is_tried_again(hub: Hub, quick, kind, match):
    commit = hub.put(REPO, SMALL)
    hub.faults.append(Fault(kind, match, times=1))
    assert (load(REPO).info.revision, load(REPO).info.note) == (commit, None)
    whole(hub)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut", "wrong", 503])
def test_a_broken_transfer_is_made_good(hub: Hub, quick, kind):
    commit = hub.put(REPO, SMALL)
    hub.faults.append(Fault(kind, "GET /(lfs|.*config.json)", times=2))
    assert (load(REPO).info.revision, load(REPO).info.note) == (commit, None)
    whole(hub)


FOR_EVER = [
    (Fault(503), "the Hub answered with error 503"),
    (Fault("late", seconds=300), "the Hub did not send it within 2 seconds"),
    (Fault("slow", "GET /(lfs|.*config.json)"), "the Hub did not send it within 2 seconds"),
    (Fault("wrong", "GET /(lfs|.*config.json)"), "other bytes arrived than the Hub lists"),
    (Fault("cut", "GET /(lfs|.*config.json)"), "the Hub did not send it within 2 seconds"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "why"), FOR_EVER, ids=lambda value: getattr(value, "kind", ""))
@by_lfs
def test_without_the_hub_the_cached_model_serves_then_the_bundled_one(hub: Hub, quick, monkeypatch, fault, why):
    old = hub.put(REPO, SMALL)
    assert load(REPO).info.revision == old
    monkeypatch.setattr(room, "WITHIN", 2.0 if "within 2 seconds" in why else 60.0)
    hub.put(REPO, another(SMALL, temperature=2.0))
    hub.put("owner/unseen", SMALL)
    held = Fault(fault.kind, fault.match, fault.times, fault.seconds)
    hub.faults.append(held)
    started = time.monotonic()
    kept, bundled = load(REPO), load("owner/unseen")
    assert time.monotonic() - started < 60
    assert (kept.info.source, kept.info.revision) == ("hub", old)
    assert kept.info.note.endswith(f": revision {old[:8]}, kept from before, is used.")
    assert (bundled.info.source, bundled.info.revision) == ("bundled", None)
    assert bundled.info.note == (
        f"owner/unseen could not be loaded from the Hub, because {why}: the bundled model is used."
    )
    hub.faults.clear()
    held.release.set()
    for left in [thread for thread in threading.enumerate() if thread.name == "hub"]:
        left.join(1)  # an answer that was late is taken while there is a server


@by_lfs
def test_a_dead_hub_and_one_that_is_not_to_be_asked(hub: Hub, quick, monkeypatch):
    commit = hub.put(REPO, SMALL)
    load(REPO)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "because the Hub could not be reached: revision" in load(REPO).info.note
    assert refusal(REPO, refresh=True).endswith("the Hub could not be reached: try again later.")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "because HF_HUB_OFFLINE is set: revision" in load(REPO).info.note
    assert load(REPO, commit).info.note is None


def test_what_was_damaged_in_the_cache_is_fetched_anew(hub: Hub):
    commit = hub.put(REPO, SMALL)
    load(REPO)
    kept = next(Path(constants.HF_HUB_CACHE).glob(f"models--owner--model/snapshots/*/{MODEL}"))
    kept.resolve().write_bytes(b"damaged")
    assert load(REPO, commit).networks[0].model == SMALL[MODEL]
    whole(hub)


def test_the_most_that_a_start_can_take():
    """All attempts, and a second to load what stands in."""
    assert room.WITHIN <= 29


@by_lfs
def test_the_page_says_which_model_is_used_and_why(hub: Hub, quick, monkeypatch, hopper):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    detector = Detector.load(REPO)
    why = (
        "owner/model could not be loaded from the Hub, because the Hub could not be reached: the bundled model is used."
    )
    assert detector.model.info.note == about.describe(detector.model)["note"] == why
    for page in (about.record_html(detector.model), answer.record_html(detector.detect(hopper))):
        assert f"<dt>Why this model</dt><dd>{why}</dd>" in page


# --- The command line and the app ------------------------------------------------------------------------------------


@by_lfs
def test_the_command_line(hub: Hub, quick, monkeypatch, hopper, capsys):
    commit = hub.put(REPO, REAL)

    def judged(*arguments: str) -> tuple[int, dict, str]:
        status = main([str(hopper), "--jsonl", *arguments])
        shown = capsys.readouterr()
        return status, json.loads(shown.out)["model"] if shown.out else {}, shown.err.strip()

    status, model, _ = judged("--model", REPO)
    assert (status, model["repo"], model["revision"], model["note"]) == (0, REPO, commit, None)
    monkeypatch.setenv("DETECTOR_MODEL", REPO)
    monkeypatch.setenv("DETECTOR_REVISION", commit)
    assert judged("--refresh")[1]["revision"] == commit
    monkeypatch.setenv("DETECTOR_REVISION", "v9")
    assert judged()[::2] == (2, "owner/model has no revision v9: name a branch, a tag or a whole commit.")
    hub.faults.append(Fault(503))
    status, model, said = judged("--model", REPO)
    assert (status, model["revision"], said) == (0, commit, model["note"])
    assert judged("--model", REPO, "--refresh")[0] == 2


@by_lfs
def test_the_app_goes_on_with_the_bundled_model_and_says_why(hub: Hub, quick):
    lazy = app.LazyDetector("owner/nothing", None)
    info = lazy().model.info
    assert info.source == "bundled"
    assert info.note.startswith("The Hub has no owner/nothing") and info.note.endswith("bundled model is used.")
    with pytest.raises(ModelError):
        lazy.load("owner/nothing")


@pytest.mark.slow
@by_lfs
def test_a_new_model_comes_between_two_calls_and_none_is_lost(hub: Hub, quick, hopper):
    first = hub.put(REPO, REAL)
    lazy = app.LazyDetector(REPO, "main")
    before = lazy()
    lazy.refresh()
    assert lazy() is before, "nothing is new"

    results, stop = [], threading.Event()

    def visitor() -> None:
        while not stop.is_set():
            results.append(lazy().detect(hopper))

    visitors = [threading.Thread(target=visitor) for _ in range(2)]
    for thread in visitors:
        thread.start()
    while len(results) < 2:
        time.sleep(0.05)
    second = hub.put(REPO, another(REAL, temperature=30.0))
    lazy.refresh()
    swapped = len(results)
    while len(results) < swapped + 5:
        time.sleep(0.05)
    stop.set()
    for thread in visitors:
        thread.join()
    by_revision = {result.model.revision: {r.score for r in results if r.model.revision == result.model.revision}
                   for result in results}  # fmt: skip
    assert set(by_revision) == {first, second}
    assert all(len(scores) == 1 for scores in by_revision.values()), "each answer is of one model"

    hub.put(REPO, with_hash(REAL, "0" * 64))
    lazy.refresh()
    hub.faults.append(Fault(503))
    lazy.refresh()
    assert lazy().model.info.revision == second, "what cannot be used changes nothing"
