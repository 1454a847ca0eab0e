/** The bench page: the same programs on each core in this browser. */
import { type Remote, wrap } from 'comlink';
import { html, nothing, render, type TemplateResult } from 'lit';
import type { CoreKind } from '../../machine/engine/cores.ts';
import { messageOf } from '../app/message.ts';
import { PROGRAMS, type ProgramName } from './programs.ts';
import {
  type BenchResults,
  CORES,
  type Conditions,
  disagreements,
  geometricMean,
  jsonReport,
  mips,
  textReport,
} from './report.ts';
import type { Measured } from './run-program.ts';
import type { BenchWorker } from './worker.ts';

/** Milliseconds that a core runs a program for; `#quick` runs each once. */
const AT_LEAST = location.hash === '#quick' ? 0 : 700;
const NAMES: Readonly<Record<CoreKind, string>> = {
  jit: 'jit: RISC-V translated to WebAssembly while it runs',
  wasm: 'wasm: an interpreter, compiled to WebAssembly',
  ts: 'ts: an interpreter in TypeScript',
};

let results = new Map<ProgramName, Map<CoreKind, Measured>>();
/** What runs now. */
let running: { readonly core: CoreKind; readonly name: ProgramName } | undefined;
let worker: Worker | undefined;
let note = '';
let date = new Date();

const root = document.querySelector<HTMLElement>('#bench')!;

const conditions = (): Conditions => ({
  browser: navigator.userAgent,
  threads: navigator.hardwareConcurrency,
  date: date.toISOString(),
});

async function run(): Promise<void> {
  results = new Map();
  note = '';
  date = new Date();
  const mine = new Worker(new URL('bench-worker.js', import.meta.url), { type: 'module', name: 'bench' });
  worker = mine;
  const failed = new Promise<never>((_, reject) =>
    mine.addEventListener('error', ({ message }) => reject(new Error(message || 'the worker could not be loaded'))),
  );
  const remote: Remote<BenchWorker> = wrap(mine);
  try {
    for (const { name } of PROGRAMS)
      for (const core of CORES) {
        running = { core, name };
        show();
        const measured = await Promise.race([remote.run(core, name, AT_LEAST), failed]);
        if (worker !== mine) return;
        const row = results.get(name) ?? new Map<CoreKind, Measured>();
        results.set(name, row.set(core, measured));
      }
    const wrong = disagreements(results);
    note =
      wrong.length === 0
        ? 'All cores computed the same values in the same number of instructions.'
        : `The cores disagree about ${wrong.join(', ')}: this is a bug, please report it with the JSON below.`;
  } catch (error) {
    note = `The bench failed: ${messageOf(error)}`;
  } finally {
    if (worker === mine) stop();
  }
}

/** Ends what runs; what was measured stays. */
function stop(): void {
  worker?.terminate();
  worker = undefined;
  running = undefined;
  show();
}

function copy(text: string, what: string): void {
  navigator.clipboard.writeText(text).then(
    () => {
      note = `The ${what} is in the clipboard.`;
      show();
    },
    () => {
      note = 'This browser lets no page write to the clipboard here: select the text below and copy it.';
      show();
    },
  );
}

function bar(core: CoreKind, value: number | undefined, most: number, runs: boolean): TemplateResult {
  const text = value === undefined ? (runs ? 'running …' : '') : value.toFixed(value < 100 ? 1 : 0);
  return html`
    <div class="bench-bar" data-core=${core}>
      <span class="core">${core}</span>
      <span class="track"><span class="fill ${core}" style=${`width: ${value === undefined ? 0 : (100 * value) / most}%`}></span></span>
      <span class="value">${text}</span>
    </div>`;
}

function row(
  name: string,
  about: string,
  values: readonly (number | undefined)[],
  most: number,
  runs?: CoreKind,
): TemplateResult {
  const [jit, , ts] = values;
  return html`
    <tr>
      <th scope="row">${name}<span class="about">${about}</span></th>
      <td>${CORES.map((core, i) => bar(core, values[i], most, runs === core))}</td>
      <td class="ratio">${jit === undefined || ts === undefined ? '' : `${(jit / ts).toFixed(1)} ×`}</td>
    </tr>`;
}

function view(all: BenchResults): TemplateResult {
  const measured = [...all.values()].flatMap((one) => [...one.values()]).map(mips);
  const most = Math.max(1, ...measured);
  const means = CORES.map((core) => geometricMean(all, core));
  const complete = PROGRAMS.every(({ name }) => all.get(name)?.size === CORES.length);
  return html`
    <header class="bar">
      <h1><span class="logo" aria-hidden="true"></span><span class="name">Hindsight</span></h1>
      <span id="status" role="status">${running === undefined ? '' : `${running.name} on ${running.core} …`}</span>
      <span class="spring"></span>
      <a class="button" href="./">The machine</a>
    </header>
    <main class="bench">
      <h2>How fast is this browser’s machine?</h2>
      <p>The same RISC-V programs on the three engines of Hindsight, in millions of instructions a second: more is better. Each runs for ${AT_LEAST / 1000} s, and
        its fastest run counts.</p>
      <p class="actions">
        ${
          running === undefined
            ? html`<button class="primary" @click=${() => void run()}>${all.size === 0 ? 'Run' : 'Run again'}</button>`
            : html`<button @click=${stop}>Stop</button>`
        }
        <button ?disabled=${!complete} @click=${() => copy(textReport(all, conditions()), 'table')}>Copy as text</button>
        <button ?disabled=${!complete} @click=${() => copy(jsonReport(all, conditions()), 'JSON')}>Copy as JSON</button>
        <span role="status">${note}</span>
      </p>
      <table class="bench-table">
        <thead><tr><th scope="col">Program</th><th scope="col">Millions of instructions a second</th><th scope="col">jit / ts</th></tr></thead>
        <tbody>
          ${PROGRAMS.map(({ name, about }) =>
            row(
              name,
              about,
              CORES.map((core) => {
                const one = all.get(name)?.get(core);
                return one && mips(one);
              }),
              most,
              running?.name === name ? running.core : undefined,
            ),
          )}
          ${row('Geometric mean', '', means, most)}
        </tbody>
      </table>
      <dl class="legend">${CORES.map((core) => html`<dt><span class="fill ${core}"></span></dt><dd>${NAMES[core]}</dd>`)}</dl>
      ${complete ? html`<details><summary>As text</summary><pre id="bench-text">${textReport(all, conditions())}</pre></details>` : nothing}
    </main>`;
}

function show(): void {
  render(view(results), root);
}

show();
if (location.hash === '#quick') void run();
