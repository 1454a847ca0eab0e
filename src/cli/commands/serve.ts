import { EXIT } from '../exit.ts';
import type { RecordingFlags } from '../recordings.ts';
import { RPC, RpcError, serveJsonRpc } from '../tools/json-rpc.ts';
import { ToolSession } from '../tools/session.ts';
import { checkArguments, TOOLS, type Tool } from '../tools/tools.ts';
import { VERSION } from '../version.ts';

/** Versions of the Model Context Protocol that are spoken, the newest first (https://modelcontextprotocol.io/specification). */
const MCP_VERSIONS = ['2025-06-18', '2025-03-26', '2024-11-05'];

const write = (line: string): void => void process.stdout.write(line);

function toolNamed(name: unknown): Tool {
  const tool = TOOLS.find((candidate) => candidate.name === name);
  if (tool === undefined)
    throw new RpcError(RPC.METHOD, `there is no tool ${name}: expected ${TOOLS.map((t) => t.name).join(', ')}`);
  return tool;
}

const run = async (session: ToolSession, tool: Tool, args: unknown): Promise<unknown> =>
  tool.run(session, checkArguments(tool, args));

/** `hindsight serve [REC]`: the tools as methods of JSON-RPC on standard input and output. */
export async function serve(file: string | undefined, flags: RecordingFlags): Promise<number> {
  const session = new ToolSession(flags);
  if (file !== undefined) await session.open(file);
  await serveJsonRpc(process.stdin, write, (method, params) => run(session, toolNamed(method), params));
  session.close();
  return EXIT.OK;
}

/** `hindsight mcp [REC]`: the same tools for agents, by the Model Context Protocol over standard input and output. */
export async function mcp(file: string | undefined, flags: RecordingFlags): Promise<number> {
  const session = new ToolSession(flags);
  if (file !== undefined) await session.open(file);
  await serveJsonRpc(process.stdin, write, async (method, params) => {
    const { name, arguments: args, protocolVersion } = (params ?? {}) as Readonly<Record<string, unknown>>;
    switch (method) {
      case 'initialize':
        return {
          protocolVersion: MCP_VERSIONS.find((version) => version === protocolVersion) ?? MCP_VERSIONS[0],
          capabilities: { tools: {}, resources: {} },
          serverInfo: { name: 'hindsight', version: VERSION },
          instructions:
            'Ask recordings of a whole Linux machine what happened. Open one, then query, console_search or processes; answers name instants that seek and the others take.',
        };
      case 'ping':
        return {};
      case 'tools/list':
        return { tools: TOOLS.map(describeTool) };
      case 'tools/call': {
        const tool = toolNamed(name);
        // What a tool refuses is for the model to read, not an error of the protocol.
        try {
          return { content: [{ type: 'text', text: JSON.stringify(await run(session, tool, args)) }] };
        } catch (error) {
          return { content: [{ type: 'text', text: (error as Error).message }], isError: true };
        }
      }
      case 'resources/list':
        return { resources: resources(session) };
      case 'resources/read': {
        const [known] = resources(session);
        const { uri } = params as { readonly uri?: unknown };
        if (known === undefined || uri !== known.uri) throw new RpcError(RPC.PARAMS, `there is no resource ${uri}`);
        const text = JSON.stringify(await toolNamed('info').run(session, {}));
        return { contents: [{ uri, mimeType: 'application/json', text }] };
      }
      default:
        if (method.startsWith('notifications/')) return {};
        throw new RpcError(RPC.METHOD, `there is no method ${method}`);
    }
  });
  session.close();
  return EXIT.OK;
}

/** The recording that is open. */
function resources(session: ToolSession): { readonly uri: string; readonly name: string; readonly mimeType: string }[] {
  try {
    const { file } = session.recording;
    return [{ uri: `recording:${file}`, name: file, mimeType: 'application/json' }];
  } catch {
    return [];
  }
}

const describeTool = ({ name, description, parameters, required }: Tool): object => ({
  name,
  description,
  inputSchema: { type: 'object', properties: parameters, required, additionalProperties: false },
  annotations: { readOnlyHint: true },
});
