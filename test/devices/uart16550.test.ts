import { beforeEach, describe, expect, test } from 'vitest';
import { Uart16550 } from '../../src/devices/uart16550.ts';
import { World } from './world.ts';

let world: World;
let uart: Uart16550;
const get = (offset: number): number => uart.read(offset);
const set = (offset: number, value: number): void => uart.write(offset, 1, value);

beforeEach(() => {
  world = new World();
  uart = new Uart16550(world.context);
  world.device = uart;
});

describe('transmitter', () => {
  test('sends at once and stays empty', () => {
    for (const byte of [0x68, 0x69]) set(0, byte);
    expect(world.emitted).toEqual([0x68, 0x69]);
    expect(get(5)).toBe(0x60);
  });

  test('raises its interrupt each time it is enabled, as Linux tests for', () => {
    for (let round = 0; round < 2; round++) {
      set(1, 0x02);
      expect(world.wire).toBe(true);
      expect(get(2)).toBe(0x02);
      expect(world.wire).toBe(false);
      expect(get(2)).toBe(0x01);
      set(1, 0);
    }
  });

  test('raises it again after each byte', () => {
    set(1, 0x02);
    get(2);
    set(0, 0x41);
    expect(world.wire).toBe(true);
    expect(get(2)).toBe(0x02);
  });
});

describe('receiver', () => {
  beforeEach(() => set(4, 0x02));

  test('takes nothing before somebody listens: RTS, receive interrupts, or reading LSR again and again', () => {
    set(4, 0x00);
    expect(uart.input(Uint8Array.of(1))).toBe(0);
    set(1, 0x0f);
    expect(get(1)).toBe(0x0f); // so far a driver may only want to know which bits there are
    expect(uart.room).toBe(0);
    get(5);
    expect(uart.room).toBe(1);
    set(2, 0x01);
    set(1, 0x01);
    expect(uart.room).toBe(16);
    set(2, 0x00);
    set(1, 0x00);
    expect(uart.room).toBe(0);
    for (let i = 0; i < 20; i++) {
      get(5);
      set(0, 0x41); // a driver that waits to send
    }
    expect(uart.room).toBe(0);
    for (let i = 0; i < 8; i++) get(5);
    expect(uart.input(Uint8Array.of(7))).toBe(1);
    expect(get(0)).toBe(7);
    expect(uart.room).toBe(1); // after a byte the guest may go on polling
    set(3, 0x03);
    expect(uart.room).toBe(0);
  });

  test('takes one byte without FIFOs and sixteen with them', () => {
    expect(uart.input(new Uint8Array(20))).toBe(1);
    get(0);
    set(2, 0x01);
    expect(uart.input(new Uint8Array(20))).toBe(16);
    expect(uart.input(new Uint8Array(20))).toBe(0);
    get(0);
    expect(uart.room).toBe(1);
    expect(uart.input(new Uint8Array(20))).toBe(1);
  });

  test('keeps order around the end of the FIFO', () => {
    set(2, 0x01);
    const got: number[] = [];
    for (let n = 0; n < 40; n += 10) {
      uart.input(Uint8Array.from({ length: 10 }, (_, i) => n + i));
      while ((get(5) & 1) !== 0) got.push(get(0));
    }
    expect(got).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  test('interrupts from the first byte: time-out below the trigger level, data at it', () => {
    set(2, 0x81); // trigger level 8
    set(1, 0x01);
    uart.input(new Uint8Array(7));
    expect(world.wire).toBe(true);
    expect(get(2)).toBe(0xcc);
    uart.input(new Uint8Array(1));
    expect(get(2)).toBe(0xc4);
    for (let i = 0; i < 8; i++) get(0);
    expect(world.wire).toBe(false);
  });

  test('is cleared by FCR, which reads back nowhere', () => {
    set(2, 0x01);
    uart.input(new Uint8Array(3));
    set(2, 0x03);
    expect(get(5) & 1).toBe(0);
    expect(get(2)).toBe(0xc1);
    set(2, 0x00);
    expect(get(2)).toBe(0x01);
  });
});

describe('registers', () => {
  test('the divisor hides behind DLAB and the scratch register keeps a byte', () => {
    set(3, 0x83);
    set(0, 0x34);
    set(1, 0x12);
    expect([get(0), get(1)]).toEqual([0x34, 0x12]);
    set(3, 0x03);
    expect([get(0), get(1)]).toEqual([0, 0]);
    set(7, 0xa5);
    expect(get(7)).toBe(0xa5);
    expect(world.emitted).toEqual([]);
  });

  test('loopback turns output into input and control lines into status lines', () => {
    expect(get(6)).toBe(0xb0);
    set(4, 0x10);
    expect(get(6)).toBe(0x0b); // all three lines fell
    set(4, 0x1a);
    expect(get(6)).toBe(0x99); // RTS → CTS, OUT2 → DCD: what 8250 detection looks for
    set(0, 0x55);
    expect(get(0)).toBe(0x55);
    expect(world.emitted).toEqual([]);
    expect(uart.input(Uint8Array.of(1))).toBe(0);
  });

  test('overrun in loopback is a line status interrupt, cleared by reading LSR', () => {
    set(4, 0x10);
    set(1, 0x04);
    set(0, 1);
    set(0, 2);
    expect(get(2)).toBe(0x06);
    expect(get(5)).toBe(0x63);
    expect(get(5)).toBe(0x61);
    expect(get(0)).toBe(2);
    expect(world.wire).toBe(false);
  });

  test('interrupts are identified in the order of their priority', () => {
    set(4, 0x10);
    set(1, 0x0f);
    set(0, 1);
    set(0, 2);
    const seen: number[] = [get(2)];
    get(5);
    seen.push(get(2));
    get(0);
    seen.push(get(2), get(2));
    get(6);
    seen.push(get(2));
    expect(seen).toEqual([0x06, 0x04, 0x02, 0x00, 0x01]);
  });
});
