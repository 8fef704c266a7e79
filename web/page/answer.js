// The answer for one picture, piece by piece, as ui/answer.py and ui/boxes.py show it. All words come from page.json.

import { element, icon, withParts } from "./dom.js";
import { inside, overlay } from "./pixels.js";
import { headline, isUnjudged, lookOf, rarity } from "./headline.js";
import { fill } from "./text.js";
import { decode } from "./upright.js";
import { raised } from "./verdict.js";

const LONGEST = 1600; // side in pixels of the picture that is drawn

export function scoreWords(p, { above, below }) {
  if (p > 0.99) return above;
  return p < 0.01 ? below : (100 * p).toFixed(0);
}

export function verdictPanel(result, page) {
  const { labels } = page, { title, lines } = headline(result, page), look = lookOf(result, page);
  const warnings = result.warnings.map(({ text }) => element("li", {}, text));
  return element(
    "section",
    { class: `page panel verdict ${look.tone}`, "data-verdict": result.verdict, "data-origin": result.origin.kind },
    element("div", { class: "top" }, icon(look.icon), element("h2", {}, title)),
    lines.map((line) => element("p", { class: "plain" }, line)),
    result.score === null || isUnjudged(result.faces) ? "" : scale(result, page),
    warnings.length ? element("div", { class: "warnings" }, element("h3", {}, labels.warnings), element("ul", {}, warnings)) : "",
  );
}

function scale(result, page) {
  const { labels, calibration } = page, { score: p } = result;
  const judged = result.faces.filter(({ doubts }) => !doubts.length).length;
  const threshold = (alone) => 100 * raised(alone, calibration.tail, judged);
  const low = 100 * calibration.no_signs_below, high = threshold(calibration.likely_fake_from);
  const leans = calibration.leans_fake_from === null ? high : threshold(calibration.leans_fake_from);
  const score = scoreWords(p, page.score);
  const alt = fill(labels.scale, { score, low: low.toFixed(0), leans: leans.toFixed(0), high: high.toFixed(0) });
  const mark = element("i");
  mark.style.left = `${100 * p}%`;
  const zones = Object.entries({ no_signs: low, uncertain: leans - low, leans_fake: high - leans, likely_fake: 100 - high });
  const bar = zones.map(([name, width]) => {
    const part = element("i", { class: name });
    part.style.width = `${width}%`;
    return part;
  });
  const ends = zones.filter(([, width]) => width).map(([name]) => element("span", {}, labels[name]));
  return element(
    "div",
    { class: "score" },
    element("p", {}, withParts(labels.score, { score: element("b", {}, score) })),
    element(
      "div",
      { class: "scale", role: "img", "aria-label": alt },
      element("div", { class: "mark" }, mark),
      element("div", { class: "bar" }, bar),
      element("div", { class: "ends" }, ends),
    ),
    element("p", { class: "rarity" }, rarity(result, page, judged)),
  );
}

export function nextSteps(result, { next }) {
  if (!next.open.includes(result.verdict)) return "";
  const link = ([name, href]) => element("li", {}, element("a", { href, target: "_blank", rel: "noopener noreferrer" }, name));
  const steps = next.steps.map(([what, how, sites]) =>
    element("li", {}, element("h3", {}, what), element("p", {}, how), sites.length ? element("ul", { class: "sites" }, sites.map(link)) : ""),
  );
  return element("section", { class: "page panel next", "aria-label": next.title }, element("h2", {}, next.title), element("ol", { class: "steps" }, steps));
}

export function evidence({ provenance }, { labels, tags }) {
  const tag = (text, attributes = {}) => element("span", { class: "tag", ...attributes }, text);
  const items = provenance.map(({ source, summary, meaning, suggests, signature, trust_list: list }) =>
    element(
      "li",
      {},
      element("h3", {}, source, tag(tags.suggests[suggests]), signature ? tag(fill(tags.signatures[signature], { list: tags.lists[list?.owner] }), { "data-signature": signature }) : ""),
      element("p", {}, summary),
      element("p", { class: "meaning" }, meaning),
    ),
  );
  return element(
    "section",
    { class: "page panel evidence", "aria-label": labels.evidence },
    element("h2", {}, labels.evidence),
    element("p", { class: "soft" }, labels.evidence_role),
    items.length ? element("ul", {}, items) : element("p", { class: "absent" }, labels.evidence_none),
    element("p", { class: "absent soft" }, labels.evidence_absent),
  );
}

export function cards({ result, crops, maps }, page) {
  const { labels } = page, shown = result.faces.slice(0, page.shown_faces);
  const more = result.faces.length - shown.length;
  return element(
    "section",
    { class: "page", "aria-label": labels.faces },
    element("h2", {}, labels.faces),
    element("p", { class: "soft" }, shown.length > 1 ? `${labels.order} ` : "", shown.some((face, i) => hasTraces(face, maps[i], page)) ? labels.colours : ""),
    element(
      "div",
      { class: shown.length > 1 ? "cards" : "cards one" },
      shown.map((face, i) => card(i + 1, face, result, crops[i], maps[i], page)),
    ),
    more ? element("p", { class: "soft" }, fill(labels.more_faces, { n: more })) : "",
  );
}

// detector/cutout.py's has_traces()
const hasTraces = (face, map, page) => face.verdict !== "no_signs" && Math.max(...map.values) >= page.heatmap.seen;

function card(n, face, { picture }, crop, map, page) {
  const { labels } = page, verdict = page.verdicts[face.verdict];
  const [left, top, right, bottom] = face.box;
  const { crop: shown, told } = page.evidence[face.evidence];
  const margins = new Set(page.networks.map((network) => network.crop_margin));
  const whence = margins.size === 1 || face.verdict === "no_signs" ? "" : ` ${told}`;
  const traces = hasTraces(face, map, page);
  const why = face.doubts.map((code) => page.quality.sentences[code][1]).join(" ");
  const size = { width: right - left, height: bottom - top, found: face.detection_score.toFixed(2) };
  const own = page.networks.map((network) => network.crop_margin);
  const margin = face.evidence === "surroundings" ? Math.max(...own) : Math.min(...own);
  const seen = inside(picture, face.box, face.roll, crop.width, margin, page.crop);
  const figure = (pixels, alt, caption) =>
    element("figure", {}, canvasOf(pixels, seen, fill(alt, { n })), element("figcaption", {}, caption));
  return element(
    "article",
    { class: `card ${verdict.tone}`, "aria-label": fill(labels.card, { n }) },
    element("div", { class: "head" }, element("span", { class: "number" }, n), element("h3", {}, verdict.words), icon(verdict.icon)),
    element(
      "div",
      { class: "pair" },
      figure(opaque(crop), labels.face_alt, shown),
      traces ? figure(overlay(crop, map, page.heatmap), labels.traces_alt, labels.traces) : "",
    ),
    element(
      "div",
      { class: "words" },
      element("p", {}, face.doubts.length ? why : [...withParts(labels.face_score, { score: element("b", {}, scoreWords(face.score, page.score)) }), whence]),
      traces ? "" : element("p", {}, labels.no_traces),
      face.false_positive_share || face.unseen_share || face.seen_share ? element("p", { class: "soft" }, rarity(face, page)) : "",
      element("p", { class: "soft" }, fill(labels.face_size, size)),
    ),
  );
}

function opaque(crop) {
  const out = new ImageData(crop.width, crop.height);
  out.data.fill(255);
  for (let from = 0, to = 0; from < crop.data.length; from += 3, to += 4) out.data.set(crop.data.subarray(from, from + 3), to);
  return out;
}

// Of `pixels`, whose canvas is as wide and high as what is `seen`: the rest is cut off, or clear
function canvasOf(pixels, seen, alt) {
  const size = pixels.width, at = [...seen.keys()].filter((i) => seen[i]);
  const columns = at.map((i) => i % size), rows = at.map((i) => Math.floor(i / size));
  const [left, right] = ends(columns), [top, bottom] = ends(rows);
  seen.forEach((is, i) => (pixels.data[4 * i + 3] = is ? 255 : 0));
  const canvas = element("canvas", { role: "img", "aria-label": alt, width: right - left + 1, height: bottom - top + 1 });
  canvas.getContext("2d").putImageData(pixels, -left, -top);
  return canvas;
}

const ends = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);

export function record(result, page) {
  const { picture, model } = result;
  const size = `${(picture.bytes / 1000).toLocaleString("en", { maximumFractionDigits: 0 })} kB`;
  const rows = {
    [page.records.picture]: `${picture.format}, ${picture.width} × ${picture.height} pixels, ${size}`,
    [page.records.picture_sha256]: picture.sha256,
    [page.records.model]: model.repo ? `${model.repo}@${model.revision}` : model.architecture,
    [page.records.model_digest]: model.digest,
    [page.records.seconds]: `${result.seconds.total.toFixed(2)} s`,
  };
  const cells = Object.entries(rows).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return element("details", { class: "page record" }, element("summary", {}, page.labels.records), element("dl", {}, cells));
}

// ui/boxes.py: likely forged a thick line, leaning to it a thinner one, no signs a thin one, uncertain a broken one; the number is that of the card
export async function marked(file, result, page) {
  const { width, height } = result.picture;
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const canvas = element("canvas", { role: "img", width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.setAttribute("aria-label", fill(page.words.marked, { n: result.faces.length }));
  const context = canvas.getContext("2d");
  const { bitmap } = await decode(new Uint8Array(await file.arrayBuffer()), result.picture.format, page);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const unit = Math.max(2, Math.round(Math.max(canvas.width, canvas.height) / 320));
  result.faces.forEach((_, i, faces) => {
    const n = faces.length - i; // the most suspicious on top
    const face = faces[n - 1];
    drawBox(context, face.box.map((value) => value * scale), face.verdict, unit, `rgb(${page.verdicts[face.verdict].box})`);
    drawNumber(context, face.box.map((value) => value * scale), n, unit, `rgb(${page.verdicts[face.verdict].box})`);
  });
  return element("figure", { class: "page marked" }, canvas);
}

function drawBox(context, [left, top, right, bottom], verdict, unit, colour) {
  const width = { likely_fake: 2 * unit, leans_fake: unit + 1, uncertain: unit + 1 }[verdict] ?? unit;
  const line = (style, thick, dash) => {
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.setLineDash(dash);
    context.strokeRect(left + width / 2, top + width / 2, right - left - width, bottom - top - width);
  };
  line("white", width + 2, []);
  line(colour, width, verdict === "uncertain" ? [5 * width, 5 * width] : []);
}

function drawNumber(context, [left, top], n, unit, colour) {
  const height = Math.max(16, 8 * unit);
  context.font = `${height * 0.72}px sans-serif`;
  const width = Math.max(height, Math.round(context.measureText(n).width) + height / 2);
  const x = Math.min(Math.max(left, 0), Math.max(context.canvas.width - width, 0)), y = top >= height ? top - height : top;
  context.fillStyle = "white";
  context.fillRect(x - 1, y - 1, width + 2, height + 2);
  context.fillStyle = colour;
  context.fillRect(x, y, width, height);
  context.fillStyle = "white";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(n, x + width / 2, y + height / 2);
}
