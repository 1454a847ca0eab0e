/**
 * Reading what apt says: package records (deb-control, section "Fields") and index targets
 * (apt's doc/acquire-additional-files).
 */

/** The Debian release the guest is made of. */
export const SUITE = 'trixie';
/** Debian's name for the machine's architecture. */
export const ARCHITECTURE = 'riscv64';
/** Depends on the newest kernel for ordinary riscv64 machines. */
export const KERNEL_METAPACKAGE = 'linux-image-riscv64';
export const BUSYBOX_PACKAGE = 'busybox-static';

/** A package as apt would fetch it. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** Bytes of the package file. */
  readonly size: number;
  readonly depends: string;
}

/** Records separated by empty lines, as `apt-cache show` prints them. */
export function parsePackages(text: string): PackageRecord[] {
  return text
    .split(/\n\s*\n/)
    .filter((record) => /^Package:/m.test(record))
    .map((record) => {
      const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(record)?.[1]?.trim() ?? '';
      return {
        name: field('Package'),
        version: field('Version'),
        size: Number(field('Size')),
        depends: field('Depends'),
      };
    });
}

/**
 * The package that holds the kernel itself, from the metapackage's record.
 *
 * @throws Error when it depends on no such package.
 */
export function kernelPackage(metapackage: PackageRecord): string {
  const names = metapackage.depends.split(',').map((d) => d.trim().split(/[\s(|]/)[0]!);
  const kernel = names.find((name) => /^linux-image-\d.*-riscv64$/.test(name));
  if (kernel === undefined)
    throw new Error(
      `${metapackage.name} ${metapackage.version} depends on no kernel image (it says: ${metapackage.depends})`,
    );
  return kernel;
}

/** Where Debian's packages come from. */
export interface MirrorChoice {
  /** Base address of the archive, without trailing slash. */
  readonly archive: string;
  /** Base address of the security archive, where one is known. */
  readonly security?: string;
}

/** The fields to ask `apt-get indextargets --format` for. */
export const INDEX_FORMAT = '$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(ORIGIN)';

const DEBIAN_SUITE =
  /^(sid|unstable|testing|(old)*stable|experimental|buster|bullseye|bookworm|trixie|forky|duke)(-updates|-backports|-security|-proposed-updates)?$/;

/** Picks the Debian mirror out of a machine's own index targets, printed in `INDEX_FORMAT`; undefined when it names none. */
export function mirrorFrom(targets: string): MirrorChoice | undefined {
  let archive: string | undefined;
  let security: string | undefined;
  for (const line of targets.split('\n')) {
    const [createdBy, uri, release, origin] = line.split('|');
    if (createdBy !== 'Packages' || uri === undefined || release === undefined) continue;
    const base = uri.replace(/\/+$/, '');
    const suite = release.replace(/\/updates$/, '-security');
    const known = origin !== undefined && origin !== '' && !origin.startsWith('$');
    if (known ? origin !== 'Debian' : !DEBIAN_SUITE.test(suite)) continue;
    if (suite.endsWith('-security')) security ??= base;
    else if (!/-(backports|proposed)/.test(suite)) archive ??= base;
  }
  return archive === undefined ? undefined : { archive, ...(security === undefined ? {} : { security }) };
}

/** One line of a sources list: a suite of an archive, verified by a keyring (sources.list(5)). */
export const sourceLine = (base: string, suite: string, keyring: string): string =>
  `deb [arch=${ARCHITECTURE} signed-by=${keyring}] ${base} ${suite} main\n`;
