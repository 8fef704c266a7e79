"""The loopback Hub is one: the real client gets back what it put there, in both upload modes."""

from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.support.hub_server import READER, STRANGER, Fault, Hub

pytest_plugins = ["tests.support.hub_fixtures"]

REPO = "owner/model"
LARGE = bytes(range(256)) * 900


def commit(api: HfApi, files: dict[str, bytes], **options):
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(REPO, operations, commit_message="files", **options)


def test_files_come_back_as_they_were_sent(hub: Hub):
    api = HfApi()
    assert api.whoami()["name"] == "owner"
    api.create_repo(REPO)
    made = commit(api, {"config.json": b"{}", "model.tflite": LARGE, "copy.bin": LARGE, "small.bin": b"1"})
    assert api.model_info(REPO).sha == made.oid == hub[REPO].commits()[0].oid
    for name, content in {"config.json": b"{}", "model.tflite": LARGE, "small.bin": b"1"}.items():
        path = api.hf_hub_download(REPO, name)
        assert Path(path).read_bytes() == content
        assert f"/{made.oid}/" in path
    stored = hub[REPO].find("main").files["model.tflite"]
    assert stored.large and (stored.xet is not None) == hub.xet
    assert [item.path for item in api.list_repo_tree(REPO)] == ["config.json", "model.tflite", "copy.bin", "small.bin"]
    assert [c.title for c in api.list_repo_commits(REPO)] == ["files", "initial commit"]


def test_a_commit_needs_its_parent(hub: Hub):
    api = HfApi()
    hub.put(REPO, {"a.txt": b"1"})
    parent = api.model_info(REPO).sha
    commit(api, {"a.txt": b"2"}, parent_commit=parent)
    with pytest.raises(HfHubHTTPError) as refused:
        commit(api, {"a.txt": b"3"}, parent_commit=parent)
    assert refused.value.response.status_code == 412
    assert hub[REPO].find("main").files["a.txt"].content == b"2"


def test_an_unchanged_file_makes_no_commit_and_a_file_can_go(hub: Hub):
    api = HfApi()
    first = hub.put(REPO, {"a.txt": b"1", "b.bin": LARGE})
    commit(api, {"a.txt": b"1", "b.bin": LARGE})
    assert hub[REPO].find("main").oid == first
    api.create_commit(REPO, [CommitOperationDelete("a.txt")], commit_message="less")
    assert set(hub[REPO].find("main").files) == {"b.bin"}


def test_tags_and_pull_requests(hub: Hub):
    api = HfApi()
    first = hub.put(REPO, {"a.txt": b"1"})
    api.create_tag(REPO, tag="v1")
    made = commit(api, {"a.txt": b"2"}, create_pr=True, parent_commit=first)
    assert made.pr_revision == "refs/pr/1"
    refs = api.list_repo_refs(REPO, include_pull_requests=True)
    assert {r.name: r.target_commit for r in refs.tags} == {"v1": first}
    assert api.model_info(REPO, revision="v1").sha == api.model_info(REPO).sha == first
    assert api.model_info(REPO, revision="refs/pr/1").sha == made.oid
    assert Path(api.hf_hub_download(REPO, "a.txt", revision="refs/pr/1")).read_text() == "2"


def test_rights(hub: Hub):
    hub.put(REPO, {"a.txt": b"1"}, private=True)
    hub.put("owner/gated", {"a.txt": b"1"}, gated=True)
    assert HfApi(token=READER).model_info(REPO).private
    for token in (STRANGER, False):
        with pytest.raises(RepositoryNotFoundError):
            HfApi(token=token).model_info(REPO)
    with pytest.raises(GatedRepoError):
        HfApi(token=READER).hf_hub_download("owner/gated", "a.txt")
    with pytest.raises(HfHubHTTPError, match="403"):
        HfApi(token=READER).create_tag(REPO, tag="v1")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(token="hf_wrong").model_info(REPO)
    with pytest.raises(RevisionNotFoundError):
        HfApi().model_info(REPO, revision="v9")
    with pytest.raises(RemoteEntryNotFoundError):
        HfApi().hf_hub_download(REPO, "b.txt")


def test_cards_are_checked(hub: Hub):
    ModelCard("---\nlicense: other\n---\nText").validate()
    with pytest.raises((ValueError, BadRequestError)):
        ModelCard("---\nlicense: 'My Own'\n---\nText").validate()


@pytest.mark.parametrize("kind", [429, 500, 503, "gone", "lost"])
def test_faults_happen_so_often(hub: Hub, kind):
    hub.put(REPO, {"a.txt": b"1"})
    hub.faults.append(Fault(kind, "GET /api/models", times=1))
    with pytest.raises(HfHubHTTPError):
        HfApi().model_info(REPO)
    assert HfApi().model_info(REPO).sha


def test_bodies_are_cut_and_changed(hub: Hub):
    hub.put(REPO, {"a.bin": LARGE})
    hub.faults.append(Fault("cut", "GET /lfs", times=1))
    assert Path(HfApi().hf_hub_download(REPO, "a.bin")).read_bytes() == LARGE, "the client goes on where it broke"
    hub.faults.append(Fault("wrong", "GET /lfs", times=1))
    assert Path(HfApi().hf_hub_download(REPO, "a.bin", force_download=True)).read_bytes() != LARGE
