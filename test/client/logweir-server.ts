/** A real server in this process, on a LOG_DIR of its own; and the same one again after a restart. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { type RunningService, startService } from '../../src/service.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { metric } from '../support/process-use.js';

export interface StoredFrame {
  readonly seq: number;
  readonly time: string;
  readonly session_id: string;
  readonly user_id?: string;
  readonly role?: string;
  readonly content?: string;
  readonly metadata?: unknown;
  readonly producer_id?: string;
  readonly producer_seq?: number;
}

export class LogweirServer implements AsyncDisposable {
  readonly logDir: string;
  port = 0;
  #service: RunningService | null = null;

  private constructor(logDir: string) {
    this.logDir = logDir;
  }

  static async start(env: Record<string, string> = {}): Promise<LogweirServer> {
    const server = new LogweirServer(await mkdtemp(join(tmpdir(), 'logweir-client-')));
    await server.listen(env);
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts it on the port that it had before, where it had one. */
  async listen(env: Record<string, string> = {}): Promise<void> {
    const config = readConfig({ LOG_DIR: this.logDir, GRPC_PORT: String(this.port), HTTP_PORT: '0', ...env });
    this.#service = await startService(config, { logger: createLogger('silent'), version: 'test' });
    this.port = this.#service.grpcPort;
  }

  async stop(): Promise<void> {
    const service = this.#service;
    this.#service = null;
    await service?.stop();
  }

  /** Calls that read a session over gRPC. */
  async openReaders(): Promise<number> {
    return (
      (await metric(`http://127.0.0.1:${this.#service?.httpPort}`, 'logweir_viewers_open')).get('kind="grpc"') ?? 0
    );
  }

  /** Everything that is stored of a session, and nothing for one that is not known. */
  async stored(sessionId: string): Promise<StoredFrame[]> {
    const reader = new SessionReader(nodeFiles, layoutOf(this.logDir));
    const chunks: Buffer[] = [];
    for await (const lines of reader.linesIfAny(sessionId, 0)) {
      chunks.push(lines);
    }
    const lines = Buffer.concat(chunks).toString().split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.logDir, { recursive: true, force: true });
  }
}
