"""The bundled network on real crops. What it says of them is not asked here, only that it says it in the right form."""

import numpy as np
import pytest

from detector import ModelError
from detector.classifier import Classifier
from detector.crop import crop_face
from detector.face_detector import MODEL
from detector.model_folder import store
from detector.sessions import Cores, SessionPool


@pytest.fixture(scope="module")
def folder() -> store.ModelFolder:
    return store.load()


@pytest.fixture(scope="module")
def classifier(folder) -> Classifier:
    return Classifier(folder.networks[0].model, folder.config.networks[0].input_size, Cores(2))


@pytest.fixture(scope="module")
def crops(folder, astronaut) -> np.ndarray:
    """One face, cut out in 19 ways: more than go through the network at once."""
    box, shifts = (172, 70, 279, 178), np.linspace(-0.15, 0.15, 19)
    size, margin = folder.config.networks[0].input_size, folder.config.networks[0].crop_margin
    return np.stack(
        [crop_face(astronaut, box, size, margin, shift=(shift, -shift), scale=1 + shift) for shift in shifts]
    )


@pytest.fixture(scope="module")
def answers(classifier, crops) -> tuple[np.ndarray, np.ndarray]:
    return classifier.predict(crops)


def test_every_crop_gets_a_logit_and_a_map(answers):
    logits, maps = answers
    assert logits.shape == (19,) and logits.dtype == np.float32 and np.isfinite(logits).all()
    assert maps.ndim == 3 and len(maps) == 19 and maps.dtype == np.float32 and np.isfinite(maps).all()
    assert maps.shape[1] == maps.shape[2] > 1


def test_the_mean_of_a_map_is_its_logit(answers):
    logits, maps = answers
    assert maps.mean(axis=(1, 2)) == pytest.approx(logits, abs=1e-3)


def test_a_crop_is_judged_alike_alone_and_among_others(classifier, crops, answers):
    for place in (0, 8, 18):
        logit, activation = classifier.predict(crops[place : place + 1])
        assert logit[0] == pytest.approx(answers[0][place], abs=1e-3)
        assert np.abs(activation[0] - answers[1][place]).max() < 1e-2
    turned, _ = classifier.predict(crops[::-1])
    assert turned[::-1] == pytest.approx(answers[0], abs=1e-3)


def test_one_thread_says_what_several_say(folder, crops, answers):
    network, cores = folder.networks[0], Cores(2)
    with cores.one_more(), cores.one_more():
        logits, maps = Classifier(network.model, network.config.input_size, cores).predict(crops)
    assert logits == pytest.approx(answers[0], abs=1e-3) and np.abs(maps - answers[1]).max() < 1e-2


def test_different_crops_are_told_apart(answers):
    assert np.ptp(answers[0]) > 1e-3


def test_one_thread_answers_as_two_do(folder, crops, answers):
    logits, _ = Classifier(folder.networks[0].model, folder.config.networks[0].input_size).predict(crops[:3])
    assert logits == pytest.approx(answers[0][:3], abs=1e-3)


def test_black_and_white_crops_are_judged_too(classifier, folder):
    size = folder.config.networks[0].input_size
    logits, _ = classifier.predict(np.stack([np.full((size, size, 3), value, np.uint8) for value in (0, 255)]))
    assert np.isfinite(logits).all()


def test_no_crops_get_no_answers(classifier, folder):
    logits, maps = classifier.predict(
        np.empty((0, folder.config.networks[0].input_size, folder.config.networks[0].input_size, 3), np.uint8)
    )
    assert logits.shape == (0,) and len(maps) == 0


def test_crops_of_another_shape_are_refused(classifier, folder):
    size = folder.config.networks[0].input_size
    for shape in ((size, size, 3), (1, size, size, 1), (1, size + 1, size, 3), (1, 3, size, size)):
        with pytest.raises(ValueError, match=r"Crops must be \(N, "):
            classifier.predict(np.zeros(shape, np.uint8))


def test_another_input_size_than_the_networks_is_refused(folder):
    with pytest.raises(ModelError, match="not the size that config.json says"):
        Classifier(folder.networks[0].model, folder.config.networks[0].input_size * 2)


def test_a_network_without_logit_and_map_is_refused():
    with SessionPool(MODEL.read_bytes()).take() as session:  # the face detector's
        size = session.input_shape[1]
    with pytest.raises(ModelError, match="lacks its logit or its activation map"):
        Classifier(MODEL.read_bytes(), size).predict(np.zeros((1, size, size, 3), np.uint8))
