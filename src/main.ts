import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from './clock';
import { Component, type Edge } from './component';
import { GreengrassComponent } from './component/greengrass-component';
import { loadConfig } from './config/load-config';
import { UsageError } from './domain/errors';
import { createLog, type LogLevel } from './log';
import { VERSION } from './version';

const EXIT = { ok: 0, broken: 1, usage: 2 } as const;
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
/** Greengrass kills 5 s after it asked us to end. */
const STOP_WITHIN_MS = 4_500;

/** A line is a write to the disk or the journal: those of one turn of the event loop go together. */
class OutputBuffer {
  #lines: string[] = [];

  write(line: string): void {
    if (this.#lines.push(line) === 1) setImmediate(() => this.flush());
  }

  flush(): void {
    if (this.#lines.length > 0) process.stdout.write(this.#lines.join(''));
    this.#lines = [];
  }
}

function parseCommandLine() {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string', multiple: true, default: [] },
        'state-dir': { type: 'string' },
        'log-level': { type: 'string', default: 'info' },
        version: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}; there are --config, --state-dir, --log-level and --version`, {
      cause,
    });
  }
}

/** Keys are in our memory alone: what the kernel writes to a file when a process dies is to hold none of it. */
function leaveNothingInCores(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // A kernel without cores, or a /proc that is read-only: what started us has its own limit (run.sh, LimitCORE).
  }
}

/** As curl reads it: the lower-case name goes first. */
function proxyOf(env: NodeJS.ProcessEnv): NonNullable<Edge['proxy']> {
  const find = (...names: string[]): string | undefined =>
    names
      .flatMap((name) => [name, name.toUpperCase()])
      .map((name) => env[name])
      .find((value) => value);
  return { url: find('https_proxy', 'all_proxy'), noProxy: (find('no_proxy') ?? '').split(/[,\s]+/) };
}

async function run(): Promise<void> {
  const args = parseCommandLine();
  if (args.version) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  const level = LEVELS.find((name) => name === args['log-level']);
  if (level === undefined) throw new UsageError(`no log level "${args['log-level']}"; there are ${LEVELS.join(', ')}`);
  leaveNothingInCores();
  process.umask(0o077); // ledger and socket are the daemon's alone, whoever made their folder
  const { env } = process;
  // Said once a start by the SDK, on every Node 20 device; which Node we need is in package.json.
  env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const output = new OutputBuffer();
  const log = createLog((line) => output.write(line), level, systemClock.nowMs);
  const beside = (name: string): string | undefined =>
    existsSync(join(__dirname, name)) ? join(__dirname, name) : undefined;
  const crt = beside('aws-crt-nodejs.node');
  if (crt !== undefined) env.AWS_CRT_NODEJS_BINARY_ABSOLUTE_PATH ??= crt;
  const uri = env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  const edge: Edge = {
    tokenExchange: uri === undefined ? undefined : { uri, authorization: env.AWS_CONTAINER_AUTHORIZATION_TOKEN ?? '' },
    proxy: proxyOf(env),
    nativeBinding: beside(`better_sqlite3-${process.versions.modules}.node`),
    claimThread: beside('claim-thread.js'),
    clock: systemClock,
    dice: Math.random,
    log,
  };
  const surroundings = { thingName: env.AWS_IOT_THING_NAME, region: env.AWS_REGION };
  const [socketPath, authToken] = [env.AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT, env.SVCUID];

  let ending = false;
  let stop = (): Promise<void> => Promise.resolve();
  const end = (code: number): void => {
    if (ending) return;
    ending = true;
    const exit = (): never => {
      output.flush();
      process.exit(code);
    };
    setTimeout(exit, STOP_WITHIN_MS).unref();
    void stop().finally(exit);
  };
  process.once('SIGTERM', () => end(EXIT.ok));
  process.once('SIGINT', () => end(EXIT.ok));
  const onBroken = (error: unknown): void => {
    log.error(
      { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) },
      'broken, ending; start it again',
    );
    end(EXIT.broken);
  };
  process.on('uncaughtException', onBroken);
  const onOrphaned = (): void => {
    log.error({}, 'the nucleus no longer knows this process, ending; it starts another');
    end(EXIT.broken);
  };
  const daemon =
    args.config.length === 0 && socketPath !== undefined && authToken !== undefined
      ? new GreengrassComponent(
          {
            ...surroundings,
            socketPath,
            authToken,
            workFolder: process.cwd(),
            command: [process.execPath, join(__dirname, 'courier.js')],
          },
          edge,
          { onBroken, onOrphaned },
        )
      : new Component(loadConfig(args.config, { ...surroundings, stateDir: args['state-dir'] }), edge);
  stop = () => daemon.stop();
  await daemon.start(onBroken);
}

run().catch((error: unknown) => {
  const message =
    error instanceof UsageError
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  process.stderr.write(`thing-courier: ${message}\n`);
  process.exit(error instanceof UsageError ? EXIT.usage : EXIT.broken);
});
