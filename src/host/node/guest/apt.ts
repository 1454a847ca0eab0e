/**
 * A private apt beside the machine's own: other architecture, other release, its own state, no root. It is told where
 * Debian's archive is and which keyring signs it; apt itself verifies every index and every package.
 */
import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ARCHITECTURE,
  INDEX_FORMAT,
  type MirrorChoice,
  mirrorFrom,
  type PackageRecord,
  parsePackages,
  SUITE,
  sourceLine,
} from '../../../guest/debian.ts';
import { BRING_YOUR_OWN, GuestBuildError } from './errors.ts';
import { isMissing, ProgramError, run } from './process.ts';

const KEYRINGS = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp'];

/** Progress of a download: bytes so far and in all. */
export type DownloadProgress = (done: number, total: number) => void;

/** Base address of an archive, and a suite in it. */
type Source = readonly [base: string, suite: string];

/** The environment for the machine's programs: English messages, since we read them. */
const plain = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: 'C', ...extra });

const quoted = (text: string): string => `"${text.replace(/["\\\n]/g, '')}"`;

/** The machine's Debian mirror: the one named, or else the one its own apt uses. */
export async function findMirror(
  named: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<MirrorChoice> {
  const choice = named ?? env.HINDSIGHT_MIRROR;
  if (choice !== undefined && choice !== '') {
    if (!/^(https?|file|copy|mirror\+\w+|tor\+\w+):\S+$/.test(choice)) {
      throw new GuestBuildError(
        `mirror "${choice}": expected the address of a Debian archive, e.g. http://HOST/debian (the directory that holds dists and pool)`,
      );
    }
    return { archive: choice.replace(/\/+$/, '') };
  }
  const targets = await run('apt-get', ['indextargets', '--format', INDEX_FORMAT], { env: plain() });
  const found = mirrorFrom(targets);
  if (found === undefined) {
    throw new GuestBuildError(
      "apt's configuration on this machine names no Debian archive. Name one with --mirror URL or HINDSIGHT_MIRROR (the directory that holds dists and pool).",
    );
  }
  return found;
}

/** Finds that apt is there, with a message that helps where it is not. */
export async function requireApt(): Promise<void> {
  for (const program of ['apt-get', 'apt-cache', 'dpkg-deb']) {
    try {
      await run(program, ['--version'], { env: plain() });
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new GuestBuildError(
        `${program} is not on this machine, and the guest is made from Debian packages that apt verifies.\n${BRING_YOUR_OWN}`,
      );
    }
  }
}

/** A private apt in a directory of its own. */
export class PrivateApt {
  private readonly config: string;
  private readonly directory: string;
  private readonly mirror: MirrorChoice;
  private readonly signal: AbortSignal | undefined;

  constructor(directory: string, mirror: MirrorChoice, signal?: AbortSignal) {
    this.directory = directory;
    this.mirror = mirror;
    this.signal = signal;
    this.config = join(directory, 'apt.conf');
  }

  /** The archive that packages come from, as a line of sources.list(5). */
  get source(): string {
    return `deb ${this.mirror.archive} ${SUITE} main`;
  }

  /** Where fetched packages lie. */
  get archives(): string {
    return join(this.directory, 'archives');
  }

  /**
   * Brings the indexes up to date, with the first keyring that knows the release's key. Updates and security fixes are taken where
   * the mirror has them whole; a partial mirror, or one in the middle of a change, still gives the release itself.
   */
  async update(onProgress: DownloadProgress): Promise<void> {
    await this.configure();
    const { archive, security } = this.mirror;
    const extras: Source[] = [
      [archive, `${SUITE}-updates`],
      ...(security === undefined ? [] : [[security, `${SUITE}-security`] as const]),
    ];
    const step = 100;
    const total = step * (1 + extras.length);
    let failure = "no keyring of Debian's archive was found";
    for await (const keyring of this.keyrings()) {
      let sources: Source[] = [[archive, SUITE]];
      const error = await this.fetchIndexes(sources, keyring, (done) => onProgress(done, total), step);
      if (error !== undefined) {
        failure = error;
        if (/NO_PUBKEY|not signed|Missing key/i.test(error)) continue;
        break;
      }
      for (const [index, extra] of extras.entries()) {
        const more = [...sources, extra];
        if (
          (await this.fetchIndexes(more, keyring, (done) => onProgress(step * (index + 1) + done, total), step)) ===
          undefined
        )
          sources = more;
      }
      await this.writeSources(sources, keyring);
      return;
    }
    throw new GuestBuildError(
      `Debian ${SUITE} for ${ARCHITECTURE} could not be fetched from ${archive}:\n${failure}\n` +
        `Check the network and apt's proxy settings, or name another mirror with --mirror URL or HINDSIGHT_MIRROR.\n${BRING_YOUR_OWN}`,
    );
  }

  /** The newest record of each package, in the order asked for. */
  async show(names: readonly string[]): Promise<PackageRecord[]> {
    const text = await run('apt-cache', ['show', '--no-all-versions', ...names], { env: this.env, ...this.abort });
    const records = new Map(parsePackages(text).map((r) => [r.name, r]));
    return names.map((name) => {
      const record = records.get(name);
      if (record === undefined)
        throw new GuestBuildError(
          `the Debian archive at ${this.mirror.archive} has no package ${name} for ${ARCHITECTURE}`,
        );
      return record;
    });
  }

  /** Fetches exactly these packages; returns their files by package name. */
  async download(packages: readonly PackageRecord[], onProgress: DownloadProgress): Promise<Map<string, string>> {
    const total = packages.reduce((sum, p) => sum + p.size, 0);
    await this.apt(['download', ...packages.map((p) => `${p.name}=${p.version}`)], onProgress, total);
    return this.files(packages);
  }

  /** Fetches packages and all they depend on; returns records and files of all of them. */
  async downloadClosure(
    names: readonly string[],
    onProgress: DownloadProgress,
  ): Promise<{ packages: PackageRecord[]; files: Map<string, string> }> {
    const install = ['install', '--assume-yes', '--no-install-recommends', ...names];
    const plan = await run('apt-get', ['--simulate', ...install], { env: this.env, ...this.abort });
    const chosen = [...plan.matchAll(/^Inst (\S+) \((\S+)/gm)].map((m) => ({
      name: m[1]!.replace(/:.*/, ''),
      version: m[2]!,
    }));
    const packages = await this.show(chosen.map((c) => c.name).sort());
    await this.apt(
      ['--download-only', ...install],
      onProgress,
      packages.reduce((sum, p) => sum + p.size, 0),
    );
    return { packages, files: await this.files(packages) };
  }

  private get env(): NodeJS.ProcessEnv {
    return plain({ APT_CONFIG: this.config });
  }

  private get abort(): { signal?: AbortSignal } {
    return this.signal === undefined ? {} : { signal: this.signal };
  }

  /** Fetches the indexes of these sources; returns what apt said when it could not. */
  private async fetchIndexes(
    sources: readonly Source[],
    keyring: string,
    onProgress: DownloadProgress,
    total: number,
  ): Promise<string | undefined> {
    await this.writeSources(sources, keyring);
    try {
      await this.apt(['update', '--error-on=any'], onProgress, total);
      return undefined;
    } catch (error) {
      if (error instanceof ProgramError) return error.errors.trim();
      throw error;
    }
  }

  private async writeSources(sources: readonly Source[], keyring: string): Promise<void> {
    await writeFile(
      join(this.directory, 'etc', 'sources.list'),
      sources.map(([base, suite]) => sourceLine(base, suite, keyring)).join(''),
    );
  }

  private async apt(args: readonly string[], onProgress: DownloadProgress, total: number): Promise<void> {
    await run('apt-get', ['-o', 'APT::Status-Fd=3', ...args], {
      env: this.env,
      cwd: this.archives,
      ...this.abort,
      onStatus: (line) => {
        const percent = /^dlstatus:[^:]*:([\d.]+):/.exec(line)?.[1];
        if (percent !== undefined) onProgress(Math.round((Number(percent) / 100) * total), total);
      },
    });
    onProgress(total, total);
  }

  private async files(packages: readonly PackageRecord[]): Promise<Map<string, string>> {
    const present = await readdir(this.archives);
    return new Map(
      packages.map((p) => {
        const start = `${p.name}_${p.version.replaceAll(':', '%3a')}_`;
        const file = present.find((name) => name.startsWith(start) && name.endsWith('.deb'));
        if (file === undefined)
          throw new GuestBuildError(`apt reported success, but ${start}*.deb is not in ${this.archives}`);
        return [p.name, join(this.archives, file)];
      }),
    );
  }

  /** Writes a configuration that leaves out the machine's hooks and preferences, and keeps its proxies and credentials. */
  private async configure(): Promise<void> {
    for (const part of ['etc', 'state/lists/partial', 'archives/partial'])
      await mkdir(join(this.directory, part), { recursive: true });
    await writeFile(join(this.directory, 'status'), '');
    const own = await run('apt-config', ['dump'], { env: plain() });
    const network = own
      .split('\n')
      .filter(
        (line) =>
          /^Acquire::(http|https|ftp|tor|socks|Retries|ForceIPv[46]|Check-(Valid-Until|Date)|Max-ValidTime|Send-|Queue-)/.test(
            line,
          ) && !/Allow/.test(line),
      );
    const asRoot = process.getuid?.() === 0;
    await writeFile(
      this.config,
      [
        ...network,
        `APT::Architecture "${ARCHITECTURE}";`,
        `APT::Architectures { "${ARCHITECTURE}"; };`,
        'APT::Install-Recommends "false";',
        'APT::Install-Suggests "false";',
        'Acquire::Languages "none";',
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
        // without root apt cannot become its sandbox user, and as root that user could not write here
        ...(asRoot ? ['APT::Sandbox::User "root";'] : []),
        `Dir::State ${quoted(join(this.directory, 'state'))};`,
        `Dir::State::status ${quoted(join(this.directory, 'status'))};`,
        `Dir::Cache ${quoted(this.directory)};`,
        `Dir::Cache::archives ${quoted(this.archives)};`,
        'Dir::Cache::pkgcache "";',
        'Dir::Cache::srcpkgcache "";',
        `Dir::Etc ${quoted(join(this.directory, 'etc'))};`,
        'Dir::Etc::netrc "/etc/apt/auth.conf";',
        'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
        '',
      ].join('\n'),
    );
    for (const part of ['apt.conf.d', 'sources.list.d', 'preferences.d', 'trusted.gpg.d'])
      await mkdir(join(this.directory, 'etc', part), { recursive: true });
  }

  /** Keyrings that may know the release: the machine's, then that of the newest keyring package its own apt can fetch and verify. */
  private async *keyrings(): AsyncGenerator<string> {
    for (const path of KEYRINGS) {
      if (
        await access(path).then(
          () => true,
          () => false,
        )
      ) {
        yield path;
        break;
      }
    }
    const fetched = join(this.directory, 'keyring');
    await mkdir(fetched, { recursive: true });
    try {
      await run('apt-get', ['download', 'debian-archive-keyring'], { env: plain(), cwd: fetched, ...this.abort });
      for (const file of (await readdir(fetched)).filter((name) => name.endsWith('.deb')).sort()) {
        await run('dpkg-deb', ['-x', join(fetched, file), fetched], { env: plain() });
      }
    } catch (error) {
      if (!(error instanceof ProgramError)) throw error;
      return;
    }
    for (const path of KEYRINGS) {
      const here = join(fetched, path);
      if (
        await access(here).then(
          () => true,
          () => false,
        )
      )
        yield here;
    }
  }
}
