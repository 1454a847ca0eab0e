import * as vscode from 'vscode';
import { adapterCommand } from './adapter.ts';
import { TIMELINE_PAGE } from './timeline-page.ts';

const TYPE = 'hindsight';

/** What VS Code calls when the extension is needed. */
export function activate(context: vscode.ExtensionContext): void {
  const timeline = new TimelineView();
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory(TYPE, {
      createDebugAdapterDescriptor({ configuration }) {
        const { debugServer } = configuration;
        if (typeof debugServer === 'number') return new vscode.DebugAdapterServer(debugServer);
        const [command, ...args] = adapterCommand(configuration);
        return new vscode.DebugAdapterExecutable(command, args);
      },
    }),
    vscode.debug.registerDebugConfigurationProvider(TYPE, {
      resolveDebugConfiguration(_, configuration) {
        // Started without a launch.json: the recording that is asked for.
        if (configuration.type) return configuration;
        return vscode.window
          .showOpenDialog({ filters: { Recordings: ['hsr'] }, openLabel: 'Debug' })
          .then((chosen) =>
            chosen?.[0] === undefined
              ? undefined
              : { type: TYPE, request: 'launch', name: 'Recording', program: chosen[0].fsPath, at: 'end' },
          );
      },
    }),
    vscode.debug.registerDebugAdapterTrackerFactory(TYPE, {
      createDebugAdapterTracker: (session) => ({
        onDidSendMessage: (message: { readonly type?: string; readonly event?: string }) => {
          if (message.type !== 'event') return;
          if (message.event === 'stopped') void timeline.stopped(session);
          if (message.event === 'continued' || message.event === 'terminated') timeline.running();
        },
      }),
    }),
    vscode.window.registerWebviewViewProvider('hindsight.timeline', timeline),
    vscode.commands.registerCommand('hindsight.seek', async () => {
      const session = vscode.debug.activeDebugSession;
      if (session?.type !== TYPE) return;
      const where = await vscode.window.showInputBox({
        prompt: 'Where to go: a number of instructions, 50%, begin, end, event N, +N or -N from here',
      });
      if (where !== undefined) await seek(session, where);
    }),
  );
}

/** Goes to an instant: the debug console's own command, after which the adapter says that it stopped there. */
async function seek(session: vscode.DebugSession, where: string): Promise<void> {
  try {
    await session.customRequest('evaluate', { expression: `seek ${where}`, context: 'repl' });
  } catch (error) {
    void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
  }
}

/** The view with the slider. */
class TimelineView implements vscode.WebviewViewProvider {
  private view: vscode.WebviewView | undefined;
  private session: vscode.DebugSession | undefined;

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    view.webview.options = { enableScripts: true };
    view.webview.onDidReceiveMessage(({ seek: to }: { readonly seek?: unknown }) => {
      if (this.session !== undefined && typeof to === 'number') void seek(this.session, String(to));
    });
    view.onDidDispose(() => {
      this.view = undefined;
    });
    view.webview.html = TIMELINE_PAGE;
    if (this.session !== undefined) void this.stopped(this.session);
  }

  /** Shows where a session's machine is. */
  async stopped(session: vscode.DebugSession): Promise<void> {
    this.session = session;
    await this.view?.webview.postMessage(await session.customRequest('timeline'));
  }

  running(): void {
    void this.view?.webview.postMessage({});
  }
}
