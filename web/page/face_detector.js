// detector/face_detector, written a second time: the two passes, the boxes and which of them stay. Its numbers come
// from page.json, which Python writes. A row is [score, left, top, right, bottom, …keypoints], in pixels of the picture.

import { affine, loose, part, resize, roll, round, thin } from "./pixels.js";

const clip = (value, low, high) => Math.min(Math.max(value, low), high);

// `run(canvas)` runs the network on {width, height, data} and gives its maps as {width, height, values}.
export async function findFaces(picture, rules, crop, run) {
  const search = (longer, minScore, eighths = 0) => searchAt(picture, longer, minScore, eighths, { rules, crop, run });
  let rows = await look(picture, rules, search, 0);
  if (!rows.some((row) => row[0] >= rules.sure && Math.abs(rollOf(row)) <= rules.leaning)) {
    rows = await lookTurned(picture, rows, rules, crop, search);
  }
  const found = rows.map((row) => inside(row, picture.width, picture.height)).filter(Boolean);
  return found.filter((face) => face.side >= rules.min_face).sort((a, b) => b.side - a.side).slice(0, rules.most_faces);
}

async function look(picture, rules, search, eighths) {
  const longer = Math.max(picture.width, picture.height);
  const first = await search(rules.coarse, Math.min(rules.min_score, rules.hint), eighths);
  const sideOf = (row) => (Math.max(row[3] - row[1], row[4] - row[2]) * rules.coarse) / longer; // in the first pass
  const sides = first.map(sideOf);
  const sure = first.map((row) => row[0] >= rules.min_score);
  if (longer > rules.coarse && (sides.some((side) => side < rules.small) || !sure.some(Boolean))) {
    const fine = await search(Math.min(rules.fine, round(rules.enlarged * longer)), rules.small_score, eighths);
    const kept = first.filter((_, i) => sure[i] && sides[i] >= rules.small);
    return [...kept, ...fine.filter((row) => sideOf(row) <= rules.large && !overlaps(row, kept))];
  }
  return first.filter((_, i) => sure[i]);
}

async function lookTurned(picture, rows, rules, crop, search) {
  const longest = Math.max(rules.coarse, Math.min(rules.glance, Math.max(picture.width, picture.height)));
  const glance = async (from) => {
    const longer = from % 2 ? rules.coarse : longest;
    let best = { score: 0, left: 0, eighths: from };
    for (let eighths = from; eighths < rules.eighths; eighths += 2) {
      const [row] = leaning(await search(longer, rules.hint, eighths), eighths, rules, crop);
      if (row && row[0] > best.score) best = { score: row[0], left: Math.abs(leftOf(row, eighths, rules)), eighths };
    }
    return best;
  };
  let best = await glance(2);
  if (best.score < rules.min_score || best.left > crop.upright) {
    const odd = await glance(1);
    if (odd.score > best.score && (odd.score >= rules.min_score || best.score < rules.hint)) best = odd;
  }
  if (best.score < rules.hint) return rows;
  const turned = leaning(await look(picture, rules, search, best.eighths), best.eighths, rules, crop);
  const kept = [];
  for (const row of [...rows, ...turned].sort((a, b) => b[0] - a[0])) if (!overlaps(row, kept)) kept.push(row);
  return kept;
}

const rollOf = (row) => roll(row.slice(5));

const leftOf = (row, eighths, rules) => ((((rollOf(row) - (eighths * 360) / rules.eighths + 180) % 360) + 360) % 360) - 180;

const leaning = (rows, eighths, rules, crop) =>
  rows.filter((row) => Math.abs(leftOf(row, eighths, rules)) <= rules.leaning && Math.abs(rollOf(row)) > crop.upright);

async function searchAt(picture, longer, minScore, eighths, { rules, crop, run }) {
  const scale = longer / Math.max(picture.width, picture.height);
  const width = Math.max(1, round(picture.width * scale)), height = Math.max(1, round(picture.height * scale));
  const step = Math.max(1, Math.trunc(1 / scale / rules.spare));
  const { small, matrix } = turned(resize(thin(picture, step), width, height, 2.0), eighths, rules);
  const [columns, rows] = [small.width, small.height].map((side) => Math.ceil((side + 2 * rules.border) / rules.step) * rules.step);
  const top = Math.floor((rows - small.height) / 2), left = Math.floor((columns - small.width) / 2);
  const data = new Uint8Array(rows * columns * 3);
  const [red, green, blue] = rules.mean;
  for (let at = 0; at < data.length; at += 3) {
    data[at] = red;
    data[at + 1] = green;
    data[at + 2] = blue;
  }
  for (let y = 0; y < small.height; y++) {
    let to = ((top + y) * columns + left) * 3;
    for (let x = 0, at = y * small.width * small.channels; x < small.width; x++, at += small.channels, to += 3) {
      data[to] = small.data[at];
      data[to + 1] = small.data[at + 1];
      data[to + 2] = small.data[at + 2];
    }
  }
  const maps = (await run({ width: columns, height: rows, data })).sort((a, b) => b.height - a.height);
  const across = picture.width / width, down = picture.height / height;
  const found = maps.flatMap((map, i) => decode(map, rules.strides[i], rules.anchors[i], minScore, rules));
  const moved = found.map(([score, ...points]) => [score, ...points.map((value, i) => value - (i % 2 ? top : left))]);
  const back = eighths ? moved.map((row) => turnedBack(row, matrix, eighths, crop)) : moved;
  const scaled = back.map(([score, ...points]) => [score, ...points.map((value, i) => value * (i % 2 ? down : across))]);
  return suppress(scaled, rules);
}

// A picture turned counter-clockwise by eighths of a circle, and the matrix from its points to those of the one given
function turned(small, eighths, rules) {
  if (!eighths) return { small };
  const { width, height } = small, odd = eighths % 2, quarters = Math.floor(eighths / 2);
  const angle = (eighths * 2 * Math.PI) / rules.eighths, cos = Math.cos(angle), sin = Math.sin(angle);
  const longest = Math.ceil((width + height) * Math.SQRT1_2);
  const [w, h] = odd ? [longest, longest] : quarters % 2 ? [height, width] : [width, height];
  const matrix = [cos, -sin, width / 2 - (cos * w - sin * h) / 2, sin, cos, height / 2 - (sin * w + cos * h) / 2];
  return { small: odd ? affine(small, matrix, w, h, rules.mean) : part(small, quarters, 0, 0, w, h), matrix };
}

function turnedBack([score, left, top, right, bottom, ...keypoints], [a, b, c, d, e, f], eighths, crop) {
  const point = (x, y) => [a * x + b * y + c, d * x + e * y + f];
  const points = [0, 2, 4, 6, 8].flatMap((i) => point(keypoints[i], keypoints[i + 1]));
  const [x, y] = point((left + right) / 2, (top + bottom) / 2);
  let half = [(right - left) / 2, (bottom - top) / 2];
  if (eighths % 2) half = Array(2).fill(Math.sqrt(Math.max(half[0], 0) * Math.max(half[1], 0)) * loose(roll(points), crop));
  else if (eighths % 4) half.reverse();
  return [score, x - half[0], y - half[1], x + half[0], y + half[1], ...points];
}

function decode({ width, height, values }, stride, anchors, minScore, rules) {
  const found = [];
  for (let cell = 0; cell < width * height; cell++) {
    for (let anchor = 0; anchor < 2; anchor++) {
      const at = cell * 32;
      const lead = values[at + 8 + 2 * anchor] - values[at + 9 + 2 * anchor];
      const score = 1 / (1 + Math.exp(clip(lead, -50, 50)));
      if (score < minScore) continue;
      const centre = [((cell % width) + 0.5) * stride, (Math.floor(cell / width) + 0.5) * stride];
      const side = anchors[anchor];
      const offset = values.subarray(at + 4 * anchor, at + 4 * anchor + 4);
      const middle = centre.map((value, i) => value + offset[i] * rules.centre_variance * side);
      const half = [2, 3].map((i) => (side * Math.exp(clip(offset[i] * rules.size_variance, -10, 10))) / 2);
      const points = values.subarray(at + 12 + 10 * anchor, at + 22 + 10 * anchor);
      const keypoints = Array.from(points, (value, i) => centre[i % 2] + value * rules.centre_variance * side);
      found.push([score, middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1], ...keypoints]);
    }
  }
  return found;
}

const area = (row) => Math.max(row[3] - row[1], 0) * Math.max(row[4] - row[2], 0);
const common = (a, b) =>
  Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0) * Math.max(Math.min(a[4], b[4]) - Math.max(a[2], b[2]), 0);

function suppress(rows, { iou, most_boxes }) {
  const large = rows.length > most_boxes ? rows.toSorted((a, b) => area(b) - area(a)).slice(0, most_boxes) : rows;
  let left = large.toSorted((a, b) => b[0] - a[0]);
  const kept = [];
  while (left.length) {
    const best = left[0];
    kept.push(best);
    left = left.filter((row) => common(best, row) / Math.max(area(best) + area(row) - common(best, row), 1e-6) < iou);
    if (left[0] === best) left.shift(); // a box without an area
  }
  return kept;
}

const overlaps = (row, others) => others.some((other) => common(row, other) > 0.5 * Math.min(area(row), area(other)));

function inside([score, left, top, right, bottom, ...keypoints], width, height) {
  const part = [Math.max(left, 0), Math.max(top, 0), Math.min(right, width), Math.min(bottom, height)];
  if (part[2] - part[0] < 1 || part[3] - part[1] < 1) return null;
  const visible = ((part[2] - part[0]) * (part[3] - part[1])) / Math.max((right - left) * (bottom - top), 1e-6);
  const box = part.map(round);
  return { box, score, visible: Math.min(visible, 1), side: Math.max(box[2] - box[0], box[3] - box[1]), roll: roll(keypoints) };
}
