import { readFile, writeFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { assert, asyncProperty, integer } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifySessions } from '../../src/reading/verification/verification.js';
import { layoutOf } from '../../src/segment/layout.js';
import { parseManifest } from '../../src/segment/manifest-store.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { LogDirCopy, type RealHistory, writeRealHistory } from './real-history.js';

let history: RealHistory;

beforeAll(async () => {
  history = await writeRealHistory();
});

afterAll(() => history[Symbol.asyncDispose]());

/** How many things are wrong with a session. */
async function findings(copy: LogDirCopy, name: string): Promise<number> {
  const watch = { signal: new AbortController().signal, onRead: () => undefined };
  for await (const { integrity, completeness } of verifySessions(nodeFiles, layoutOf(copy.path), [name], watch)) {
    return integrity.length + completeness.length;
  }
  throw new Error('nothing was checked');
}

/** The lines that every gzip reader sees; null where it refuses. */
function linesOf(compressed: Buffer): string | null {
  try {
    return gunzipSync(compressed).toString('latin1');
  } catch {
    return null;
  }
}

describe('verify', () => {
  it('reports every single changed byte of a compressed segment, or the lines are the same', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const [stem = ''] = await copy.stems('one');
    const path = copy.at('sessions/one', `${stem}.log.gz`);
    const good = await readFile(path);
    let harmless = 0;
    for (let offset = 0; offset < good.length; offset++) {
      for (const change of [1 << (offset % 8), 0xff]) {
        const bad = Buffer.from(good);
        bad[offset] = (bad[offset] ?? 0) ^ change;
        await writeFile(path, bad);
        if ((await findings(copy, 'one')) === 0) {
          harmless++;
          expect(linesOf(bad), `byte ${offset} ^ ${change}`).toBe(linesOf(good));
        }
      }
    }
    // Time, level and system of the gzip header, and the unused bits behind the deflate stream.
    expect(harmless).toBeLessThanOrEqual(2 * 7);
    await writeFile(path, good);
    expect(await findings(copy, 'one')).toBe(0);
  });

  it('reports every single changed byte of a manifest, or it says the same', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const [stem = ''] = await copy.stems('one');
    const path = copy.at('sessions/one', `${stem}.json`);
    const good = await readFile(path);
    for (let offset = 0; offset < good.length; offset++) {
      for (const change of [1, 2 << (offset % 7)]) {
        const bad = Buffer.from(good);
        bad[offset] = (bad[offset] ?? 0) ^ change;
        await writeFile(path, bad);
        if ((await findings(copy, 'one')) === 0) {
          expect(parseManifest(bad), `byte ${offset} ^ ${change}: ${bad.toString()}`).toEqual(parseManifest(good));
        }
      }
    }
  });

  it('reports random changes anywhere in a file of several members', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const [stem = ''] = await copy.stems('big');
    const path = copy.at('sessions/big', `${stem}.log.gz`);
    const good = await readFile(path);
    await assert(
      asyncProperty(
        integer({ min: 0, max: good.length - 1 }),
        integer({ min: 1, max: 255 }),
        async (offset, change) => {
          const bad = Buffer.from(good);
          bad[offset] = (bad[offset] ?? 0) ^ change;
          await writeFile(path, bad);
          const isReported = (await findings(copy, 'big')) > 0;
          expect(isReported || linesOf(bad) === linesOf(good)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reports every length that a compressed segment may be cut to', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const [stem = ''] = await copy.stems('one');
    const path = copy.at('sessions/one', `${stem}.log.gz`);
    const good = await readFile(path);
    for (let length = 0; length < good.length; length++) {
      await writeFile(path, good.subarray(0, length));
      expect(await findings(copy, 'one'), `cut to ${length}`).toBeGreaterThan(0);
    }
  });
});
