// The page: pictures in, by button, drop, paste or camera; one after the other to the worker; a row for each answer.

import { cards, evidence, marked, nextSteps, record, scoreWords, verdictPanel } from "./answer.js";
import { element, icon } from "./dom.js";
import { isUnjudged, lookOf } from "./headline.js";
import { counted, fill } from "./text.js";

const $ = (id) => document.getElementById(id);
const page = await (await fetch("page.json", { cache: "no-cache" })).json();
const ORDER = ["declared_ai", ...Object.keys(page.verdicts), "error"]; // as ui/batch_list.py sorts
const TRUST = ["verified", "intact", "written"];
const waiting = []; // {id, file}
const answers = []; // {file, outcome, row, …what the worker said}
let worker, judging, ready = false, given = 0, judged = 0, failed = false;

function say(state, text, share) {
  $("state").dataset.state = state;
  $("said").textContent = text;
  $("bar").hidden = share === undefined;
  if (share !== undefined) $("bar").value = share;
}

// --- Start ----------------------------------------------------------------------------------------------------------

function startWorker() {
  if (!window.isSecureContext) return fail(page.words.not_secure);
  // From a blob, a worker has the page's own Content-Security-Policy: it cannot send anything anywhere either.
  const boot = `onmessage = ({ data }) => import(data.script).then(({ start }) => start(data.page))
    .catch((error) => { console.error(error); postMessage({ type: "failed", sentence: data.page.words.no_start }); });`;
  worker = new Worker(URL.createObjectURL(new Blob([boot], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => told[data.type](data);
  worker.onerror = () => fail(page.words.no_start);
  worker.postMessage({ script: new URL("worker.js", import.meta.url).href, page });
}

const told = {
  loaded({ bytes }) {
    const megabytes = (count) => (count / 1e6).toFixed(0);
    const share = Math.min(bytes / page.load, 1);
    if (!ready && !failed) say("loading", fill(page.words.loading, { n: megabytes(bytes), all: megabytes(page.load) }), share);
  },
  ready() {
    ready = true;
    say("ready", page.words.ready);
    next();
    keepForLater();
  },
  failed({ sentence }) {
    fail(sentence);
  },
  judged({ id, ...answer }) {
    judging = null;
    judged++;
    show({ ...answer, file: waiting.find((item) => item.id === id).file });
    waiting.splice(waiting.findIndex((item) => item.id === id), 1);
    next();
  },
};

function fail(sentence) {
  failed = true;
  worker?.terminate(); // what else it loads is of no use
  say("failed", sentence);
}

async function keepForLater() {
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    if ($("state").dataset.state === "ready") say("ready", page.words.offline);
  } catch (error) {
    console.warn(error); // the page goes on with the network
  }
}

// --- Pictures in ----------------------------------------------------------------------------------------------------

function take(files) {
  if (failed) return;
  for (const file of files) waiting.push({ id: ++given, file });
  next();
}

function summary() {
  const failed = answers.filter(({ outcome }) => outcome === "error").length;
  if (!failed) return counted(page.words.judged, judged);
  return fill(page.words.judged_some, { n: judged - failed, all: judged, failed });
}

function next() {
  if (!ready) return;
  if (!judging && waiting.length) {
    judging = waiting[0];
    worker.postMessage(judging);
  }
  if (judging) say("judging", fill(page.words.judging, { n: judged + 1, all: given }), judged / given);
  else if (judged) say("judged", summary());
}

$("choose").accept = page.accept; // or the list to choose from hides what the browser does not know
for (const input of [$("choose"), $("camera")]) {
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = ""; // the same file may be chosen again
  });
}
document.addEventListener("paste", ({ clipboardData }) => takeFrom(clipboardData));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").classList.remove("over"); // out of the window
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  takeFrom(event.dataTransfer);
});

function takeFrom(data) {
  const files = [...data.files];
  take(files);
  const text = (data.getData("text/uri-list") || data.getData("text")).trim();
  if (!files.length && /^([a-z][a-z0-9+.-]*:\/\/|www\.)\S+$/i.test(text)) say($("state").dataset.state, page.words.address);
}

// --- Answers out ----------------------------------------------------------------------------------------------------

const rankOf = ({ outcome, result }) => [
  ORDER.indexOf(outcome),
  outcome === "declared_ai" ? TRUST.indexOf(result.origin.trust) : 0,
  -(result?.score ?? 0),
];

function show(answer) {
  const { result } = answer;
  answer.outcome = !result ? "error" : result.origin.kind === "declared_ai" ? "declared_ai" : result.verdict;
  answer.row = rowOf(answer);
  const rank = rankOf(answer);
  const after = answers.findIndex((other) => rankOf(other).map((value, i) => value - rank[i]).find((apart) => apart) > 0);
  $("results").insertBefore(answer.row, after < 0 ? null : answers[after].row);
  answers.splice(after < 0 ? answers.length : after, 0, answer);
  $("tools").hidden = false;
  if (given === 1) {
    answer.row.open = true;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    answer.row.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }
}

function rowOf(answer) {
  const { result, thumbnail, outcome, file } = answer;
  const { tone, icon: shape } = result ? lookOf(result, page) : { tone: "error", icon: page.error_icon };
  const words = result?.headline ?? page.labels.error;
  const small = thumbnail ? element("canvas", { width: thumbnail.width, height: thumbnail.height, "aria-hidden": "true" }) : element("span", { class: "empty" });
  small.getContext?.("bitmaprenderer").transferFromImageBitmap(thumbnail);
  const note = result ? (result.score === null || isUnjudged(result.faces) ? "" : fill(page.labels.face_score, { score: scoreWords(result.score, page.score) })) : answer.error;
  const inside = element("div", { class: "inside" });
  const row = element(
    "details",
    { class: `page panel result ${tone}`, "data-outcome": outcome },
    element(
      "summary",
      {},
      small,
      element("bdi", { class: "name" }, file.name),
      element("span", { class: `word ${tone}` }, icon(shape), words, element("span", { class: "soft" }, note)),
    ),
    inside,
  );
  // Built while it is open only: pictures take memory
  row.addEventListener("toggle", async () => {
    inside.replaceChildren();
    if (!row.open) return;
    if (!result) return inside.append(element("p", {}, answer.error));
    const told = evidence(result, page);
    inside.append(verdictPanel(result, page), nextSteps(result, page), told, record(result, page));
    if (!result.faces.length) return;
    const picture = await marked(file, result, page);
    if (row.open) told.before(picture, cards(answer, page));
  });
  return row;
}

// A line for each picture, as `python -m detector --jsonl` prints it
$("json").addEventListener("click", () => {
  const lines = answers.map(({ file, error, result }) => JSON.stringify({ file: file.name, error: error ?? null, ...result }));
  const link = element("a", { download: "pictures.jsonl", href: URL.createObjectURL(new Blob([`${lines.join("\n")}\n`])) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});
$("clear").addEventListener("click", () => {
  waiting.splice(judging ? 1 : 0);
  answers.splice(0).forEach(({ row }) => row.remove());
  given = waiting.length;
  judged = 0;
  $("tools").hidden = true;
  say("ready", page.words.ready);
  $("choose").focus();
});

$("promise").textContent = page.promise;
$("limits-head").textContent = page.labels.limits;
$("limits").append(...page.cannot.map((limit) => element("li", {}, limit)));
$("model").textContent = fill(page.words.model, { name: page.model.architecture, digest: page.model.digest.slice(0, 12) });
startWorker();
