// A picture's bytes -> its bitmap, as the camera was held. Browsers turn JPEG and PNG as their EXIF data say, WebP not
// all of them: there the browser is told that nothing is to be turned, and it is done here.

// By orientation: what a canvas draws the picture with, for its width and height (EXIF 2.32, 4.6.4 A).
const TURNS = {
  2: (w) => [-1, 0, 0, 1, w, 0],
  3: (w, h) => [-1, 0, 0, -1, w, h],
  4: (w, h) => [1, 0, 0, -1, 0, h],
  5: () => [0, 1, 1, 0, 0, 0],
  6: (w, h) => [0, 1, -1, 0, h, 0],
  7: (w, h) => [0, -1, -1, 0, h, w],
  8: (w) => [0, -1, 1, 0, 0, w],
};

// Without the colour profile, as Pillow reads it: what the networks were trained on. Fails for what is no picture.
export async function decode(bytes) {
  const found = orientationInWebp(bytes);
  if (found) new DataView(bytes.buffer, bytes.byteOffset).setUint16(found.at, 1, found.little);
  const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const turn = TURNS[found?.value];
  if (!turn) return bitmap;
  const { width, height } = bitmap;
  const canvas = found.value < 5 ? new OffscreenCanvas(width, height) : new OffscreenCanvas(height, width);
  const context = canvas.getContext("2d");
  context.setTransform(...turn(width, height));
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.transferToImageBitmap();
}

function orientationInWebp(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 20 || name(0) !== "RIFF" || name(8) !== "WEBP") return null;
  try {
    for (let at = 12; at + 8 <= bytes.length; at += 8 + Math.ceil(view.getUint32(at + 4, true) / 2) * 2) {
      if (name(at) === "EXIF") return orientationAt(view, name(at + 8) === "Exif" ? at + 14 : at + 8);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a cut file: the decoder says so
  }
  return null;
}

// Of EXIF data, which are a TIFF file: {value, at, little}
function orientationAt(view, start) {
  const little = view.getUint16(start) === 0x4949;
  const list = start + view.getUint32(start + 4, little);
  for (let i = 0, entry = list + 2; i < view.getUint16(list, little); i++, entry += 12) {
    if (view.getUint16(entry, little) === 0x0112) return { value: view.getUint16(entry + 8, little), at: entry + 8, little };
  }
  return null;
}
