import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';

/** Would configure a server behind the bench's back. */
const CONFIGURES_LOGWEIR = /^(LOG|GRPC|HTTP|REDIS)_/;
const STDERR_KEPT = 4096;
const STOP_DEADLINE_MS = 40_000;

export interface NodeChildOptions {
  /** Another program than Node. */
  readonly program?: string;
  /** Arguments, after those for Node itself. */
  readonly command: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The cores it has to stay on, as taskset lists them. */
  readonly cores: string | null;
  /** For `child.send` and its 'message' event. */
  readonly messages?: boolean;
}

/** A process of ours, Node's unless it says otherwise, with what it said last, for when it fails. It does not outlive this one. */
export class NodeChild {
  readonly process: ChildProcess;
  #stderr = '';
  #stdout = '';
  readonly #ended: Promise<string>;

  constructor(options: NodeChildOptions) {
    const node = [options.program ?? process.execPath, ...(options.nodeOptions ?? []), ...options.command];
    // taskset becomes what it starts: the pid stays, and so does the message channel.
    const [program = '', ...args] = options.cores === null ? node : ['taskset', '-c', options.cores, ...node];
    this.process = spawn(program, args, {
      env: { ...neutralEnvironment(), ...options.environment },
      // A .env file of the repository is for development.
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'pipe', options.messages === true ? 'ipc' : 'ignore'],
    });
    const kill = (): void => this.kill();
    process.once('exit', kill);
    this.process.once('close', () => process.off('exit', kill));
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
    });
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_KEPT);
    });
    this.#ended = new Promise((resolve) => {
      this.process.once('error', (error) => resolve(error.message));
      this.process.once('close', (code, signal) => resolve(code === null ? `signal ${signal}` : `exit code ${code}`));
    });
  }

  get pid(): number {
    if (this.process.pid === undefined) {
      throw new Error(`not started: ${this.process.spawnargs.join(' ')}`);
    }
    return this.process.pid;
  }

  /** What the pattern finds in stdout, as soon as it is there. @throws when the process ends before */
  async saying(pattern: RegExp): Promise<RegExpExecArray> {
    let match = pattern.exec(this.#stdout);
    while (match === null) {
      await this.while(once(this.process.stdout ?? this.process, 'data'));
      match = pattern.exec(this.#stdout);
    }
    return match;
  }

  /** @throws when the process ends before the promise does */
  async while<Value>(promise: Promise<Value>): Promise<Value> {
    const ended = this.#ended.then((how): never => {
      throw new Error(`${this.process.spawnargs.join(' ')} ended with ${how}\n${this.#stderr}`);
    });
    return Promise.race([promise, ended]);
  }

  /** What it answers to a command, where it takes them one at a time. @throws when the process ends before */
  async ask<Answer>(command: object): Promise<Answer> {
    const reply = once(this.process, 'message');
    this.process.send(command);
    const [answer] = await this.while(reply);
    return answer;
  }

  /** SIGTERM, and the way it ended: "exit code 0" is a good one. */
  async stop(): Promise<string> {
    this.process.kill('SIGTERM');
    const deadline = setTimeout(() => this.process.kill('SIGKILL'), STOP_DEADLINE_MS);
    const how = await this.#ended;
    clearTimeout(deadline);
    return how;
  }

  /** At once, whatever it is doing. */
  kill(): void {
    this.process.kill('SIGKILL');
  }

  get lastWords(): string {
    return this.#stderr;
  }
}

function neutralEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !CONFIGURES_LOGWEIR.test(name)));
}
