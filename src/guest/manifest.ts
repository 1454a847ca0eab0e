/**
 * What is known of built guest images: the manifest that lies beside them.
 */

/** A file of a guest, by its size and content. */
export interface GuestFile {
  /** Name beside the manifest. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 in lower-case hexadecimal. */
  readonly sha256: string;
}

/** Images of one build. */
export interface GuestManifest {
  /** Version of this record. */
  readonly format: 1;
  readonly kind: 'kernel' | 'disk';
  /** Which of the disks it is; not there for the ordinary one. */
  readonly variant?: string;
  /** Digest of everything of ours that shapes the images; another value means they would come out differently now. */
  readonly recipe: string;
  /** Versions of the Debian packages inside, by name. */
  readonly packages: Readonly<Record<string, string>>;
  /** `uname -r`; of a kernel only. */
  readonly release?: string;
  readonly files: readonly GuestFile[];
}

/**
 * Reads a manifest's text.
 *
 * @throws Error when it is not one that this version understands.
 */
export function parseManifest(text: string): GuestManifest {
  const value = JSON.parse(text) as Partial<GuestManifest> | null;
  if (value?.format !== 1 || (value.kind !== 'kernel' && value.kind !== 'disk') || typeof value.recipe !== 'string') {
    throw new Error(`a guest manifest of format ${String(value?.format)}; format 1 is understood`);
  }
  const sound =
    Array.isArray(value.files) &&
    value.files.every((f) => /^[\w.-]+$/.test(f.name) && f.size >= 0 && /^[0-9a-f]{64}$/.test(f.sha256));
  if (value.variant !== undefined && !/^[\w-]{1,40}$/.test(value.variant))
    throw new Error('a guest manifest whose variant has no sound name');
  if (!sound || typeof value.packages !== 'object') throw new Error('a guest manifest whose list of files is damaged');
  return value as GuestManifest;
}
