"""Whom to believe as a signer of Content Credentials: the C2PA's trust list, or the administrator's own.

The C2PA publishes certificate authorities for signers, and others for time stamps, as PEM (C2PA Technical
Specification, section 14.4; github.com/c2pa-org/conformance-public, CC BY 4.0). They are fetched at the first need, for
at most WITHIN seconds of an answer's time, kept in the user's cache, and fetched again once a day.
"""

import functools
import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from detector import files, settings
from detector.errors import SettingError
from detector.provenance.finding import ListOwner, ListUsed

log = logging.getLogger(__name__)

SETTING = "DETECTOR_TRUST_LIST"
OFFICIAL = tuple(
    f"https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list/{name}.pem"
    for name in ("C2PA-TRUST-LIST", "C2PA-TSA-TRUST-LIST")
)
WITHIN = 3.0  # seconds that an answer waits for a list
FETCHED_WITHIN = 30.0  # seconds after which a fetch gives up
FRESH = 24 * 3600.0  # seconds for which a list is kept
RETRY = 900.0  # seconds after an attempt until the next one
MAX_BYTES = 2_000_000  # of a list; the C2PA's has 40 kB
SIGNERS, TIME_STAMPS = "signers", "time-stamps"  # what c2pa is to call the anchors of either kind
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class TrustList:
    """Certificates in PEM: authorities for `signers`, and others for `time_stamps`."""

    used: ListUsed
    signers: str
    time_stamps: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """c2pa's settings under `trust`."""
        kinds = ((self.signers, SIGNERS, "manifest"), (self.time_stamps, TIME_STAMPS, "tsa"))
        anchors = [{"trust_anchors": pem, "trust_uri": uri, "trust_kind": kind} for pem, uri, kind in kinds if pem]
        return {"anchors": anchors}


class TrustSource(Protocol):
    """Where a trust list comes from."""

    def current(self) -> TrustList | None:
        """The list to use now, None where there is none. Thread-safe; takes WITHIN seconds at most."""


def from_environment() -> TrustSource | None:
    """The source that DETECTOR_TRUST_LIST names, for all of this process: a PEM file, an https address, or `none`; the
    C2PA's list where it is not set. Raises SettingError."""
    return _source(settings.read().trust_list)


@functools.cache
def _source(setting: str) -> TrustSource | None:
    if not setting:
        return FetchedList(ListOwner.C2PA, OFFICIAL, settings.caches())
    if setting.lower() == "none":
        return None
    if setting.startswith("https://") and setting.isprintable():
        return FetchedList(ListOwner.ADMINISTRATOR, (setting,), settings.caches())
    if "://" in setting:
        raise SettingError(f"{SETTING} must be a PEM file, an address that begins with https://, or none.")
    try:
        return FileList(Path(setting).resolve())
    except (OSError, ValueError, RuntimeError):  # the last for links that go round in a circle
        raise SettingError(
            f"{SETTING} names no file with certificates in PEM: give such a file, an https address, or none."
        ) from None


class FileList:
    """A PEM file of the administrator's, read again when it changes. Raises OSError, or ValueError for what is no
    PEM, when it is made; later the list before is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._stat()
        self._list = self._read()

    def current(self) -> TrustList:
        with self._lock:
            try:
                if (stamp := self._stat()) != self._stamp:
                    self._list, self._stamp = self._read(), stamp
            except (OSError, ValueError) as error:
                log.warning("The trust list stays as it was read before: %r", error)
        return self._list

    def _stat(self) -> tuple[int, int]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size

    def _read(self) -> TrustList:
        if not self._path.is_file():
            raise ValueError("a pipe or a device")  # which may never end
        with self._path.open("rb") as file:
            pem = "\n".join(parse(file.read(MAX_BYTES + 1)))
        changed = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        return TrustList(ListUsed(ListOwner.ADMINISTRATOR, changed.date().isoformat()), pem)


class FetchedList:
    """The list at `addresses`, of signers' authorities and perhaps of time stamps' ones, kept in `folder` (None: only
    in memory). Any number of threads and processes may share the folder."""

    def __init__(self, owner: ListOwner, addresses: Sequence[str], folder: Path | None) -> None:
        self.owner, self.addresses = owner, list(addresses)
        name = hashlib.sha256("\n".join(addresses).encode()).hexdigest()[:16]
        self._kept = folder / f"trust-list-{name}.json" if folder else None
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._list: TrustList | None = None
        self._fetched = 0.0  # seconds since 1970
        self._tried: float | None = None  # by time.monotonic()
        self._thread: threading.Thread | None = None

    def current(self) -> TrustList | None:
        with self._lock:
            self._look()
            if 0 <= time.time() - self._fetched < FRESH:
                return self._list
            if self._may_try():
                self._tried = time.monotonic()
                self._thread = threading.Thread(target=self._fetch, daemon=True, name="trust list")
                self._thread.start()
            thread, tried = self._thread, self._tried
        if thread is not None and tried is not None:
            thread.join(max(0.0, tried + WITHIN - time.monotonic()))
        return self._list

    def _look(self) -> None:
        """Take over what this or another process has kept."""
        try:
            if self._kept is None or (stamp := _stamp(self._kept)) == self._stamp:
                return
            self._stamp = stamp
            with self._kept.open("rb") as file:
                kept = json.loads(file.read(4 * MAX_BYTES))
            if kept["addresses"] == self.addresses:
                self._take(kept["fetched"], [parse(pem.encode()) for pem in kept["lists"]])
        except FileNotFoundError:
            pass
        except Exception as error:  # anything may stand in a file
            log.warning("The kept trust list is not usable: %r", error)

    def _take(self, fetched: float, lists: Sequence[list[str]]) -> None:
        signers, *others = lists
        # c2pa believes an authority of either kind to be a signer's, and names any of the lists that hold it: an
        # authority that is on both counts as a signer's only.
        time_stamps = [pem for other in others for pem in other if pem not in signers]
        used = ListUsed(self.owner, datetime.fromtimestamp(fetched, UTC).date().isoformat())
        self._list, self._fetched = TrustList(used, "\n".join(signers), "\n".join(time_stamps)), fetched

    def _may_try(self) -> bool:
        if self._thread is not None and self._thread.is_alive():
            return False
        if self._tried is not None and time.monotonic() - self._tried < RETRY:
            return False
        try:  # another process, or an earlier run; who starts at the same moment tries for itself
            age = time.time() - self._marker.stat().st_mtime if self._marker else None
        except OSError:
            age = None
        return age is None or not WITHIN <= age < RETRY

    @property
    def _marker(self) -> Path | None:
        """A file whose time is that of the last attempt of any process."""
        return self._kept and self._kept.with_suffix(".tried")

    def _fetch(self) -> None:
        self._keep(self._marker, b"")
        try:
            end = time.monotonic() + FETCHED_WITHIN
            lists = [parse(_get(address, end)) for address in self.addresses]
            fetched = time.time()
            with self._lock:
                self._take(fetched, lists)
        except Exception as error:
            log.warning(
                "The trust list could not be fetched, and is tried again in %.0f minutes: %r", RETRY / 60, error
            )
            return
        content = {"addresses": self.addresses, "fetched": fetched, "lists": ["\n".join(pem) for pem in lists]}
        self._keep(self._kept, json.dumps(content).encode())

    def _keep(self, path: Path | None, content: bytes) -> None:
        if path is None:
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write(path, content)
        except OSError as error:  # a list in memory serves as well
            log.info("The trust list cannot be kept: %r", error)


def parse(pem: bytes) -> list[str]:
    """The certificates in a PEM text, each checked to be one, without what else stands there.

    Raises ValueError where there is none, where one is damaged, and above MAX_BYTES."""
    import ssl  # late: most pictures carry no Content Credentials

    found = [match.decode("ascii") for match in _CERTIFICATE.findall(pem)]
    if len(pem) > MAX_BYTES or not found or len(found) != pem.count(b"-----BEGIN CERTIFICATE-----"):
        raise ValueError("no list of certificates in PEM")
    for certificate in found:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificate)
        except ssl.SSLError as error:
            raise ValueError(f"not a certificate: {error}") from None
    return found


def _get(address: str, end: float) -> bytes:
    """What is at an address. Raises ValueError, or an error of the HTTP client's; TimeoutError at `end`."""
    import httpx2  # late: it takes longer to import than a picture takes to judge

    received = bytearray()
    with (
        httpx2.Client(timeout=WITHIN, follow_redirects=False, headers={"Accept-Encoding": "identity"}) as client,
        client.stream("GET", address) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"the server answered with {response.status_code}")
        for chunk in response.iter_raw():
            received += chunk
            if len(received) > MAX_BYTES:
                raise ValueError("larger than any trust list")
            if time.monotonic() > end:
                raise TimeoutError("the server took too long")
    return bytes(received)


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
