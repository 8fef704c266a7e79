// The crop path of detector/crop.py, written a second time: tests/web holds the two together. Pictures are
// {width, height, channels, data}, rows from top to bottom, 8 bits a sample; only the first three channels are read.

// --- Pillow's resize, in its own fixed-point arithmetic (libImaging/Resample.c and Reduce.c) ------------------------

const PRECISION = 22; // bits of a weight
const triangle = (x) => Math.max(0, 1 - Math.abs(x));
const cubic = (x) => {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
};

// For each of `outSize` samples the first one of `size` it is made of, and their weights, which add up to 1. `to` is
// how much of the source is scaled, in samples.
function weights(size, to, outSize, filter, reach) {
  const scale = to / outSize;
  const stretch = Math.max(scale, 1);
  const support = reach * stretch;
  return Array.from({ length: outSize }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), size);
    const parts = Array.from({ length: end - first }, (_, x) => filter((x + first - centre + 0.5) / stretch));
    const sum = parts.reduce((total, part) => total + part, 0);
    return { first, parts: sum ? parts.map((part) => part / sum) : parts };
  });
}

function fixed(rows) {
  const one = 2 ** PRECISION;
  return rows.map(({ first, parts }) => ({
    first,
    parts: Int32Array.from(parts, (part) => Math.trunc(part * one + (part < 0 ? -0.5 : 0.5))),
  }));
}

function resample(image, width, height, toWidth, toHeight) {
  let { data, channels } = image;
  let from = image.width;
  const half = 2 ** (PRECISION - 1);
  if (width !== from || toWidth !== width) {
    const out = new Uint8ClampedArray(width * image.height * 3);
    const columns = fixed(weights(from, toWidth, width, triangle, 1));
    for (let y = 0, to = 0; y < image.height; y++) {
      const row = y * from * channels;
      for (let x = 0; x < width; x++, to += 3) {
        const { first, parts } = columns[x];
        let red = half, green = half, blue = half;
        for (let i = 0, at = row + first * channels; i < parts.length; i++, at += channels) {
          const part = parts[i];
          red += data[at] * part;
          green += data[at + 1] * part;
          blue += data[at + 2] * part;
        }
        out[to] = red >> PRECISION;
        out[to + 1] = green >> PRECISION;
        out[to + 2] = blue >> PRECISION;
      }
    }
    data = out;
    channels = 3;
    from = width;
  }
  if (height !== image.height || toHeight !== height) {
    const out = new Uint8ClampedArray(width * height * 3);
    const rows = fixed(weights(image.height, toHeight, height, triangle, 1));
    const sums = new Int32Array(width * 3);
    const step = from * channels;
    for (let y = 0; y < height; y++) {
      const { first, parts } = rows[y];
      sums.fill(half);
      for (let i = 0; i < parts.length; i++) {
        const part = parts[i];
        let at = (first + i) * step;
        for (let to = 0; to < sums.length; to += 3, at += channels) {
          sums[to] += data[at] * part;
          sums[to + 1] += data[at + 1] * part;
          sums[to + 2] += data[at + 2] * part;
        }
      }
      for (let to = 0, at = y * width * 3; to < sums.length; to++) out[at + to] = sums[to] >> PRECISION;
    }
    data = out;
    channels = 3;
  }
  return { width, height, channels, data };
}

// The mean of every `across` x `down` samples; at the right and the lower edge of those that are left.
function reduce(image, across, down) {
  const { data, channels } = image;
  const width = Math.ceil(image.width / across), height = Math.ceil(image.height / down);
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const top = y * down, rows = Math.min(down, image.height - top);
    for (let x = 0; x < width; x++, to += 3) {
      const left = x * across, columns = Math.min(across, image.width - left);
      const count = rows * columns, amend = count >> 1;
      let red = amend, green = amend, blue = amend;
      for (let row = top; row < top + rows; row++) {
        for (let i = 0, at = (row * image.width + left) * channels; i < columns; i++, at += channels) {
          red += data[at];
          green += data[at + 1];
          blue += data[at + 2];
        }
      }
      const multiplier = Math.floor(2 ** 24 / count);
      out[to] = Math.floor((red * multiplier) / 2 ** 24);
      out[to + 1] = Math.floor((green * multiplier) / 2 ** 24);
      out[to + 2] = Math.floor((blue * multiplier) / 2 ** 24);
    }
  }
  return { width, height, channels: 3, data: out };
}

// Image.resize((width, height), BILINEAR, reducing_gap=gap)
export function resize(image, width, height, gap) {
  if (image.width === width && image.height === height) return image;
  const across = Math.trunc(image.width / width / gap) || 1, down = Math.trunc(image.height / height / gap) || 1;
  const toWidth = Math.fround(image.width / across), toHeight = Math.fround(image.height / down);
  const source = across > 1 || down > 1 ? reduce(image, across, down) : image;
  return resample(source, width, height, toWidth, toHeight);
}

// --- numpy's and Python's part --------------------------------------------------------------------------------------

// Half to even, as Python rounds.
export function round(value) {
  const down = Math.floor(value), rest = value - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

// pixels[::step, ::step]
export function thin(image, step) {
  if (step === 1) return image;
  const width = Math.ceil(image.width / step), height = Math.ceil(image.height / step);
  const data = new Uint8ClampedArray(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    let at = y * step * image.width * image.channels;
    for (let x = 0; x < width; x++, to += 3, at += step * image.channels) {
      data[to] = image.data[at];
      data[to + 1] = image.data[at + 1];
      data[to + 2] = image.data[at + 2];
    }
  }
  return { width, height, channels: 3, data };
}

// --- A turned face: detector/crop.py ---------------------------------------------------------------------------------

const radians = (degrees) => (degrees * Math.PI) / 180;

export function roll([rightX, rightY, leftX, leftY, , , cornerX, cornerY, otherX, otherY]) {
  const across = (cornerX + otherX - rightX - leftX) / 2, down = (cornerY + otherY - rightY - leftY) / 2;
  return (Math.atan2(leftY - rightY - across, leftX - rightX + down) * 180) / Math.PI;
}

export function turns(degrees, { upright }) {
  const quarters = Math.abs(degrees) <= upright ? 0 : round(degrees / 90), tilt = degrees - 90 * quarters;
  return { quarters: (quarters + 4) % 4, tilt: Math.abs(tilt) <= upright ? 0 : tilt };
}

export const loose = (degrees, rules) => 1 + rules.loose * Math.sin(radians(2 * Math.abs(turns(degrees, rules).tilt)));

// np.rot90(pixels, quarters)[top : top + height, left : left + width], the edge repeated outside
export function part(image, quarters, left, top, width, height) {
  const { width: w, height: h, channels } = image;
  const [columns, rows] = quarters % 2 ? [h, w] : [w, h];
  const at = [(x, y) => y * w + x, (x, y) => x * w + w - 1 - y, (x, y) => (h - 1 - y) * w + w - 1 - x, (x, y) => (h - 1 - x) * w + y];
  const index = at[quarters];
  const data = new Uint8ClampedArray(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.min(Math.max(top + y, 0), rows - 1);
    for (let x = 0; x < width; x++, to += 3) {
      const from = index(Math.min(Math.max(left + x, 0), columns - 1), row) * channels;
      data[to] = image.data[from];
      data[to + 1] = image.data[from + 1];
      data[to + 2] = image.data[from + 2];
    }
  }
  return { width, height, channels: 3, data };
}

// Image.transform((width, height), AFFINE, matrix, BICUBIC, fillcolor=fill) (libImaging/Geometry.c)
export function affine(image, [a, b, c, d, e, f], width, height, fill = [0, 0, 0]) {
  const out = new Uint8ClampedArray(width * height * 3);
  const near = new Float64Array(4);
  const curve = (d, v) => {
    const [v1, v2, v3, v4] = v;
    return v2 + d * (v3 - v1 + d * (2 * (v1 - v2) + v3 - v4 + d * (v2 - v1 - v3 + v4)));
  };
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const inX = a * (x + 0.5) + b * (y + 0.5) + c, inY = d * (x + 0.5) + e * (y + 0.5) + f;
      if (inX < 0 || inX >= image.width || inY < 0 || inY >= image.height) {
        out.set(fill, to);
        continue;
      }
      const column = Math.floor(inX - 0.5), row = Math.floor(inY - 0.5);
      const columns = [-1, 0, 1, 2].map((i) => Math.min(Math.max(column + i, 0), image.width - 1) * image.channels);
      for (let channel = 0; channel < 3; channel++) {
        for (let i = 0; i < 4; i++) {
          const at = Math.min(Math.max(row - 1 + i, 0), image.height - 1) * image.width * image.channels + channel;
          near[i] = curve(inX - 0.5 - column, columns.map((offset) => image.data[at + offset]));
        }
        out[to + channel] = Math.trunc(Math.min(Math.max(curve(inY - 0.5 - row, near), 0), 255));
      }
    }
  }
  return { width, height, channels: 3, data: out };
}

export function turnedBox(box, quarters, width, height) {
  for (let i = 0; i < quarters; i++) {
    box = [box[1], width - box[2], box[3], width - box[0]];
    [width, height] = [height, width];
  }
  return box;
}

// crop_face(): the face in `box`, turned by `degrees`, as the network sees it, `size` x `size`
export function cropFace(image, box, degrees, size, margin, rules) {
  const { quarters, tilt } = turns(degrees, rules);
  const [left, top, right, bottom] = turnedBox(box, quarters, image.width, image.height);
  const width = Math.max(right - left, 1), height = Math.max(bottom - top, 1);
  const wanted = (Math.sqrt(width * height) * margin) / loose(degrees, rules);
  const x = (left + right - wanted) / 2, y = (top + bottom - wanted) / 2 + rules.down * height;
  if (!tilt) {
    const side = Math.max(2, round(wanted));
    return resize(part(image, quarters, round(x), round(y), side, side), size, size, rules.gap);
  }
  const cos = Math.cos(radians(tilt)), sin = Math.sin(radians(tilt)), down = rules.down * height;
  const middle = { x: (left + right) / 2 - sin * down, y: (top + bottom) / 2 + cos * down };
  const factor = Math.max(1, Math.trunc(wanted / size / rules.gap));
  const reach = Math.ceil((wanted * Math.SQRT2) / factor + 2) * factor;
  const fromX = round(middle.x - reach / 2), fromY = round(middle.y - reach / 2);
  const whole = part(image, quarters, fromX, fromY, reach, reach);
  const side = Math.max(2, round(wanted / factor));
  const step = wanted / factor / side, half = wanted / factor / 2;
  const across = (middle.x - fromX) / factor - (cos - sin) * half, along = (middle.y - fromY) / factor - (sin + cos) * half;
  const matrix = [cos * step, -sin * step, across, sin * step, cos * step, along];
  return resize(affine(factor > 1 ? reduce(whole, factor, factor) : whole, matrix, side, side), size, size, rules.gap);
}

// places(): where in the picture the pixels of a crop lie
export function places([left, top, right, bottom], degrees, out, margin, rules) {
  const { quarters, tilt } = turns(degrees, rules);
  const width = Math.max(right - left, 1), height = Math.max(bottom - top, 1);
  const side = (Math.sqrt(width * height) * margin) / loose(degrees, rules), down = rules.down * (quarters % 2 ? width : height);
  const angle = radians(90 * quarters + tilt), cos = Math.cos(angle), sin = Math.sin(angle);
  return Array.from({ length: out * out }, (_, i) => {
    const x = (((i % out) + 0.5) / out - 0.5) * side, y = ((Math.floor(i / out) + 0.5) / out - 0.5) * side + down;
    return { x: (left + right) / 2 + cos * x - sin * y, y: (top + bottom) / 2 + sin * x + cos * y };
  });
}

// inside(): 1 for each pixel of the crop that shows the picture of this size, else 0
export function inside({ width, height }, ...crop) {
  return Uint8Array.from(places(...crop), ({ x, y }) => (x >= 0 && x < width && y >= 0 && y < height ? 1 : 0));
}

// heatmap.overlay(): the crop with the evidence of its map [h, w] laid over it, as ImageData.
export function overlay(crop, map, rules) {
  const size = crop.width;
  const smooth = enlarge(map, size).map((value) => Math.min(Math.max(value, 0), 1));
  const out = new ImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    const opacity = rules.strength * Math.sqrt(smooth[i]);
    for (let channel = 0; channel < 3; channel++) {
      const colour = interpolate(smooth[i], rules.stops, rules.colours, channel);
      out.data[4 * i + channel] = Math.trunc(crop.data[3 * i + channel] * (1 - opacity) + colour * opacity + 0.5);
    }
    out.data[4 * i + 3] = 255;
  }
  return out;

  function enlarge({ width, height, values }, to) {
    const evidence = values.map((value) => Math.min(Math.max(value / rules.full, 0), 1));
    const columns = weights(width, width, to, cubic, 2), rows = weights(height, height, to, cubic, 2);
    const sum = (parts, of) => parts.reduce((total, part, i) => total + part * of(i), 0);
    const wide = Array.from({ length: height }, (_, y) =>
      Float32Array.from(columns, ({ first, parts }) => sum(parts, (i) => evidence[y * width + first + i])),
    );
    return rows.flatMap(({ first, parts }) => Array.from({ length: to }, (_, x) => sum(parts, (i) => wide[first + i][x])));
  }
}

function interpolate(value, stops, colours, channel) {
  const last = stops.findLastIndex((stop, i) => value >= stop && i < stops.length - 1);
  const share = (value - stops[last]) / (stops[last + 1] - stops[last]);
  return colours[last][channel] + share * (colours[last + 1][channel] - colours[last][channel]);
}
