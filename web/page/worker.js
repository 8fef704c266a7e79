// Judges in a thread of its own, so that the page stays alive.

import { open } from "./detector.js";
import { get } from "./files.js";
import { Refused } from "./picture.js";
import { C2PA } from "./provenance.js";

const THUMBNAIL = 96; // pixels

export async function start(page) {
  let loaded = 0;
  try {
    const judge = await open(page, (bytes) => postMessage({ type: "loaded", bytes: (loaded += bytes) }));
    self.onmessage = async ({ data: { id, file } }) => {
      const { thumbnail, ...rest } = await answer(judge, file, page);
      postMessage({ type: "judged", id, thumbnail, ...rest }, thumbnail ? [thumbnail] : []);
    };
    postMessage({ type: "ready" });
    get(C2PA, page).catch(() => {}); // for a visit without a network: nobody waits for it
  } catch (error) {
    postMessage({ type: "failed", sentence: sentenceOf(error, page.words.no_start) });
  }
}

async function answer(judge, file, page) {
  try {
    const { bitmap, ...rest } = await judge(file);
    const side = Math.min(bitmap.width, bitmap.height);
    const thumbnail = await createImageBitmap(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, {
      resizeWidth: THUMBNAIL,
      resizeHeight: THUMBNAIL,
      resizeQuality: "high",
    });
    bitmap.close();
    return { thumbnail, ...rest };
  } catch (error) {
    return { error: sentenceOf(error, page.words.unexpected) };
  }
}

function sentenceOf(error, otherwise) {
  if (error instanceof Refused) return error.message;
  console.error(error);
  return otherwise;
}
