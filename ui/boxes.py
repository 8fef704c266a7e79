"""A picture with a numbered box round each face. Verdicts differ in the line as well as in colour."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detector import Result, Verdict
from ui.icons import BOX_COLOURS

LONGEST = 1600  # side in pixels of what is drawn


def draw(pixels: np.ndarray, result: Result) -> Image.Image:
    """The picture that was judged, of which `pixels` uint8 RGB (H, W, 3) may be a smaller copy, with a box round each
    of its faces, numbered from 1.

    Likely forged: thick line; leaning to it: a thinner one; no signs: thin line; uncertain: broken grey line.
    The number is that of the face's card.
    """
    image = Image.fromarray(pixels)
    scale = image.width / result.picture.width
    draw = ImageDraw.Draw(image)
    unit = max(2, round(max(image.size) / 320))
    for number, face in reversed(list(enumerate(result.faces, 1))):  # the most suspicious on top
        box = [round(value * scale) for value in face.box]
        _draw_box(draw, box, face.verdict, unit)
        _draw_number(draw, box, str(number), face.verdict, unit, image.size)
    return image


def shrunk(image: Image.Image, longest: int) -> Image.Image:
    """`image`, its longer side at most `longest` pixels."""
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    return image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)


def _draw_box(draw: ImageDraw.ImageDraw, box: list[int], verdict: Verdict, unit: int) -> None:
    left, top, right, bottom = box
    width = {Verdict.LIKELY_FAKE: 2 * unit, Verdict.LEANS_FAKE: unit + 1, Verdict.UNCERTAIN: unit + 1}.get(
        verdict, unit
    )
    halo = [left - 1, top - 1, right + 1, bottom + 1]
    draw.rectangle(halo, outline="white", width=width + 2)
    if verdict is not Verdict.UNCERTAIN:
        draw.rectangle(box, outline=BOX_COLOURS[verdict], width=width)
        return
    step = 5 * width
    for x in range(left, right, 2 * step):
        for y in (top, bottom - width + 1):
            draw.rectangle([x, y, min(x + step, right), y + width - 1], fill=BOX_COLOURS[verdict])
    for y in range(top, bottom, 2 * step):
        for x in (left, right - width + 1):
            draw.rectangle([x, y, x + width - 1, min(y + step, bottom)], fill=BOX_COLOURS[verdict])


def _draw_number(
    draw: ImageDraw.ImageDraw, box: list[int], text: str, verdict: Verdict, unit: int, size: tuple[int, int]
) -> None:
    """A tag above the box's left corner, inside the picture."""
    height = max(16, 8 * unit)
    font = ImageFont.load_default(height * 0.72)
    width = max(height, round(draw.textlength(text, font)) + height // 2)
    x = min(max(box[0], 0), max(size[0] - width, 0))
    y = box[1] - height if box[1] >= height else box[1]
    draw.rectangle([x - 1, y - 1, x + width, y + height], fill=BOX_COLOURS[verdict], outline="white")
    draw.text((x + width / 2, y + height / 2), text, "white", font, anchor="mm")
