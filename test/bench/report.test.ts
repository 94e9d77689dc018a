import { describe, expect, it } from 'vitest';
import { type Comparison, type RowKey, rowsOf, type Sample } from '../../bench/support/report.js';

const row = (server: string): RowKey => ({ group: 'ingest', job: 'frames', server });

function samples(server: string, framesPerSecond: readonly number[]): Sample[] {
  return framesPerSecond.map((value, at) => ({ ...row(server), run: at + 1, figures: { framesPerSecond: value } }));
}

function verdict(against: readonly RowKey[] | null, bound: Comparison['bound'], others: readonly Sample[] = []) {
  const comparison: Comparison = { row: row('logweir'), figure: 'framesPerSecond', against, name: 'peer', bound };
  const rows = rowsOf([...samples('logweir', [100, 300, 200]), ...others], [comparison]);
  expect(rows[0]?.figures.framesPerSecond).toEqual({ median: 200, spread: 1 });
  return rows[0]?.verdicts[0];
}

describe('a verdict', () => {
  it('is on the median of the ratios within each run, not on the ratio of medians', () => {
    const peer = samples('redis', [200, 100, 50]);
    const found = verdict([row('redis')], { atLeast: 3 }, peer);
    expect(found).toMatchObject({ value: { median: 3 }, verdict: 'met' });
    expect(verdict([row('redis')], { atLeast: 3.1 }, peer)?.verdict).toBe('missed');
  });

  it('is against the best of several in each run', () => {
    const peers = [...samples('redis', [200, 100, 50]), ...samples('nats', [100, 300, 10])];
    expect(verdict([row('redis'), row('nats')], { atLeast: 1 }, peers)?.value?.median).toBe(1);
  });

  it('is "not measured" when the other side was not there', () => {
    expect(verdict([row('redis')], { atLeast: 1 })).toMatchObject({ value: null, verdict: 'not measured' });
  });

  it('is on the figure by itself where nothing stands against it', () => {
    expect(verdict(null, { atMost: 200 })?.verdict).toBe('met');
    expect(verdict(null, { atMost: 199 })?.verdict).toBe('missed');
    expect(verdict(null, null)?.verdict).toBe(null);
  });
});
