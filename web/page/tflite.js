// LiteRT.js runs networks of fixed shapes only, and the networks of a model folder leave the number of crops open, the
// face detector's also the size of the picture. `shaped` gives a copy of a .tflite file (a FlatBuffer; schema.fbs of
// TensorFlow Lite) in which the shapes are written down. An output that is only reshaped, to a shape that is computed,
// is taken before that: what comes out has the same values. What then serves no output is left out.

const RESHAPE = 22; // schema.fbs, BuiltinOperator

export function shaped(bytes, input, outputs) {
  const copy = bytes.slice();
  const { view, follow, slot, vector, numbers, tables, write } = flatBuffer(copy);
  const model = follow(0);
  const codes = tables(vector(model, 1)).map((code) => {
    const old = slot(code, 0), now = slot(code, 3);
    return Math.max(old && view.getInt8(old), now && view.getInt32(now, true));
  });
  const graph = tables(vector(model, 2))[0];
  const tensors = tables(vector(graph, 0));
  const operators = tables(vector(graph, 3)).map((table) => {
    const at = slot(table, 0);
    return { table, code: codes[at && view.getUint32(at, true)], from: numbers(vector(table, 1)), to: numbers(vector(table, 2)) };
  });
  const madeBy = new Map(operators.flatMap((operator) => operator.to.map((tensor) => [tensor, operator])));

  // The outputs, before their last reshape
  const moved = new Map(
    numbers(vector(graph, 2)).map((tensor) => {
      const operator = madeBy.get(tensor);
      return [tensor, operator?.code === RESHAPE && madeBy.has(operator.from[1]) ? operator.from[0] : tensor];
    }),
  );
  write(vector(graph, 2), [...moved.values()]);
  for (const signature of tables(vector(model, 7))) {
    for (const output of tables(vector(signature, 1))) {
      const at = slot(output, 1);
      view.setUint32(at, moved.get(view.getUint32(at, true)), true);
    }
  }

  // The shapes: of each tensor the one it has, and the one that says what is open
  const set = (tensor, shape) => {
    for (const list of [vector(tensors[tensor], 0), vector(tensors[tensor], 7)]) {
      if (list) write(list, shape ?? numbers(vector(tensors[tensor], 0)));
    }
  };
  set(numbers(vector(graph, 1))[0], input);
  [...moved.values()].forEach((tensor, i) => set(tensor, outputs?.[i]));

  // The operators that serve an output
  const needed = new Set(moved.values());
  const kept = [];
  for (const operator of operators.toReversed()) {
    if (!operator.to.some((tensor) => needed.has(tensor))) continue;
    operator.from.forEach((tensor) => needed.add(tensor));
    kept.unshift(operator);
  }
  const list = vector(graph, 3);
  view.setUint32(list, kept.length, true);
  kept.forEach(({ table }, i) => view.setUint32(list + 4 + 4 * i, table - (list + 4 + 4 * i), true));
  return copy;
}

// How to read a FlatBuffer, and write numbers into it: tables have numbered slots, and vectors a length.
function flatBuffer(copy) {
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength);
  const follow = (at) => at + view.getUint32(at, true);
  const slot = (table, number) => {
    const vtable = table - view.getInt32(table, true), at = 4 + 2 * number;
    const offset = at < view.getUint16(vtable, true) ? view.getUint16(vtable + at, true) : 0;
    return offset && table + offset;
  };
  const vector = (table, number) => {
    const at = slot(table, number);
    return at ? follow(at) : 0;
  };
  const length = (list) => (list ? view.getUint32(list, true) : 0);
  const numbers = (list) => Array.from({ length: length(list) }, (_, i) => view.getInt32(list + 4 + 4 * i, true));
  const tables = (list) => numbers(list).map((_, i) => follow(list + 4 + 4 * i));
  const write = (list, values) => values.forEach((value, i) => view.setInt32(list + 4 + 4 * i, value, true));
  return { view, follow, slot, vector, numbers, tables, write };
}
