/** What a user asked for by Ctrl-A and a key. */
export type EscapeAction = 'help' | 'quit' | 'detach' | 'pause' | 'stats' | 'back' | 'forward' | 'snapshot';

/** One piece of typed input: bytes for the guest, or a command for us. */
export type KeyPiece = { readonly bytes: Uint8Array } | { readonly action: EscapeAction };

const CTRL_A = 0x01;
const ACTIONS: Readonly<Record<string, EscapeAction>> = {
  h: 'help',
  '?': 'help',
  x: 'quit',
  d: 'detach',
  c: 'pause',
  s: 'stats',
  k: 'snapshot',
  '[': 'back',
  ']': 'forward',
};

/** The keys as shown by Ctrl-A h. */
export const ESCAPE_HELP: readonly string[] = [
  'Ctrl-A h       this help',
  'Ctrl-A d       leave a machine that has a name (run --name): it is kept as it is and goes on from there',
  'Ctrl-A x       leave: the machine is switched off at once',
  'Ctrl-A c       pause; Enter goes on',
  'Ctrl-A s       what the machine did so far',
  'Ctrl-A k       keep a snapshot; the machine goes on',
  'Ctrl-A [       back by a second of guest time; Enter goes on from there',
  'Ctrl-A ]       forward again',
  'Ctrl-A Ctrl-A  send Ctrl-A to the guest',
];

/** Takes Ctrl-A commands out of typed bytes; the rest is the guest's. A Ctrl-A may end one chunk and its key begin the next. */
export class EscapeKeys {
  private armed = false;

  /** Splits a chunk, in order. */
  push(chunk: Uint8Array): KeyPiece[] {
    const pieces: KeyPiece[] = [];
    let guest: number[] = [];
    const close = (): void => {
      if (guest.length > 0) pieces.push({ bytes: Uint8Array.from(guest) });
      guest = [];
    };
    for (const byte of chunk) {
      if (!this.armed) {
        if (byte === CTRL_A) this.armed = true;
        else guest.push(byte);
        continue;
      }
      this.armed = false;
      const action = ACTIONS[String.fromCharCode(byte).toLowerCase()];
      if (byte === CTRL_A) guest.push(CTRL_A);
      else if (action !== undefined) {
        close();
        pieces.push({ action });
      }
      // Any other key after Ctrl-A means nothing, as in QEMU.
    }
    close();
    return pieces;
  }
}
