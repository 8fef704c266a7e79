// "{n} faces" with {n: 3} -> "3 faces"
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

// "One face", "{n} faces": the first for one, the last for any other number
export const counted = (sentences, n) => fill(sentences.at(n === 1 ? 0 : -1), { n });

// detector/text.py: a stranger's text made fit to be shown
export function excerpt(text, limit = 120) {
  const shown = String(text).slice(0, limit * 20).replace(/\s/gu, " ").replace(/\p{C}/gu, "");
  const plain = shown.replace(/[<>[\]`*|\\"]/g, "").replaceAll("://", " ").replaceAll("&", "and").split(" ").filter(Boolean).join(" ");
  const letters = [...plain];
  return letters.length <= limit ? plain : `${letters.slice(0, limit - 1).join("").trimEnd()}…`;
}
