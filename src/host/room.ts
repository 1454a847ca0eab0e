import type { HostRoom } from '../machine/session/host-room.ts';

/** Most bytes `crypto.getRandomValues` gives at once (Web Cryptography, 10.1.1). */
const ENTROPY_CHUNK = 65_536;
/** Longest delay of `setTimeout` in milliseconds. */
const LONGEST_DELAY = 2 ** 31 - 1;

/**
 * Lets other tasks run: by `setImmediate` outside of browsers, by a message in them, where `setTimeout(0)` is held back by 4 ms. (A
 * message port would keep Deno's process alive for good.)
 */
function macrotasks(): () => Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (task: () => void) => unknown };
  if (setImmediate !== undefined) return () => new Promise((resolve) => void setImmediate(resolve));
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(0);
    });
}

/** The host as every JavaScript runtime has it: Node, Bun, Deno, browsers and their workers. */
export function createHostRoom(): HostRoom {
  return {
    now: () => performance.now(),
    wallClock: () => BigInt(Date.now()) * 1_000_000n,
    entropy(length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += ENTROPY_CHUNK) crypto.getRandomValues(bytes.subarray(at, at + ENTROPY_CHUNK));
      return bytes;
    },
    async sha256(bytes) {
      return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
    },
    yieldToHost: macrotasks(),
    after(milliseconds, wake) {
      const timer = setTimeout(wake, Math.min(Math.max(0, milliseconds), LONGEST_DELAY));
      return () => clearTimeout(timer);
    },
  };
}
