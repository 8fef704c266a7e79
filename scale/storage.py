"""Folders and addresses: where pictures are read from and parts are written to, by fsspec."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from detector import files, walk
from detector.errors import ImageError, ModelError
from detector.model_folder import hub
from detector.picture import MAX_BYTES, SUFFIXES, read_file
from scale.errors import ScaleError

PARQUET = ".parquet"


@dataclass(frozen=True)
class Place:
    """A folder or a file: `root` is its path in the filesystem `fs`. `commit` is that of a data set on the Hub."""

    fs: fsspec.AbstractFileSystem
    root: str
    commit: str | None = None

    @classmethod
    def input(cls, text: str) -> "Place":
        """The place that a person named: a path, an address (`s3://…`, `hf://datasets/…`), or `owner/name[@revision]`
        of a data set on the Hub, unless a folder is called so. Raises ScaleError where nothing is there."""
        if "://" not in text and not os.path.exists(text) and hub.parse(text):
            text = f"hf://datasets/{text}"
        place = _on_the_hub(text) if text.startswith("hf://") else cls.output(text)
        if not place.exists():
            raise ScaleError(f"There is nothing at {text}: check the name.")
        return place

    @classmethod
    def output(cls, text: str) -> "Place":
        """The place that a person named, a path or an address; nothing need be there yet. Raises ScaleError."""
        if "://" not in text:
            return cls(LocalFileSystem(), os.path.abspath(text))
        try:
            fs, root = fsspec.core.url_to_fs(text)
        except ImportError as error:
            raise ScaleError(f"The address {text} needs one more package: {error}.") from None
        except ValueError as error:
            raise ScaleError(f"{text} is not an address that can be read: {error}.") from None
        return cls(fs, root.rstrip("/"))

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def exists(self) -> bool:
        """Whether anything is there. Raises ScaleError where the store cannot be asked."""
        try:
            return self.fs.exists(self.root)
        except Exception as error:  # each store has its own
            raise ScaleError(f"{self.name(self.root)} could not be looked at: {_short(error)}") from None

    def name(self, path: str) -> str:
        """What a file is called in the output, always text. A data set's files keep their names from commit to commit,
        so that only what changed is judged again."""
        if not self.is_local:
            path = self.fs.unstrip_protocol(path)
            if self.commit:
                path = path.replace(f"@{self.commit}", "", 1)
        return path.encode("utf-8", "backslashreplace").decode("utf-8")

    def pictures(self, passed: walk.PassedOver) -> Iterator[str]:
        """Paths of the pictures and parquet files, as detector.walk has them; of a file, itself, whatever it is called.
        A store is not asked for how a file begins: there one without a suffix is passed over."""
        if self.is_local and os.path.isdir(self.root):
            yield from map(str, walk.pictures(Path(self.root), passed, (PARQUET,)))
        elif self.is_local or self.fs.isfile(self.root):
            yield self.root
        else:
            for folder, folders, names in self.fs.walk(self.root, detail=True):
                for name in [name for name in folders if walk.added_by_systems(name)]:
                    del folders[name]  # fsspec then leaves it out
                    passed.added += 1
                for name in sorted(filter(None, names)):
                    if walk.added_by_systems(name):
                        passed.added += 1
                    elif (suffix := walk.suffix_of(name)) in SUFFIXES or suffix == PARQUET:
                        yield f"{folder}/{name}"
                    else:
                        passed.others[suffix] += 1

    def read(self, path: str) -> bytes:
        """The bytes of a picture's file, of one beyond the detector's limit only so many that this shows. Raises
        ImageError, with the words of the detector."""
        if self.is_local:
            return read_file(Path(path))
        try:
            with self.fs.open(path, "rb", cache_type="none") as file:
                return file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise ImageError(f"There is no file called {Path(path).name}.") from None
        except Exception:  # each store has its own
            raise ImageError(f"{Path(path).name} could not be read: check that you may open it.") from None

    def write(self, name: str, content: bytes) -> None:
        """A file in this folder that is never half there: beside, fsync, rename, or one upload to a store."""
        if self.is_local:
            files.write(Path(self.root, name), content)
        else:
            self.fs.pipe_file(f"{self.root}/{name}", content)


def _on_the_hub(text: str) -> Place:
    """A data set, or a folder or file in it, at one commit: every worker reads the same, and so does a rerun of it."""
    from huggingface_hub import HfApi, HfFileSystem
    from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath

    if not text.startswith("hf://datasets/"):
        raise ScaleError(f"{text} is not a data set: write hf://datasets/owner/name, or owner/name.")
    fs = HfFileSystem()
    repo, _, revision = text.removeprefix("hf://datasets/").partition("@")
    repo = "/".join(repo.split("/")[:2])
    try:
        at = fs.resolve_path(text)
        assert isinstance(at, HfFileSystemResolvedRepositoryPath)  # a bucket has another address
        commit = HfApi().dataset_info(at.repo_id, revision=at.revision).sha
    except Exception as error:
        told = hub.explain(cause if isinstance(cause := error.__cause__, Exception) else error, repo, revision or None)
        if isinstance(told, ModelError):
            raise ScaleError(str(told)) from None
        raise ScaleError(f"{repo} could not be loaded from the Hub, because {told}: try again later.") from None
    inside = f"/{at.path_in_repo}" if at.path_in_repo else ""
    return Place(fs, f"datasets/{at.repo_id}@{commit}{inside}", commit)


def within(inner: Place, outer: Place) -> bool:
    """Whether `inner` is `outer` or lies in it."""
    if type(inner.fs) is not type(outer.fs):
        return False
    one, other = (os.path.realpath(p.root) if p.is_local else p.root for p in (inner, outer))
    return one == other or one.startswith(other.rstrip("/") + "/")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
