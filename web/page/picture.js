// detector/picture.py, as far as a browser does it: a file -> upright pixels, or a Refused with a sentence for a person.

import { fill } from "./text.js";
import { decode, entries } from "./upright.js";

export class Refused extends Error {}

const STRIP = 4_000_000; // pixels that are copied out at once: canvases have a limit, a low one on phones

const KINDS = [
  ["JPEG", 0, [0xff, 0xd8, 0xff]],
  ["PNG", 0, [0x89, 0x50, 0x4e, 0x47]],
  ["GIF", 0, "GIF8"],
  ["BMP", 0, "BM"],
  ["WEBP", 8, "WEBP"],
  ["AVIF", 4, "ftypavif"],
  ["AVIF", 4, "ftypavis"],
  ["HEIC", 4, "ftyphei"],
  ["HEIC", 4, "ftyphev"],
  ["HEIC", 4, "ftypmif1"],
  ["HEIC", 4, "ftypmsf1"],
  ["TIFF", 0, [0x49, 0x49, 0x2a, 0]],
  ["TIFF", 0, [0x4d, 0x4d, 0, 0x2a]],
];
const NOT_EVERYWHERE = ["AVIF", "HEIC", "TIFF"]; // what not every browser decodes

const begins = (bytes, at, start) =>
  Array.from(start, (c) => (typeof c === "string" ? c.charCodeAt(0) : c)).every((byte, i) => bytes[at + i] === byte);

// {width, height, channels: 4, data, format, bytes, sha256, bitmap, whole, frame, more_frames}: `whole` is the size of
// the picture, of which `data` may be a reduced one; the caller closes the bitmap.
export async function read(file, page) {
  const { limits, errors, other_kinds: others } = page;
  if (!file.size) throw new Refused(errors.empty);
  const bytesOf = async (part) =>
    new Uint8Array(await part.arrayBuffer().catch(() => { throw new Refused(errors.unreadable); }));
  const start = await bytesOf(file.slice(0, 1024));
  const head = new TextDecoder("latin1").decode(start).replace(/^(ï»¿)?\s*/, "").toLowerCase();
  if (head.startsWith("<svg") || (/^<[?!]/.test(head) && head.includes("<svg"))) throw new Refused(errors.drawing);
  const other = others.find((kind) => begins(start, kind.at, kind.start));
  if (other) throw new Refused(other.told);
  if (file.size > limits.max_bytes) throw new Refused(errors.oversize);
  const bytes = await bytesOf(file);
  const format = KINDS.find(([, at, start]) => begins(bytes, at, start))?.[0];
  if (!format) throw new Refused(errors.no_picture);
  const raw = format === "TIFF" && cameraRaw(bytes, page.raw);
  if (raw) throw new Refused(fill(errors.not_read, { name: raw }));
  const sha256 = await digest(bytes);
  let decoded;
  try {
    decoded = await decode(bytes, format, page);
  } catch {
    throw new Refused(NOT_EVERYWHERE.includes(format) ? fill(errors.not_here, { name: format }) : errors.damaged);
  }
  const { bitmap, whole = { width: bitmap.width, height: bitmap.height }, ...frames } = decoded;
  try {
    const { width, height } = bitmap;
    if (width * height > limits.max_pixels) {
      throw new Refused(fill(errors.too_large, { megapixels: Math.round((width * height) / 1e6) }));
    }
    if (Math.min(width, height) < limits.min_side) throw new Refused(fill(errors.too_small, { width, height }));
    const data = pixelsOf(bitmap);
    return { width, height, channels: 4, data, format, bytes: bytes.length, sha256, bitmap, whole, ...frames };
  } catch (error) {
    bitmap.close();
    throw error;
  }
}

// detector/frames.py's camera_raw()
function cameraRaw(bytes, rules) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let tags, maker;
  try {
    const found = entries(view, 0);
    tags = Object.fromEntries(found.map(({ tag, value }) => [tag, value]));
    const make = found.find(({ tag }) => tag === rules.make);
    const text = make ? view.getUint32(make.at, make.little) : 0;
    maker = new TextDecoder("latin1").decode(bytes.subarray(text, text + 16)).toLowerCase();
  } catch (error) {
    if (error instanceof RangeError) return null; // a cut file: the decoder says so
    throw error;
  }
  if (rules.dng_version in tags) return "DNG";
  const raw = rules.sensor.includes(tags[rules.photometric]) || rules.compressions.includes(tags[rules.compression]);
  if (!raw && !(tags[rules.subfile] & rules.reduced && rules.sub_ifds in tags)) return null;
  return Object.entries(rules.makers).find(([start]) => maker.startsWith(start))?.[1] ?? rules.unnamed;
}

// RGBA of the bitmap over white
function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const rows = Math.max(1, Math.min(height, Math.floor(STRIP / width)));
  const context = new OffscreenCanvas(width, rows).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  const data = new Uint8ClampedArray(width * height * 4);
  for (let top = 0; top < height; top += rows) {
    const part = Math.min(rows, height - top);
    context.fillStyle = "white";
    context.fillRect(0, 0, width, part);
    context.drawImage(bitmap, 0, top, width, part, 0, 0, width, part);
    data.set(context.getImageData(0, 0, width, part).data, top * width * 4);
  }
  return data;
}

export async function digest(bytes) {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
