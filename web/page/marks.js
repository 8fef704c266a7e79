// detector/provenance/marks.py, xmp.py and camera.py: what unsigned fields say. Tables and words come from page.json.

import { excerpt, fill } from "./text.js";

const NS = {
  dc: "http://purl.org/dc/elements/1.1",
  exif: "http://ns.adobe.com/exif/1.0",
  tiff: "http://ns.adobe.com/tiff/1.0",
  xmp: "http://ns.adobe.com/xap/1.0",
  photoshop: "http://ns.adobe.com/photoshop/1.0",
  iptc: "http://iptc.org/std/Iptc4xmpExt/2008-02-29",
  aigc: "http://www.tc260.org.cn/ns/AIGC/1.0",
};
const SHOWN = 5;
const FREE = ["UserComment", "ImageDescription", "XPComment", "XPSubject", "XPTitle", "Make", "Model"];
const SHOT = ["DateTimeOriginal", "ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength", "LensModel"];

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
export const asObject = (value) => (isObject(value) ? value : {});
export const finding = (source, summary, meaning, suggests, more = {}) => ({
  source, summary, meaning, suggests, signature: null, trust_list: null, by: null, partly_unverified: false, ...more,
});

// No pattern is run over megabytes.
const ends = (text, { scan }) => (text.length <= 2 * scan ? text : `${text.slice(0, scan)}\n${text.slice(-scan)}`);

function parsed(text) {
  if (typeof text !== "string" || !text.trimStart().startsWith("{")) return {};
  try {
    return asObject(JSON.parse(text));
  } catch {
    return {};
  }
}

// The program of a table whose name the text begins with
function named(table, text, { made_with: made }) {
  const start = text.slice(0, 200).trim();
  return Object.keys(table).find((name) => new RegExp(`^(?:${made})?(?:${table[name]})`, "i").test(start));
}

export function* generators(metadata, rules) {
  const { words, programs, forms, sources } = rules, marks = words.marks;
  const found = new Map(), untold = new Map();
  const keep = (map, name, evidence) => map.has(name) || map.set(name, evidence);
  for (const [place, value] of programFields(metadata, rules)) {
    const name = named(programs.generators, value, programs);
    if (name) keep(found, name, fill(marks.field, { place, value: excerpt(value, 60) }));
  }
  for (const [place, value] of freeFields(metadata)) {
    const [name, evidence, generates] = markOf(place, value, metadata, rules) ?? [];
    if (name) keep(generates ? found : untold, name, evidence);
  }
  const program = formOf("texts", Object.fromEntries(metadata.texts), forms);
  if (program) keep(found, program, marks.settings);
  if (isGrok(metadata, rules)) keep(found, "Grok", marks.signature);
  for (const [name, evidence] of [...found].slice(0, SHOWN)) {
    yield finding(sources.generator, fill(marks.generator, { name, evidence }), marks.generator_meaning, "ai_made", { by: name });
  }
  for (const [name, evidence] of untold) {
    if (!found.has(name)) yield finding(sources.generator, fill(marks.untold, { name, evidence }), marks.untold_meaning, "neutral", { by: name });
  }
}

export function* editors(metadata, rules) {
  const { words: { marks }, programs, forms, sources } = rules;
  for (const [place, value] of metadata.texts) {
    const text = ends(value, rules);
    if (place === "postprocessing" || place === "extras") {
      for (const name of new Set([...text.matchAll(new RegExp(forms.restored, "g"))].map((match) => match[1]))) {
        yield finding(sources.editor, fill(marks.restored, { name }), marks.restored_meaning, "ai_edited", { by: name });
      }
    }
    if (place === "photoeditor_re_edit_data" && new RegExp(forms.samsung_ai).test(text)) {
      yield finding(sources.editor, marks.samsung, marks.samsung_meaning, "ai_edited", { by: "Samsung" });
    }
  }
  const found = new Map();
  for (const [place, value] of programFields(metadata, rules)) {
    const name = /(Make|Model)$/.test(place) ? "" : (named(programs.face_editors, value, programs) ?? named(programs.editors, value, programs));
    if (name && !found.has(name)) found.set(name, fill(marks.field, { place, value: excerpt(value, 60) }));
  }
  for (const [name, evidence] of [...found].slice(0, SHOWN)) {
    const meaning = name in programs.face_editors ? marks.face_editor_meaning : marks.editor_meaning;
    yield finding(sources.editor, fill(marks.saved, { name, evidence }), meaning, "edited", { by: name });
  }
}

function* programFields({ exif, texts, xmp, iptc }, { forms }) {
  for (const name of ["Software", "ProcessingSoftware", "Make", "Model"]) {
    if (typeof exif[name] === "string") yield [`the EXIF field ${name}`, exif[name]];
  }
  for (const [key, value] of texts) {
    if (["software", "generator", "source"].includes(key)) yield ["a text field of the file", value];
    else if (forms.json_places.includes(key)) {
      const { software } = parsed(value);
      if (typeof software === "string") yield ["a text field of the file", software];
    }
  }
  for (const [space, name] of [[NS.xmp, "CreatorTool"], [NS.tiff, "Software"], [NS.tiff, "Make"], [NS.tiff, "Model"]]) {
    for (const value of xmp[`${space} ${name}`] ?? []) yield [`the XMP field ${name}`, value];
  }
  if ("OriginatingProgram" in iptc) yield ["the IPTC field for the program", iptc.OriginatingProgram];
}

function* freeFields({ exif, texts, xmp, iptc }) {
  yield* texts;
  for (const name of FREE) {
    const value = exif[name];
    if (typeof value !== "string") continue;
    const [, key, rest] = value.match(/^(prompt|workflow):([^]*)$/i) ?? []; // as ComfyUI writes it
    yield key ? [key.toLowerCase(), rest] : [name.toLowerCase(), value];
  }
  for (const [space, name] of [[NS.dc, "description"], [NS.exif, "UserComment"]]) {
    for (const value of xmp[`${space} ${name}`] ?? []) yield [name.toLowerCase(), value];
  }
  if ("Caption" in iptc) yield ["description", iptc.Caption];
}

// [program, its mark, whether it generated anything] for a text field that only a generator writes
function markOf(place, value, { texts }, rules) {
  const { words: { marks }, forms, programs } = rules, text = ends(value, rules);
  const has = (pattern, flags) => new RegExp(pattern, flags).test(text);
  if (forms.text_places.includes(place)) {
    if (forms.settings_all.every((one) => has(one)) && forms.settings_two.filter((one) => has(one)).length > 1) {
      const scheme = Object.fromEntries(texts).fooocus_scheme?.toLowerCase();
      if (place === "parameters" && ["fooocus", "a1111"].includes(scheme)) return ["Fooocus", marks.settings, true];
      return ["a Stable Diffusion program", marks.steps, true];
    }
    if (has(forms.job, "i")) return ["Midjourney", marks.job, true];
  }
  const options = value.slice(value.lastIndexOf('"') + 1);
  if (place === "dream" && value.startsWith('"') && forms.dream_all.every((one) => new RegExp(one).test(options))) {
    return ["InvokeAI", marks.settings, true];
  }
  if (!forms.json_places.includes(place)) return null;
  const content = parsed(value);
  if (["prompt", "workflow", "usercomment"].includes(place)) {
    const nodes = nodeTypes(content), generating = new RegExp(programs.generating_node, "i");
    if (nodes.length > 1) return ["ComfyUI", marks.graph, nodes.some((node) => generating.test(node))];
  }
  const program = formOf(place, content, forms);
  return program ? [program, marks.settings, true] : null;
}

function formOf(place, content, { forms }) {
  return forms.find(({ places, inside, must, known, least }) => {
    const found = inside ? content[inside] : content;
    if (!places.includes(place) || !isObject(found)) return false;
    const keys = new Set(Object.keys(found).map((key) => key.toLowerCase()));
    return must.every((key) => keys.has(key)) && known.filter((key) => keys.has(key)).length >= least;
  })?.program;
}

function isGrok({ exif }, { programs, forms }) {
  const whole = new RegExp(`^(?:${programs.uuid})$`, "i"), proof = new RegExp(`^(?:${forms.signature})`);
  return whole.test(exif.Artist ?? "") && [exif.ImageDescription, exif.UserComment].some((text) => proof.test(text ?? ""));
}

function nodeTypes(content) {
  const graph = isObject(content.prompt) ? content.prompt : content; // Civitai keeps both forms in one object
  const kinds = Array.isArray(graph.nodes) && Array.isArray(graph.links)
    ? graph.nodes.map((node) => (isObject(node) && "id" in node ? node.type : null))
    : Object.values(graph).filter(isObject).map((node) => (isObject(node.inputs) ? node.class_type : null));
  return kinds.every((kind) => typeof kind === "string") ? kinds : [];
}

// --- Labels and cameras ---------------------------------------------------------------------------------------------

export function sourceType(value, { source_types: types, source_type: pattern }) {
  const match = typeof value === "string" && value.trim().match(new RegExp(`^(?:${pattern})$`, "i"));
  return match ? types[match[1].toLowerCase()] : undefined;
}

export function* labels({ xmp, iptc }, rules) {
  const { words: { labels: words }, programs, credits, sayings, sources } = rules, said = {};
  const values = (name) => xmp[`${NS.iptc} ${name}`] ?? [];
  for (const value of ["DigitalSourceType", "DigitalSourceFileType", "DigitalSourcefileType"].flatMap(values)) {
    const saying = sourceType(value, rules);
    if (saying) said[saying] ??= [words.source_type, null];
  }
  for (const value of values("AISystemUsed").map((one) => excerpt(one, 60))) {
    if (value) said.ai ??= [fill(words.ai_system, { value }), value];
  }
  for (const credit of [...(xmp[`${NS.photoshop} Credit`] ?? []), iptc.Credit ?? ""]) {
    const program = new RegExp(`^(?:${programs.made_with})`, "i").test(credit) ? named(programs.generators, credit, programs) : undefined;
    const saying = Object.entries(credits).find(([line]) => new RegExp(`^(?:${line})$`, "i").test(credit))?.[1];
    if (saying || program) said[saying ?? "ai"] ??= [fill(words.credit, { value: excerpt(credit) }), program ?? excerpt(credit)];
  }
  for (const [saying, [text, suggests]] of Object.entries(sayings)) {
    if (!said[saying]) continue;
    const [label, by] = said[saying];
    yield finding(sources.xmp, fill(words.says, { label, words: text }), words.unsigned, suggests, { by });
  }
}

export function* aigc({ exif, texts, xmp }, { words: { labels: words }, sources }) {
  const direct = {};
  for (const [name, values] of Object.entries(xmp)) {
    if (name.startsWith(`${NS.aigc} `)) direct[name.slice(NS.aigc.length + 1)] = values[0];
  }
  const candidates = [...(xmp[`${NS.aigc} AIGC`] ?? []), ...texts.filter(([key]) => key === "aigc").map(([, value]) => value)];
  for (const label of [direct, ...candidates.map(parsed), asObject(parsed(exif.UserComment).AIGC)]) {
    const inner = isObject(label.AIGC) && Object.keys(label.AIGC).length ? label.AIGC : label;
    const producers = ["ContentProducer", "ContentPropagator", "ProduceID", "PropagateID"].map((name) => inner[name]);
    const producer = producers.find((name) => typeof name === "string" && name);
    const words_ = { 1: words.aigc_made, 2: words.aigc_possibly, 3: words.aigc_suspected }[String(inner.Label)];
    if (!words_ || !producer) continue;
    const by = excerpt(producer, 60);
    yield finding(sources.aigc, fill(words_, { by }), words.unsigned, String(inner.Label) === "1" ? "ai_made" : "neutral", { by });
    return;
  }
}

export function* camera({ exif }, { words: { camera: words }, programs, sources }) {
  const { Make: make, Model: model } = exif;
  if (typeof make !== "string" || typeof model !== "string") return;
  if ([make, model].some((name) => named(programs.generators, name, programs))) return;
  const shot = SHOT.filter((name) => exif[name]);
  if (shot.length < 3) return;
  const [brand, type] = [excerpt(make, 40), excerpt(model, 60)];
  const by = type.toLowerCase().startsWith(brand.toLowerCase()) ? type : `${brand} ${type}`;
  const taken = excerpt(exif.DateTimeOriginal ?? "", 19);
  const time = /^\d{4}:\d\d:\d\d \d\d:\d\d:\d\d$/.test(taken) ? fill(words.taken, { time: taken.replace(":", "-").replace(":", "-") }) : "";
  const summary = fill(words.fields, { camera: by, taken: time, n: shot.length, all: SHOT.length });
  yield finding(sources.camera, summary, words.meaning, "camera", { by });
}
