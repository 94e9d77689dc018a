/** Random writers, seals, compressions, deletions, completions and readers, against a plain list of lines. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LogEvent } from '../../src/reading/log-events.js';
import type { ReadRequest } from '../../src/reading/log-source.js';
import { parseSegmentName } from '../../src/segment/layout.js';
import { LiveCore } from './live-core.js';

const SESSIONS = ['a', 'b'];
type Pace = 'fast' | 'slow' | 'stalled' | 'reconnecting';

type Step =
  | { readonly kind: 'write'; readonly session: string; readonly frames: number; readonly skip: number }
  | { readonly kind: 'burst' | 'seal' | 'complete'; readonly session: string }
  | { readonly kind: 'remove'; readonly session: string; readonly manifest: boolean }
  | {
      readonly kind: 'read';
      readonly session: string;
      readonly from: ReadFrom;
      readonly pace: Pace;
      readonly follow: boolean;
    }
  | { readonly kind: 'pause' | 'finish' };

/** `after`: of 100, how far in what is stored; above, beyond its end. */
type ReadFrom = { readonly after: number } | { readonly tail: number };

const session = fc.constantFrom(...SESSIONS);
const from: fc.Arbitrary<ReadFrom> = fc.oneof(
  fc.record({ after: fc.constantFrom(0, 0, 30, 60, 90, 100, 110) }),
  fc.record({ tail: fc.constantFrom(0, 0, 1, 5, 40) }),
);
const pace = fc.constantFrom<Pace>('fast', 'slow', 'stalled', 'reconnecting');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      session,
      frames: fc.integer({ min: 1, max: 30 }),
      skip: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('burst'), session }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('seal'), session }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('complete'), session }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove'), session, manifest: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('read'), session, from, pace, follow: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('finish') }) },
) as fc.Arbitrary<Step>;

/** What a session holds: contents by seq; and what was deleted of it. */
class Model {
  readonly lines = new Map<number, string>();
  readonly removed = new Set<number>();
  /** Last seqs that completions were told with. */
  readonly completed: number[] = [];
  lastSeq = 0;

  /** The first one of the last `count` lines; Infinity for none. */
  tailFrom(count: number): number {
    return count === 0 ? Number.POSITIVE_INFINITY : ([...this.lines.keys()].at(-count) ?? 1);
  }
}

interface Reading {
  readonly session: string;
  readonly request: ReadRequest;
  readonly pace: Pace;
  /** Of the session when the reader came. */
  readonly lastSeq: number;
  /** The first line that a tail could have begun with then; later it could only begin further on. */
  readonly tailFrom: number;
  readonly done: Promise<LogEvent[]>;
}

class Play {
  readonly models = new Map(SESSIONS.map((id) => [id, new Model()]));
  readonly readings: Reading[] = [];
  readonly live: LiveCore;
  readonly isNumbered: boolean;
  release: () => void = () => undefined;
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  constructor(live: LiveCore, isNumbered: boolean) {
    this.live = live;
    this.isNumbered = isNumbered;
  }

  model(id: string): Model {
    return this.models.get(id) as Model;
  }

  async play(one: Step): Promise<void> {
    switch (one.kind) {
      case 'write':
        return this.#write(one.session, one.frames, one.skip, '');
      case 'burst':
        return this.#write(one.session, 30, 0, '.'.repeat(50_000));
      case 'seal':
        return this.live.seal(one.session);
      case 'complete':
        return this.complete(one.session);
      case 'remove':
        return this.#remove(one.session, one.manifest);
      case 'read':
        return this.#read(one);
      case 'finish':
        await expect.poll(() => this.live.core.pipeline.queueLength, { interval: 2, timeout: 30_000 }).toBe(0);
        return undefined;
      case 'pause':
        await setTimeout(5);
        return undefined;
    }
  }

  async complete(id: string): Promise<void> {
    this.model(id).completed.push(this.model(id).lastSeq);
    await this.live.complete(id);
  }

  async #write(id: string, frames: number, skip: number, filler: string): Promise<void> {
    const model = this.model(id);
    const taken = [];
    for (let index = 0; index < frames; index++) {
      model.lastSeq += this.isNumbered ? 1 + skip : 1;
      const content = `${id} ${model.lastSeq}${filler}`;
      model.lines.set(model.lastSeq, content);
      taken.push({ session_id: id, content, ...(this.isNumbered ? { seq: model.lastSeq } : {}) });
    }
    await this.live.take(taken);
  }

  /** The oldest finished segment that is left; with its manifest only where another finished one is behind it. */
  async #remove(id: string, manifest: boolean): Promise<void> {
    const directory = join(this.live.layout.sessions, id);
    const names = (await readdir(directory).catch(() => [])).toSorted();
    const finished = names.filter((name) => name.endsWith('.json'));
    const segments = names.filter((name) => name.endsWith('.log.gz') && names.includes(`${name.slice(0, -7)}.json`));
    const [oldest] = segments;
    const name = parseSegmentName(oldest ?? '');
    if (oldest === undefined || name === null) {
      return;
    }
    for (const seq of this.model(id).lines.keys()) {
      if (seq >= name.firstSeq && seq <= name.lastSeq) {
        this.model(id).removed.add(seq);
      }
    }
    await rm(join(directory, oldest));
    const stem = oldest.slice(0, -7);
    if (manifest && finished.at(-1) !== `${stem}.json`) {
      await rm(join(directory, `${stem}.json`));
    }
  }

  #read({ session: id, from: start, pace: how, follow }: Step & { kind: 'read' }): void {
    if (this.model(id).lastSeq === 0) {
      return;
    }
    const request: ReadRequest =
      'tail' in start
        ? { tail: start.tail, follow }
        : { afterSeq: Math.floor((this.model(id).lastSeq * start.after) / 100), follow };
    const { lastSeq } = this.model(id);
    const tailFrom = this.model(id).tailFrom(request.tail ?? 0);
    this.readings.push({ session: id, request, pace: how, lastSeq, tailFrom, done: this.#view(id, request, how) });
  }

  async #view(id: string, request: ReadRequest, how: Pace): Promise<LogEvent[]> {
    const seen: LogEvent[] = [];
    const stallAt = 1 + (this.readings.length % 4);
    let next = request;
    for (;;) {
      for await (const event of this.live.logs.read(id, next)) {
        seen.push(event);
        if (event.kind === 'end') {
          return seen;
        }
        next = {
          follow: request.follow === true,
          afterSeq: event.kind === 'gap' ? event.lastSeq : event.lines.lastSeq,
        };
        if (how === 'slow') {
          await setImmediate();
        } else if (how === 'stalled' && seen.length === stallAt) {
          await this.#released;
        } else if (how === 'reconnecting' && seen.length % 2 === 0) {
          break;
        }
      }
    }
  }
}

/** Holds what a reader saw against the list. */
function check({ request, session: id, lastSeq, tailFrom }: Reading, seen: readonly LogEvent[], model: Model): void {
  let cursor = request.tail === undefined ? (request.afterSeq ?? 0) : null;
  const due = (upTo: number): number[] => {
    const start = cursor;
    return start === null ? [] : [...model.lines.keys()].filter((seq) => seq > start && seq <= upTo);
  };
  for (const event of seen) {
    if (event.kind === 'lines') {
      for (const text of event.lines.bytes.toString().split('\n').slice(0, -1)) {
        const line = JSON.parse(text) as { seq: number; content: string; session_id: string };
        expect([line.session_id, line.content]).toEqual([id, model.lines.get(line.seq)]);
        expect(line.seq).toBeGreaterThan(cursor ?? Math.min(tailFrom - 1, lastSeq));
        // Nothing between this line and the one before it.
        expect(due(line.seq - 1)).toEqual([]);
        cursor = line.seq;
      }
      expect(cursor).toBe(event.lines.lastSeq);
    } else if (event.kind === 'gap') {
      expect(event.firstSeq).toBeLessThanOrEqual(event.lastSeq);
      expect(due(event.firstSeq - 1)).toEqual([]);
      expect(model.removed.size).toBeGreaterThan(0);
      // Not a line of it is there for anybody who asks now.
      expect(due(event.lastSeq).filter((seq) => !model.removed.has(seq))).toEqual([]);
      cursor = event.lastSeq;
    } else {
      expect(due(event.lastSeq)).toEqual([]);
      expect(event.lastSeq).toBeGreaterThanOrEqual(lastSeq);
      if (request.follow === true) {
        expect(model.completed).toContain(event.lastSeq);
      }
    }
  }
  expect(seen.at(-1)?.kind).toBe('end');
}

it('gives every reader each line once and in order, or says that it is gone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 45, size: 'max' }),
      fc.boolean(),
      async (steps, isNumbered) => {
        const root = await mkdtemp(join(tmpdir(), 'logweir-live-'));
        await using live = await LiveCore.open(root, { maxSegmentBytes: 200_000 });
        const play = new Play(live, isNumbered);
        for (const one of steps) {
          await play.play(one);
        }
        play.release();
        for (const id of SESSIONS) {
          await play.complete(id);
        }
        for (const reading of play.readings) {
          const seen = await reading.done;
          try {
            check(reading, seen, play.model(reading.session));
          } catch (error) {
            const told = seen.map((event) =>
              event.kind === 'lines'
                ? ['lines', event.lines.firstSeq, event.lines.lastSeq].join(' ')
                : JSON.stringify(event),
            );
            const files = (await readdir(root, { recursive: true })).filter((name) =>
              name.includes(`/${reading.session}`),
            );
            throw new Error(
              JSON.stringify({
                request: reading.request,
                pace: reading.pace,
                told,
                removed: [...play.model(reading.session).removed],
                files,
                steps,
              }),
              { cause: error },
            );
          }
        }
        expect([live.hub.watchedSessions, live.hub.heldBytes, live.reader.places.busy]).toEqual([0, 0, 0]);
      },
    ),
    { numRuns: 40, endOnFailure: true },
  );
}, 120_000);
