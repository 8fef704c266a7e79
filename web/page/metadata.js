// detector/provenance/containers.py: the places where a file may keep metadata. EXIF, IPTC and where XMP lies are read by
// ExifReader, for all containers; what it leaves out is read here: texts, comments, and the names of XMP by namespace.

import ExifReader from "./metadata/exif-reader.js";
import parser from "./metadata/parse-xml.js";

const MAX_TEXTS = 64;
const RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns";
const EXIF = {
  ProcessingSoftware: 0x000b, ImageDescription: 0x010e, Make: 0x010f, Model: 0x0110, Software: 0x0131, Artist: 0x013b,
  ExposureTime: 0x829a, FNumber: 0x829d, ISOSpeedRatings: 0x8827, DateTimeOriginal: 0x9003, UserComment: 0x9286,
  FocalLength: 0x920a, XPTitle: 0x9c9b, XPComment: 0x9c9c, XPSubject: 0x9c9f, LensModel: 0xa434,
};
const IPTC = { OriginatingProgram: "Originating Program", Credit: "Credit", Caption: "Caption/Abstract" };
const PROFILE = "Raw profile type ";
const APP1 = "http://ns.adobe.com/xap/1.0/\0";

const latin1 = (bytes) => new TextDecoder("latin1").decode(bytes);
const trimmed = (text) => text.replace(/^[\0 \r\n\t]+|[\0 \r\n\t]+$/g, "");

// Text in UTF-8, or else Latin-1, without what writers pad it with
export function decode(bytes) {
  try {
    return trimmed(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return trimmed(latin1(bytes));
  }
}

// {format, exif: {name: value}, xmp: {"namespace name": values}, texts: [[lower-case key, value]], iptc: {name: value}}
export async function metadataOf(bytes, format, { max_text: max }) {
  const metadata = { format, bytes, exif: {}, xmp: {}, texts: [], iptc: {} };
  await attempt(() => fromLibrary(metadata, bytes, max));
  if (format === "PNG") await attempt(() => pngTexts(metadata, max));
  if (format === "JPEG") await attempt(() => jpegComment(metadata, max));
  if (format === "GIF") await attempt(() => gifComment(metadata, max));
  if (format === "JPEG" || format === "HEIC") await attempt(() => samsungNotes(metadata));
  return metadata;
}

async function attempt(part) {
  try {
    await part();
  } catch (error) {
    console.info("Metadata:", error); // a broken part must not hide the others
  }
}

function fromLibrary(metadata, bytes, max) {
  const packets = [];
  const domParser = {
    parseFromString(packet) {
      packets.push(packet);
      throw new Error("parsed below");
    },
  };
  const buffer = bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  const { exif = {}, iptc = {} } = ExifReader.load(buffer, { expanded: true, includeUnknown: true, domParser });
  const byNumber = Object.fromEntries(Object.values(exif).filter((tag) => tag?.id).map((tag) => [tag.id, tag.value]));
  for (const [name, number] of Object.entries(EXIF)) {
    const value = exifValue(name, byNumber[number]);
    if (value !== "" && value !== undefined && (value.length ?? 0) <= max) metadata.exif[name] = value;
  }
  for (const [name, label] of Object.entries(IPTC)) {
    const value = [iptc[label]].flat()[0]?.value;
    if (value) metadata.iptc[name] = decode(Uint8Array.from(value));
  }
  if (packets.length) readXmp(metadata, packets[0], max);
}

function exifValue(name, value) {
  if (!Array.isArray(value)) return value;
  if (value.every((part) => typeof part === "string")) {
    const text = value.join("\0"); // the library cuts at what pads, and leaves UTF-8 as it is
    return [...text].some((c) => c > "\xff") ? trimmed(text) : exifText(name, Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }
  if (value.length === 2 && ["ExposureTime", "FNumber", "FocalLength"].includes(name)) return value[0] / value[1];
  return exifText(name, Uint8Array.from(value));
}

function exifText(name, bytes) {
  if (name.startsWith("XP")) return trimmed(new TextDecoder("utf-16le").decode(bytes));
  return name === "UserComment" ? userComment(bytes) : decode(bytes);
}

// EXIF names the encoding in eight bytes, but not the byte order, and writers disagree on it.
function userComment(bytes) {
  const code = latin1(bytes.subarray(0, 8)), body = bytes.subarray(8);
  if (code === "UNICODE\0") {
    const zeros = [0, 1].map((odd) => body.subarray(0, 200).filter((byte, i) => i % 2 === odd && !byte).length);
    return trimmed(new TextDecoder(zeros[0] >= zeros[1] ? "utf-16be" : "utf-16le").decode(body).replace(/^\ufeff/, ""));
  }
  return decode(["ASCII\0\0\0", "JIS\0\0\0\0\0", "\0".repeat(8)].includes(code) ? body : bytes);
}

// --- Texts ----------------------------------------------------------------------------------------------------------

async function pngTexts(metadata, max) {
  const { bytes } = metadata, view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let left = 4 * max; // what all texts together may unfold to
  for (let at = 8; at + 12 <= bytes.length && metadata.texts.length < MAX_TEXTS; ) {
    const length = view.getUint32(at), kind = latin1(bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IEND" || body.length < length) break;
    if (["tEXt", "zTXt", "iTXt", "comf"].includes(kind) && length <= max) {
      await attempt(async () => {
        const [key, value] = await pngText(kind, body, Math.min(left, max));
        left -= value.length;
        if (key === "XML:com.adobe.xmp") readXmp(metadata, value, max);
        else if (key.startsWith(PROFILE)) await rawProfile(metadata, key.slice(PROFILE.length), value, max);
        else metadata.texts.push([key.toLowerCase(), value]);
      });
    }
    at += 12 + length;
  }
}

async function pngText(kind, body, limit) {
  const cut = (bytes) => {
    const end = bytes.includes(0) ? bytes.indexOf(0) : bytes.length;
    return [bytes.subarray(0, end), bytes.subarray(end + 1)];
  };
  let [key, rest] = cut(body), packed = kind === "zTXt";
  if (kind === "zTXt") rest = rest.subarray(1);
  else if (kind === "iTXt") {
    packed = rest[0] === 1;
    rest = cut(cut(rest.subarray(2))[1])[1];
  }
  if (packed) rest = await unpacked(rest, limit);
  if (rest.length > limit) throw new Error("longer than the limit");
  return [latin1(key), kind === "iTXt" ? trimmed(new TextDecoder().decode(rest)) : decode(rest)];
}

async function unpacked(bytes, limit) {
  const chunks = [];
  let length = 0;
  for (const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if ((length += value.length) > limit) throw new Error("longer than the limit");
    chunks.push(value);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

// What ImageMagick and others keep as text: a name, a length and the bytes in hexadecimal digits
async function rawProfile(metadata, name, value, max) {
  const digits = value.replace(/^\s*\S+\s+\S+/, "").replace(/\s/g, "");
  if (digits.length % 2 || /[^0-9a-f]/i.test(digits)) throw new Error("no hexadecimal digits");
  const body = Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
  const start = latin1(body.subarray(0, APP1.length));
  if (start === APP1) return readXmp(metadata, new TextDecoder().decode(body.subarray(APP1.length)), max);
  if (name === "xmp") return readXmp(metadata, new TextDecoder().decode(body), max);
  // As a JPEG has it: the library reads it there.
  const iptc = name === "iptc" || name === "8bim", head = new TextEncoder().encode(iptc ? "Photoshop 3.0\0" : "Exif\0\0");
  if (!iptc && name !== "exif" && !start.startsWith("Exif\0\0")) return;
  const segment = start.startsWith("Exif\0\0") || start.startsWith("Photoshop") ? body : new Uint8Array([...head, ...body]);
  const length = segment.length + 2;
  const marker = [0xff, 0xd8, 0xff, iptc ? 0xed : 0xe1, length >> 8, length & 255];
  fromLibrary(metadata, new Uint8Array([...marker, ...segment, 0xff, 0xd9]), max);
}

function jpegComment({ bytes, texts }, max) {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const length = bytes[at + 2] * 256 + bytes[at + 3];
    if (bytes[at + 1] === 0xfe && length <= max) texts.push(["comment", decode(bytes.subarray(at + 4, at + 2 + length))]);
    at += 2 + length;
  }
}

function gifComment({ bytes, texts }, max) {
  const colours = (flags) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + colours(bytes[10]);
  const blocks = () => {
    const start = at;
    while (bytes[at]) at += 1 + bytes[at];
    at++;
    return start;
  };
  while (bytes[at] === 0x21 || bytes[at] === 0x2c) {
    if (bytes[at] === 0x2c) {
      at += 11 + colours(bytes[at + 9]);
      blocks();
    } else {
      const kind = bytes[at + 1];
      at += 2;
      const body = [];
      for (let from = blocks(); kind === 0xfe && bytes[from] && body.length <= max; from += 1 + bytes[from]) {
        body.push(...bytes.subarray(from + 1, from + 1 + bytes[from]));
      }
      if (body.length) texts.push(["comment", decode(Uint8Array.from(body))]);
    }
  }
}

// "SEFH", a count, and a place for each note, counted backwards from there (ExifTool's Samsung.pm)
function samsungNotes({ bytes, texts }) {
  if (latin1(bytes.subarray(-4)) !== "SEFT") return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = bytes.length - 8 - view.getUint32(bytes.length - 8, true);
  if (latin1(bytes.subarray(start, start + 4)) !== "SEFH") return;
  for (let i = 0; i < Math.min(view.getUint32(start + 8, true), 200); i++) {
    const entry = start + 12 + 12 * i, from = start - view.getUint32(entry + 4, true);
    const named = from + 8 + view.getUint32(from + 4, true), end = from + Math.min(view.getUint32(entry + 8, true), 64_000);
    texts.push([decode(bytes.subarray(from + 8, named)).toLowerCase(), decode(bytes.subarray(named, end))]);
  }
}

// --- XMP ------------------------------------------------------------------------------------------------------------

// The properties of the picture itself: those of its ingredients and its history lie deeper and are left out.
function readXmp(metadata, packet, max) {
  if (packet.length > max || packet.includes("<!DOCTYPE")) throw new Error("no XMP packet that is read");
  const root = named(parser.parseXml(trimmed(packet).replace(/^\ufeff/, "")).root, {});
  const rdf = isRdf(root, "RDF") ? root : root.children.find((child) => isRdf(child, "RDF"));
  for (const description of (rdf?.children ?? []).filter((child) => isRdf(child, "Description")).slice(0, MAX_TEXTS)) {
    for (const { name, value } of description.attributes) add(metadata, name, value);
    for (const element of description.children.slice(0, 1000)) valuesOf(element).forEach((value) => add(metadata, element.name, value));
  }
}

const isRdf = ({ name }, local) => name === `${RDF} ${local}`;

// An element with the namespaces of its names: {name: "namespace name", text, attributes, children}
function named(element, outer) {
  const spaces = { ...outer };
  for (const [name, value] of Object.entries(element.attributes)) {
    if (name === "xmlns" || name.startsWith("xmlns:")) spaces[name.slice(6)] = value;
  }
  const full = (name, otherwise) => {
    const [prefix, local] = name.includes(":") ? name.split(":") : [otherwise, name];
    return `${(spaces[prefix] ?? "").replace(/[/#]+$/, "")} ${local}`;
  };
  const attributes = Object.entries(element.attributes).filter(([name]) => !name.startsWith("xmlns"));
  const first = element.children.findIndex((child) => child.type === "element");
  const before = first < 0 ? element.children : element.children.slice(0, first);
  return {
    name: full(element.name, ""),
    text: before.map((child) => child.text ?? "").join(""),
    attributes: attributes.map(([name, value]) => ({ name: full(name, null), value })),
    children: element.children.filter((child) => child.type === "element").map((child) => named(child, spaces)),
  };
}

function valuesOf(element) {
  const own = ({ text, attributes }) => [text.trim() && text, attributes.find((one) => isRdf(one, "resource"))?.value].filter(Boolean);
  const lists = element.children.filter((child) => ["Alt", "Bag", "Seq"].some((kind) => isRdf(child, kind)));
  const items = lists.flatMap(({ children }) => children.filter((child) => isRdf(child, "li")).slice(0, MAX_TEXTS));
  return [...own(element), ...items.flatMap(own)];
}

function add({ xmp }, name, value) {
  const values = (xmp[name] ??= []);
  if (values.length < MAX_TEXTS) values.push(value.trim());
}
