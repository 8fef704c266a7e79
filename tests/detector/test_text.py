"""A stranger's text on the page."""

import pytest

from detector.text import excerpt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x1b[31mc\u202ed\ne", "ab31mcd e"),
        ("<img src=x onerror=alert(1)>", "img src=x onerror=alert(1)"),
        ("![x](https://example.org/x.png)", "!x(https example.org/x.png)"),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_an_excerpt_is_fit_to_be_shown(text, shown):
    assert excerpt(text) == shown
