// detector/frames.py and upright.py, as far as a browser does it: a picture's bytes -> its bitmap, as people see it.
// Browsers turn JPEG and PNG as their EXIF data say, WebP not all of them: there, and where a decoder is asked for one
// frame or for a smaller size, the bytes are changed to say that nothing is to be turned, and it is done here.

import { round } from "./pixels.js";

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
const MOVING = { GIF: "image/gif", PNG: "image/png", WEBP: "image/webp", AVIF: "image/avif" };
const LOOK = 64; // pixels of the side at which a frame is looked at
// Without the colour profile, as Pillow reads it: what the networks were trained on.
const PLAIN = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

// {bitmap, whole, frame, more_frames}: `whole` is the size of the picture where the bitmap is a reduced one, `frame`
// counts from 1. The caller closes the bitmap. Fails for what is not a picture.
export async function decode(bytes, format, { limits, frames }) {
  const jpeg = format === "JPEG" ? jpegHead(bytes) : null;
  const large = jpeg && jpeg.width * jpeg.height > limits.max_pixels && "ImageDecoder" in self;
  const found = large ? jpeg.orientation : format === "WEBP" ? orientationInWebp(bytes) : null;
  if (found) new DataView(bytes.buffer, bytes.byteOffset).setUint16(found.at, 1, found.little);
  if (large && jpeg.width * jpeg.height <= (jpeg.whole ? limits.max_whole_pixels : limits.max_jpeg_pixels)) {
    const bitmap = turned(await reduced(bytes, jpeg, limits.max_pixels), found);
    const whole = { width: jpeg.width, height: jpeg.height };
    if (found?.value > 4) [whole.width, whole.height] = [jpeg.height, jpeg.width];
    return { bitmap, whole, frame: 1, more_frames: false };
  }
  const several = MOVING[format] && (await oneOfSeveral(bytes, MOVING[format], frames));
  const bitmap = several?.bitmap ?? (await createImageBitmap(new Blob([bytes]), PLAIN));
  return { bitmap: turned(bitmap, found), frame: several?.frame ?? 1, more_frames: Boolean(several) };
}

function turned(bitmap, orientation) {
  const turn = TURNS[orientation?.value];
  if (!turn) return bitmap;
  const { width, height } = bitmap;
  const canvas = orientation.value < 5 ? new OffscreenCanvas(width, height) : new OffscreenCanvas(height, width);
  const context = canvas.getContext("2d");
  context.setTransform(...turn(width, height));
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.transferToImageBitmap();
}

async function bitmapOf(decoder, frameIndex) {
  const { image } = await decoder.decode({ frameIndex });
  try {
    return await createImageBitmap(image, PLAIN);
  } finally {
    image.close();
  }
}

// The largest of a half, a quarter and an eighth that is not too large
async function reduced(bytes, { width, height }, most) {
  const sides = (factor) => [Math.ceil(width / factor), Math.ceil(height / factor)];
  const factor = [2, 4, 8].find((factor) => sides(factor)[0] * sides(factor)[1] <= most) ?? 8;
  const [desiredWidth, desiredHeight] = sides(factor);
  const decoder = new ImageDecoder({ data: bytes, type: "image/jpeg", colorSpaceConversion: "none", desiredWidth, desiredHeight });
  try {
    return await bitmapOf(decoder, 0);
  } finally {
    decoder.close();
  }
}

// The first frame that shows something, the very first where none does; null where there is but one.
async function oneOfSeveral(bytes, type, { looked_at: most, blank }) {
  if (!("ImageDecoder" in self) || !(await ImageDecoder.isTypeSupported(type))) return null;
  const decoder = new ImageDecoder({ data: bytes, type, colorSpaceConversion: "none" });
  try {
    await Promise.all([decoder.tracks.ready, decoder.completed]);
    const count = decoder.tracks.selectedTrack?.frameCount ?? 1;
    if (count < 2) return null;
    for (let index = 0; index < Math.min(count, most); index++) {
      const bitmap = await bitmapOf(decoder, index);
      if (spread(bitmap) >= blank) return { bitmap, frame: index + 1 };
      bitmap.close();
    }
    return { bitmap: await bitmapOf(decoder, 0), frame: 1 };
  } catch {
    return null; // of a damaged file: decoded as a whole, it says so
  } finally {
    decoder.close();
  }
}

// Standard deviation of the grey values
function spread(bitmap) {
  const context = new OffscreenCanvas(LOOK, LOOK).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, LOOK, LOOK);
  context.drawImage(bitmap, 0, 0, LOOK, LOOK);
  const { data } = context.getImageData(0, 0, LOOK, LOOK), n = LOOK * LOOK;
  let sum = 0, squares = 0;
  for (let at = 0; at < data.length; at += 4) {
    const grey = round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
    sum += grey;
    squares += grey * grey;
  }
  return Math.sqrt(Math.max(squares / n - (sum / n) ** 2, 0));
}

// {width, height, orientation, whole}: `whole` says that it is decoded whole before it is reduced, as it has several
// scans; null for what is no JPEG (ISO 10918-1, B.2).
function jpegHead(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = { orientation: null, whole: true };
  try {
    for (let at = 2; view.getUint8(at) === 0xff; at += 2 + view.getUint16(at + 2)) {
      const marker = view.getUint8(at + 1);
      if (marker === 0xda) return head.width ? { ...head, whole: head.whole || view.getUint8(at + 4) !== head.components } : null;
      if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
        Object.assign(head, { height: view.getUint16(at + 5), width: view.getUint16(at + 7) });
        Object.assign(head, { components: view.getUint8(at + 9), whole: marker > 0xc1 });
      }
      if (marker === 0xe1 && view.getUint32(at + 4) === 0x45786966) head.orientation ??= orientationAt(view, at + 10); // Exif
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a cut file: the decoder says so
  }
  return null;
}

function orientationInWebp(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
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
  return entries(view, start).find(({ tag }) => tag === 0x0112) ?? null;
}

// The first list of tags of a TIFF file, the value as far as it stands there: {tag, value, at, little}
export function entries(view, start) {
  const little = view.getUint16(start) === 0x4949;
  const list = start + view.getUint32(start + 4, little);
  return Array.from({ length: view.getUint16(list, little) }, (_, i) => {
    const entry = list + 2 + 12 * i, at = entry + 8;
    return { tag: view.getUint16(entry, little), value: view.getUint16(at, little), at, little };
  });
}
