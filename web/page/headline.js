// detector/headline.py and detector/messages.py, written a second time. All words come from page.json.

import { counted, fill } from "./text.js";

export function headline({ verdict, origin, faces }, page) {
  const { headline: told, verdicts } = page;
  const { title, sentences } = isUnjudged(faces) ? page.not_judged : verdicts[verdict];
  const shown = counted(sentences, faces.length), { yet } = verdicts[verdict];
  const by = origin.by || told[origin.trust === "written" ? "program" : "signer"];
  const trusted = origin.trust ? fill(told.trusted[origin.trust], { by }) : "";
  if (origin.kind === "declared_ai") return { title: told.declared_ai, lines: [trusted, `${fill(told.faces, { title })} ${shown}`] };
  if (origin.kind === "camera") {
    const taken = fill(told.taken, { by });
    return yet ? { title: fill(told.camera, { verdict: yet }), lines: [taken, shown, told.disagree] } : { title, lines: [shown, taken] };
  }
  if (origin.kind === "edited")
    return { title: origin.trust === "written" ? title : fill(told.edited, { title }), lines: [shown, `${origin.says} ${trusted}`] };
  return { title, lines: [shown] };
}

// The look of an answer: what the file declares goes before the verdict
export const lookOf = ({ verdict, origin }, page) => (origin.kind === "declared_ai" ? page.declared : page.verdicts[verdict]);

export const isUnjudged = (faces) => faces.length > 0 && faces[0].doubts.length > 0;

// words.rarity(), of a face or of a picture with so many
export function rarity(said, { shares: words }, faces = 1) {
  const low = said.verdict === "no_signs";
  const names = { false_positive_share: faces < 2 ? "real" : low ? "all_real" : "some_real", unseen_share: "unseen", seen_share: "seen" };
  const told = Object.entries(names).filter(([key]) => said[key]).map(([key, name]) => {
    const { value, low: floor, high: ceiling } = said[key];
    const ends = low ? [1 - value, 1 - ceiling, 1 - floor] : [value, floor, ceiling];
    const least = per100(ends[1]), most = per100(ends[2]);
    const interval = least === most ? "" : fill(words.interval, { low: least, high: most });
    return fill(words[name], { share: of100(ends[0], words), interval, n: faces });
  });
  if (!told.length) return words.none;
  const last = told.pop();
  const listed = told.length ? told.join(words.between) + words.last + last : last;
  const sentence = fill(words[low ? "low" : "high"], { shares: listed });
  return said.unseen_share ? sentence : `${sentence} ${words.no_unseen}`;
}

const of100 = (share, words) => fill(words[share < 0.01 ? "fewest" : share > 0.99 ? "most" : "of_100"], { n: per100(share) });

const per100 = (share) => (share < 0.01 ? "<1" : share > 0.99 ? ">99" : (100 * share).toFixed(0));
