import type { StateReader, StateWriter } from '../bytes/state-stream.ts';
import type { Device, DeviceContext } from './device.ts';
import type { PlatformEntry } from './entry.ts';
import { number, text } from './fdt-node.ts';
import { interrupts, placed } from './place.ts';

/** The device tree's `clock-frequency` in Hz; the rate divides to no time here, output is instantaneous. */
const UART_CLOCK_FREQUENCY = 3_686_400;

/** Registers (PC16550D datasheet, table 2). */
const DATA = 0; // RBR read, THR written, DLL when DLAB
const IER = 1; // DLM when DLAB
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_RX = 0x01;
const IER_THRE = 0x02;
const IER_LINE = 0x04;
const IER_MODEM = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_RX = 0x04;
const IIR_LINE = 0x06;
const IIR_RX_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RX = 0x02;

const LCR_DLAB = 0x80;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;

const LSR_DATA = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_IDLE = 0x60; // THRE and TEMT: the transmitter is always empty

const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;
const MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD;

const FIFO_SIZE = 16;
/** So many reads of LSR with nothing else between are a guest that waits for a byte. */
const POLLS = 8;
const TRIGGERS = [1, 4, 8, 14];

/**
 * National Semiconductor 16550A serial port (`ns16550a`, register shift 0). A byte written leaves at once through
 * {@link DevicePort.emit}; the line rate is ignored. Bytes below the receive trigger level raise the character time-out
 * interrupt at once instead of after four character times, so that a driver never waits for them.
 *
 * Flow control of {@link input}: the other end sends while somebody listens, and as many bytes as the receive FIFO has room for. Somebody listens
 * when RTS is up, receive interrupts are on, or the guest reads LSR again and again; so what is typed before an operating
 * system opens the port is not lost in an initialisation's FIFO reset. The rest must be offered again by the machine after the guest touched
 * a register; a refused offer changes nothing.
 */
export class Uart16550 implements Device {
  readonly kind = 'uart16550';
  readonly size = 0x100;
  private readonly context: DeviceContext;
  private readonly fifo = new Uint8Array(FIFO_SIZE);
  private head = 0;
  private count = 0;
  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = 0;
  private scratch = 0;
  private divisor = 0;
  private overrun = false;
  private modemDelta = 0;
  private thrEmpty = false;
  /** Reads of LSR in a row, up to {@link POLLS}. */
  private polls = 0;
  /**
   * Since IER was written neither a status register nor data were touched: drivers write it to see which bits stick, and before they set up
   * the FIFOs, which clears them.
   */
  private starting = false;

  constructor(context: DeviceContext) {
    this.context = context;
  }

  get unread(): number {
    return this.count;
  }

  /** Bytes of input the receiver could take now. */
  get room(): number {
    return this.listening ? this.capacity - this.count : 0;
  }

  reset(): void {
    this.clearRx();
    this.ier = 0;
    this.fcr = 0;
    this.lcr = 0;
    this.mcr = 0;
    this.scratch = 0;
    this.divisor = 0;
    this.overrun = false;
    this.modemDelta = 0;
    this.thrEmpty = false;
    this.polls = 0;
    this.starting = false;
    this.update();
  }

  peek(offset: number): number {
    switch (offset) {
      case DATA:
        if (this.dlab) return this.divisor & 0xff;
        return this.count > 0 ? this.fifo[this.head] : 0;
      case IER:
        return this.dlab ? this.divisor >>> 8 : this.ier;
      case IIR_FCR:
        return this.interrupt() | ((this.fcr & FCR_ENABLE) !== 0 ? IIR_FIFOS : 0);
      case LCR:
        return this.lcr;
      case MCR:
        return this.mcr;
      case LSR:
        return LSR_IDLE | (this.count > 0 ? LSR_DATA : 0) | (this.overrun ? LSR_OVERRUN : 0);
      case MSR:
        return this.modemLines() | this.modemDelta;
      case SCR:
        return this.scratch;
      default:
        return 0;
    }
  }

  /** A wider access reads the one register at `offset`, zero-extended. */
  read(offset: number): number {
    const value = this.peek(offset);
    if (offset === LSR) this.polls = Math.min(this.polls + 1, POLLS);
    else if (offset !== DATA) this.polls = 0;
    if (offset === LSR || offset === IIR_FCR || (offset === DATA && !this.dlab)) this.starting = false;
    switch (offset) {
      case DATA:
        if (this.dlab || this.count === 0) return value;
        this.head = (this.head + 1) % FIFO_SIZE;
        this.count--;
        break;
      case IIR_FCR:
        if (this.interrupt() !== IIR_THRE) return value;
        this.thrEmpty = false;
        break;
      case LSR:
        if (!this.overrun) return value;
        this.overrun = false;
        break;
      case MSR:
        if (this.modemDelta === 0) return value;
        this.modemDelta = 0;
        break;
      default:
        return value;
    }
    this.update();
    return value;
  }

  write(offset: number, _width: 1 | 2 | 4, word: number): void {
    const value = word & 0xff;
    this.polls = 0;
    switch (offset) {
      case DATA:
        if (this.dlab) this.divisor = (this.divisor & 0xff00) | value;
        else {
          this.starting = false;
          this.transmit(value);
        }
        break;
      case IER:
        if (this.dlab) this.divisor = (this.divisor & 0xff) | (value << 8);
        else this.enableInterrupts(value & 0x0f);
        break;
      case IIR_FCR:
        this.controlFifos(value);
        break;
      case LCR:
        this.lcr = value;
        break;
      case MCR:
        this.controlModem(value & 0x1f);
        break;
      case SCR:
        this.scratch = value;
        return;
      default:
        return;
    }
    this.update();
  }

  input(payload: Uint8Array): number {
    const taken = Math.min(payload.length, this.room);
    if (taken === 0) return 0;
    for (let i = 0; i < taken; i++) this.receive(payload[i]);
    this.update();
    return taken;
  }

  save(w: StateWriter): void {
    w.u8(this.count);
    for (let i = 0; i < this.count; i++) w.u8(this.fifo[(this.head + i) % FIFO_SIZE]);
    for (const register of [this.ier, this.fcr, this.lcr, this.mcr, this.scratch, this.modemDelta]) w.u8(register);
    w.u16(this.divisor);
    w.bool(this.overrun);
    w.bool(this.thrEmpty);
    w.u8(this.polls);
    w.bool(this.starting);
  }

  restore(r: StateReader): void {
    this.clearRx();
    this.count = Math.min(r.u8(), FIFO_SIZE);
    for (let i = 0; i < this.count; i++) this.fifo[i] = r.u8();
    this.ier = r.u8();
    this.fcr = r.u8();
    this.lcr = r.u8();
    this.mcr = r.u8();
    this.scratch = r.u8();
    this.modemDelta = r.u8();
    this.divisor = r.u16();
    this.overrun = r.bool();
    this.thrEmpty = r.bool();
    this.polls = r.u8();
    this.starting = r.bool();
    this.update();
  }

  private get dlab(): boolean {
    return (this.lcr & LCR_DLAB) !== 0;
  }

  private get listening(): boolean {
    if ((this.mcr & MCR_LOOP) !== 0) return false;
    const interrupts = (this.ier & IER_RX) !== 0 && ((this.fcr & FCR_ENABLE) !== 0 || !this.starting);
    return (this.mcr & MCR_RTS) !== 0 || interrupts || this.polls === POLLS;
  }

  private get capacity(): number {
    return (this.fcr & FCR_ENABLE) !== 0 ? FIFO_SIZE : 1;
  }

  private clearRx(): void {
    this.head = 0;
    this.count = 0;
  }

  private receive(byte: number): void {
    this.fifo[(this.head + this.count) % FIFO_SIZE] = byte;
    this.count++;
  }

  private transmit(byte: number): void {
    if ((this.mcr & MCR_LOOP) === 0) {
      this.context.port.emit(Uint8Array.of(byte));
    } else if (this.count < this.capacity) {
      this.receive(byte);
    } else {
      // Overrun (datasheet 8.6.4): with FIFOs the new byte is lost, without them the one not yet read.
      this.overrun = true;
      if ((this.fcr & FCR_ENABLE) === 0) this.fifo[this.head] = byte;
    }
    this.thrEmpty = true;
  }

  private enableInterrupts(ier: number): void {
    // Enabling the interrupt while THR is empty raises it (datasheet 8.6.7); drivers test for that.
    if ((ier & ~this.ier & IER_THRE) !== 0) this.thrEmpty = true;
    this.ier = ier;
    this.starting = true;
  }

  private controlFifos(fcr: number): void {
    const enabled = fcr & FCR_ENABLE;
    if (enabled !== (this.fcr & FCR_ENABLE)) this.clearRx();
    // Without the enable bit the others are not programmed (datasheet 8.6.5).
    if (enabled !== 0 && (fcr & FCR_CLEAR_RX) !== 0) this.clearRx();
    this.fcr = enabled !== 0 ? fcr & 0xc9 : 0;
  }

  private controlModem(mcr: number): void {
    const before = this.modemLines();
    this.mcr = mcr;
    const after = this.modemLines();
    const changed = before ^ after;
    if ((changed & MSR_CTS) !== 0) this.modemDelta |= 0x01;
    if ((changed & MSR_DSR) !== 0) this.modemDelta |= 0x02;
    if ((before & ~after & MSR_RI) !== 0) this.modemDelta |= 0x04; // trailing edge only
    if ((changed & MSR_DCD) !== 0) this.modemDelta |= 0x08;
  }

  /** CTS, DSR, RI and DCD: those of a connected terminal, or the modem control outputs looped back (datasheet 8.6.6). */
  private modemLines(): number {
    if ((this.mcr & MCR_LOOP) === 0) return MSR_CONNECTED;
    return (
      ((this.mcr & MCR_RTS) !== 0 ? MSR_CTS : 0) |
      ((this.mcr & MCR_DTR) !== 0 ? MSR_DSR : 0) |
      ((this.mcr & MCR_OUT1) !== 0 ? MSR_RI : 0) |
      ((this.mcr & MCR_OUT2) !== 0 ? MSR_DCD : 0)
    );
  }

  /** The highest pending interrupt's identification (datasheet table 4). */
  private interrupt(): number {
    if ((this.ier & IER_LINE) !== 0 && this.overrun) return IIR_LINE;
    if ((this.ier & IER_RX) !== 0 && this.count > 0) {
      const trigger = (this.fcr & FCR_ENABLE) !== 0 ? TRIGGERS[this.fcr >>> 6] : 1;
      return this.count >= trigger ? IIR_RX : IIR_RX_TIMEOUT;
    }
    if ((this.ier & IER_THRE) !== 0 && this.thrEmpty) return IIR_THRE;
    if ((this.ier & IER_MODEM) !== 0 && this.modemDelta !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  private update(): void {
    this.context.irq(this.interrupt() !== IIR_NONE);
  }
}

export const uartEntry: PlatformEntry = {
  name: 'uart',
  host: { output: 'stream' },
  build: (context) => new Uart16550(context),
  describe(place) {
    const rest = [number('clock-frequency', UART_CLOCK_FREQUENCY), ...interrupts(place)];
    return { soc: placed('serial', place, [text('compatible', 'ns16550a')], rest) };
  },
};
