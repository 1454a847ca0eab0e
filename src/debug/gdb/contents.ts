import { fromHex, toHex } from '../../bytes/hex.ts';
import type { GdbClient } from './client.ts';
import { ERROR, fromLatin1, hex64, MAX_TRANSFER } from './packets.ts';
import { GENERAL, registerByNumber } from './registers.ts';

/** Registers and memory: the packets g, G, p, P, m, M and X. */
export class ContentPackets {
  private readonly client: GdbClient;

  constructor(client: GdbClient) {
    this.client = client;
  }

  /** Answers `g`. */
  readGeneral(): string {
    return GENERAL.map((id) => this.registerHex(this.client.general, id)).join('');
  }

  private registerHex(thread: number, id: (typeof GENERAL)[number]): string {
    const value = this.client.inferior.readRegister(thread, id);
    return value === undefined ? 'x'.repeat(16) : hex64(value);
  }

  readRegister(n: number): string {
    const id = registerByNumber(n);
    return id === undefined ? ERROR.register : this.registerHex(this.client.general, id);
  }

  async writeRegister(rest: string): Promise<string> {
    const [n, value] = rest.split('=');
    const id = registerByNumber(parseInt(n, 16));
    const bytes = fromHex(value ?? '');
    if (id === undefined || bytes?.length !== 8) return ERROR.argument;
    await this.client.writable();
    this.client.inferior.writeRegister(this.client.general, id, new DataView(bytes.buffer).getBigUint64(0, true));
    return 'OK';
  }

  async writeGeneral(rest: string): Promise<string> {
    const bytes = fromHex(rest);
    if (bytes === undefined || bytes.length % 8 !== 0 || bytes.length > GENERAL.length * 8) return ERROR.argument;
    await this.client.writable();
    const view = new DataView(bytes.buffer);
    for (let i = 1; i < bytes.length / 8; i++)
      this.client.inferior.writeRegister(this.client.general, GENERAL[i], view.getBigUint64(i * 8, true));
    return 'OK';
  }

  private range(text: string): { address: bigint; length: number } | undefined {
    const m = /^([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/.exec(text);
    return m ? { address: BigInt(`0x${m[1]}`), length: parseInt(m[2], 16) } : undefined;
  }

  readMemory(rest: string): string {
    const r = this.range(rest);
    if (!r) return ERROR.argument;
    const length = Math.min(r.length, MAX_TRANSFER);
    const bytes = this.client.physical
      ? this.client.target.readPhysical(r.address, length)
      : this.client.inferior.readMemory(this.client.general, r.address, length);
    return bytes.length === 0 && length > 0 ? ERROR.memory : toHex(bytes);
  }

  private async store(address: bigint, bytes: Uint8Array): Promise<string> {
    if (bytes.length === 0) return 'OK';
    await this.client.writable();
    const written = this.client.physical
      ? this.client.target.writePhysical(address, bytes)
      : this.client.inferior.writeMemory(this.client.general, address, bytes);
    return written === bytes.length ? 'OK' : ERROR.memory;
  }

  writeMemory(rest: string): string | Promise<string> {
    const [head, data] = rest.split(':');
    const r = this.range(head);
    const bytes = fromHex(data ?? '');
    return !r || bytes?.length !== r.length ? ERROR.argument : this.store(r.address, bytes);
  }

  writeBinary(data: Uint8Array): string | Promise<string> {
    const colon = data.indexOf(0x3a);
    const r = colon < 0 ? undefined : this.range(fromLatin1(data.subarray(1, colon)));
    const bytes = data.subarray(colon + 1);
    return r?.length !== bytes.length ? ERROR.argument : this.store(r.address, bytes);
  }
}
