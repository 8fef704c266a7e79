"""What an administrator sets in the environment: every variable of this product, read and checked here alone."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from detector.errors import SettingError


@dataclass(frozen=True)
class Settings:
    """The environment's variables, or what holds where they are not set."""

    model: str | None  # DETECTOR_MODEL: a model folder, or owner/name[@revision] on the Hub
    revision: str | None  # DETECTOR_REVISION of it
    trust_list: str  # DETECTOR_TRUST_LIST: a PEM file, an https address, or none; empty for the C2PA's
    pictures_per_minute: int  # of one visitor; 0 is no limit
    batches_per_minute: int  # likewise
    megabytes_per_minute: int  # that a visitor may send; likewise
    link_days: int  # DETECTOR_LINK_DAYS: how long the picture behind a link to a result is kept
    links: str | None  # DETECTOR_LINKS: a folder where these pictures outlive the process
    waiting: int  # requests in the queue; the next one is told to come back
    workers: int  # DETECTOR_WORKERS: processes that judge strangers' pictures; 0 is one a core
    picture_seconds: int  # of processor time that a picture may take in them
    refresh_minutes: float  # between looks for a newer model; 0 is never
    gallery: str | None  # DETECTOR_GALLERY: pictures of the game, a folder or a data set on the Hub
    reports: str | None  # DETECTOR_REPORTS: the address that wrong verdicts are reported to
    frame_ancestors: str  # DETECTOR_FRAME_ANCESTORS: whose pages may show this one in a frame, as in a CSP
    space: str | None  # SPACE_ID, which a Space of Hugging Face's sets


def read() -> Settings:
    """The settings of this process. Raises SettingError for an invalid one."""
    return Settings(
        model=_text("DETECTOR_MODEL"),
        revision=_words("DETECTOR_REVISION"),
        trust_list=_text("DETECTOR_TRUST_LIST") or "",
        pictures_per_minute=_count("DETECTOR_PICTURES_PER_MINUTE", 60, 0),
        batches_per_minute=_count("DETECTOR_BATCHES_PER_MINUTE", 6, 0),
        megabytes_per_minute=_count("DETECTOR_MEGABYTES_PER_MINUTE", 1000, 0),
        link_days=_count("DETECTOR_LINK_DAYS", 1, 1, 365),
        links=_text("DETECTOR_LINKS"),
        waiting=_count("DETECTOR_WAITING", 32, 1),
        workers=_count("DETECTOR_WORKERS", 0, 0),
        picture_seconds=_count("DETECTOR_PICTURE_SECONDS", 20, 1),
        refresh_minutes=_minutes("DETECTOR_REFRESH_MINUTES", 10),
        gallery=_text("DETECTOR_GALLERY"),
        reports=_words("DETECTOR_REPORTS"),
        frame_ancestors=_frame_ancestors(),
        space=_words("SPACE_ID"),
    )


def check_gradio() -> None:
    """gradio's own numbers, which it reads when it is imported: it would end in a traceback. Raises SettingError."""
    for name, otherwise, most in (
        ("GRADIO_SERVER_PORT", 7860, 65535),
        ("GRADIO_NUM_PORTS", 100, 9999),
        ("GRADIO_NODE_NUM_PORTS", 100, 9999),
    ):
        if _text(name) is None:
            os.environ.pop(name, None)
        _count(name, otherwise, 1, most)


def caches() -> Path | None:
    """The folder of this program in the user's cache; None where there is no home."""
    try:
        return Path(_text("XDG_CACHE_HOME") or Path.home() / ".cache") / "deepfake-image-detector"
    except RuntimeError:
        return None


def _text(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _frame_ancestors() -> str:
    words = _text("DETECTOR_FRAME_ANCESTORS") or ("'self' https://huggingface.co" if _text("SPACE_ID") else "'self'")
    if not re.fullmatch(r"(?:'self'|'none'|\*|https?://[\w.*:-]+)(?: (?:'self'|https?://[\w.*:-]+))*", words, re.ASCII):
        raise SettingError(
            "DETECTOR_FRAME_ANCESTORS must name the sites that may show the page in a frame, such as "
            "'self' https://example.org, or be 'none' or *."
        )
    return words


def _words(name: str) -> str | None:
    """What is no path: those may be any bytes."""
    text = _text(name)
    if text is not None and not text.isprintable():
        raise SettingError(f"{name} must be text without line breaks, control characters or bytes that are not UTF-8.")
    return text


def _count(name: str, otherwise: int, least: int, most: int = 999_999_999) -> int:
    text = _text(name)
    if text is None:
        return otherwise
    if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
        raise SettingError(f"{name} must be a whole number from {least} to {most}, such as {otherwise}.")
    return int(text)


def _minutes(name: str, otherwise: float) -> float:
    try:
        minutes = float(_text(name) or otherwise)
    except ValueError:
        minutes = -1.0
    if minutes != 0 and not 0.01 <= minutes <= 1e6:  # also for NaN
        raise SettingError(
            f"{name} must be a number of minutes from 0.01 to 1000000, such as {otherwise:g}; 0 is never."
        )
    return minutes
