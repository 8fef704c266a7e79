"""What a process tells of its runs in a shared file: it is still there when the process is not."""

import mmap
import struct
from pathlib import Path

_HEAD = struct.Struct("<QQddQQ")  # begun, ended, worst seconds, all seconds, peak bytes, length of the input
_COUNT = struct.Struct("<Q")  # findings
_INPUT = 64
SIZE = 1 << 20


class Board:
    """`begun` is one more than `ended` while a run is going on: then `data` is what it was given."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(SIZE))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), SIZE)

    @property
    def begun(self) -> int:
        return self._head()[0]

    @property
    def ended(self) -> int:
        return self._head()[1]

    @property
    def worst(self) -> float:
        """Seconds of processor time of the slowest run."""
        return self._head()[2]

    @property
    def seconds(self) -> float:
        """Of processor time, of all runs."""
        return self._head()[3]

    @property
    def peak(self) -> int:
        """Bytes of memory that the process had at most."""
        return self._head()[4]

    @property
    def data(self) -> bytes:
        return self._map[_INPUT : _INPUT + self._head()[5]]

    @property
    def findings(self) -> int:
        return _COUNT.unpack_from(self._map, _HEAD.size)[0]

    @findings.setter
    def findings(self, number: int) -> None:
        _COUNT.pack_into(self._map, _HEAD.size, number)

    def begin(self, data: bytes) -> None:
        begun, ended, worst, seconds, peak, _ = self._head()
        data = data[: SIZE - _INPUT]
        self._map[_INPUT : _INPUT + len(data)] = data
        _HEAD.pack_into(self._map, 0, begun + 1, ended, worst, seconds, peak, len(data))

    def end(self, took: float, peak: int) -> None:
        begun, _, worst, seconds, before, length = self._head()
        _HEAD.pack_into(self._map, 0, begun, begun, max(worst, took), seconds + took, max(before, peak), length)

    def _head(self) -> tuple[int, int, float, float, int, int]:
        return _HEAD.unpack_from(self._map, 0)
