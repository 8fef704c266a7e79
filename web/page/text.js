// "{n} faces" with {n: 3} -> "3 faces"
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

// "One face", "{n} faces": the first for one, the last for any other number
export const counted = (sentences, n) => fill(sentences.at(n === 1 ? 0 : -1), { n });
