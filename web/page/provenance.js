// detector/provenance: what a file says of its own origin, read as Python reads it.

import { credentials } from "./credentials.js";
import { get } from "./files.js";
import { aigc, camera, editors, generators, labels } from "./marks.js";
import { metadataOf } from "./metadata.js";

export const C2PA = "c2pa/c2pa_bg.wasm"; // 9 MB, for few pictures
const KINDS = { ai_made: "declared_ai", ai_edited: "edited", edited: "edited", camera: "camera" };
const LEVELS = ["written", "intact", "verified"];

// The findings, the strongest evidence first. Never fails: what cannot be read says nothing.
export async function findingsOf(bytes, format, page) {
  const rules = page.provenance, found = new Map();
  const metadata = await metadataOf(bytes, format, rules);
  for (const step of [credentials, labels, aigc, generators, editors, camera]) {
    try {
      for await (const finding of step(metadata, rules, () => library(page))) found.set(JSON.stringify(finding), finding);
    } catch (error) {
      console.warn(step.name, error); // one broken part must not hide the others
    }
  }
  return [...found.values()];
}

let loading;
function library(page) {
  loading ??= load(page).catch((error) => {
    loading = undefined; // the next picture tries again
    throw error;
  });
  return loading;
}

async function load(page) {
  const [{ default: init, WasmReader }, wasm] = await Promise.all([import("./c2pa/c2pa.js"), get(C2PA, page)]);
  await init({ module_or_path: wasm });
  return WasmReader;
}

// detector/provenance/origin.py: what the findings come to, and how far that can be trusted
export function originOf(findings) {
  const said = findings
    .filter(({ suggests }) => suggests in KINDS)
    .map((finding) => ({ finding, kind: KINDS[finding.suggests], trust: trustOf(finding) }))
    .filter(({ kind, trust }) => kind !== "camera" || trust === "verified");
  const order = Object.keys(KINDS);
  const rank = ({ finding, kind, trust }) => [+(kind === "declared_ai"), LEVELS.indexOf(trust), -order.indexOf(finding.suggests)];
  const [best] = said.sort((a, b) => rank(b).map((value, i) => value - rank(a)[i]).find((value) => value) ?? 0);
  if (!best) return { kind: "none", trust: null, by: null, says: null };
  return { kind: best.kind, trust: best.trust, by: best.finding.by, says: best.finding.summary };
}

function trustOf({ signature, partly_unverified: partly }) {
  if (signature === "trusted") return partly ? "intact" : "verified";
  return ["unknown", "unchecked", "expired"].includes(signature) ? "intact" : "written";
}
