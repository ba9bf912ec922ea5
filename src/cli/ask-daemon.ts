import { connect } from 'node:net';
import { type ControlAnswer, type ControlRequest, findSocketPathProblem, socketPath } from '../control/protocol';

const TIMEOUT_MS = 10_000;

/** Questions whose answer takes as long as it takes. */
const PATIENT: readonly string[] = ['wait', 'events'] satisfies ControlRequest['command'][];

/**
 * One question to the daemon whose state folder this is.
 * @param onAnswer told each answer of those that go on
 * @throws Error whose message is for the person who asked
 */
export function askDaemon<T>(stateDir: string, request: ControlRequest, onAnswer?: (result: T) => void): Promise<T> {
  const path = socketPath(stateDir);
  const problem = findSocketPathProblem(path);
  if (problem !== undefined) return Promise.reject(new Error(problem));
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(PATIENT.includes(request.command) ? 0 : TIMEOUT_MS, () => {
      socket.destroy();
      reject(new Error(`the daemon at ${path} does not answer; look into its log`));
    });
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (onAnswer === undefined) return;
      const lines = text.split('\n');
      text = lines.pop()!;
      for (const line of lines) {
        const answer = JSON.parse(line) as ControlAnswer<T>;
        if (answer.ok) onAnswer(answer.result);
        else reject(new Error(answer.error));
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => reject(new Error(explain(error, path))));
    socket.on('end', () => {
      socket.destroy();
      if (text === '') {
        reject(new Error(`the daemon at ${path} hung up; look into its log`));
        return;
      }
      try {
        const answer = JSON.parse(text) as ControlAnswer<T>;
        if (answer.ok) resolve(answer.result);
        else reject(new Error(answer.error));
      } catch (cause) {
        reject(new Error(`the daemon at ${path} answered half a sentence; ask again`, { cause }));
      }
    });
  });
}

function explain({ code, message }: NodeJS.ErrnoException, path: string): string {
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `no daemon is running at ${path}; start one (courier run --config courier.yaml), or name its state folder: --state-dir DIR`;
    case 'EACCES':
      return `you may not use ${path}; ask as the daemon's user, for example with sudo`;
    default:
      return `cannot reach the daemon at ${path} (${code ?? message})`;
  }
}
