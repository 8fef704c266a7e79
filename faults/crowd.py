"""One of a crowd on a cache: `python -m faults.crowd hub|faces|file THREADS …` prints what each thread got, as JSON."""

import hashlib
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from detector import files


def together(call: Callable[[int], object], threads: int) -> list[object]:
    """What each of so many threads got that begin at the same time, or {"error": …}."""
    got: list[object] = [None] * threads
    gate = threading.Barrier(threads)

    def one(number: int) -> None:
        gate.wait()
        try:
            got[number] = call(number)
        except Exception as error:  # told, whatever it is
            got[number] = {"error": repr(error)[:300]}

    crowd = [threading.Thread(target=one, args=[number]) for number in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return got


def hub(repo: str) -> object:
    """A model by its name, into the cache of the Hub's client."""
    from detector.model_folder import hub as room
    from detector.model_folder import store

    room.WITHIN = 600.0  # seconds: so many share the cores, and the bundled model is not what is looked for
    info = store.load(repo).info
    if info.note:
        return {"error": info.note}
    return {"source": info.source, "sha256": info.sha256, "revision": info.revision}


def faces(folder: str, cache: str) -> object:
    """The faces of a data set, into the cache of faces."""
    from training.data import face_cache
    from training.data.sources import Source

    split = face_cache.load(Source(folder), "train", cache=Path(cache))
    return [[face.index, *map(float, face.box)] for face in split.faces]


def file(place: str, writer: str, times: int) -> object:
    """One file written again and again by everybody, with contents of very different lengths, and read between."""
    path = Path(place)
    for number in range(times):
        files.write(path, told(f"{writer} {number}", 1 + (number * 7919) % 300_000))
        if not is_whole(path.read_bytes()):
            return {"error": "half a file was read"}
    return {"written": times}


def told(text: str, length: int) -> bytes:
    body = (text * (length // len(text) + 1)).encode()[:length]
    return hashlib.sha256(body).hexdigest().encode() + body


def is_whole(content: bytes) -> bool:
    return hashlib.sha256(content[64:]).hexdigest().encode() == content[:64]


def main(what: str, threads: str, *words: str) -> None:
    calls: dict[str, Callable[[int], object]] = {
        "hub": lambda number: hub(*words),
        "faces": lambda number: faces(*words),
        "file": lambda number: file(words[0], f"{words[1]} {number}", int(words[2])),
    }
    print(json.dumps(together(calls[what], int(threads))))


if __name__ == "__main__":
    main(*sys.argv[1:])
