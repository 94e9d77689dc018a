import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IngestReport } from '../../bench/support/ingest-report.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const SESSIONS = [10, 1000];
const SERVERS = ['ceiling', 'logweir', 'straightforward'];
const run = promisify(execFile);

function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [join(REPOSITORY, 'node_modules/.cache/bench/bench/ingest.js'), ...args]);
}

// Six servers start and stop in turn: slow on a busy machine, not wrong.
describe('bench/ingest in its smoke form', { timeout: 180_000 }, () => {
  let directory = '';

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'bench-test-'));
    const tsc = join(REPOSITORY, 'node_modules/.bin/tsc');
    // Types are for `npm run typecheck`.
    execFileSync(tsc, ['-p', 'tsconfig.bench.json', '--noCheck'], { cwd: REPOSITORY });
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('stores every frame with the real server, and reports the figures as a table and as JSON', async () => {
    const file = join(directory, 'ingest.json');
    const { stdout } = await bench('--smoke', '--dir', directory, '--json', file);
    const report: IngestReport = JSON.parse(readFileSync(file, 'utf8'));

    expect(report).toMatchObject({
      bench: 'ingest',
      smoke: true,
      compression: 'none',
      load: { frames: 2000, streams: 8, connections: 4, runs: 1, seed: 1 },
      machine: { cpu: expect.any(String), kernel: expect.any(String) },
      versions: { node: process.version, grpcJs: expect.stringMatching(/^1\./), logweir: expect.any(String) },
    });
    expect(report.load.frameBytes).toBeGreaterThan(150);
    expect(report.load.frameBytes).toBeLessThan(210);
    const wanted = SESSIONS.flatMap((sessions) => SERVERS.map((contender) => ({ sessions, contender })));
    expect(report.rows.map(({ sessions, contender }) => ({ sessions, contender }))).toEqual(wanted);
    expect(report.runs.map(({ sessions, contender }) => ({ sessions, contender }))).toEqual(wanted);
    for (const row of report.rows) {
      expect(row.framesPerSecond.median).toBeGreaterThan(0);
      expect(row.serverCpuSecondsPerMillion.median).toBeGreaterThan(0);
      expect(row.peakRssBytes.median).toBeGreaterThan(10_000_000);
      expect(row.ofCeiling === null).toBe(row.contender === 'ceiling');
      expect(row.target === null).toBe(row.contender !== 'logweir');
    }
    for (const { contender } of report.rows) {
      expect(stdout).toContain(contender);
    }
    expect(readdirSync(directory), 'LOG_DIRs are removed').toEqual(['ingest.json']);
  });

  it('counts what sealing and gzip cost, and finds every frame in the compressed segments', async () => {
    const file = join(directory, 'gzip.json');
    const small = ['--env', 'LOG_MAX_SIZE_BYTES=20000', '--compression', 'gzip'];
    await bench('--smoke', '--servers', 'logweir', '--sessions', '10', ...small, '--dir', directory, '--json', file);
    const report: IngestReport = JSON.parse(readFileSync(file, 'utf8'));
    expect(report).toMatchObject({ compression: 'gzip', environment: { LOG_MAX_SIZE_BYTES: '20000' } });
  });

  it('fails when a server does not acknowledge', async () => {
    const refusing = ['--servers', 'logweir', '--sessions', '10', '--env', 'LOG_MAX_FRAME_BYTES=100'];
    await expect(bench('--smoke', '--dir', directory, ...refusing)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/gRPC status 3: frame 0 .*LOG_MAX_FRAME_BYTES \(100\)/),
    });
  });

  it('names an option it does not understand', async () => {
    await expect(bench('--compression', 'zstd')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--compression takes none, gzip, not "zstd"'),
    });
  });
});
