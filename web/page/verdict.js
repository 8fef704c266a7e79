// detector/verdict.py, written a second time.

// Calibration.among(): some real face of n that are judged scores above a threshold n times as often as one alone.
export function likelyFakeFrom({ likely_fake_from: alone, tail }, faces) {
  const n = faces.filter((face) => !face.doubts.length).length;
  if (n < 2 || alone === 0 || alone === 1) return alone;
  const logit = Math.log(alone / (1 - alone));
  const scale = Math.max(tail.scale + tail.shape * Math.max(logit - tail.start, 0), 0);
  const more = Math.abs(tail.shape) < 1e-6 ? Math.log(n) : (n ** tail.shape - 1) / tail.shape;
  return 1 / (1 + Math.exp(-(logit + scale * more)));
}
