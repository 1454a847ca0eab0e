#!/usr/bin/env bash
# Makes shapes-rs.elf of shapes.rs, in this folder: needs rustc 1.95 or newer (no RISC-V library of it) and riscv64-linux-gnu-gcc.
# The language's own traits may only be declared with its unstable features on: RUSTC_BOOTSTRAP.
set -eu
cd "$(dirname "$0")"
object=$(mktemp --suffix=.o)
trap 'rm -f "$object"' EXIT
RUSTC_BOOTSTRAP=1 rustc --edition 2021 --target riscv64gc-unknown-none-elf -A warnings -g -C opt-level=0 -C panic=abort \
  -C relocation-model=static --remap-path-prefix="$PWD=." --emit=obj --crate-type=lib -o "$object" shapes.rs
riscv64-linux-gnu-gcc -nostdlib -static -no-pie -march=rv64gc -mabi=lp64d -Wl,-Ttext=0x80000000 -Wl,--build-id=none \
  -Wl,-z,norelro -o shapes-rs.elf ../bare/start.S "$object"
