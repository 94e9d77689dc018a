import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isSealing, logweirSessions } from '../../bench/support/stored-sessions.js';

const FIRST = '0000000000000001-0000000000000002_20261121T100000Z';
const SECOND = '0000000000000003-0000000000000004_20261121T100001Z';
const THIRD = '0000000000000005-0000000000000006_20261121T100001Z';

describe('reading a LOG_DIR back', () => {
  let logDir = '';

  beforeEach(() => {
    logDir = mkdtempSync(join(tmpdir(), 'bench-test-'));
  });

  afterEach(() => rmSync(logDir, { recursive: true, force: true }));

  function put(path: string, content: string | Buffer): void {
    mkdirSync(dirname(join(logDir, path)), { recursive: true });
    writeFileSync(join(logDir, path), content);
  }

  function read(): Record<string, string> {
    return Object.fromEntries(
      logweirSessions(logDir).map(({ id, segments }) => [
        id,
        segments.map((segment) => segment().toString()).join('|'),
      ]),
    );
  }

  it('joins finished, sealing and active segments in the order of their seqs', () => {
    put('active/a.logtmp', '7');
    put(`sealing/a/${THIRD}.log`, '5 6');
    put(`sessions/a/${SECOND}.log`, '3 4');
    put(`sessions/a/${FIRST}.log.gz`, Buffer.concat([gzipSync('1 '), gzipSync('2')]));
    put(`sessions/a/${FIRST}.json`, '{}');
    put('active/b.logtmp', '1');
    expect(read()).toEqual({ a: '1 2|3 4|5 6|7', b: '1' });
    expect(isSealing(logDir)).toBe(true);
  });

  it('takes a segment once that lies in sealing/ and in sessions/', () => {
    put(`sealing/a/${FIRST}.log`, 'raw');
    put(`sessions/a/${FIRST}.log.gz`, gzipSync('finished'));
    expect(read()).toEqual({ a: 'finished' });
  });

  it('finds nothing in an empty directory', () => {
    expect(read()).toEqual({});
    expect(isSealing(logDir)).toBe(false);
  });
});
