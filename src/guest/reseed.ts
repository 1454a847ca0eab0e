/**
 * A program of the guest's: gives the kernel's random number generator a new key from the machine's entropy device. After a restore the generator
 * is where it was when the snapshot was made, and would give every machine of the snapshot the same numbers; what is written to /dev/urandom
 * alone reaches its output minutes later (random(4), RNDRESEEDCRNG).
 *
 * The device's driver holds an answer that it asked for before the snapshot, 64 bytes at most: so many more are read.
 */
export const RESEED_SOURCE = `
  li a0, -100          # AT_FDCWD
  lla a1, hwrng
  li a2, 0             # O_RDONLY
  li a7, 56            # openat
  ecall
  bltz a0, failed
  mv s0, a0
  addi sp, sp, -512
  li s1, 0
more:
  mv a0, s0
  add a1, sp, s1
  li a2, 512
  sub a2, a2, s1
  li a7, 63            # read
  ecall
  blez a0, failed
  add s1, s1, a0
  li t0, 512
  blt s1, t0, more
  li a0, -100
  lla a1, urandom
  li a2, 2             # O_RDWR
  li a7, 56
  ecall
  bltz a0, failed
  mv s0, a0
  mv a1, sp
  li a2, 512
  li a7, 64            # write: mixes into the pool
  ecall
  mv a0, s0
  li a1, 0x5207        # RNDRESEEDCRNG: a new key from the pool
  li a2, 0
  li a7, 29            # ioctl
  ecall
  bltz a0, failed
  li a0, 0
  j leave
failed:
  li a0, 1
leave:
  li a7, 93            # exit
  ecall
hwrng: .asciz "/dev/hwrng"
urandom: .asciz "/dev/urandom"
`;

/** {@link RESEED_SOURCE} assembled for rv64i; a test compares. */
const CODE =
  'EwXA+ZcFAACThcUKEwYAAJMIgANzAAAAY0YFCBMEBQATAQHgkwQAABMFBACzBZEAEwYAIDMGlkCTCPADcwAAAGNSoAazhKQAkwIAIOPOVPwTBcD5lwUAAJOFdQYTBiAAkwiAA3MAAABjTgUCEwQFAJMFAQATBgAgkwgABHMAAAATBQQAt1UAAJuFdSATBgAAkwjQAXMAAABjRgUAEwUAAG8AgAATBRAAkwjQBXMAAAAvZGV2L2h3cm5nAC9kZXYvdXJhbmRvbQA=';

const BASE = 0x1_0000;
/** Sizes of an ELF header and of a program header (ELF-64 Object File Format, 1998). */
const HEADER = 64;
const PROGRAM_HEADER = 56;

/** The program as an ELF file of one segment. */
export function reseedProgram(): Uint8Array {
  const code = Uint8Array.from(atob(CODE), (c) => c.charCodeAt(0));
  const start = HEADER + PROGRAM_HEADER;
  const file = new Uint8Array(start + code.length);
  const view = new DataView(file.buffer);
  const u64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 243, true); // EM_RISCV
  view.setUint32(20, 1, true);
  u64(24, BASE + start);
  u64(32, HEADER);
  view.setUint16(52, HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, 1, true);
  view.setUint32(HEADER, 1, true); // PT_LOAD
  view.setUint32(HEADER + 4, 5, true); // readable, executable
  u64(HEADER + 16, BASE);
  u64(HEADER + 24, BASE);
  u64(HEADER + 32, file.length);
  u64(HEADER + 40, file.length);
  u64(HEADER + 48, 0x1000);
  file.set(code, start);
  return file;
}
