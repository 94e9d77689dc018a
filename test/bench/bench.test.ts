import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Figure } from '../../bench/support/figures.js';
import type { BenchReport } from '../../bench/support/report.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [join(REPOSITORY, 'node_modules/.cache/bench/bench/main.js'), '--smoke', ...args]);
}

// Many servers start and stop in turn: slow on a busy machine, not wrong.
describe('the bench in its smoke form', { timeout: 600_000 }, () => {
  let directory = '';

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'bench-test-'));
    const tsc = join(REPOSITORY, 'node_modules/.bin/tsc');
    // Types are for `npm run typecheck`.
    execFileSync(tsc, ['-p', 'tsconfig.bench.json', '--noCheck'], { cwd: REPOSITORY });
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function report(...args: string[]): Promise<BenchReport & { stdout: string }> {
    const file = join(directory, 'result.json');
    const { stdout } = await bench(...args, '--dir', directory, '--json', file);
    const parsed: BenchReport = JSON.parse(readFileSync(file, 'utf8'));
    expect(readdirSync(directory), 'LOG_DIRs are removed').toEqual(['result.json']);
    return { ...parsed, stdout };
  }

  function servers({ rows }: BenchReport, group: string): string[] {
    return [...new Set(rows.filter((row) => row.group === group).map(({ server }) => server))];
  }

  it('stores every frame with the real servers, and reports figures and verdicts as a table and as JSON', async () => {
    const found = await report('ingest', 'acks');
    expect(found).toMatchObject({
      bench: 'logweir',
      smoke: true,
      command: expect.stringContaining('npm run bench -- --smoke ingest acks'),
      settings: { frames: 2000, streams: 8, connections: 4, runs: 1, seed: 1 },
      machine: { cpu: expect.any(String), kernel: expect.any(String) },
      versions: { node: process.version, grpcJs: expect.stringMatching(/^1\./), logweir: expect.any(String) },
    });
    expect(servers(found, 'ingest').slice(0, 3)).toEqual(['ceiling', 'logweir', 'straightforward']);
    for (const peer of ['rsyslog', 'relp', 'redis', 'nats']) {
      const isMeasured = servers(found, 'ingest').includes(peer);
      // Whoever is not installed is missing loudly.
      expect(found.stdout.includes(`${peer} is NOT INSTALLED`)).toBe(!isMeasured);
      expect(found.versions[peer]).toEqual(isMeasured ? expect.stringMatching(/^\d+\.\d+/) : undefined);
    }
    expect(servers(found, 'acks')).toEqual(['ceiling', 'logweir', 'straightforward']);
    for (const row of found.rows) {
      expect(row.figures.framesPerSecond?.median).toBeGreaterThan(0);
      expect(row.figures.framesPerCpuSecond?.median).toBeGreaterThan(0);
      expect(row.figures.peakRssBytes?.median).toBeGreaterThan(1_000_000);
      expect(row.verdicts.length > 0).toBe(row.server === 'logweir');
      expect(found.stdout).toContain(`| ${row.group} | ${row.job} | ${row.server} |`);
    }
    const acks = found.rows.filter(({ group, server }) => group === 'acks' && server === 'logweir');
    expect(acks).toHaveLength(3);
    for (const { figures } of acks) {
      expect(figures.ackP50Ms?.median).toBeGreaterThan(0);
      expect(figures.ackP99Ms?.median).toBeGreaterThanOrEqual(figures.ackP50Ms?.median ?? Number.NaN);
      expect(figures.syncsPerSecond?.median).toBeGreaterThan(0);
    }
  });

  it('measures many sessions, contents, gzip, start-up and the encoder', async () => {
    const found = await report('sessions', 'contents', 'gzip', 'startup', 'micro');
    const ours = (group: string) => found.rows.filter((row) => row.group === group && row.server !== 'straightforward');
    const idle = ours('sessions').find(({ job }) => job.endsWith('gone idle'));
    expect(idle?.figures.rssBytesPerSession?.median).toBeGreaterThanOrEqual(0);
    expect(idle?.figures.descriptorsPerSession?.median).toBe(0);
    expect(ours('sessions').some(({ job }) => job.includes('10,000 sessions, opened meanwhile'))).toBe(true);
    expect(ours('contents').map(({ job }) => job)).toEqual([
      ...['ascii', 'cjk', 'quotes'].map((kind) => `1 MiB of ${kind}`),
      ...[0, 20].map((keys) => `100 B of ascii, ${keys} metadata keys`),
    ]);
    expect(ours('gzip').map(({ server }) => server)).toEqual(['none', 'gzip, default level', 'gzip, level 1']);
    const shares = ours('gzip').map(({ figures }) => figures.storedShare?.median ?? Number.NaN);
    expect(shares[0]).toBe(1);
    expect(shares[1]).toBeLessThan(0.6);
    expect(ours('startup').map(({ job }) => job)).toEqual([
      'nothing stored',
      '200 finished segments',
      '200 active segments, after kill -9',
    ]);
    for (const { figures } of [...ours('startup')]) {
      expect(figures.startSeconds?.median).toBeGreaterThan(0);
    }
    for (const { figures } of ours('micro')) {
      expect(figures.nsPerFrame?.median).toBeGreaterThan(0);
    }
  });

  it('measures viewers: every line reaches each of them once, in order', async () => {
    const found = await report('fanout');
    const rows = found.rows.filter(({ group }) => group === 'fanout');
    expect(rows.map(({ job, server }) => `${job}: ${server}`)).toEqual([
      '5 viewers of one session, 1,000 lines/s: sse',
      '5 viewers of one session, 1,000 lines/s: grpc',
      ...['sse', 'grpc'].flatMap((door) =>
        ['10 viewers who take nothing', '5 viewers who take everything', '10 viewers, half of them stalled'].map(
          (who) => `${who}, of 10 sessions at full speed: ${door}`,
        ),
      ),
    ]);
    for (const { figures } of rows.slice(0, 2)) {
      expect(figures.linesDelivered?.median).toBe(5 * 200);
      expect(figures.viewP50Ms?.median).toBeGreaterThan(0);
      expect(figures.viewP99Ms?.median).toBeGreaterThanOrEqual(figures.viewP50Ms?.median ?? Number.NaN);
      expect(figures.cpuMicrosecondsPerLine?.median).toBeGreaterThan(0);
    }
    const medians = (row: number) => (name: Figure) => rows[row]?.figures[name]?.median ?? Number.NaN;
    for (const door of [2, 5]) {
      expect(rows.slice(door, door + 3).map(({ verdicts }) => verdicts.length)).toEqual([1, 1, 0]);
      const stalled = medians(door);
      expect(stalled('stalledIngestCost')).toBeCloseTo(stalled('serverCpuSeconds') / stalled('ingestCpuSeconds'));
      const taking = medians(door + 1);
      expect(taking('watchedIngestCost')).toBeGreaterThan(1);
      expect(taking('viewedIngestCost')).toBeCloseTo(
        (taking('serverCpuSeconds') - taking('readingCpuSeconds')) / taking('ingestCpuSeconds'),
      );
      // Each session has one viewer, and the sessions hold all frames four times.
      expect(medians(door + 2)('linesDelivered')).toBe(4 * found.settings.frames);
    }
  });

  it('finds every frame in the compressed segments, too', async () => {
    const gzip = ['--env', 'LOG_MAX_SIZE_BYTES=20000', '--env', 'LOG_COMPRESSION=gzip'];
    const found = await report('ingest', '--servers', 'logweir', '--sessions', '10', ...gzip);
    expect(found.settings.environment).toEqual({ LOG_MAX_SIZE_BYTES: '20000', LOG_COMPRESSION: 'gzip' });
    expect(servers(found, 'ingest')).toEqual(['logweir']);
  });

  it.each([
    ['ingest', /gRPC status 3: frame 0 .*LOG_MAX_FRAME_BYTES \(100\)/],
    ['acks', /batch 1: .*LOG_MAX_FRAME_BYTES \(100\)/],
  ])('fails when a server refuses a frame: %s', async (group, reason) => {
    const refusing = ['--servers', 'logweir', '--sessions', '10', '--env', 'LOG_MAX_FRAME_BYTES=100'];
    const failed = bench(group, '--dir', directory, '--json', join(directory, 'result.json'), ...refusing);
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(reason) });
  });

  it.each([
    [['--runs', '0'], '--runs takes whole numbers from 1, not "0"'],
    [['speed'], 'there is no group "speed"'],
  ])('names what it does not understand: %j', async (args, reason) => {
    await expect(bench(...args)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(reason) });
  });
});
