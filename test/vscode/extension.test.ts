import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { inflateRawSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { adapterCommand } from '../../src/vscode/adapter.ts';

const PACKER = join(import.meta.dirname, '../../build/vscode.mjs');
type Any = any;

/** The files of an archive, found by its central directory. */
function unzip(bytes: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const end = bytes.lastIndexOf('PK\x05\x06');
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const [packed, size, name] = [
      bytes.readUInt32LE(at + 20),
      bytes.readUInt32LE(at + 24),
      bytes.readUInt16LE(at + 28),
    ];
    const local = bytes.readUInt32LE(at + 42);
    const data = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const contents = inflateRawSync(bytes.subarray(data, data + packed));
    expect(contents.length).toBe(size);
    files.set(bytes.toString('utf8', at + 46, at + 46 + name), contents);
    at += 46 + name + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return files;
}

describe('the VS Code extension', () => {
  let files: Map<string, Buffer>;

  beforeAll(() => {
    const target = join(mkdtempSync(join(tmpdir(), 'hindsight-vsix-')), 'a.vsix');
    execFileSync(process.execPath, [PACKER, target], { stdio: 'ignore' });
    files = unzip(readFileSync(target));
  }, 60_000);

  it('is packed with all that its manifest names', () => {
    const manifest = JSON.parse(files.get('extension/package.json')!.toString());
    expect(files.has(`extension/${manifest.main.replace('./', '')}`)).toBe(true);
    const vsix = files.get('extension.vsixmanifest')!.toString();
    for (const [, path] of vsix.matchAll(/Path="([^"]+)"/g)) expect(files.has(path), path).toBe(true);
    expect(vsix).toContain(`Id="${manifest.name}" Version="${manifest.version}" Publisher="${manifest.publisher}"`);
    expect(files.has('[Content_Types].xml')).toBe(true);
    const [debuggerType] = manifest.contributes.debuggers;
    for (const c of debuggerType.initialConfigurations)
      for (const key of Object.keys(c).filter((k) => !['type', 'request', 'name'].includes(k)))
        expect(debuggerType.configurationAttributes[c.request].properties).toHaveProperty(key);
  });

  it('registers what it contributes, starts adapters, and follows the machine on its timeline', async () => {
    const registered = new Map<string, Any>();
    const posted: Any[] = [];
    const asked: Any[] = [];
    const note = (kind: string) => (id: string, thing: Any) => {
      registered.set(`${kind} ${id}`, thing);
      return { dispose: () => undefined };
    };
    const session = {
      type: 'hindsight',
      customRequest: async (command: string, args: Any) => {
        asked.push([command, args]);
        return command === 'timeline' ? { begin: 0, at: 5, end: 10 } : {};
      },
    };
    const vscode = {
      debug: {
        registerDebugAdapterDescriptorFactory: note('factory'),
        registerDebugConfigurationProvider: note('provider'),
        registerDebugAdapterTrackerFactory: note('tracker'),
        activeDebugSession: session,
      },
      window: {
        registerWebviewViewProvider: note('view'),
        showInputBox: async () => '50%',
        showErrorMessage: async (text: string) => void posted.push(text),
      },
      commands: { registerCommand: note('command') },
      DebugAdapterExecutable: function executable(this: Any, command: string, args: string[]) {
        Object.assign(this, { command, args });
      },
      DebugAdapterServer: function server(this: Any, port: number) {
        this.port = port;
      },
    };
    const module = { exports: {} as Any };
    const require = (name: string): unknown => {
      expect(name).toBe('vscode');
      return vscode;
    };
    runInNewContext(files.get('extension/extension.js')!.toString(), {
      module,
      exports: module.exports,
      require,
    });
    module.exports.activate({ subscriptions: [] });
    const manifest = JSON.parse(files.get('extension/package.json')!.toString());
    for (const { command } of manifest.contributes.commands) expect(registered.has(`command ${command}`)).toBe(true);
    for (const { id } of manifest.contributes.views.debug) expect(registered.has(`view ${id}`)).toBe(true);

    const factory = registered.get('factory hindsight');
    expect(factory.createDebugAdapterDescriptor({ configuration: { program: 'a.hsr' } })).toMatchObject({
      command: 'hindsight',
      args: ['debug', 'a.hsr', '--dap', '--quiet'],
    });
    expect(factory.createDebugAdapterDescriptor({ configuration: { debugServer: 4711 } })).toMatchObject({
      port: 4711,
    });

    let receive: ((message: Any) => void) | undefined;
    registered.get('view hindsight.timeline').resolveWebviewView({
      webview: {
        set html(text: string) {
          posted.push(text);
        },
        onDidReceiveMessage: (f: (message: Any) => void) => (receive = f),
        postMessage: async (message: Any) => void posted.push(message),
      },
      onDidDispose: () => undefined,
    });
    expect(posted.shift()).toContain('type="range"');
    const tracker = registered.get('tracker hindsight').createDebugAdapterTracker(session);
    tracker.onDidSendMessage({ type: 'event', event: 'stopped' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(posted.shift()).toEqual({ begin: 0, at: 5, end: 10 });
    receive!({ seek: 7 });
    await registered.get('command hindsight.seek')();
    expect(asked.slice(1)).toEqual(
      ['seek 7', 'seek 50%'].map((expression) => ['evaluate', { expression, context: 'repl' }]),
    );
  });

  it('says what is wrong with a launch configuration', () => {
    expect(() => adapterCommand({})).toThrow('"program" is missing');
    expect(() => adapterCommand({ program: 'a.hsr', symbols: 'x' })).toThrow('"symbols"');
    expect(() => adapterCommand({ program: 'a.hsr', command: [] })).toThrow('"command"');
    expect(
      adapterCommand({ program: 'a', symbols: ['x', 'y@0x10'], autoBranch: true, command: ['npx', 'hindsight'] }),
    ).toEqual('npx hindsight debug a --dap --quiet --symbols x --symbols y@0x10 --auto-branch'.split(' '));
  });
});
