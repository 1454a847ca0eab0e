/** Variables of a Rust program in DAP. The program is compiled already (values/build-rust.sh): Debian's compiler is too large for the suite. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Body, DapClient } from './dap-client.ts';
import { linkedProgram, VALUES } from './programs.ts';
import { scene } from './scene.ts';

const LOCALS = {
  number: '41',
  tuple: '(3, 4, true)',
  circle: 'shapes::Shape::Circle(5)',
  rectangle: 'shapes::Shape::Rectangle {width: 6, height: 7}',
  point: 'shapes::Shape::Point',
  none: 'shapes::Maybe<&i64>::Nothing',
  sign: 'shapes::Sign::Minus',
  text: '"blue \\"whale\\""',
  pair: "shapes::Pair<char, [u32; 3]> {first: 'x', second: [1, 2, 3]}",
  nested:
    'shapes::Maybe<shapes::Pair<f64, shapes::Shape>>::Just(shapes::Pair<f64, shapes::Shape> {first: 1.5, second: shapes::Shape::Circle(9)})',
};

it('shows enumerations, tuples, texts and generics of Rust as Rust writes them, in every frame, by name and to be opened', async () => {
  const program = scene(linkedProgram(join(VALUES, 'shapes-rs.elf')), { core: 'wasm' });
  const c = new DapClient(program);
  await c.ask('initialize', { adapterID: 'hindsight' });
  await c.ask('launch', { at: 'begin' });
  await c.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'stop' }] });
  await c.move('configurationDone', {});
  await c.move('continue');
  const { stackFrames } = await c.ask('stackTrace', { threadId: 1 });
  const [inner, outer] = stackFrames as { id: number; name: string; line: number }[];
  const at = (text: string): number =>
    readFileSync(join(VALUES, 'shapes.rs'), 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(text)) + 1;
  expect(inner.name).toMatch(/stop/);
  expect(outer).toMatchObject({ name: expect.stringMatching(/main/), line: at('stop(number);') });
  const variables = async (variablesReference: number): Promise<Record<string, string>> => {
    const found = await c.ask('variables', { variablesReference });
    return Object.fromEntries(found.variables.map(({ name, value }: { name: string; value: string }) => [name, value]));
  };
  const { scopes } = await c.ask('scopes', { frameId: outer.id });
  const locals = await variables(scopes.find(({ name }: { name: string }) => name === 'Locals').variablesReference);
  expect(locals).toMatchObject(LOCALS);
  expect(locals.some).toMatch(/^shapes::Maybe<&i64>::Just\(0x[0-9a-f]+/);
  const evaluate = (expression: string): Promise<Body> =>
    c.ask('evaluate', { expression, frameId: outer.id, context: 'watch' });
  expect((await evaluate('pair.second[1]')).result).toBe('2');
  const opened = await evaluate('nested');
  expect(Object.keys(await variables(opened.variablesReference))).toHaveLength(1);
  const { scopes: own } = await c.ask('scopes', { frameId: inner.id });
  expect(await variables(own[0].variablesReference)).toMatchObject({ value: '41' });
  c.end();
  await c.done;
}, 60_000);
