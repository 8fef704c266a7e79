// Judges in a thread of its own, one picture after the other, so that the page stays alive.

import { open } from "./judge.js";
import { Refused } from "./picture.js";

const THUMBNAIL = 96; // pixels

export function start(page) {
  let loaded = 0;
  const ready = open(page, (bytes) => postMessage({ type: "loaded", bytes: (loaded += bytes) }));
  ready.then(
    () => postMessage({ type: "ready" }),
    (error) => postMessage({ type: "failed", sentence: sentenceOf(error, page.words.no_start) }),
  );
  let queue = Promise.resolve();
  self.onmessage = ({ data: { id, file } }) => {
    queue = queue.then(async () => postMessage(await answer(await ready, id, file, page)));
  };
}

async function answer(judge, id, file, page) {
  try {
    const { bitmap, ...rest } = await judge(file);
    const side = Math.min(bitmap.width, bitmap.height);
    const thumbnail = await createImageBitmap(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, {
      resizeWidth: THUMBNAIL,
      resizeHeight: THUMBNAIL,
      resizeQuality: "high",
    });
    bitmap.close();
    return { type: "judged", id, thumbnail, ...rest };
  } catch (error) {
    return { type: "judged", id, error: sentenceOf(error, page.words.unexpected) };
  }
}

function sentenceOf(error, otherwise) {
  if (error instanceof Refused) return error.message;
  console.error(error);
  return otherwise;
}
