// The files that page.json lists, checked by their sha256 and kept for the next visit, which may be without a network.

import { digest, Refused } from "./picture.js";

const at = (path) => new URL(path, import.meta.url).href;

// `told(n)` is called with the bytes that have come since the last call.
export async function get(path, page, told = () => {}) {
  const listed = page.files[path];
  const cache = await caches.open(page.cache).catch(() => null);
  const kept = await cache?.match(at(path));
  if (kept) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if ((await digest(bytes)) === listed.sha256) {
      told(bytes.length);
      return bytes;
    }
    await cache.delete(at(path));
  }
  const bytes = await download(path, listed.bytes, page, told);
  if ((await digest(bytes)) !== listed.sha256) throw new Refused(page.words.damaged_file);
  const type = path.endsWith(".js") ? "text/javascript" : "application/octet-stream";
  await cache?.put(at(path), new Response(bytes, { headers: { "Content-Type": type } })).catch(() => {}); // a full disk
  return bytes;
}

async function download(path, size, page, told) {
  try {
    const response = await fetch(at(path), { cache: "no-cache" });
    if (!response.ok) throw new Refused(page.words.no_file);
    const bytes = new Uint8Array(size);
    let end = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return bytes.subarray(0, end);
      if (end + value.length > size) throw new Refused(page.words.damaged_file);
      bytes.set(value, end);
      end += value.length;
      told(value.length);
    }
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(page.words.no_file);
  }
}
