// detector/provenance/c2pa.py: what Content Credentials say, read by the standard's own library, c2pa-rs.

import { asObject, finding, sourceType } from "./marks.js";
import { excerpt, fill } from "./text.js";

const MAX_MANIFESTS = 200;
// The library's errors on what is there and damaged, as its binding for Python sorts them (c2pa_c_ffi/src/error.rs)
const DAMAGED = /^C2pa\((Assertion(?!Enc)|Claim(?!Missing\b|Enc)|Cose|Update|TooMany|TimeStamp|RawSig|Certif|Invalid(C|E|M)|JumbfParse)/;
const asArray = (value) => (Array.isArray(value) ? value : []);
const codes = (statuses) => new Set(asArray(statuses).map((status) => String(asObject(status).code)));
const mayBe = (code, rules) => rules.c2pa.unproven.some((start) => code.startsWith(start));

// `library` gives the library, which is loaded on demand: it is large.
export async function* credentials({ format, bytes, xmp }, rules, library) {
  const mime = rules.c2pa.mime[format];
  if (!mime || (!includes(bytes, "c2pa") && !xmp["http://purl.org/dc/terms provenance"])) return;
  let reads, store;
  try {
    reads = await library();
  } catch (error) {
    console.warn(error);
    const { words: { credentials: words }, sources } = rules;
    return yield finding(sources.credentials, words.unread, words.unread_meaning, "neutral");
  }
  try {
    const reader = await reads.fromBytes(mime, bytes, JSON.stringify(rules.c2pa.settings));
    store = JSON.parse(reader.json());
    reader.free();
  } catch (error) {
    console.info("Content Credentials:", error);
    return yield* unreadable(String(error?.message ?? error), rules);
  }
  yield judged(store, rules);
}

function includes(bytes, text) {
  const [first, ...rest] = new TextEncoder().encode(text);
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (rest.every((byte, i) => bytes[at + 1 + i] === byte)) return true;
  }
  return false;
}

function* unreadable(error, { words: { credentials: words }, sources }) {
  if (error.startsWith("C2pa(RemoteManifest")) yield finding(sources.credentials, words.remote, words.remote_meaning, "neutral");
  else if (DAMAGED.test(error)) yield broken("damaged", "invalid", "resaved_why", words, sources);
}

const broken = (what, signature, why, words, sources) =>
  finding(sources.credentials, words[what], fill(words.unbelievable, { why: words[why] }), "neutral", { signature });

function judged(store, rules) {
  const { words: { credentials: words }, sources, c2pa, sayings } = rules;
  const results = asObject(store.validation_results), active = asObject(results.activeManifest);
  const succeeded = codes(active.success), failed = new Set([...codes(active.failure), ...codes(store.validation_status)]);
  for (const delta of asArray(results.ingredientDeltas)) {
    codes(asObject(asObject(delta).validationDeltas).failure).forEach((code) => failed.add(code));
  }
  const whole = succeeded.has("claimSignature.validated") && c2pa.bound.some((code) => succeeded.has(code));
  if (!whole || [...failed].some((code) => !mayBe(code, rules))) {
    if ([...failed].some((code) => code.endsWith(".mismatch"))) return broken("mismatch", "changed", "resaved_why", words, sources);
    if (c2pa.revoked.some((code) => failed.has(code))) return broken("revoked", "revoked", "revoked_why", words, sources);
    if (failed.has(c2pa.wrong_certificate)) return broken("certificate", "invalid", "certificate_why", words, sources);
    return broken("invalid", "invalid", "resaved_why", words, sources);
  }
  const manifests = asObject(store.manifests), manifest = asObject(manifests[store.active_manifest]);
  const { said, tools, elsewhere } = history(manifests, manifest, trustedManifests(store, rules), rules);
  const { issuer, common_name: name } = asObject(manifest.signature_info);
  const signer = excerpt(issuer || name || "", 60);
  const made = asArray(manifest.claim_generator_info)[0] ?? { name: manifest.claim_generator ?? "" };
  const generator = excerpt(asObject(made).name || "", 60);
  const [signature, meaning] = signedBy(active, elsewhere, rules);
  const order = Object.keys(sayings), phrases = [...order].reverse().filter((key) => said.has(key)).map((key) => sayings[key][0]);
  const statement = phrases.length ? fill(words.statement, { words: phrases.join(words.and) }) : words.nothing;
  const details = [[signature === "trusted" ? words.trusted_signer : words.signer, signer], [words.generator, generator], [words.tool, tools[0]]];
  const named = details.filter(([, one]) => one).map(([text, one]) => fill(text, { name: one })).join(", ");
  const summary = fill(words.intact, { statement, named: named && ` (${named})` });
  return finding(sources.credentials, summary, meaning, sayings[order.find((key) => said.has(key))]?.[1] ?? "neutral", {
    signature,
    trust_list: c2pa.list?.used ?? null,
    by: signer || generator || null,
    partly_unverified: signature === "trusted" && elsewhere,
  });
}

function signedBy(active, elsewhere, rules) {
  const { words: { credentials: words }, c2pa: { list } } = rules, failed = codes(active.failure);
  if (list && asArray(active.success).some((status) => isTrusted(status, rules)) && !failed.size) {
    return ["trusted", fill(words.trusted, { list: list.words, limit: elsewhere ? words.limit_earlier : words.limit })];
  }
  let signature = "unchecked", reason = words.no_list;
  if (failed.has("signingCredential.expired")) [signature, reason] = ["expired", words.expired];
  else if (list) [signature, reason] = ["unknown", fill(words.unlisted, { list: list.words })];
  return [signature, fill(words.unproven, { reason })];
}

// Whether c2pa found a signer's authority among those of signers, not only among those of time stamps
const isTrusted = (status, { c2pa }) =>
  asObject(status).code === c2pa.trusted && String(status.explanation).includes(`[${c2pa.signers}]`);

function trustedManifests(store, rules) {
  const found = new Set(), label = (status) => String(asObject(status).url).match(/^self#jumbf=\/c2pa\/([^/]+)\/c2pa\.signature$/)?.[1];
  for (const manifest of Object.values(asObject(store.manifests))) {
    for (const ingredient of asArray(asObject(manifest).ingredients)) {
      const noted = asObject(asObject(asObject(ingredient).validation_results).activeManifest);
      asArray(noted.success).filter((status) => asObject(status).code === rules.c2pa.trusted).forEach((status) => found.add(label(status)));
    }
  }
  for (const delta of asArray(asObject(store.validation_results).ingredientDeltas)) {
    const { success, failure } = asObject(asObject(delta).validationDeltas);
    asArray(success).filter((status) => isTrusted(status, rules)).forEach((status) => found.add(label(status)));
    asArray(failure).forEach((status) => found.delete(label(status)));
  }
  return found;
}

// What a manifest and those of the pictures that it was made from say, the tools named for what AI did, and whether any
// of it is said by an earlier manifest that is not trusted
function history(manifests, first, trusted, rules) {
  const said = new Set(), tools = [], seen = new Set(), queue = [[first, true, true]];
  let elsewhere = false;
  while (queue.length && seen.size < MAX_MANIFESTS) {
    const [manifest, own, known] = queue.shift();
    for (const [told, tool] of statements(manifest, rules)) {
      // a photograph or a retouched picture put into this one says nothing of the whole
      const saying = own ? told : ["ai", "ai_edit"].includes(told) ? "ai_edit" : "edit";
      said.add(saying);
      elsewhere ||= !known;
      if (tool && ["ai", "ai_edit"].includes(saying)) tools.push(excerpt(tool, 60));
    }
    for (const ingredient of asArray(manifest.ingredients).slice(0, MAX_MANIFESTS).map(asObject)) {
      const { active_manifest: label, relationship } = ingredient;
      if (typeof label !== "string" || seen.has(label) || !["parentOf", "componentOf"].includes(relationship)) continue;
      seen.add(label);
      const noted = asObject(asObject(ingredient.validation_results).activeManifest);
      const failed = [...codes(ingredient.validation_status), ...codes(noted.failure)];
      if (failed.every((code) => mayBe(code, rules))) queue.push([asObject(manifests[label]), own && relationship === "parentOf", trusted.has(label)]);
    }
  }
  if (said.has("ai")) said.delete("ai_edit");
  if (["ai", "algorithm", "ai_edit", "synthetic_edit"].some((one) => said.has(one))) said.delete("edit");
  return { said, tools, elsewhere };
}

function* statements(manifest, rules) {
  for (const { label, data } of asArray(manifest.assertions).slice(0, 1000).map(asObject)) {
    const content = asObject(data);
    if (String(label).startsWith("c2pa.actions")) {
      for (const action of asArray(content.actions).slice(0, 1000)) yield* ofAction(asObject(action), rules);
    } else if (["stds.iptc", "c2pa.metadata", "cawg.metadata"].some((start) => String(label).startsWith(start))) {
      for (const [key, value] of Object.entries(content)) {
        const saying = key.toLowerCase().endsWith("digitalsourcetype") && sourceType(value, rules);
        if (saying) yield [saying, ""];
      }
    }
  }
}

function* ofAction({ action, softwareAgent: agent, digitalSourceType }, rules) {
  const tool = agent && typeof agent === "object" ? agent.name : agent;
  let saying = sourceType(digitalSourceType, rules);
  if (saying === "ai" && action !== "c2pa.created") saying = "ai_edit"; // a step within the picture, such as a generative fill
  if (saying) yield [saying, typeof tool === "string" ? tool : ""];
  if (rules.c2pa.edit_actions.includes(action)) yield ["edit", ""];
}
