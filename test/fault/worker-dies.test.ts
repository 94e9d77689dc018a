/**
 * docs/reliability.md, "worker thread dies": the raw file stays until the compressed one is verified; retried, then quarantined.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setEnvironmentData, type Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { CompressionPool } from '../../src/sealing/compression-pool.js';
import { type Clock, systemClock } from '../../src/segment/clock.js';
import type { Layout } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Quarantine } from '../../src/segment/quarantine.js';
import type { SealedSegment } from '../../src/segment/sealed-segment.js';
import { SessionHistories } from '../../src/segment/session-history.js';
import {
  filesUnder,
  logDirectory,
  manifestsOf,
  nth,
  type Rig,
  recordsOf,
  sealRaw,
  startSealing,
} from '../sealing/fixture.js';
import { amount, measured } from './amounts.js';

const FAULT = 'worker thread dies';
const DEATHS = ['throw', 'exit', 'terminate', 'out of memory', 'hang'] as const;
type Death = (typeof DEATHS)[number];
const TRIES = 5;
const ALWAYS = 1_000_000;
const SESSION = 'build-42';

/** Backoff is short; a thread that stands still is ended after two seconds and not after minutes. */
const impatientClock: Clock = {
  ...systemClock,
  after: (delayMs, run) =>
    systemClock.after(delayMs > 60_000 ? 2_000 : delayMs > 5_000 ? delayMs : delayMs / 1000, run),
};
/** Where no thread is to be ended for standing still, however busy the machine. */
const patientClock: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs > 5_000 ? delayMs : delayMs / 1000, run),
};

interface Plan {
  readonly kind: Death;
  /** Counted within one try, from 1. */
  readonly call: number;
  readonly deaths: number;
}

function clockFor({ kind }: Plan): Clock {
  return kind === 'hang' ? impatientClock : patientClock;
}

interface DyingPool {
  readonly pool: CompressionPool;
  deathsLeft(): number;
  /** Ends the watch over threads that want to be terminated. */
  unwatch(): void;
}

/** A pool of the real threads that die as planned. */
function dyingPool(plan: Plan): DyingPool {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  shared[0] = plan.deaths;
  setEnvironmentData('fault', { kind: plan.kind, call: plan.call, shared });
  let newest: Worker | null = null;
  const started = (worker: Worker): void => void (newest = worker);
  process.on('worker', started);
  const look = setInterval(() => {
    if (Atomics.exchange(shared, 1, 0) === 1) {
      void newest?.terminate();
    }
  }, 1);
  const unwatch = (): void => {
    clearInterval(look);
    process.off('worker', started);
  };
  const workerFile = fileURLToPath(new URL('dying-worker.js', import.meta.url));
  const pool = new CompressionPool({ threads: 1, clock: clockFor(plan), workerFile });
  return { pool, deathsLeft: () => Atomics.load(shared, 0), unwatch };
}

async function sealThree(layout: Layout, plan: Plan): Promise<Rig & DyingPool & { raw: Buffer[] }> {
  const dying = dyingPool(plan);
  const rig = await startSealing(layout, { compressor: dying.pool, clock: clockFor(plan) });
  const segments = [1, 6, 11].map((firstSeq) => sealRaw(layout, { firstSeq }));
  const raw = segments.map(({ rawPath }) => readFileSync(rawPath));
  const unwatch = watchRawFiles(layout, segments);
  for (const segment of segments) {
    rig.pipeline.accept(segment);
  }
  await rig.pipeline.whenIdle();
  await rig.pipeline.close();
  unwatch();
  dying.unwatch();
  return { ...rig, ...dying, raw };
}

/** At every moment that this thread sees, a raw file is there unless its manifest is, or quarantine has it. */
function watchRawFiles(layout: Layout, segments: readonly SealedSegment[]): () => void {
  const look = setInterval(() => {
    for (const { rawPath } of segments) {
      const name = rawPath.slice(rawPath.lastIndexOf('/') + 1);
      const isKept =
        existsSync(rawPath) ||
        existsSync(join(layout.sessions, SESSION, name.replace('.log', '.json'))) ||
        existsSync(join(layout.quarantine, `${SESSION}_${name}`));
      expect(isKept, name).toBe(true);
    }
  }, 1);
  return () => clearInterval(look);
}

/** Whole, in order, chained, announced. */
function expectFinished(layout: Layout, firstSeqs: readonly number[], raw: readonly Buffer[]): void {
  const manifests = manifestsOf(layout);
  expect(manifests.map(({ first_seq }) => first_seq)).toEqual(firstSeqs);
  manifests.forEach((manifest, index) => {
    expect(gunzipSync(readFileSync(join(layout.root, manifest.path))).equals(nth(raw, index))).toBe(true);
    expect(manifest.prev_sha256).toBe(index === 0 ? null : nth(manifests, index - 1).sha256);
  });
  expect(recordsOf(layout).map(({ content }) => content.id)).toEqual(manifests.map(({ id }) => id));
  expect(filesUnder(layout.sealing)).toEqual([]);
  expect(filesUnder(layout.sessions).length).toBe(2 * firstSeqs.length);
}

test('a thread that dies at any call costs a retry: every segment is finished, and each raw file stays until then', async () => {
  let points = 0;
  for (const kind of DEATHS) {
    const isSlow = kind === 'hang' || kind === 'out of memory';
    const stride = isSlow ? amount(8, 1) : 1;
    const before = points;
    for (let call = 1; ; call += stride) {
      const layout = logDirectory('memory');
      const { deathsLeft, raw, logger } = await sealThree(layout, { kind, call, deaths: 1 });
      expectFinished(layout, [1, 6, 11], raw);
      expect(filesUnder(layout.quarantine)).toEqual([]);
      if (deathsLeft() === 1) {
        // No try makes that many calls.
        break;
      }
      // On a busy machine a thread may also seem to stand still.
      const failures = logger.lines.filter(({ level }) => level === 'warn').length;
      expect(failures).toBeGreaterThanOrEqual(1);
      expect(failures).toBeLessThanOrEqual(kind === 'hang' ? TRIES - 1 : 1);
      points += 1;
    }
    expect(points - before).toBeGreaterThan(isSlow ? 1 : 10);
  }
  measured(FAULT, { 'points of death': points });
});

test.each(DEATHS)(
  'a segment at which every thread dies (%s) is in quarantine after five tries, byte for byte, and the session goes on',
  async (kind) => {
    const layout = logDirectory();
    // The first five deaths hit the first segment.
    const { raw, logger, metrics, deathsLeft } = await sealThree(layout, { kind, call: 6, deaths: TRIES });
    expect(deathsLeft()).toBe(0);
    expectFinished(layout, [6, 11], raw.slice(1));
    const kept = `${SESSION}_0000000000000001-0000000000000005_20261121T100000Z.log`;
    expect(filesUnder(layout.quarantine)).toEqual([kept]);
    expect(readFileSync(join(layout.quarantine, kept)).equals(nth(raw, 0))).toBe(true);
    const errors = logger.lines.filter(({ level }) => level === 'error');
    expect(errors.map(({ fields, message }) => [fields['segment'], fields['quarantine'], message])).toEqual([
      [
        'build-42/1-5',
        kept,
        'A sealed segment could not be compressed in 5 tries; it is in quarantine and will not be announced.',
      ],
    ]);
    expect(await metrics.registry.getSingleMetricAsString('logweir_compression_failures_total')).toMatch(/ 5$/m);
    expect(await metrics.registry.getSingleMetricAsString('logweir_quarantined_bytes_total')).toMatch(
      new RegExp(` ${nth(raw, 0).length}$`, 'm'),
    );
    measured(FAULT, { quarantined: 1, deaths: TRIES });
  },
);

test('the numbers of a session whose every segment was given up stay used', async () => {
  const layout = logDirectory();
  const { raw } = await sealThree(layout, { kind: 'exit', call: 1, deaths: ALWAYS });
  expect(filesUnder(layout.sessions)).toEqual([]);
  expect(filesUnder(layout.quarantine).map((name) => String(readFileSync(join(layout.quarantine, name))))).toEqual(
    raw.map(String),
  );
  const quarantine = new Quarantine(nodeFiles, layout);
  const histories = new SessionHistories({ files: nodeFiles, layout, quarantine, report: () => undefined });
  expect((await histories.stored(SESSION, null)).lastSeq).toBe(15);
});

test('a thread that cannot be started says nothing about the segment: it is tried again until one can', async () => {
  const layout = logDirectory();
  // One throws where it is made, the other where it is loaded.
  for (const [index, workerFile] of ['no path', '/nowhere/gzip-worker.js'].entries()) {
    const broken = new CompressionPool({ threads: 1, clock: patientClock, workerFile });
    const sound = new CompressionPool({ threads: 1, clock: patientClock });
    let tries = 0;
    const compressor = {
      run: (request: Parameters<CompressionPool['run']>[0]) => ((tries += 1) <= 12 ? broken : sound).run(request),
      close: async () => {
        await broken.close();
        await sound.close();
      },
    };
    const { pipeline } = await startSealing(layout, { compressor, clock: patientClock });
    pipeline.accept(sealRaw(layout, { firstSeq: 1 + 5 * index }));
    await pipeline.whenIdle();
    expect(tries).toBe(13);
  }
  expect(manifestsOf(layout).map(({ first_seq }) => first_seq)).toEqual([1, 6]);
  expect(filesUnder(layout.quarantine)).toEqual([]);
});

test('a bit that flips anywhere in a sealed raw file is found: the file is in quarantine as it is, its neighbours are finished', async () => {
  const bits = amount(48, 1000);
  const layout = logDirectory('memory');
  const { pipeline, logger } = await startSealing(layout, { clock: patientClock });
  const flipped = new Map<string, Buffer>();
  const good: number[] = [];
  for (let at = 0; at < bits; at++) {
    // Two of three are good: before and after each damaged one.
    for (const part of [0, 1, 2]) {
      const segment = sealRaw(layout, { firstSeq: 1 + (3 * at + part) * 5 });
      if (part === 1) {
        const bytes = readFileSync(segment.rawPath);
        const bit = Math.floor(((bytes.length * 8 - 1) * at) / (bits - 1));
        bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        writeFileSync(segment.rawPath, bytes);
        flipped.set(`${SESSION}_${segment.rawPath.slice(segment.rawPath.lastIndexOf('/') + 1)}`, bytes);
      } else {
        good.push(segment.summary.firstSeq);
      }
      pipeline.accept(segment);
    }
  }
  await pipeline.whenIdle();
  expect(manifestsOf(layout).map(({ first_seq }) => first_seq)).toEqual(good);
  expect(filesUnder(layout.quarantine)).toEqual([...flipped.keys()]);
  for (const [name, bytes] of flipped) {
    expect(readFileSync(join(layout.quarantine, name)).equals(bytes)).toBe(true);
  }
  const errors = logger.lines.filter(({ level }) => level === 'error');
  expect(errors.length).toBe(bits);
  expect(new Set(errors.map(({ message }) => message))).toEqual(
    new Set(['A sealed segment is not what was written; it is in quarantine and will not be announced.']),
  );
  measured(FAULT, { 'bits flipped': bits });
});

test.each([
  ['cut short', (raw: Buffer) => raw.subarray(0, raw.length - 1)],
  ['empty', () => Buffer.alloc(0)],
  ['longer', (raw: Buffer) => Buffer.concat([raw, raw])],
  ['NULs', (raw: Buffer) => Buffer.alloc(raw.length)],
])('a sealed raw file that is %s goes to quarantine', async (_, edit) => {
  const layout = logDirectory();
  const { pipeline } = await startSealing(layout, { clock: patientClock });
  const segment = sealRaw(layout);
  const edited = edit(readFileSync(segment.rawPath));
  writeFileSync(segment.rawPath, edited);
  pipeline.accept(segment);
  await pipeline.whenIdle();
  expect(filesUnder(layout.sessions)).toEqual([]);
  const kept = filesUnder(layout.quarantine).map((name) => readFileSync(join(layout.quarantine, name)));
  expect(kept.map(String)).toEqual([String(edited)]);
});
