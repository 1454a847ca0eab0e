import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { csrSource, decodeSource, fusedSource, interpreterSource, layoutSource, plainSource } from './generate-as.ts';
import { jitFloatSource, jitLayoutSource } from './generate-jit.ts';
import { generateTsCore } from './generate-ts.ts';

/** Writes what is derived from src/isa: the generated parts of assembly/ and src/. @param root the project's folder */
export function generate(root: string): void {
  const assembly = join(root, 'assembly/generated');
  mkdirSync(assembly, { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(join(assembly, `${name}.ts`), text);
  write('layout', layoutSource());
  write('decode', decodeSource());
  write('csr', csrSource());
  write('fused', fusedSource());
  const template = readFileSync(join(root, 'build/interpreter.template.ts'), 'utf8');
  write('interpreter', interpreterSource(template, false));
  write('interpreter-jit', interpreterSource(template, true));
  const plain = readFileSync(join(root, 'build/plain.template.ts'), 'utf8');
  write('plain', plainSource(plain, false));
  write('plain-jit', plainSource(plain, true));
  write('jit-layout', jitLayoutSource());
  write('jit-float', jitFloatSource());
  const source = join(root, 'src/generated');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'ts-core.ts'), generateTsCore());
}
