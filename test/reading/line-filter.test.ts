import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FilterProblem } from '../../src/reading/filter-problem.js';
import { type LineFilterSpec, lineFilter } from '../../src/reading/line-filter.js';
import { LogLines } from '../../src/reading/log-events.js';
import { SLOW_PATTERN, slowText } from '../support/slow-filter.js';

interface Fields {
  time?: string;
  user_id?: string;
  role?: string;
  content?: string;
  metadata?: object;
}

function chunk(...frames: Fields[]): LogLines {
  const lines = frames.map(({ time = '2026-11-21T10:00:00Z', ...rest }, index) =>
    JSON.stringify({ seq: index + 1, time, session_id: 's', ...rest }),
  );
  return new LogLines('s', 1, frames.length, Buffer.from(lines.map((line) => `${line}\n`).join('')));
}

/** The seqs of the lines that pass. */
async function passing(spec: LineFilterSpec, lines: LogLines): Promise<number[]> {
  const filter = lineFilter(spec);
  const passed = filter === null ? lines : await filter.select(lines);
  if (passed === null) {
    return [];
  }
  const seqs = passed.bytes
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { seq: number }).seq);
  expect([passed.firstSeq, passed.lastSeq]).toEqual([seqs[0], seqs.at(-1)]);
  return seqs;
}

function problemOf(spec: LineFilterSpec): string {
  try {
    lineFilter(spec);
  } catch (error) {
    expect(error).toBeInstanceOf(FilterProblem);
    return (error as FilterProblem).message;
  }
  return 'none';
}

const at = (text: string): { seconds: number; nanos: number } => ({
  seconds: Math.floor(Date.parse(text.replace(/\.\d+Z/, 'Z')) / 1000),
  nanos: Number((/\.(\d+)Z/.exec(text)?.[1] ?? '').padEnd(9, '0')),
});

describe('a filter', () => {
  it('of nothing is none', () => {
    expect(lineFilter({})).toBeNull();
    const empty = { levels: [], roles: [], userIds: [], keywords: [], startTime: null, endTime: null, pattern: '' };
    expect(lineFilter(empty)).toBeNull();
  });

  it('takes levels from metadata, whatever their case', async () => {
    const lines = chunk(
      { metadata: { level: 'ERROR' } },
      { metadata: { level: 'info' } },
      { metadata: { level: 5 } },
      {},
      { metadata: { nested: { level: 'error' } } },
      { metadata: { level: 'Warn' } },
    );
    expect(await passing({ levels: ['error', 'WARN'] }, lines)).toEqual([1, 6]);
  });

  it('takes roles and users exactly, and only of the line itself', async () => {
    const lines = chunk(
      { role: 'stderr', user_id: 'u1' },
      { role: 'stdout', user_id: 'u1' },
      { role: 'stderr', user_id: 'ü"\u0085' },
      { role: 'Stderr' },
      { role: 'stdout', metadata: { role: 'stderr', user_id: 'u1' } },
      { content: '"role":"stderr"' },
    );
    expect(await passing({ roles: ['stderr'] }, lines)).toEqual([1, 3]);
    expect(await passing({ roles: ['stderr', 'Stderr'] }, lines)).toEqual([1, 3, 4]);
    expect(await passing({ roles: ['stderr'], userIds: ['u1'] }, lines)).toEqual([1]);
    expect(await passing({ roles: [''] }, lines)).toEqual([6]);
    expect(await passing({ userIds: ['nobody'] }, lines)).toEqual([]);
  });

  it('takes any keyword in the content, whatever its case', async () => {
    const lines = chunk(
      { content: 'Connection REFUSED' },
      { content: 'ÄRGER' },
      { role: 'refused' },
      { content: 'ok' },
    );
    expect(await passing({ keywords: ['refused', 'ärger'] }, lines)).toEqual([1, 2]);
  });

  it('takes times from the start on and before the end, to the nanosecond', async () => {
    const times = [
      '2026-11-21T09:59:59.999999999Z',
      '2026-11-21T10:00:00Z',
      '2026-11-21T10:00:00.100Z',
      '2026-11-21T10:00:00.100000001Z',
      '2026-11-21T10:00:01Z',
    ];
    const lines = chunk(...times.map((time) => ({ time })));
    expect(await passing({ startTime: at('2026-11-21T10:00:00Z') }, lines)).toEqual([2, 3, 4, 5]);
    expect(await passing({ startTime: at('2026-11-21T10:00:00.1Z') }, lines)).toEqual([3, 4, 5]);
    expect(await passing({ endTime: at('2026-11-21T10:00:00.1Z') }, lines)).toEqual([1, 2]);
    expect(
      await passing({ startTime: at('2026-11-21T10:00:00.100000001Z'), endTime: at('2026-11-21T10:00:01Z') }, lines),
    ).toEqual([4]);
  });

  it('takes a pattern somewhere in the content', async () => {
    const lines = chunk({ content: 'took 1500 ms' }, { content: 'took 15 ms' }, { role: 'took 1500 ms' });
    expect(await passing({ pattern: 'took \\d{4} ms$' }, lines)).toEqual([1]);
    expect(await passing({ pattern: '(?i)TOOK' }, lines)).toEqual([1, 2]);
  });

  it('lets a line pass that passes everything', async () => {
    const lines = chunk({ role: 'a', content: 'x' }, { role: 'a', content: 'y' }, { role: 'b', content: 'x' });
    expect(await passing({ roles: ['a'], keywords: ['x'] }, lines)).toEqual([1]);
  });

  it('gives out the chunk itself when all of it passes, so that it is encoded once', async () => {
    const lines = chunk({ role: 'a' }, { role: 'a' });
    expect(await lineFilter({ roles: ['a'] })?.select(lines)).toBe(lines);
  });
});

describe('a filter that cannot be', () => {
  it.each<[LineFilterSpec, RegExp]>([
    [{ pattern: '(' }, /^pattern is no regular expression .*missing closing \)/],
    [{ pattern: 'a(?=b)' }, /^pattern is no regular expression .*without look-around/],
    [{ pattern: '(a)\\1' }, /^pattern is no regular expression/],
    [{ pattern: 'x'.repeat(513) }, /^pattern is longer than 512 characters/],
    [{ pattern: '.{1000}'.repeat(50) }, /^pattern repeats too much/],
    [{ pattern: '('.repeat(512) }, /^pattern is no regular expression/],
    [{ keywords: ['ok', ''] }, /^keywords has an empty one/],
    [{ levels: Array.from({ length: 101 }, () => 'x') }, /^levels has more than 100 values/],
    [{ roles: ['x'.repeat(1025)] }, /^roles has a value longer than 1024 characters/],
    [{ startTime: { seconds: 1e15, nanos: 0 } }, /^startTime is no time between/],
    [{ endTime: { seconds: Number.NaN, nanos: 0 } }, /^endTime is no time between/],
    [{ endTime: { seconds: 0, nanos: 1e9 } }, /^endTime is no time between/],
  ])('%o names its field', (spec, sentence) => {
    expect(problemOf(spec)).toMatch(sentence);
  });

  it('is found in any pattern whatever', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 40, unit: fc.constantFrom(...'ab()[]{}|*+?.\\^$-,:<>=!Pp1209dwé\0') }),
        (pattern) => {
          const problem = problemOf({ pattern });
          expect(problem === 'none' || problem.startsWith('pattern ')).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('a pattern that is slow', () => {
  const text = slowText(1 << 16);

  const slowChunk = (): LogLines =>
    chunk(...Array.from({ length: 30 }, (_, index) => ({ content: text.slice(index * 1000, index * 1000 + 440) })));

  it.each(['(a+)+$', '(x+x+)+y', '(.*)(.*)(.*)(.*)(.*)[^x]$', '(a|aa)+$', '(?:a?){200}a{200}$'])(
    'with a backtracking engine, %s, is not with this one',
    async (pattern) => {
      const lines = chunk({ content: `${'a'.repeat(100_000)}!` }, { content: 'x'.repeat(100_000) });
      expect(Array.isArray(await passing({ pattern }, lines))).toBe(true);
    },
  );

  it('over one line is ended, and the next filter works', async () => {
    const lines = chunk({ content: text.repeat(32) });
    const filter = lineFilter({ pattern: SLOW_PATTERN });
    await expect(async () => filter?.select(lines)).rejects.toMatchObject({ code: 'FILTER_TOO_SLOW' });
    expect(await passing({ pattern: 'a[ab]{3}' }, lines)).toEqual([1]);
  });

  it('over many lines lets others have their turn', async () => {
    const lines = slowChunk();
    let isDone = false;
    let turns = 0;
    const selecting = passing({ pattern: SLOW_PATTERN }, lines).finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await turn();
      turns++;
    }
    expect(await selecting).toEqual([]);
    expect(turns).toBeGreaterThan(3);
  });

  it('and brought by many viewers lets the quick ones through', async () => {
    const slow = slowChunk();
    const done: string[] = [];
    const all = Array.from({ length: 5 }, () => passing({ pattern: SLOW_PATTERN }, slow).then(() => done.push('slow')));
    await turn();
    all.push(passing({ keywords: ['hello'] }, chunk({ content: 'hello' })).then(() => done.push('quick')));
    await Promise.all(all);
    expect(done[0]).toBe('quick');
    expect(done.length).toBe(6);
  });
});
