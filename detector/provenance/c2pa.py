"""Content Credentials (C2PA): what a signed manifest says of the picture, and whether that can be believed."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from detector.provenance.containers import Metadata
from detector.provenance.finding import CONTENT_CREDENTIALS, Finding, ListOwner, ListUsed, Signature, Suggests
from detector.provenance.sentences import CREDENTIALS as WORDS
from detector.provenance.source_type import SAYINGS, source_type
from detector.provenance.trust_list import SIGNERS, TrustList, TrustSource
from detector.provenance.untrusted import MAX_TEXT, as_dict, as_list
from detector.provenance.xmp import NS_DCTERMS
from detector.text import excerpt

log = logging.getLogger(__name__)

MIME = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "HEIF": "image/heic",
}

# What a signer's certificate may be for (C2PA Technical Specification, certificate profile): e-mail protection,
# document signing, or the C2PA's own claim signing; Microsoft's own is from before that. The library knows the first
# unasked, and holds any other to be against the rules.
KEY_USAGES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1", "1.3.6.1.4.1.311.76.59.1.9")
C2PA_SETTINGS: dict[str, Any] = {
    "version": 1,
    "trust": {"trust_config": "\n".join(KEY_USAGES)},
    "verify": {"verify_after_reading": True, "verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": [], "decode_identity_assertions": False},
}

# Failures that leave the picture and its claim whole, and only the signer unproven. The library calls a picture
# "Invalid" once the certificate of its signer has run out, so its own word is not taken.
UNPROVEN = ("signingCredential.untrusted", "signingCredential.expired", "claimSignature.outsideValidity", "timeStamp.")
BOUND = ("assertion.dataHash.match", "assertion.bmffHash.match", "assertion.boxesHash.match")
TRUSTED = "signingCredential.trusted"
WRONG_CERTIFICATE = "signingCredential.invalid"
REVOKED = ("signingCredential.revoked", "signingCredential.ocsp.revoked")
DAMAGED = ("Assertion", "AssertionNotFound", "Decoding", "Manifest", "Signature", "Verify")
MAX_MANIFESTS = 200
MAX_READS = 80_000  # by the native library, whose time grows with the square of the boxes: large PNGs take 40,000
EDIT_ACTIONS = frozenset(
    "c2pa." + name
    for name in "edited color_adjustments adjustedColor changedSpeed cropped deleted drawing enhanced filtered "
    "orientation placed removed resized resized.proportional dubbed addedText".split()
)


def content_credentials(metadata: Metadata, trust: TrustSource | None = None) -> list[Finding]:
    """What the file's Content Credentials say, its signer looked up in the list of `trust`."""
    mime = MIME.get(metadata.container)
    # Every embedded manifest store bears this label: without it, or the address of one elsewhere, spare the library.
    if mime is None or (b"c2pa" not in metadata.data and (NS_DCTERMS, "provenance") not in metadata.xmp):
        return []
    try:
        import c2pa  # late: a native library of 23 MB that few pictures need
    except Exception as error:  # absent, or not made for this machine
        log.warning("Content Credentials are not read, c2pa cannot be loaded: %r", error)
        return []
    trusted = trust.current() if trust else None
    try:
        # A context of its own for every picture: sharing one between threads or over a fork is refused.
        with c2pa.Context.from_dict(settings(trusted)) as context:
            reader = c2pa.Reader.try_create(mime, _Bounded(metadata.data), None, context)
            if reader is None:
                return []
            with reader:
                text = reader.json()
    except c2pa.C2paError as error:
        return _unreadable_credentials(c2pa.C2paError, error)
    if len(text) > 8 * MAX_TEXT:
        raise ValueError("the manifest store is longer than the limit")
    return [finding_of(json.loads(text), trusted)]


def settings(trusted: TrustList | None) -> dict[str, Any]:
    """The library's settings, with the list of `trusted` signers."""
    return C2PA_SETTINGS | {"trust": C2PA_SETTINGS["trust"] | (trusted.settings if trusted else {})}


class _Bounded(io.BytesIO):
    """A file that ends in an error after MAX_READS, so that no layout of it can keep the library busy for long."""

    reads = 0

    def _count(self) -> None:
        self.reads += 1
        if self.reads > MAX_READS:
            raise OSError("too many reads")

    def readinto(self, buffer: Any) -> int:
        self._count()
        return super().readinto(buffer)

    def read(self, size: int | None = -1) -> bytes:
        self._count()
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._count()
        return super().seek(offset, whence)


def _unreadable_credentials(base: type[Exception], error: Exception) -> list[Finding]:
    log.info("Content Credentials: %s", excerpt(error, 300))
    if str(error).startswith("Remote: must fetch"):
        return [Finding(CONTENT_CREDENTIALS, WORDS["remote"], WORDS["remote_meaning"], Suggests.NEUTRAL)]
    if isinstance(error, tuple(getattr(base, name) for name in DAMAGED)):
        return [_broken("damaged")]
    return []


def _broken(what: str, signature: Signature = Signature.INVALID, why: str = "resaved_why") -> Finding:
    meaning = WORDS["unbelievable"].format(why=WORDS[why])
    return Finding(CONTENT_CREDENTIALS, WORDS[what], meaning, Suggests.NEUTRAL, signature)


def finding_of(store: dict[str, Any], trusted: TrustList | None = None) -> Finding:
    """What c2pa's report on a manifest store says; `trusted` is the list that it was made with."""
    results = as_dict(store.get("validation_results"))
    active = as_dict(results.get("activeManifest"))
    succeeded = _codes(active.get("success"))
    failed = _codes(active.get("failure")) | _codes(store.get("validation_status"))
    for delta in as_list(results.get("ingredientDeltas")):
        failed |= _codes(as_dict(as_dict(delta).get("validationDeltas")).get("failure"))
    whole = "claimSignature.validated" in succeeded and not succeeded.isdisjoint(BOUND)
    if not whole or any(not code.startswith(UNPROVEN) for code in failed):
        log.info("Content Credentials fail: %s", excerpt(sorted(failed), 300))
        if any(code.endswith(".mismatch") for code in failed):
            return _broken("mismatch", Signature.CHANGED)
        if not failed.isdisjoint(REVOKED):
            return _broken("revoked", Signature.REVOKED, "revoked_why")
        if WRONG_CERTIFICATE in failed:
            return _broken("certificate", why="certificate_why")
        return _broken("invalid")

    manifests = as_dict(store.get("manifests"))
    manifest = as_dict(manifests.get(str(store.get("active_manifest"))))
    sayings, tools, elsewhere = _history(manifests, manifest, _trusted_manifests(store))
    signature = as_dict(manifest.get("signature_info"))
    signer = excerpt(signature.get("issuer") or signature.get("common_name") or "", 60)
    generators = as_list(manifest.get("claim_generator_info")) or [{"name": manifest.get("claim_generator") or ""}]
    generator = excerpt(as_dict(generators[0]).get("name") or "", 60)
    status, meaning = _signer(active, trusted, elsewhere)
    said = [words for key, (words, _) in reversed(SAYINGS.items()) if key in sayings]
    statement = WORDS["statement"].format(words=WORDS["and"].join(said)) if said else WORDS["nothing"]
    by = WORDS["trusted_signer" if status is Signature.TRUSTED else "signer"]
    details = [(by, signer), (WORDS["generator"], generator), (WORDS["tool"], tools[0] if tools else "")]
    named = ", ".join(words.format(name=name) for words, name in details if name)
    suggests = next((suggests for key, (_, suggests) in SAYINGS.items() if key in sayings), Suggests.NEUTRAL)
    summary = WORDS["intact"].format(statement=statement, named=f" ({named})" if named else "")
    used = trusted.used if trusted else None
    passed_on = status is Signature.TRUSTED and elsewhere
    return Finding(
        CONTENT_CREDENTIALS, summary, meaning, suggests, status, used, signer or generator or None, passed_on
    )


def _signer(active: dict[str, Any], trusted: TrustList | None, elsewhere: bool) -> tuple[Signature, str]:
    """Who signed an unchanged picture, by the report on its `active` manifest, and what that means. `elsewhere`: a part
    of what is said comes from an earlier manifest whose signer is not on the list."""
    failed = _codes(active.get("failure"))
    if trusted and any(map(_is_trusted, as_list(active.get("success")))) and not failed:
        limit = WORDS["limit_earlier" if elsewhere else "limit"]
        return Signature.TRUSTED, WORDS["trusted"].format(list=in_words(trusted.used), limit=limit)
    if "signingCredential.expired" in failed:
        status, reason = Signature.EXPIRED, WORDS["expired"]
    elif trusted:
        status, reason = Signature.UNKNOWN, WORDS["unlisted"].format(list=in_words(trusted.used))
    else:
        status, reason = Signature.UNCHECKED, WORDS["no_list"]
    return status, WORDS["unproven"].format(reason=reason)


def in_words(used: ListUsed) -> str:
    """The list with its date, to follow "on"."""
    day = date.fromisoformat(used.date)
    return WORDS["c2pa_list" if used.owner is ListOwner.C2PA else "own_list"].format(day=f"{day.day} {day:%B %Y}")


def _is_trusted(status: object) -> bool:
    """Whether c2pa found a signer's authority among those of signers, not only among those of time stamps."""
    status = as_dict(status)
    # Only this sentence tells which list it was: `trustListUri` is one for all manifests of the store.
    return status.get("code") == TRUSTED and f"[{SIGNERS}]" in str(status.get("explanation"))


def _trusted_manifests(store: dict[str, Any]) -> set[str]:
    """The labels of the manifests besides the active one whose signers are on the list. c2pa reports on each only where
    it finds something else than the signer of the picture noted when ingesting it."""
    found: set[str] = set()
    for manifest in as_dict(store.get("manifests")).values():
        for ingredient in as_list(as_dict(manifest).get("ingredients")):
            noted = as_dict(as_dict(as_dict(ingredient).get("validation_results")).get("activeManifest"))
            found |= {_label(s) for s in as_list(noted.get("success")) if as_dict(s).get("code") == TRUSTED}
    for delta in as_list(as_dict(store.get("validation_results")).get("ingredientDeltas")):
        changes = as_dict(as_dict(delta).get("validationDeltas"))
        found |= {_label(status) for status in as_list(changes.get("success")) if _is_trusted(status)}
        found -= {_label(status) for status in as_list(changes.get("failure"))}
    return found - {""}


def _label(status: object) -> str:
    """The manifest whose signature a status is about, "" for another status."""
    address = re.fullmatch(r"self#jumbf=/c2pa/([^/]+)/c2pa\.signature", str(as_dict(status).get("url")))
    return address[1] if address else ""


def _history(
    manifests: dict[str, Any], manifest: dict[str, Any], trusted: set[str]
) -> tuple[set[str], list[str], bool]:
    """What a manifest and those of the pictures that it was made from say, the tools named for what AI did, and whether
    any of it is said by an earlier manifest that is not among the `trusted`."""
    sayings: set[str] = set()
    tools: list[str] = []
    seen: set[str] = set()
    elsewhere = False
    queue = [(manifest, True, True)]  # (manifest, is it of this picture or only of a part, is its signer trusted)
    while queue and len(seen) < MAX_MANIFESTS:
        manifest, own, known = queue.pop(0)
        for saying, tool in _statements(manifest):
            if not own:  # a photograph or a retouched picture put into this one says nothing of the whole
                saying = "ai_edit" if saying in ("ai", "ai_edit") else "edit"
            sayings.add(saying)
            elsewhere = elsewhere or not known
            if tool and saying in ("ai", "ai_edit"):
                tools.append(excerpt(tool, 60))
        for ingredient in as_list(manifest.get("ingredients"))[:MAX_MANIFESTS]:
            ingredient = as_dict(ingredient)
            label = ingredient.get("active_manifest")
            relationship = ingredient.get("relationship")
            if isinstance(label, str) and label not in seen and relationship in ("parentOf", "componentOf"):
                seen.add(label)
                failed = _codes(ingredient.get("validation_status"))
                failed |= _codes(
                    as_dict(as_dict(ingredient.get("validation_results")).get("activeManifest")).get("failure")
                )
                if all(code.startswith(UNPROVEN) for code in failed):
                    is_parent = relationship == "parentOf"
                    queue.append((as_dict(manifests.get(label)), own and is_parent, label in trusted))
    if "ai" in sayings:
        sayings.discard("ai_edit")
    if sayings & {"ai", "algorithm", "ai_edit", "synthetic_edit"}:
        sayings.discard("edit")  # said already; a generator's own steps (a watermark, a resize) are no edits to a photo
    return sayings, tools, elsewhere


def _statements(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for assertion in as_list(manifest.get("assertions"))[:1000]:
        assertion = as_dict(assertion)
        label, data = str(assertion.get("label")), as_dict(assertion.get("data"))
        if label.startswith("c2pa.actions"):
            for action in as_list(data.get("actions"))[:1000]:
                yield from _action_statements(as_dict(action))
        elif label.startswith(("stds.iptc", "c2pa.metadata", "cawg.metadata")):
            for key, value in data.items():
                if key.lower().endswith("digitalsourcetype") and (saying := source_type(value)):
                    yield saying, ""


def _action_statements(action: dict[str, Any]) -> Iterator[tuple[str, str]]:
    name, agent = action.get("action"), action.get("softwareAgent")
    agent = agent.get("name") if isinstance(agent, dict) else agent
    saying = source_type(action.get("digitalSourceType"))
    if saying == "ai" and name != "c2pa.created":
        saying = "ai_edit"  # a step within the picture, such as a generative fill
    if saying:
        yield saying, agent if isinstance(agent, str) else ""
    if name in EDIT_ACTIONS:
        yield "edit", ""


def _codes(statuses: object) -> set[str]:
    return {str(as_dict(status).get("code")) for status in as_list(statuses)}
