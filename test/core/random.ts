/** Seeded randomness for generated programs: the same seed gives the same program on every machine. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  constructor(seed: number) {
    this.a = seed >>> 0;
    this.b = 0x9e3779b9;
    this.c = 0x243f6a88;
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** Uniform in 0 … 2^32−1 (sfc32). */
  u32(): number {
    const t = (this.a + this.b + this.d) >>> 0;
    this.d = (this.d + 1) >>> 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) >>> 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) >>> 0;
    this.c = (this.c + t) >>> 0;
    return t;
  }

  /** 0 … n−1. */
  below(n: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * n);
  }

  /** least … most. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True in `percent` of 100. */
  chance(percent: number): boolean {
    return this.below(1000) < percent * 10;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** 64 bits, often near where things go wrong: ends of ranges, single bits, runs of ones, floating-point specials. */
  corner(): bigint {
    switch (this.below(12)) {
      case 0:
        return this.u64();
      case 1:
        return 1n << BigInt(this.below(64));
      case 2:
        return (1n << BigInt(this.below(65))) - 1n;
      case 3:
        return BigInt.asUintN(64, -(1n << BigInt(this.below(64))));
      case 4:
        return BigInt.asUintN(64, BigInt(this.between(-70, 70)));
      case 5:
        return BigInt.asUintN(
          64,
          BigInt(this.pick([0x7fffffff, 0x80000000, -0x80000000, 0xffffffff, 0, -1, 1, 0x7fffffff_00000000])),
        );
      case 6:
        return this.pick([
          0n,
          0x8000_0000_0000_0000n,
          0x7fff_ffff_ffff_ffffn,
          0xffff_ffff_ffff_ffffn,
          1n,
          0xffff_ffff_8000_0000n,
          0x5555_5555_5555_5555n,
        ]);
      case 7:
        return 0xffff_ffff_0000_0000n | BigInt(this.single());
      case 8:
        return this.double();
      case 9:
        return this.u64() & this.u64() & this.u64();
      case 10:
        return BigInt(this.u32());
      default:
        return BigInt.asUintN(64, BigInt.asIntN(32, BigInt(this.u32())));
    }
  }

  /** Bits of a single-precision number. */
  single(): number {
    const exponent = this.pick([0, 1, 2, 0xfe, 0xff, 0x7f, 0x80, 0x7e, this.below(256), this.between(0x60, 0xa0)]);
    const fraction = this.pick([
      0,
      1,
      0x7fffff,
      0x400000,
      0x3fffff,
      this.below(0x800000),
      this.below(0x800000),
      (this.below(0x800) << 12) >>> 0,
      // few set bits, and runs: exact ties and cancellation
      (1 << this.below(23)) | (1 << this.below(23)),
      Math.abs((1 << this.below(23)) - (1 << this.below(23))),
    ]);
    return ((this.below(2) << 31) | (exponent << 23) | fraction) >>> 0;
  }

  private bit(bits: number): bigint {
    return 1n << BigInt(this.below(bits));
  }

  /** Bits of a double-precision number. */
  double(): bigint {
    const exponent = BigInt(
      this.pick([
        0,
        1,
        2,
        0x7fe,
        0x7ff,
        0x3ff,
        0x400,
        0x3fe,
        this.below(2048),
        this.between(0x3c0, 0x440),
        this.between(0x360, 0x3a0),
      ]),
    );
    const mask = 0xf_ffff_ffff_ffffn;
    const fraction = this.pick([
      0n,
      1n,
      mask,
      1n << 51n,
      (1n << 51n) - 1n,
      this.u64() & mask,
      this.u64() & mask,
      (this.u64() << 30n) & mask,
      this.bit(52) | this.bit(52),
      BigInt.asUintN(52, this.bit(52) - this.bit(52)),
    ]);
    return (BigInt(this.below(2)) << 63n) | (exponent << 52n) | fraction;
  }
}
