// detector/detector.py and classifier.py on LiteRT.js: from a file to the object that Python's Result.to_dict() gives.

import { Tensor, getWebGpuDevice, loadAndCompile, loadLiteRt, supportsFeature } from "./litert/index.js";
import { get } from "./files.js";
import { findFaces } from "./face_detector.js";
import { findingsOf, originOf } from "./provenance.js";
import { read } from "./picture.js";
import { cropFace, round } from "./pixels.js";
import { doubtsOf, warningsOf } from "./quality.js";
import { shaped } from "./tflite.js";
import { headline } from "./headline.js";
import { NO_SHARES, sharesAt, verdictOf } from "./verdict.js";

const SAME = 0.01; // logits that may be apart on two processors
const LARGE = 1_000_000; // pixels: networks for larger pictures are not kept, they take much memory

// `told(bytes)` follows what is loaded. Gives judge(file) -> {result, crops, maps, bitmap}.
export async function open(page, told) {
  const paths = [...new Set(page.networks.map((network) => network.file)), page.face_detector.file, page.covering.file];
  await runtime(page, told);
  const loaded = Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await get(path, page, told)])));
  const compile = (bytes, options = { accelerator: "wasm" }) => loadAndCompile(bytes, options);

  const compiled = {};
  for (const { file, input_size: size } of page.networks) {
    const key = `${file} ${size}`;
    compiled[key] ??= await fastest(shaped(loaded[file], [1, size, size, 3]), size, compile);
  }
  const { file, size } = page.covering;
  const covering = await compile(shaped(loaded[file], [1, size, size, 3]));
  const coversOf = async (crops) => {
    const logits = [];
    for (const { data } of crops) logits.push((await run(covering, new Float32Array(data), [1, size, size, 3]))[0].values[0]);
    return logits;
  };
  const detectors = new Map();
  const { face_detector: rules } = page;
  const look = (canvas) => lookForFaces(canvas, loaded[rules.file], rules, detectors, compile);
  const classify = ({ file, input_size: size }, crops) => judgeCrops(compiled[`${file} ${size}`], crops);
  return (file) => judge(file, page, look, classify, coversOf);
}

// LiteRT's WebAssembly, for what the browser has; that with threads came to a halt in large pictures (2.5.3).
async function runtime(page, told) {
  const path = `litert/litert_wasm_${(await supportsFeature("relaxedSimd")) ? "internal" : "compat_internal"}`;
  const [wasmBinary] = await Promise.all([get(`${path}.wasm`, page, told), get(`${path}.js`, page, told)]);
  self.Module = { wasmBinary, print() {}, printErr() {} };
  await loadLiteRt(new URL(`${path}.js`, import.meta.url).href);
}

// A network on WebGPU, where there is one that is faster and gives the same answers, else on WebAssembly.
async function fastest(bytes, size, compile) {
  const plain = await compile(bytes);
  if (!getWebGpuDevice()) return plain;
  let other;
  try {
    other = await compile(bytes, { accelerator: "webgpu", gpuOptions: { precision: "fp32" } });
    const [a, b] = [await tried(plain, size), await tried(other, size)];
    if (other.isFullyAccelerated && Math.abs(a.logit - b.logit) < SAME && b.ms < a.ms) {
      plain.delete();
      return other;
    }
  } catch (error) {
    console.warn(error); // of the browser's WebGPU: the other way is left
  }
  other?.delete();
  return plain;
}

// What a network says of a pattern, and how long that takes once it is warm.
async function tried(model, size) {
  const data = Uint8ClampedArray.from({ length: size * size * 3 }, (_, i) => 128 + 100 * Math.sin(i * i));
  const crop = { width: size, height: size, data };
  await lookAt(model, crop);
  const started = performance.now();
  const { logit } = await lookAt(model, crop);
  return { logit, ms: performance.now() - started };
}

async function run(model, data, shape) {
  const input = new Tensor(data, shape);
  const outputs = await model.run([input]);
  input.delete();
  const read = [];
  for (const output of outputs) {
    read.push({ shape: output.type.layout.dimensions, values: await output.data() });
    output.delete();
  }
  return read;
}

async function lookForFaces({ width, height, data }, bytes, rules, detectors, compile) {
  const key = `${width} ${height}`;
  let model = detectors.get(key);
  if (!model) {
    const outputs = rules.output_strides.map((stride) => [1, height / stride, width / stride, 32]);
    model = await compile(shaped(bytes, [1, height, width, 3], outputs));
    if (width * height <= LARGE) detectors.set(key, model);
  }
  const maps = await run(model, data, [1, height, width, 3]);
  if (width * height > LARGE) model.delete();
  return maps.map(({ shape, values }) => ({ height: shape[1], width: shape[2], values }));
}

async function judgeCrops(model, crops) {
  const judged = [];
  for (const crop of crops) judged.push(await lookAt(model, crop));
  return judged;
}

async function lookAt(model, { width, height, data }) {
  const outputs = await run(model, new Float32Array(data), [1, height, width, 3]);
  const map = outputs.find(({ shape }) => shape.length > 2);
  const [logit] = outputs.find((output) => output !== map).values;
  return { logit, map: { height: map.shape[1], width: map.shape[2], values: Array.from(map.values) } };
}

// detector/fusion.py's add(): the weighted sum of what networks say of a crop; the mean of the map stays its logit.
function added(said) {
  const [height, width] = ["height", "width"].map((side) => said.map(({ map }) => map[side]).reduce(leastCommonMultiple));
  const values = Array.from({ length: height * width }, (_, i) => {
    const y = Math.floor(i / width), x = i % width;
    return said.reduce((sum, { weight, map }) => {
      const row = Math.floor((y * map.height) / height), column = Math.floor((x * map.width) / width);
      return sum + weight * map.values[row * map.width + column];
    }, 0);
  });
  return { logit: said.reduce((sum, { weight, logit }) => sum + weight * logit, 0), map: { height, width, values } };
}

// Its fuse() and deciding(): the logit of a face of what each look says, and the number of the look that decides.
function fused(said) {
  const numbers = (fusion) => [...said.keys()].filter((number) => said[number].fusion === fusion);
  const highest = (among) => among.reduce((best, number) => (said[number].logit > said[best].logit ? number : best));
  const sums = numbers("sum"), maxima = numbers("max");
  const total = sums.reduce((sum, number) => sum + said[number].logit, 0), first = maxima.length ? highest(maxima) : undefined;
  return said[first]?.logit > total ? { logit: said[first].logit, top: first } : { logit: total, top: highest(sums) };
}

function leastCommonMultiple(a, b) {
  let [x, y] = [a, b];
  while (y) [x, y] = [y, x % y];
  return (a * b) / x;
}

async function judge(file, page, look, classify, coversOf) {
  const times = [performance.now()];
  const picture = await read(file, page);
  times.push(performance.now());
  const provenance = await findingsOf(new Uint8Array(await file.arrayBuffer()), picture.format, page);
  times.push(performance.now());
  const { whole } = picture;
  const found = await findFaces(picture, page.face_detector, page.crop, look);
  const looks = {}; // several networks may see the same crop, and are added up
  for (const network of page.networks) (looks[`${network.input_size} ${network.crop_margin} ${network.fusion}`] ??= []).push(network);
  const specs = Object.values(looks), margins = specs.map(([{ crop_margin: margin }]) => margin);
  const crops = specs.map(([{ input_size: size, crop_margin: margin }]) =>
    found.map(({ box, roll }) => cropFace(picture, box, roll, size, margin, page.crop)),
  );
  const { size, margin } = page.covering;
  const covering = await coversOf(found.map(({ box, roll }) => cropFace(picture, box, roll, size, margin, page.crop)));
  times.push(performance.now());
  const judged = []; // by look and face
  for (const [i, networks] of specs.entries()) {
    const said = [];
    for (const network of networks) said.push(await classify(network, crops[i]));
    const of = (face) => added(networks.map(({ weight }, n) => ({ weight, ...said[n][face] })));
    judged.push(found.map((_, face) => ({ ...of(face), fusion: networks[0].fusion })));
  }
  times.push(performance.now());

  const doubts = doubtsOf(picture, found, crops[0], covering, Math.max(...margins), page.quality, page.crop);
  const { temperature } = page.calibration, can = doubts.filter((own) => !own.length).length;
  const faces = found.map(({ box, score, roll }, i) => {
    const { logit, top } = fused(judged.map((faces) => faces[i]));
    const p = 1 / (1 + Math.exp(-Math.min(Math.max(logit / temperature, -60), 60)));
    const evidence = margins[top] > Math.min(...margins) ? "surroundings" : "face";
    const scaled = box.map((value, i) => round(i % 2 ? (value * whole.height) / picture.height : (value * whole.width) / picture.width));
    const verdict = doubts[i].length ? "uncertain" : verdictOf(p, page.calibration, can);
    const shares = doubts[i].length ? NO_SHARES : sharesAt(p, page.curves);
    const face = { box: scaled, detection_score: score, score: p, ...shares, verdict, evidence, roll, doubts: doubts[i] };
    return { face, crop: crops[top][i], map: judged[top][i].map };
  });
  const suspicion = ({ face }) => page.suspicion.indexOf(face.verdict);
  faces.sort((a, b) => suspicion(b) - suspicion(a) || b.face.score - a.face.score);
  const seconds = (from, to) => (times[to] - times[from]) / 1000;
  const first = faces[0]?.face;
  const answer = {
    verdict: first ? first.verdict : "no_face",
    score: first ? first.score : null,
    ...(first && !first.doubts.length ? sharesAt(first.score, page.curves, can) : NO_SHARES),
    origin: originOf(provenance),
    faces: faces.map(({ face }) => face),
    provenance,
    warnings: warningsOf(picture, found, doubts, page.quality, page.face_detector, page.crop),
    picture: { ...whole, format: picture.format, bytes: picture.bytes, sha256: picture.sha256 },
    model: page.model,
    seconds: { read: seconds(0, 1), provenance: seconds(1, 2), faces: seconds(2, 3), model: seconds(3, 4), total: seconds(0, 4) },
  };
  const result = { headline: headline(answer, page).title, ...answer };
  return { result, crops: faces.map(({ crop }) => crop), maps: faces.map(({ map }) => map), bitmap: picture.bitmap };
}
