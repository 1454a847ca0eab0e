import { FILE_TYPE, type Name } from '../../../fs/file-system.ts';

/** Names of a file that are remembered, the latest first. */
const PLACES = 8;

interface Place {
  readonly parent: ShareNode;
  readonly name: Name;
}

/** A file of the host's that the guest was given. */
export class ShareNode {
  readonly identity: string;
  readonly type: number;
  /** Where it was found, the latest first; none for the root. */
  places: Place[] = [];
  /** A descriptor that holds the directory, while it is kept. */
  fd = -1;
  readonly open = new Set<ShareFile>();

  constructor(id: string, type: number) {
    this.identity = id;
    this.type = type;
  }

  /** It was found under a name. */
  remember(parent: ShareNode, name: Name): void {
    const [latest] = this.places;
    if (latest !== undefined && latest.parent === parent && latest.name === name) return;
    this.misplace(parent, name);
    this.places.unshift({ parent, name });
    // A directory has one name.
    this.places.length = Math.min(this.places.length, this.type === FILE_TYPE.directory ? 1 : PLACES);
  }

  /** It is no longer found under a name. */
  misplace(parent: ShareNode, name: Name): void {
    this.places = this.places.filter((place) => place.parent !== parent || place.name !== name);
  }
}

/** An open file. */
export class ShareFile {
  readonly node: ShareNode;
  readonly fd: number;
  readonly writable: boolean;

  constructor(node: ShareNode, fd: number, writable: boolean) {
    this.node = node;
    this.fd = fd;
    this.writable = writable;
  }
}
