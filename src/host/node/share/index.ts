import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { HostRoom } from '../../../machine/session/host-room.ts';
import type { Machine } from '../../../machine/session/machine.ts';
import type { ShareDevice } from '../../../machine/session/options.ts';
import { attachShare } from '../../share.ts';
import { SharedFolder, ShareError } from './share.ts';

/** A folder of this host's under a name that the guest mounts. */
export interface ShareOption {
  readonly folder: string;
  /** 1 to 36 letters, digits, `.`, `_` or `-`. */
  readonly name: string;
  readonly readOnly: boolean;
  readonly protocol: 'virtiofs' | '9p';
}

const NAME = /^[\w.-]{1,36}$/;
const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/**
 * Reads `DIR[:NAME][:9p][:ro]`. Without a name it is the folder's own. A folder whose name has colons is found before it is taken apart.
 * @throws ShareError when it cannot be understood
 */
export function parseShare(text: string): ShareOption {
  const readOnly = text.endsWith(':ro');
  const writable = readOnly ? text.slice(0, -3) : text;
  const protocol = writable.endsWith(':9p') ? '9p' : 'virtiofs';
  const rest = protocol === '9p' ? writable.slice(0, -3) : writable;
  const colon = rest.lastIndexOf(':');
  const named = colon > 0 && !isFolder(rest);
  const folder = named ? rest.slice(0, colon) : rest;
  const name = named
    ? rest.slice(colon + 1)
    : basename(resolve(folder))
        .replace(/[^\w.-]/g, '_')
        .slice(0, 36) || 'share';
  if (folder === '') throw new ShareError('--share: expected DIR[:NAME][:9p][:ro], with the folder to share first');
  if (!NAME.test(name))
    throw new ShareError(
      `--share ${text}: "${name}" is no name for a share: expected 1 to 36 letters, digits, ".", "_" or "-"`,
    );
  return { folder, name, readOnly, protocol };
}

/** Folders that are open and wait for their machine. */
export class HostShares implements AsyncDisposable {
  private readonly shares: readonly { readonly option: ShareOption; readonly folder: SharedFolder }[];

  /** Opens the folders. @throws ShareError naming the one that cannot be shared, or a name that is given twice */
  constructor(options: readonly ShareOption[]) {
    const shares: { option: ShareOption; folder: SharedFolder }[] = [];
    this.shares = shares;
    try {
      for (const option of options) {
        if (shares.some((other) => other.option.name === option.name))
          throw new ShareError(`--share ${option.folder}: there is a share "${option.name}" already; add :NAME`);
        shares.push({ option, folder: new SharedFolder(option.folder) });
      }
    } catch (error) {
      for (const { folder } of shares) folder.dispose();
      throw error;
    }
  }

  /** What the guest mounts. */
  get names(): readonly string[] {
    return this.shares.map(({ option }) => option.name);
  }

  /** The devices that the guest finds them by. */
  get devices(): readonly ShareDevice[] {
    return this.shares.map(({ option: { name, protocol } }) => ({ name, protocol }));
  }

  /** Has the folders answer for the machine's shares. */
  attach(machine: Machine, room: HostRoom): void {
    for (const { option, folder } of this.shares)
      attachShare(machine, option.name, folder, room, { readOnly: option.readOnly });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { folder } of this.shares) folder.dispose();
  }
}
