# A program without a system: a stack of 4 KiB for each hart (a0), main, power-off.
  .section .text.start
  .globl _start
_start:
  li t0, 0x6000          # floating point: sstatus.FS
  csrs sstatus, t0
  la sp, stacks
  addi t0, a0, 1
  slli t0, t0, 12
  add sp, sp, t0
  call main
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
1: j 1b
  .bss
  .align 12
stacks: .space 8 * 4096
