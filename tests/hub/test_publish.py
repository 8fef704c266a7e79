"""A trained model folder goes to the Hub and comes back as the same detector; nothing is half pushed."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from detector import Detector, ModelError
from detector.model_folder import hub as room
from tests.support.hub_fixtures import by_lfs
from tests.support.hub_server import READER, Fault, Hub
from tests.support.training_fixtures import photograph
from training import __main__ as command_line
from training.errors import TrainingError
from training.hub import push, retries
from training.hub.publish import publish

pytest_plugins = ["tests.support.training_fixtures", "tests.support.hub_fixtures"]

REPO = "owner/tiny"
PUSHED = {"config.json", "model.tflite", "model.keras", "metrics.json", "README.md", "scores.csv"}


@pytest.fixture
def folder(measured_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(measured_folder, tmp_path / "tiny")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(room, "WAITS", (0.01, 0.01))


def measure(folder: Path, auc: float, give: float = 0.01) -> None:
    """Write other figures into metrics.json, with intervals of `give` to each side."""
    metrics = json.loads((folder / "metrics.json").read_text())
    for measured in metrics["sets"]:
        interval = {"value": auc, "low": auc - give, "high": min(1.0, auc + give)}
        measured["conditions"]["clean"]["auc"] |= interval
    (folder / "metrics.json").write_text(json.dumps(metrics))


def refusal(*arguments: object, **options: object) -> str:
    with pytest.raises((TrainingError, ModelError)) as caught:
        publish(*arguments, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and ":" in sentence and "http" not in sentence
    return sentence


# --- There and back --------------------------------------------------------------------------------------------------


def test_a_model_comes_back_as_it_went(hub: Hub, folder: Path, capsys):
    assert command_line.main(["publish", str(folder), REPO, "--tag", "v1.0"]) == 0
    commit = hub[REPO].find("main")
    assert capsys.readouterr().out == f"{REPO}@{commit.oid}\n"
    assert len(hub[REPO].commits()) == 2, "the first one and ours"
    plots = {f"plots/{path.name}" for path in (folder / "plots").iterdir()}
    assert set(commit.files) == PUSHED | plots and plots
    assert all(stored.content == (folder / path).read_bytes() for path, stored in commit.files.items())
    assert (commit.files["model.tflite"].xet is not None) == hub.xet
    assert hub[REPO].tags["v1.0"] is commit

    before, after = Detector.load(folder), Detector.load(f"{REPO}@v1.0")
    assert after.model.info.revision == commit.oid
    pictures = [photograph(number) for number in range(3)]
    results = [[result.to_dict() for result in d.detect_many(pictures)] for d in (before, after)]
    for mine, theirs in zip(*results, strict=True):
        assert mine["faces"] and mine["faces"] == theirs["faces"]
        assert (mine["verdict"], mine["score"]) == (theirs["verdict"], theirs["score"])
    exact = [[face.score for p in pictures for face in d.detect(p).faces] for d in (before, after)]
    assert exact[0] == exact[1], "to the last bit"


@by_lfs
def test_the_card_is_what_the_hub_reads(hub: Hub, folder: Path):
    publish(folder, REPO)
    data = ModelCard(hub[REPO].find("main").files["README.md"].content.decode()).data
    assert (data.library_name, data.pipeline_tag) == ("keras", "image-classification")
    assert data.license and data.eval_results


@by_lfs
def test_an_unchanged_folder_makes_no_commit_and_may_still_be_tagged(hub: Hub, folder: Path):
    first = publish(folder, REPO)
    assert publish(folder, REPO) == publish(folder, REPO, tag="v1") == publish(folder, REPO, tag="v1") == first
    assert len(hub[REPO].commits()) == 2 and hub[REPO].tags["v1"].oid == first


def test_only_what_changed_is_sent_and_old_plots_go(hub: Hub, folder: Path):
    publish(folder, REPO)
    (folder / "plots" / "roc.png").unlink()
    measure(folder, 1.0)
    sent = len(hub.requests)
    publish(folder, REPO, allow_worse=True)
    assert "plots/roc.png" not in hub[REPO].find("main").files
    assert not any("PUT" in line or "xet-write" in line for line in hub.requests[sent:]), "the network is there"


@by_lfs
def test_private_repositories_and_pull_requests(hub: Hub, folder: Path):
    first = publish(folder, REPO, private=True)
    assert hub[REPO].private
    measure(folder, 1.0)
    publish(folder, REPO, pull_request=True)
    assert hub[REPO].find("main").oid == first and len(hub[REPO].pulls) == 1
    hub.put("owner/public", {"a.txt": b"1"})
    assert refusal(folder, "owner/public", private=True).startswith("owner/public is public already:")


# --- Refusals --------------------------------------------------------------------------------------------------------


@by_lfs
def test_a_worse_model_needs_to_be_allowed(hub: Hub, folder: Path):
    measure(folder, 0.9)
    first = publish(folder, REPO)
    measure(folder, 0.8)
    said = refusal(folder, REPO)
    assert (
        said.startswith("owner/tiny has a better model (auc on ")
        and "0.900 [0.890, 0.910] against 0.800 [0.790, 0.810]" in said
    )
    assert hub[REPO].find("main").oid == first
    assert publish(folder, REPO, allow_worse=True) != first
    measure(folder, 0.95)
    publish(folder, REPO)


@by_lfs
def test_a_model_whose_interval_reaches_the_other_is_not_worse(hub: Hub, folder: Path):
    measure(folder, 0.9)
    first = publish(folder, REPO)
    measure(folder, 0.87, give=0.03)
    assert publish(folder, REPO) != first


@by_lfs
def test_what_is_wrong_is_said_before_anything_is_made(hub: Hub, folder: Path):
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(card.replace("license: other", "license: 'My Own'"))
    assert "license" in refusal(folder, REPO)
    (folder / "README.md").write_text(card.replace("library_name: keras\n", ""))
    assert refusal(folder, REPO).startswith("README.md does not say its library_name:")
    (folder / "README.md").unlink()
    assert refusal(folder, REPO).startswith("The model folder has no README.md:")
    (folder / "README.md").write_text(card)
    assert refusal(folder, "tiny").startswith("tiny is not a valid name")
    assert refusal(folder, "somebody/tiny").startswith("Your token may not do this")
    assert refusal(folder, REPO, tag="v1", pull_request=True).startswith("A pull request has nothing to tag")
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "digest": "0"}))
    assert refusal(folder, REPO).startswith("The model's metrics.json was measured on another model:")
    sets = [{**metrics["sets"][0], "name": "Hemg/deepfake-and-real-images", "split": "test"}]
    (folder / "metrics.json").write_text(json.dumps({**metrics, "sets": sets}))
    assert refusal(folder, REPO).startswith("metrics.json calls a part of Hemg/deepfake-and-real-images a test,")
    assert hub.repositories == {}


@by_lfs
def test_without_a_token_and_without_rights(hub: Hub, folder: Path, monkeypatch):
    hub.put(REPO, {"a.txt": b"1"})
    monkeypatch.setenv("HF_TOKEN", READER)
    assert refusal(folder, REPO).startswith("Your token may not do this")
    monkeypatch.delenv("HF_TOKEN")
    assert refusal(folder, REPO).startswith("The Hub must know who publishes:")
    assert set(hub[REPO].find("main").files) == {"a.txt"}


@by_lfs
def test_a_tag_is_not_moved(hub: Hub, folder: Path):
    first = publish(folder, REPO, tag="v1")
    measure(folder, 1.0)
    assert refusal(folder, REPO, tag="v1") == "owner/tiny has a tag v1 already: choose another."
    assert hub[REPO].find("main").oid == first


def test_onnx_files_go_along_and_away_with_their_network(hub: Hub, folder: Path):
    (folder / "model.onnx").write_bytes(b"a network")
    (folder / "model-2.onnx").write_bytes(b"another")
    made = publish(folder, REPO)
    commit = hub[REPO].find(made)
    assert commit.files["model.onnx"].content == b"a network" and "model-2.onnx" in commit.files
    (folder / "model-2.onnx").unlink()
    made = publish(folder, REPO)
    assert set(hub[REPO].find(made).files) & {"model.onnx", "model-2.onnx"} == {"model.onnx"}


# --- Faults ----------------------------------------------------------------------------------------------------------


@by_lfs
@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, "repos/create"),
        Fault(500, "POST /api/models/owner/tiny/commit"),
        Fault("lost", "POST /api/models/owner/tiny/commit"),
        Fault("lost", "repos/create"),
        Fault(503, "POST /api/models/owner/tiny/tag"),
        Fault("lost", "POST /api/models/owner/tiny/tag"),
        Fault(500, "validate-yaml"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.match.rpartition('/')[2]}",
)
def test_what_the_client_gives_up_on_is_tried_again(hub: Hub, folder: Path, fault: Fault):
    hub.faults.append(Fault(**{**vars(fault), "times": 1}))
    commit = publish(folder, REPO, tag="v1")
    assert len(hub[REPO].commits()) == 2, "once"
    assert hub[REPO].find("main").oid == hub[REPO].tags["v1"].oid == commit


@by_lfs
def test_a_hub_that_stays_away_gets_nothing(hub: Hub, folder: Path):
    hub.faults.append(Fault(500, "/commit/"))
    assert refusal(folder, REPO) == (
        "The Hub did not finish with owner/tiny, because the Hub answered with error 500: run the command again."
    )
    assert len(hub[REPO].commits()) == 1
    hub.faults = [Fault(500, "/tag/")]
    assert "but the tag v1 was not set: run the command again." in refusal(folder, REPO, tag="v1")
    hub.faults.clear()
    publish(folder, REPO, tag="v1")
    assert len(hub[REPO].commits()) == 2 and "v1" in hub[REPO].tags


IN_TIME = "The Hub did not finish with owner/tiny in time: look at the connection, and try again."


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, "xet-write-token|/lfs/objects/batch"),
        Fault("late", "xet-write-token|PUT /upload"),
        Fault("late", "POST /api/models/owner/tiny/commit"),
    ],
    ids=["refused", "late", "late commit"],
)
def test_a_push_ends_in_time_and_is_whole_or_nothing(hub: Hub, folder: Path, monkeypatch, fault: Fault):
    first = hub.put(REPO, {"a.txt": b"1"})
    monkeypatch.setattr(retries, "WITHIN", 2.0)
    monkeypatch.setattr(retries, "SLOWEST", 1e9)
    held = Fault(fault.kind, fault.match, seconds=300)
    hub.faults.append(held)
    started = time.monotonic()
    refused = refusal(folder, REPO, tag="v1")
    assert time.monotonic() - started < 60, "not as long as the answer takes"
    assert refused == IN_TIME or refused.startswith("The Hub did not finish with owner/tiny, because")
    assert hub[REPO].find("main").oid == first and not hub[REPO].tags
    hub.faults.clear()
    held.release.set()
    for left in [thread for thread in threading.enumerate() if thread.name == "hub"]:
        left.join(60)  # what was left behind comes to its end
    head = hub[REPO].find("main")
    assert head.oid == first or set(head.files) >= PUSHED, "the late answer was a whole commit"
    made = publish(folder, REPO, tag="v1")
    assert set(hub[REPO].find(made).files) >= PUSHED and hub[REPO].tags["v1"].oid == made
    assert len(hub[REPO].commits()) == 3, "the first two and ours, once"


@by_lfs
def test_of_two_at_once_the_second_is_told(hub: Hub, folder: Path, monkeypatch):
    publish(folder, REPO)
    theirs, mine = shutil.copytree(folder, folder.parent / "theirs"), folder
    measure(theirs, 0.99)
    measure(mine, 1.0)
    both, answers, commit = threading.Barrier(2), [], push.commit

    def together(*arguments, **options):
        both.wait(60)  # both have seen the same head
        return commit(*arguments, **options)

    monkeypatch.setattr(push, "commit", together)

    def go(where: Path) -> None:
        try:
            answers.append(publish(where, REPO, allow_worse=True))
        except TrainingError as error:
            answers.append(error)

    threads = [threading.Thread(target=go, args=[where]) for where in (theirs, mine)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (refused,) = [answer for answer in answers if isinstance(answer, TrainingError)]
    (made,) = [answer for answer in answers if isinstance(answer, str)]
    assert str(refused).startswith("Somebody else has committed to owner/tiny in the meantime")
    assert hub[REPO].find("main").oid == made and len(hub[REPO].commits()) == 3


def test_a_large_file_goes_in_parts(hub: Hub, folder: Path):
    hub.part = 50_000
    publish(folder, REPO)
    assert Detector.load(REPO).model.networks == Detector.load(folder).model.networks
