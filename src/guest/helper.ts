/**
 * A program of the guest's that /init has things done with at once, where busybox's programs would take a million instructions each:
 *
 *   helper resume               after a snapshot: new random numbers, and the clock's time
 *   helper session PROGRAM …    PROGRAM in a session of its own, without a terminal
 *   helper terminal PROGRAM …   PROGRAM in a session of its own, whose terminal is standard input
 *   helper off                  powers off, once the terminal on standard input has sent everything
 *
 * resume gives the kernel's random number generator a new key from the machine's entropy device. After a restore the generator is where it was when
 * the snapshot was made, and would give every machine of the snapshot the same numbers; what is written to /dev/urandom alone reaches its
 * output minutes later (random(4), RNDRESEEDCRNG). The device's driver holds an answer that it asked for before the snapshot, 64 bytes at most:
 * so many more are read. Then the real-time clock is read and the system's set.
 *
 * Numbers are those of Linux include/uapi/asm-generic/{unistd,ioctls}.h and linux/{random,reboot}.h.
 */
export const HELPER_SOURCE = `
  ld s0, 0(sp)         # argc
  ld t0, 16(sp)        # argv[1]
  lbu s1, 0(t0)
  li t1, 'r'
  beq s1, t1, resume
  li t1, 'o'
  beq s1, t1, off

  # session, terminal: a session of its own for the program that follows
  li a7, 157           # setsid
  ecall
  li t1, 't'
  bne s1, t1, execute
  li a0, 0
  li a1, 0x540e        # TIOCSCTTY: standard input is its terminal, whosever it was
  li a2, 1
  li a7, 29            # ioctl
  ecall
execute:
  addi a1, sp, -32     # a shell that starts a program beside itself has it ignore Ctrl-C: not this one
  sd zero, 0(a1)       # SIG_DFL
  sd zero, 8(a1)
  sd zero, 16(a1)
  li a0, 2             # SIGINT
  li a2, 0
  li a3, 8
  li a7, 134           # rt_sigaction
  ecall
  li a0, 3             # SIGQUIT
  ecall
  ld a0, 24(sp)
  addi a1, sp, 24
  slli a2, s0, 3
  add a2, a2, sp
  addi a2, a2, 16      # the environment follows the arguments' end
  li a7, 221           # execve
  ecall
  li a0, 127
  j leave

off:
  li a0, 0
  li a1, 0x5409        # TCSBRK: waits until the terminal has sent everything
  li a2, 1
  li a7, 29
  ecall
  li a7, 81            # sync
  ecall
  li a0, 0xfee1dead
  li a1, 672274793     # LINUX_REBOOT_MAGIC2
  li a2, 0x4321fedc    # LINUX_REBOOT_CMD_POWER_OFF
  li a7, 142           # reboot
  ecall
  j failed

resume:
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
  li a7, 29
  ecall
  bltz a0, failed

  li a0, -100
  lla a1, clock
  li a2, 0
  li a7, 56
  ecall
  bltz a0, failed
  mv a1, sp
  li a2, 32
  li a7, 63
  ecall
  blez a0, failed
  mv t0, sp
  li t1, 0             # seconds
  li t3, 10
digit:
  lbu t2, 0(t0)
  addi t2, t2, -48
  bgeu t2, t3, set
  slli t4, t1, 3
  slli t1, t1, 1
  add t1, t1, t4
  add t1, t1, t2
  addi t0, t0, 1
  j digit
set:
  sd t1, 0(sp)
  sd zero, 8(sp)
  li a0, 0             # CLOCK_REALTIME
  mv a1, sp
  li a7, 112           # clock_settime
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
clock: .asciz "/sys/class/rtc/rtc0/since_epoch"
`;

/** {@link HELPER_SOURCE} assembled for rv64i; a test compares. */
const CODE =
  'AzQBAIMyAQGDxAIAEwMgB2OIZAwTA/AGY45kBpMI0AlzAAAAEwNAB2OeZAATBQAAt1UAAJuF5UATBhAAkwjQAXMAAACTBQH+I7AFACO0BQAjuAUAEwUgABMGAACTBoAAkwhgCHMAAAATBTAAcwAAAAM1gQGTBYEBExY0ADMGJgATBgYBkwjQDXMAAAATBfAHbwBAFxMFAAC3VQAAm4WVQBMGEACTCNABcwAAAJMIEAVzAAAAN/UHABsF9XATFdUAEwXV6rclEiibhZWWNwYiQxsGxu2TCOAIcwAAAG8AQBITBcD5lwUAAJOFhRITBgAAkwiAA3MAAABjRAUQEwQFABMBAeCTBAAAEwUEALMFkQATBgAgMwaWQJMI8ANzAAAAY1CgDrOEpACTAgAg485U/BMFwPmXBQAAk4U1DhMGIACTCIADcwAAAGNMBQoTBAUAkwUBABMGACCTCAAEcwAAABMFBAC3VQAAm4V1IBMGAACTCNABcwAAAGNEBQgTBcD5lwUAAJOFRQoTBgAAkwiAA3MAAABjRgUGkwUBABMGAAKTCPADcwAAAGNcoASTAgEAEwMAABMOoACDwwIAk4MD/WP+wwGTHjMAExMTADMD0wEzA3MAk4ISAG/wH/4jMGEAIzQBABMFAACTBQEAkwgAB3MAAABjRgUAEwUAAG8AgAATBRAAkwjQBXMAAAAvZGV2L2h3cm5nAC9kZXYvdXJhbmRvbQAvc3lzL2NsYXNzL3J0Yy9ydGMwL3NpbmNlX2Vwb2NoAA==';

const BASE = 0x1_0000;
/** Sizes of an ELF header and of a program header (ELF-64 Object File Format, 1998). */
const HEADER = 64;
const PROGRAM_HEADER = 56;

/** The program as an ELF file of one segment. */
export function helperProgram(): Uint8Array {
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
