// detector/verdict.py and detector/shares.py, written a second time.

// Calibration.verdicts(): some real face of n that are judged scores above a threshold n times as often as one alone.
export function verdictOf(score, { no_signs_below: low, leans_fake_from: leans, likely_fake_from: likely, tail }, judged) {
  if (score >= raised(likely, tail, judged)) return "likely_fake";
  if (leans !== null && score >= raised(leans, tail, judged)) return "leans_fake";
  return score < low ? "no_signs" : "uncertain";
}

export function raised(threshold, tail, n) {
  if (n < 2 || threshold === 0 || threshold === 1) return threshold;
  const logit = Math.log(threshold / (1 - threshold));
  const scale = Math.max(tail.scale + tail.shape * Math.max(logit - tail.start, 0), 0);
  const more = Math.abs(tail.shape) < 1e-6 ? Math.log(n) : (n ** tail.shape - 1) / tail.shape;
  return 1 / (1 + Math.exp(-(logit + scale * more)));
}

export const NO_SHARES = { false_positive_share: null, unseen_share: null, seen_share: null };

// Curves.at(): real faces are photographs with so many, one of which scores so high
export function sharesAt(score, curves, faces = 1) {
  if (!curves) return NO_SHARES;
  const { scores } = curves;
  const after = Math.max(scores.findIndex((one) => one >= score), 1), before = after - 1;
  const way = (score - scores[before]) / (scores[after] - scores[before]);
  const at = (ends) => ends[before] + way * (ends[after] - ends[before]);
  const read = (curve, n = 1) =>
    curve ? Object.fromEntries(["value", "low", "high"].map((end) => [end, rounded(1 - (1 - at(curve[end])) ** n)])) : null;
  return {
    false_positive_share: read(curves.real, Math.max(faces, 1)),
    unseen_share: read(curves.unseen),
    seen_share: read(curves.seen),
  };
}

const rounded = (share) => Math.round(share * 1e4) / 1e4;
