/** A LOG_DIR that a real server wrote, copied for each test that damages it, and what `logweir verify` says of it. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { registerVerify } from '../../src/commands/verify.js';
import type { Manifest } from '../../src/segment/manifest.js';
import { LogweirServer } from '../client/logweir-server.js';
import { CommandRun } from '../commands/command-run.js';
import { LogClient } from '../support/log-client.js';

export interface Verdict {
  readonly code: number;
  readonly text: string;
  readonly stderr: string;
  readonly json: VerdictDocument;
}

export interface ListedFinding {
  readonly session_id: string;
  readonly file: string;
  readonly problem: string;
  readonly field: string | null;
  readonly message: string;
  readonly expected: string | number | null;
  readonly found: string | number | null;
}

export interface VerdictDocument {
  readonly format_version: number;
  readonly ok: boolean;
  readonly checked: Readonly<Record<'sessions' | 'segments' | 'frames' | 'bytes' | 'stored_bytes', number>>;
  readonly integrity: Findings;
  readonly completeness: Findings;
  readonly information: {
    readonly gaps: number;
    readonly gaps_between_segments: number;
    readonly unfinished_bytes: number;
    readonly quarantine: { readonly files: number; readonly bytes: number; readonly listed: object[] };
    readonly foreign: { readonly files: number; readonly listed: string[] };
  };
}

interface Findings {
  readonly ok: boolean;
  readonly files: number;
  readonly findings: number;
  readonly listed: ListedFinding[];
}

export class LogDirCopy implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async of(logDir: string): Promise<LogDirCopy> {
    const path = await mkdtemp(join(tmpdir(), 'logweir-verify-'));
    await cp(logDir, path, { recursive: true, filter: (source) => !source.includes('/LOCK') });
    return new LogDirCopy(path);
  }

  /** The finished segments' names without suffix, in order. */
  async stems(session: string): Promise<string[]> {
    const names = await readdir(join(this.path, 'sessions', session));
    return names
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -5))
      .toSorted();
  }

  at(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  async manifest(session: string, stem: string): Promise<Manifest> {
    return JSON.parse(await readFile(this.at('sessions', session, `${stem}.json`), 'utf8')) as Manifest;
  }

  async editManifest(session: string, stem: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    const edited = { ...(await this.manifest(session, stem)), ...fields };
    await writeFile(this.at('sessions', session, `${stem}.json`), `${JSON.stringify(edited)}\n`);
  }

  async verify(...argv: string[]): Promise<Verdict> {
    return verify(this.path, ...argv);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Runs the command twice, once for each form; both must say the same. */
export async function verify(logDir: string, ...argv: string[]): Promise<Verdict> {
  const asText = await new CommandRun().run(registerVerify, ['verify', '--dir', logDir, ...argv]);
  const asJson = await new CommandRun().run(registerVerify, ['verify', '--dir', logDir, '--json', ...argv]);
  expect(asJson.code).toBe(asText.code);
  const json = asJson.stdout.length === 0 ? null : JSON.parse(asJson.stdout.toString());
  return { code: asText.code, text: asText.stdout.toString(), stderr: asText.stderr, json };
}

export interface RealHistory extends AsyncDisposable {
  readonly path: string;
}

/**
 * `s`: segments of about ten frames and an active one; seqs 1 to 100 without 15, and from 42 straight to 50. `big`: one segment
 * of three gzip members. `one`: a single small segment.
 */
export async function writeRealHistory(): Promise<RealHistory> {
  const server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '2000' });
  {
    using client = new LogClient(server.address);
    const seqs = Array.from({ length: 100 }, (_, index) => index + 1);
    const stored = seqs.filter((seq) => seq !== 15 && !(seq > 42 && seq < 50));
    for (const seq of stored) {
      const producer = { producer_id: `p${seq % 3}`, producer_seq: seq };
      await client.write([{ session_id: 's', seq, content: `line ${seq} ${'.'.repeat(seq % 7)}`, ...producer }]);
    }
  }
  await server.stop();
  await server.listen({ LOG_MAX_SIZE_BYTES: '10000000', LOG_IDLE_SECONDS: '1' });
  {
    using client = new LogClient(server.address);
    const line = (seq: number) => ({ session_id: 'big', content: `${seq} ${'x'.repeat(1_000 + (seq % 100))}` });
    await client.write(Array.from({ length: 2_500 }, (_, seq) => line(seq)));
    await client.write([{ session_id: 'one', content: 'a', producer_id: 'p', producer_seq: 3 }]);
  }
  // Everything idle is sealed.
  await vi.waitFor(
    async () => {
      expect(await readdir(join(server.logDir, 'active'))).toEqual([]);
      expect(await readdir(join(server.logDir, 'sealing'))).toEqual([]);
    },
    { timeout: 30_000 },
  );
  await server.stop();
  await server.listen();
  {
    using client = new LogClient(server.address);
    const frame = (seq: number) => ({ session_id: 's', seq, content: `active ${seq}` });
    await client.write([frame(101), frame(102), frame(105)]);
  }
  await server.stop();
  return { path: server.logDir, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
