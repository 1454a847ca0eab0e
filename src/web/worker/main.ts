/** The page's worker: the machine, its past, and what panes ask about it. */
import { expose } from 'comlink';
import { readyBytes } from '../../bytes/source.ts';
import { SESSION_PORT } from '../../guest/init-script.ts';
import { browserRegionCompiler } from '../../host/browser/region-compiler.ts';
import { createHostRoom } from '../../host/room.ts';
import { createMachine, Machine } from '../../machine/session/machine.ts';
import type { StartSnapshot } from '../../machine/session/session.ts';
import { Snapshot } from '../../machine/state/snapshot.ts';
import type { MoveResult } from '../../timeline/mover.ts';
import { Computer } from './computer.ts';
import { indexRecording } from './index-recording.ts';
import type { News, NewsMessage, PageWorker, SiteFile } from './protocol.ts';
import { QUESTIONS } from './questions/index.ts';
import { adoptFile, branchOf, type Inspected, inspectRecording, openRecording } from './recordings.ts';
import { findAccess, goToPlace } from './searches.ts';
import { step } from './steps.ts';

/** Control-L: the shell, which waits at its prompt in the snapshot, clears the screen and shows the prompt again. */
const REDRAW = '\f';

let computer: Computer | undefined;
/** Files that the machine was made from. */
let held: readonly SiteFile[] = [];
let inspected: Inspected | undefined;

/** Buffers of news go over to the page; nothing here keeps them. */
function buffersOf(news: News): ArrayBuffer[] {
  switch (news.kind) {
    case 'console':
      return [news.bytes.buffer, news.instructions.buffer, news.times.buffer] as ArrayBuffer[];
    case 'samples':
      return [news.times.buffer, news.instructions.buffer, news.processes.buffer] as ArrayBuffer[];
    case 'points':
      return [news.times.buffer, news.instructions.buffer] as ArrayBuffer[];
    default:
      return [];
  }
}

/** News goes through the port that answers go through: what was told before an answer arrives before it. */
const tell = (news: News): void => postMessage({ news } satisfies NewsMessage, { transfer: buffersOf(news) });

function current(): Computer {
  if (computer === undefined) throw new Error('there is no machine yet');
  return computer;
}

function whatWasInspected(): Inspected {
  if (inspected === undefined) throw new Error('no recording was looked at yet');
  return inspected;
}

/** The guest's own snapshot. The page has compared its hash: it is not checked once more, pages are read as they are touched. */
function startOf({ file, bytes, hash }: SiteFile, bases: readonly SiteFile[]): StartSnapshot {
  const find = (base: string): ReturnType<typeof readyBytes> | undefined => {
    const found = bases.find((known) => known.hash === base);
    return found && readyBytes(found.bytes);
  };
  const snapshot = Snapshot.open(readyBytes(bytes), file, find, hash);
  return { name: { file, size: bytes.length, hash, at: snapshot.at, time: snapshot.time }, snapshot };
}

/** A move's end without the point that was met: it may hold functions, which do not cross. */
function crossing({ hit, ...move }: MoveResult): Omit<MoveResult, 'hit'> {
  if (hit === undefined) return move;
  const { point: _, ...met } = hit;
  return { ...move, hit: met } as Omit<MoveResult, 'hit'>;
}

const worker: PageWorker = {
  async start({ memory, append, kernel, initrd, start, bases }, size) {
    const machine = await createMachine(
      Machine,
      {
        memory,
        append,
        kernel,
        initrd,
        from: startOf(start, bases),
        virtioConsole: { ports: [SESSION_PORT] },
        clock: 'host',
        translator: { compiler: browserRegionCompiler() },
      },
      createHostRoom(),
    );
    held = [kernel, initrd, start, ...bases];
    computer = Computer.live(machine, tell);
    machine.refreshClock();
    tell({ kind: 'resize', instructions: 0, ...size });
    computer.begin();
    void machine.write(REDRAW);
    // Not before the guest runs: what passes sizes on to the serial line has to wait for one.
    machine.resize(size.columns, size.rows);
    return computer.state;
  },
  async inspect(recording) {
    inspected = await inspectRecording(recording);
    return inspected.facts;
  },
  async open(files, disks) {
    const before = computer;
    held = [...held, ...files.filter(({ hash }) => !held.some((known) => known.hash === hash))];
    const timeline = await openRecording(whatWasInspected(), held, disks);
    computer = new Computer({ recorded: timeline, branch: branchOf }, tell);
    await before?.close();
    return computer.state;
  },
  index: (files, disks) => indexRecording(whatWasInspected(), files, disks, tell),
  adopt: (checkpoints) => adoptFile(current().timeline, checkpoints),
  state: () => current().state,
  type: (data) => void computer?.machine?.write(data),
  resize(columns, rows) {
    const { machine, state } = current();
    if (machine === undefined || state.mode === 'past') return;
    machine.resize(columns, rows);
    tell({ kind: 'resize', instructions: state.at.instructions, columns, rows });
  },
  async pause() {
    await current().pause();
    return current().state;
  },
  async goLive() {
    await current().goLive();
    return current().state;
  },
  async resumeHere() {
    const before = current();
    computer = await before.resumeHere();
    if (computer !== before) computer.begin();
    return computer.state;
  },
  seek: async (to) => crossing(await current().seek(to)),
  step: async (kind, direction, hart) => {
    const { timeline, info } = current();
    return crossing(await current().move((options) => step(timeline, info, kind, direction, hart, options)));
  },
  putFile: async (path, contents) => (await current().files()).write(path, contents),
  async listFiles(folder) {
    const files = await (await current().files()).list(folder);
    return files.map(({ name, kind, size }) => ({ name, kind, size }));
  },
  getFile: async (path) => (await current().files()).read(path),
  goToPlace: async (search) => {
    const { lookedAt } = current();
    return crossing(await current().move((options) => goToPlace(lookedAt, search, options)));
  },
  findAccess: (search) => current().move((options) => findAccess(current().lookedAt, search, options)),
  interrupt: () => computer?.interrupt(),
  hash: () => current().timeline.hash(),
  recording: (marks, embed) => current().recording(marks, embed ? held : []),
  async ask(question, ...args) {
    return (QUESTIONS[question] as (...all: unknown[]) => never)(current().lookedAt, ...args);
  },
};

expose(worker);
