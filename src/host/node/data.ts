import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder of what users keep: `$XDG_DATA_HOME/hindsight`, by default `~/.local/share/hindsight` (XDG Base Directory Specification). */
function dataDirectory(): string {
  const base = process.env.XDG_DATA_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.local', 'share'), 'hindsight');
}

/** A folder in it. @param make makes it where it is not there */
export function dataFolder(name: 'disks' | 'journals' | 'machines', make = false): string {
  const folder = join(dataDirectory(), name);
  if (make) mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Whether a text can be the name of something that is kept: what follows is a file's name on every system. */
export const isKeptName = (text: string): boolean => /^[A-Za-z0-9][\w.-]{0,63}$/.test(text);
