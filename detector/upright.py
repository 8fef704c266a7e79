"""A decoded picture of any kind -> RGB of 8 bits, the way up that people see it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

_BITS, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339  # TIFF 6.0
_ORIENTATION = 0x0112  # EXIF 2.32
_WHITE_IS_ZERO, _APART, _SIGNED = 0, 2, 2
# Where Pillow looks for an orientation and browsers do not.
_UNSEEN = ("xmp", "XML:com.adobe.xmp", "Raw profile type exif")


def upright_rgb(image: Image.Image) -> Image.Image:
    """The image itself where it is so already. Transparency is laid over white, more than 8 bits are scaled. Raises
    what decoders raise."""
    tags: Mapping[int, Any] = {}
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        _name_planes(image)
    image = _turned(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bits(image, tags)
    if image.mode == "La":  # premultiplied: Pillow only knows the way back to LA
        image = image.convert("LA")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _name_planes(image: TiffImagePlugin.TiffImageFile) -> None:
    """Pillow reads the planes of an uncompressed TIFF as 8 bits a sample (12.3), whatever they have."""
    tags = image.tag_v2
    if tags.get(_PLANES) == _APART and set(tags.get(_BITS, ())) == {16}:
        order = ";16B" if tags.prefix == b"MM" else ";16L"
        for number, tile in enumerate(image.tile):
            if tile.codec_name == "raw" and isinstance(tile.args, tuple):
                image.tile[number] = tile._replace(args=(tile.args[0] + order, *tile.args[1:]))


def _turned(image: Image.Image) -> Image.Image:
    """Decoded, and where its EXIF data say so, a copy that is turned."""
    unseen = {key: image.info.pop(key) for key in _UNSEEN if key in image.info}
    try:
        image.load()
        return ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) in range(2, 9) else image
    finally:
        image.info.update(unseen)


def _eight_bits(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """Grey samples of 16 bits, or as many as the TIFF says; more, and floats above 1, up to their largest."""
    samples, bits = np.asarray(image), tags.get(_BITS, (16,))[0]
    if samples.dtype.kind == "f":  # floating-point TIFF: 0..1 by convention
        top = float(np.nanmax(samples, initial=0.0))
        samples = np.nan_to_num(samples) / (1.0 if top <= 1.0 else top) * 255.0
        eight = np.clip(samples, 0, 255).astype(np.uint8)
    else:
        signed = tags.get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED
        if bits == 32 and not signed:
            samples = samples.view(np.uint32)
        top = max(65535, int(samples.max(initial=0))) if bits > 16 else 2 ** (bits - signed) - 1
        eight = (np.clip(samples, 0, top) // (top // 255)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts samples of 8 bits only
        eight = 255 - eight
    return Image.fromarray(eight)
