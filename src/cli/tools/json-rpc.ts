import { createInterface } from 'node:readline';

/** Codes of JSON-RPC 2.0 (https://www.jsonrpc.org/specification, "Error object"). */
export const RPC = { PARSE: -32700, REQUEST: -32600, METHOD: -32601, PARAMS: -32602, FAILED: -32000 } as const;

/** An error that is answered with a code. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type Id = string | number | null;

/**
 * Answers JSON-RPC 2.0, a message a line, until the input ends: one request after the other, in their order.
 * @param call answers a request; what it throws becomes an error. Notifications are passed on, and not answered
 */
export async function serveJsonRpc(
  input: NodeJS.ReadableStream,
  write: (line: string) => void,
  call: (method: string, params: unknown) => Promise<unknown>,
): Promise<void> {
  const answer = (id: Id, content: object): void => write(`${JSON.stringify({ jsonrpc: '2.0', id, ...content })}\n`);
  const failure = (id: Id, code: number, message: string): void => answer(id, { error: { code, message } });
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (line.trim() === '') continue;
    let message: { readonly id?: Id; readonly method?: unknown; readonly params?: unknown };
    try {
      message = JSON.parse(line);
    } catch (error) {
      failure(null, RPC.PARSE, `not JSON: ${(error as Error).message}`);
      continue;
    }
    const { id, method, params } = message ?? {};
    if (typeof method !== 'string') {
      failure(id ?? null, RPC.REQUEST, 'expected an object with method, and id where an answer is wanted');
      continue;
    }
    try {
      const result = await call(method, params);
      if (id !== undefined) answer(id, { result: result ?? {} });
    } catch (error) {
      const { code = RPC.FAILED, message: text } = error as Error & { readonly code?: unknown };
      if (id !== undefined) failure(id, typeof code === 'number' ? code : RPC.FAILED, text);
    }
  }
}
