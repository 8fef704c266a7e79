"""A signer for the tests of Content Credentials."""

import pytest

from tests.support import credentials
from tests.support.marked_files import MIME, save


@pytest.fixture(scope="module")
def sign():
    """sign(actions, format, ingredient, remote) -> the bytes of a signed file."""
    signer_info = credentials.signer_info()

    def sign(actions, format_="JPEG", ingredient=None, remote=None) -> bytes:
        return credentials.signed(signer_info, save(format_), MIME[format_], actions, ingredient, remote)

    return sign
