"""The pool on the smallest real network at hand, that of the face detector."""

import threading

import numpy as np
import pytest

from detector.face_detector import MODEL
from detector.sessions import Cores, Session, SessionPool

NETWORK = MODEL.read_bytes()


def batch(seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, 64 * count, 256, 3)).astype(np.uint8)


def test_a_session_says_what_it_takes():
    session = Session(NETWORK, 1)
    assert session.input_shape == (1, 1, 1, 3)  # sides are set by what it is given
    assert session.input_dtype == np.uint8


def test_outputs_are_copies():
    session = Session(NETWORK, 1)
    first = session.run(batch(1))
    kept = [output.copy() for output in first]
    session.run(batch(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))


def test_samples_are_cast_to_what_the_network_takes():
    session = Session(NETWORK, 1)
    whole = np.ones((1, 256, 256, 3), np.uint8)
    for a, b in zip(session.run(whole), session.run(whole.astype(np.float32)), strict=True):
        assert np.array_equal(a, b)


def test_a_session_is_kept_for_the_next():
    pool = SessionPool(NETWORK)
    with pool.take() as first:
        pass
    with pool.take() as second:
        assert second is first


def test_a_session_serves_one_at_a_time():
    pool = SessionPool(NETWORK)
    with pool.take() as first, pool.take() as second:
        assert first is not second


def test_a_picture_has_all_threads_while_it_is_the_only_one():
    cores = Cores(3)
    assert cores.threads == 3
    with cores.one_more():
        assert cores.threads == 3
        with pytest.raises(KeyError), cores.one_more():
            assert cores.threads == 1
            raise KeyError
        assert cores.threads == 3
    assert Cores().threads == 1


def test_sessions_of_one_thread_and_of_several_are_kept_apart():
    cores = Cores(2)
    pool = SessionPool(NETWORK, cores)
    with pool.take() as wide:
        pass
    with cores.one_more(), cores.one_more(), pool.take() as narrow:
        assert narrow is not wide
    with pool.take() as again:
        assert again is wide


def test_a_session_comes_back_after_an_error():
    pool = SessionPool(NETWORK)
    with pool.take() as session:
        expected = session.run(batch(1))
    with pytest.raises(ValueError, match="invalid literal for int"), pool.take() as session:
        session.run(np.zeros((1, 256, 256, 3), "<U4"))
    with pool.take() as again:
        assert again is session
        assert all(np.array_equal(a, b) for a, b in zip(again.run(batch(1)), expected, strict=True))


def test_threads_get_their_own_answers():
    pool = SessionPool(NETWORK)
    with pool.take() as session:
        expected = [session.run(batch(seed)) for seed in range(8)]
    wrong = []

    def work(seed: int) -> None:
        for _ in range(3):
            with pool.take() as session:
                outputs = session.run(batch(seed))
            if not all(np.allclose(a, b, atol=1e-4) for a, b in zip(outputs, expected[seed], strict=True)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("network", [b"", b"no network", NETWORK[:1000]])
def test_no_network_is_refused(network):
    with pytest.raises((ValueError, RuntimeError)), SessionPool(network).take():
        pass
