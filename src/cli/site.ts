import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyOf, readyBytes } from '../bytes/source.ts';
import { SESSION_PORT } from '../guest/init-script.ts';
import { provideStart } from '../host/node/guest/index.ts';
import { findImages } from '../host/node/images.ts';
import { neededImages } from '../machine/session/images.ts';
import type { HardwareOptions } from '../machine/session/options.ts';
import { Snapshot } from '../machine/state/snapshot.ts';
import type { SiteGuest, SiteImage, SiteManifest, SiteRecording } from '../web/guest/manifest.ts';
import { CliError } from './exit.ts';
import { checkMachineFlags, openWaitingHardware } from './machine-flags.ts';
import { loadRecording } from './recordings.ts';

/** Memory of the machine in the page. */
const MEMORY = '256M';
/** Folder of machines' files, with the manifest. */
const IMAGES = 'guest';
/** Address of the manifest. */
export const MANIFEST = `${IMAGES}/site.json`;

/** A file's name as people say it: `a-boot-explained` is "A boot explained". */
const titleOf = (name: string): string => {
  const words = name.replaceAll(/[-_]+/g, ' ').trim();
  return words === '' ? name : words[0].toUpperCase() + words.slice(1);
};

/** The page with all that belongs to it: addresses relative to it, and files or contents. */
export class PageSite {
  readonly files = new Map<string, string | Uint8Array>();
  private readonly images = new Map<string, SiteImage>();
  private readonly recordings: SiteRecording[] = [];
  private guest: SiteGuest | undefined;

  /** The page's own files. @throws CliError when it was not built */
  constructor() {
    const folder = fileURLToPath(new URL('web/', import.meta.url));
    if (!existsSync(`${folder}index.html`))
      throw new CliError(`${folder}: the page is not there; build it with npm run build`);
    for (const name of readdirSync(folder)) if (!name.endsWith('.map')) this.files.set(name, `${folder}${name}`);
  }

  /** The guest that the page starts, made where it is not there. */
  async addGuest(quiet: boolean): Promise<void> {
    const flags = { mem: MEMORY, harts: '1', quiet };
    const { hardware } = await openWaitingHardware(flags, checkMachineFlags(flags), {});
    const machine: HardwareOptions = { ...hardware, virtioConsole: { ports: [SESSION_PORT] } };
    const making = (): void => {
      if (!quiet)
        process.stderr.write('hindsight: booting the guest once, so that the page starts from its snapshot\n');
    };
    const { name, snapshot } = await provideStart(machine, {
      making,
      session: { size: 'hvc0', term: 'xterm-256color' },
    });
    const part = (role: 'kernel' | 'initrd'): string => {
      const image = machine[role];
      if (image?.hash === undefined)
        throw new CliError(`the guest's ${role} has no known hash; make the guest again with hindsight guest build`);
      // A file may be read in part only, as far as it was needed.
      image.ready?.(0, image.bytes.length);
      return this.addImage(role, image.hash, image.bytes);
    };
    const { source } = snapshot.files[0];
    const start = this.addImage('snapshot', name.hash, copyOf(source));
    const bases = this.addBases(snapshot);
    this.guest = {
      memory: machine.memory as number,
      append: machine.append!,
      kernel: part('kernel'),
      initrd: part('initrd'),
      start,
      bases,
    };
  }

  /**
   * A recording, and the files it needs and does not hold.
   * @param folders where these are looked for besides the usual places @returns its address, relative to the page
   */
  async addRecording(file: string, folders: readonly string[]): Promise<string> {
    const recording = await loadRecording(file);
    const inside = new Set(recording.images.keys());
    const found = await findImages(recording.header, folders, inside);
    for (const { role, hash, file: name } of neededImages(recording.header)) {
      if (inside.has(hash)) continue;
      const image = role === 'disk' ? undefined : found[role];
      image?.ready?.(0, image.bytes.length);
      if (image !== undefined) {
        this.addImage(role, hash, image.bytes);
        if (role === 'start') this.addBases(Snapshot.open(readyBytes(image.bytes), name, found.findSnapshot, hash));
        continue;
      }
      if (existsSync(name))
        this.addImage(role, hash, name, found.disks?.find(({ backend }) => backend.hash === hash)?.backend.size);
      else
        throw new CliError(
          `${file}: its disk ${name} is not where it was; record with --embed, so that the recording holds it`,
        );
    }
    const address = `recordings/${basename(file)}`;
    this.files.set(address, file);
    this.recordings.push({ title: titleOf(basename(file, '.hsr')), address: encodeURI(address) });
    return address;
  }

  /** What the page has to know of the other files; belongs at {@link MANIFEST}. */
  get manifest(): Uint8Array {
    const { guest, recordings } = this;
    const manifest: SiteManifest = {
      version: 1,
      ...(guest && { guest }),
      images: [...this.images.values()],
      recordings,
    };
    return new TextEncoder().encode(JSON.stringify(manifest));
  }

  /** The files that a snapshot shares pages with. @returns their hashes */
  private addBases({ files: [own, ...bases] }: Snapshot): string[] {
    return bases.map(({ source }, i) => this.addImage('snapshot', own.bases[i], copyOf(source)));
  }

  private addImage(role: string, hash: string, what: string | Uint8Array, size = what.length): string {
    // A recording's start may be one of the guest's snapshots.
    if (this.images.has(hash)) return hash;
    const path = `${role}-${hash.slice(0, 16)}`;
    this.files.set(`${IMAGES}/${path}`, what);
    this.images.set(hash, { file: role, path, size, hash });
    return hash;
  }

  /** How an image lies on the server. */
  packed(address: string, stored: number): void {
    for (const [hash, image] of this.images)
      if (`${IMAGES}/${image.path}` === address) this.images.set(hash, { ...image, encoding: 'gzip', stored });
  }
}
