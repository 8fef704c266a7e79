"""Autoencoders of all formats map a picture to one of its size, and say what they are not."""

import io
import pickle
import sys
import types
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import skimage.data
from keras import layers

from tests.support.autoencoder_files import onnx_file
from training.errors import TrainingError
from training.files import write_model
from training.reconstruct import autoencoders, taesd, zoo

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow

PIXELS = skimage.data.astronaut()[:260, 120:330]


def keras_file(path: Path) -> Path:
    inputs = keras.Input((None, None, 3))
    write_model(keras.Model(inputs, layers.UpSampling2D()(layers.AveragePooling2D(2)(inputs))), path)
    return path


def halved(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    means = pixels.reshape(height // 2, 2, width // 2, 2, 3).astype(np.float32).mean(axis=(1, 3))
    return np.rint(means).astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)


# ---- autoencoders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (-1, 1), (0, 1)])
def test_what_values_a_file_takes_is_found_out(tmp_path: Path, low: float, high: float, last: bool) -> None:
    autoencoder = autoencoders.load(str(onnx_file(tmp_path / "halves.onnx", low, high, last=last)))
    assert autoencoder.name == "halves"
    rebuilt = autoencoder.reconstruct(PIXELS)
    assert rebuilt.dtype == np.uint8 and np.abs(rebuilt.astype(int) - halved(PIXELS)).max() <= 1


def test_a_picture_of_any_size_comes_back_in_its_size(tmp_path: Path) -> None:
    autoencoder = autoencoders.load(str(keras_file(tmp_path / "halves.keras")))
    for height, width in ((33, 200), (65, 64), (128, 129)):
        assert autoencoder.reconstruct(PIXELS[:height, :width]).shape == PIXELS[:height, :width].shape


def test_what_is_no_autoencoder_is_told_in_a_sentence(tmp_path: Path) -> None:
    one_size = str(onnx_file(tmp_path / "fixed.onnx", side=64))
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    (tmp_path / "broken.keras").write_bytes(b"no archive")
    grey = keras.Input((None, None, 1))
    write_model(keras.Model(grey, layers.Rescaling(1.0)(grey)), tmp_path / "grey.keras")
    for place, sentence in (
        (one_size, "fixed.onnx takes pictures of one size only"),
        (str(tmp_path / "grey.keras"), "grey.keras takes no pictures of three colours"),
        (str(tmp_path / "broken.onnx"), "broken.onnx could not be read by ONNX Runtime"),
        (str(tmp_path / "broken.keras"), "broken.keras could not be read"),
        (str(tmp_path / "nowhere.onnx"), "no autoencoder file called nowhere.onnx"),
        ("words", "words is not an autoencoder: give"),
    ):
        with pytest.raises(TrainingError, match=sentence):
            autoencoders.load(place)
    inputs = keras.Input((None, None, 3))
    for name, layer, sentence in (
        ("dark", layers.Rescaling(0.0), "dark doesn't give back the picture"),
        ("larger", layers.UpSampling2D(), "larger gives a picture of another size"),
    ):
        write_model(keras.Model(inputs, layer(inputs)), tmp_path / f"{name}.keras")
        with pytest.raises(TrainingError, match=sentence):
            autoencoders.load(str(tmp_path / f"{name}.keras")).reconstruct(PIXELS)


def test_what_diffusers_keeps_is_read(tmp_path: Path) -> None:
    """Pipelines keep it below vae/; one of videos takes a single frame."""
    diffusers = pytest.importorskip("diffusers")
    blocks = {"block_out_channels": (8, 8), "norm_num_groups": 4}
    blocks |= {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    video = {
        "base_dim": 8,
        "z_dim": 4,
        "dim_mult": [1, 2, 2],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True],
    }
    diffusers.AutoencoderKL(**blocks).save_pretrained(tmp_path / "alone")
    diffusers.AutoencoderKL(**blocks).save_pretrained(tmp_path / "pipeline" / "vae")
    diffusers.AutoencoderKLQwenImage(**video).save_pretrained(tmp_path / "video" / "vae")
    for name in ("alone", "pipeline", "video"):
        autoencoder = autoencoders.load(str(tmp_path / name))
        assert autoencoder.name == name and autoencoder.reconstruct(PIXELS).shape == PIXELS.shape


def test_without_diffusers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(TrainingError, match=r'needs diffusers: pip install "\.\[diffusers\]"'):
        autoencoders.load("owner/name")


# ---- the tiny autoencoders' published weights --------------------------------------------------------------------


def pth_file(path: Path, tensors: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-precision weights in PyTorch's format since 1.6."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.HalfStorage = type("HalfStorage", (), {"__module__": "torch"})
    utils._rebuild_tensor_v2 = lambda *_: None
    utils._rebuild_tensor_v2.__module__, utils._rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"

    class Tensor:
        def __init__(self, key: int, values: np.ndarray) -> None:
            self.key, self.values = key, values

        def __reduce__(self) -> tuple:
            steps = tuple(step // 2 for step in self.values.strides)
            return utils._rebuild_tensor_v2, (self, 0, self.values.shape, steps, False, {})

    class Pickler(pickle.Pickler):
        def persistent_id(self, of: object) -> tuple | None:
            if isinstance(of, Tensor) and of.key in seen:
                return "storage", torch.HalfStorage, str(of.key), "cpu", of.values.size
            if isinstance(of, Tensor):
                seen.add(of.key)
            return None

    seen: set[int] = set()
    buffer = io.BytesIO()
    halves = {name: np.ascontiguousarray(values, np.float16) for name, values in tensors.items()}
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        Pickler(buffer, 2).dump({name: Tensor(key, values) for key, (name, values) in enumerate(halves.items())})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/data.pkl", buffer.getvalue())
        for key, values in enumerate(halves.values()):
            archive.writestr(f"{path.stem}/data/{key}", values.tobytes())


def plain_taesd(half: str) -> dict[str, np.ndarray]:
    """Weights of three channels with which every convolution hands on its middle pixel, and every block what comes."""
    middle, nothing, bias = np.zeros((3, 3, 3, 3)), np.zeros((3, 3, 3, 3)), np.zeros(3)
    middle[range(3), range(3), 1, 1] = 1
    ends, steps = ((0, 14), (2, 6, 10)) if half == "encoder" else ((1, 19), (7, 12, 17))
    blocks = [1, *range(3, 6), *range(7, 10), *range(11, 14)] if half == "encoder" else [*range(3, 6), *range(8, 11)]
    blocks += [] if half == "encoder" else [*range(13, 16), 18]
    tensors: dict[str, np.ndarray] = {}
    for number in sorted({*ends, *steps, *blocks}):
        if number in blocks:
            for part in (0, 2, 4):
                tensors |= {f"{number}.conv.{part}.weight": nothing, f"{number}.conv.{part}.bias": bias}
            if number in (11, 12, 13) and half == "encoder":
                tensors |= {f"{number}.pool.0.weight": np.ones((12, 3, 1, 1)), f"{number}.pool.1.weight": np.ones(12)}
                tensors |= {f"{number}.pool.1.bias": np.zeros(12), f"{number}.pool.3.weight": np.zeros((3, 12, 1, 1))}
        else:
            tensors[f"{number}.weight"] = middle
            if number in ends:
                tensors[f"{number}.bias"] = bias
    return tensors


def test_published_weights_become_a_keras_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for half in ("encoder", "decoder"):
        pth_file(tmp_path / f"taef9_{half}.pth", plain_taesd(half), monkeypatch)
    assert taesd.main([str(tmp_path), "taef9", "--out", str(tmp_path / "taef9.keras")]) == 0
    model = keras.saving.load_model(tmp_path / "taef9.keras", safe_mode=True)
    given = PIXELS[None, :128, :160].astype(np.float32)
    expected = (3 * np.tanh(given[:, ::8, ::8] / 255 / 3) * 255).repeat(8, axis=1).repeat(8, axis=2)
    assert np.abs(np.asarray(model(given)) - expected).max() < 0.01


def test_weights_of_another_kind_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = [str(tmp_path), "taef9", "--out", str(tmp_path / "taef9.keras")]
    assert taesd.main(words) == 2 and "no weights file called taef9_encoder.pth" in capsys.readouterr().err
    (tmp_path / "taef9_encoder.pth").write_bytes(b"no weights at all")
    assert taesd.main(words) == 2 and "taef9_encoder.pth could not be read" in capsys.readouterr().err
    more = plain_taesd("encoder") | {"11.odd.weight": np.zeros(3)}
    pth_file(tmp_path / "taef9_encoder.pth", more, monkeypatch)
    assert taesd.main(words) == 2 and "layers that are not known here, such as 11.odd" in capsys.readouterr().err


# ---- the zoo -----------------------------------------------------------------------------------------------------


def test_designs_differ_and_repeat_themselves() -> None:
    drawn = zoo.designs(12, 1)
    assert drawn == zoo.designs(12, 1) != zoo.designs(12, 2)
    assert [design.upsampling for design in drawn] == list(zoo.UPSAMPLING) * 3
    assert len({design.name for design in drawn}) == 12
    for field, values in (("times", 2), ("channels", 4), ("kernel", 3), ("normalisation", 3)):
        assert len({getattr(design, field) for design in zoo.designs(24, 1)}) == values


# Every way of scaling up with both reductions, an odd and an even kernel, and each normalisation with both reductions.
DESIGNS = (
    (8, "transposed", 3, "none"),
    (16, "transposed", 4, "batch"),
    (8, "nearest", 4, "group"),
    (16, "nearest", 5, "none"),
    (8, "bilinear", 5, "batch"),
    (16, "bilinear", 4, "group"),
    (8, "shuffle", 4, "none"),
    (16, "shuffle", 3, "batch"),
)


@pytest.mark.parametrize(("times", "upsampling", "kernel", "normalisation"), DESIGNS)
def test_every_design_gives_a_picture_of_the_same_size_and_can_be_saved(
    tmp_path: Path, times: int, upsampling: str, kernel: int, normalisation: str
) -> None:
    model = zoo.build(zoo.Design(times, 4, upsampling, kernel, normalisation, 8, 0.1))
    assert model.get_layer("latent").compute_output_shape((1, 64, 96, 64))[-1] == 4
    write_model(model, tmp_path / "design.keras")
    given = PIXELS[None, :64, :96].astype(np.float32)
    again = keras.saving.load_model(tmp_path / "design.keras", safe_mode=True)
    expected = np.asarray(model(given))
    assert np.allclose(np.asarray(again(given)), expected, atol=1e-3)
    assert expected.shape == given.shape


def test_every_choice_of_a_design_is_built() -> None:
    drawn = zoo.designs(24, 1)
    for place, field in enumerate(("times", "upsampling", "kernel", "normalisation")):
        assert {design[place] for design in DESIGNS} == {getattr(design, field) for design in drawn}
