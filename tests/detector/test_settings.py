"""What the environment says, and the sentence for what it says wrongly."""

import pytest

from detector import settings
from detector.errors import SettingError


def test_what_is_not_set_or_empty_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DETECTOR_MODEL", "DETECTOR_PICTURES_PER_MINUTE", "DETECTOR_REFRESH_MINUTES", "DETECTOR_GALLERY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DETECTOR_WAITING", " ")
    told = settings.read()
    assert (told.model, told.gallery) == (None, None)
    assert (told.pictures_per_minute, told.batches_per_minute, told.waiting, told.refresh_minutes) == (60, 6, 32, 10)


def test_what_is_set_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTOR_PICTURES_PER_MINUTE", "0")
    monkeypatch.setenv("DETECTOR_REFRESH_MINUTES", "0.5")
    monkeypatch.setenv("DETECTOR_MODEL", "owner/name")
    told = settings.read()
    assert (told.pictures_per_minute, told.refresh_minutes, told.model) == (0, 0.5, "owner/name")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DETECTOR_PICTURES_PER_MINUTE", "-1"),
        ("DETECTOR_BATCHES_PER_MINUTE", "1.5"),
        ("DETECTOR_WAITING", "0"),
        ("DETECTOR_REFRESH_MINUTES", "nan"),
        ("DETECTOR_REFRESH_MINUTES", "often"),
    ],
)
def test_a_typo_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=rf"^{name} must be a .*\.$"):
        settings.read()
