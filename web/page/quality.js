// detector/quality.py, written a second time: what makes a verdict weak. Sentences and limits come from page.json.

import { places, round, turns } from "./pixels.js";

// What keeps each face from being judged
export function doubtsOf(picture, found, crops, covering, margin, rules, crop) {
  const corners = emptyCorners(picture, rules);
  const emptied = ({ box, roll }, { width }) => {
    const all = places(box, roll, width, margin, crop);
    const empty = ({ a, b, c }) => all.filter(({ x, y }) => a * x + b * y < c).length / all.length;
    return corners.reduce((sum, corner) => sum + empty(corner), 0) >= rules.empty;
  };
  return found.map((face, i) => {
    const doubts = {
      tiny_face: face.side < rules.tiny_face,
      cut_off_face: face.visible < rules.cut_off,
      blurred_face: sharpness(crops[i]) < rules.blurred,
      covered_face: covering[i] >= rules.covered,
      empty_corner: corners.length > 0 && emptied(face, crops[i]),
    };
    return Object.keys(doubts).filter((code) => doubts[code]);
  });
}

export function warningsOf(picture, found, doubted, rules, faces, crop) {
  const warnings = [];
  const warn = (code, n) => {
    const sentences = rules.sentences[code];
    warnings.push({ code, text: sentences.at(n === 1 ? 0 : -1).replace("{n}", n) });
  };
  if (isGraphic(picture, rules)) warn("not_a_photograph", 1);
  const larger = picture.whole.width / picture.width;
  if (larger > 1) warn("reduced_picture", round((picture.whole.width * picture.whole.height) / 1e6));
  if (picture.more_frames) warn("more_frames", picture.frame);
  const turned = found.filter((face) => turns(face.roll, crop).quarters > 0).length;
  if (turned) warn("turned_face", turned);
  const least = Math.max(faces.min_face, round((faces.least * Math.max(picture.width, picture.height)) / faces.fine));
  if (least > 2 * faces.min_face) warn("large_picture", round(least * larger));
  for (const code of rules.doubts) {
    const n = doubted.filter((own) => own.includes(code)).length;
    if (n) warn(code, n);
  }
  const judged = doubted.filter((own) => !own.length).length;
  if (judged >= rules.many_faces) warn("many_faces", judged);
  if (found.length === faces.most_faces) warn("too_many_faces", found.length);
  return warnings;
}

// Variance of the Laplacian of the grey crop
function sharpness({ width, height, channels, data }) {
  const grey = (y, x) => {
    const at = (y * width + x) * channels;
    return (data[at] + data[at + 1] + data[at + 2]) / 3;
  };
  let sum = 0, squares = 0, n = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++, n++) {
      const value = grey(y - 1, x) + grey(y + 1, x) + grey(y, x - 1) + grey(y, x + 1) - 4 * grey(y, x);
      sum += value;
      squares += value * value;
    }
  }
  return squares / n - (sum / n) ** 2;
}

// _empty_corners(): where a * x + b * y < c, turning the picture left a corner empty
function emptyCorners({ width, height, channels, data }, rules) {
  const shorter = Math.min(width, height), rim = round(rules.rim * shorter);
  const [columns, rows] = [width - 2 * rim, height - 2 * rim];
  const sides = [[0, 0], [0, 1], [1, 0], [1, 1]];
  const colour = ([low, right], x, y) => {
    const column = rim + (right ? columns - 1 - x : x), row = rim + (low ? rows - 1 - y : y);
    return data.slice((row * width + column) * channels, (row * width + column) * channels + 3);
  };
  const four = sides.map((side) => colour(side, 0, 0));
  const channel = [0, 1, 2].map((i) => four.map((one) => one[i]));
  if (channel.some((of) => Math.max(...of) - Math.min(...of) > rules.levels)) return [];
  const mean = channel.map((of) => of.reduce((sum, value) => sum + value, 0) / 4);
  const empty = (side, x, y) => mean.every((value, i) => Math.abs(colour(side, x, y)[i] - value) <= rules.levels);
  const run = (length, at) => {
    for (let i = 0; i < length; i++) if (!at(i)) return i;
    return 0;
  };
  const corners = [], angles = [], along = Array.from({ length: 8 }, (_, i) => 0.15 + 0.1 * i);
  for (const [low, right] of sides) {
    const is = (x, y) => empty([low, right], Math.trunc(x), Math.trunc(y));
    const across = run(columns, (x) => is(x, 0)), down = run(rows, (y) => is(0, y));
    if (Math.min(across, down) <= rules.least_corner * shorter) continue;
    const full = (reach) => along.filter((part) => is(reach * part * across, reach * (1 - part) * down)).length / 8;
    if (full(0.85) < 1 - rules.bent || full(1.15) > rules.bent) continue;
    const a = (1 - 2 * right) / across, b = (1 - 2 * low) / down;
    corners.push({ a, b, c: 1 + a * (right ? width - rim : rim) + b * (low ? height - rim : rim) });
    angles.push((Math.atan2(...(low === right ? [across, down] : [down, across])) * 180) / Math.PI);
  }
  return corners.length >= rules.corners && Math.max(...angles) - Math.min(...angles) <= rules.apart ? corners : [];
}

function isGraphic({ width, height, channels, data }, rules) {
  const step = Math.max(1, round(Math.sqrt((height * width) / 20_000)));
  const colour = (y, x) => {
    const at = (y * width + x) * channels;
    return data[at] * 65536 + data[at + 1] * 256 + data[at + 2];
  };
  const counts = new Map();
  let flat = 0, all = 0;
  for (let y = 0; y < height - 1; y += step) {
    for (let x = 0; x < width - 1; x += step, all++) {
      const here = colour(y, x);
      if (here === colour(y, x + 1) && here === colour(y + 1, x)) flat++;
      counts.set(here, (counts.get(here) ?? 0) + 1);
    }
  }
  if (flat / all < rules.flat) return false;
  const sizes = [...counts.values()].sort((a, b) => b - a).slice(1); // without the background
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);
  return sum(sizes.slice(0, 8)) >= rules.few_colours * sum(sizes);
}
