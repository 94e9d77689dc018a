import { describe, expect, it } from 'vitest';
import { FrameView } from '../../src/frame/frame-view.js';
import { LineBuffer } from '../../src/frame/line-buffer.js';
import { LineEncoder } from '../../src/frame/line-encoder.js';
import { encodeSessionIdJson } from '../../src/frame/session-id.js';
import { encodeJson, encodeLine } from './encode.js';
import { quote } from './reference.js';
import * as wire from './wire-writer.js';

const SESSION = wire.delimited(3, 's');

function timeOf(seconds: bigint | number, nanos: number): unknown {
  return encodeJson(wire.join(SESSION, wire.delimited(2, wire.timestamp(seconds, nanos))))['time'];
}

/** The content as it stands in the line, with its quotes. */
function contentLine(content: Uint8Array | string): string {
  const line = encodeLine(wire.join(SESSION, wire.delimited(7, content)));
  return line.slice(line.indexOf(',"content":') + 11, -2);
}

describe('the line', () => {
  it('has its keys in this order, whatever the order on the wire', () => {
    const frame = wire.join(
      wire.varintField(10, 9),
      wire.delimited(9, 'w3'),
      wire.delimited(8, wire.entry('level', wire.value.string('info'))),
      wire.delimited(7, 'hello'),
      wire.varintField(6, 1000),
      wire.delimited(5, 'assistant'),
      wire.delimited(4, 'u1'),
      wire.delimited(3, 'build-42'),
      wire.delimited(2, wire.timestamp(1_795_255_200, 123_456_789)),
      wire.varintField(1, 1),
    );
    expect(encodeLine(frame, 7)).toBe(
      '{"seq":7,"time":"2026-11-21T10:00:00.123456789Z","session_id":"build-42","user_id":"u1","role":"assistant",' +
        '"content":"hello","metadata":{"level":"info"},"version":1,"producer_id":"w3","producer_seq":9}\n',
    );
  });

  it('leaves out what is empty, and takes the time of the server', () => {
    const empty = wire.join(...[4, 5, 7, 9].map((field) => wire.delimited(field, '')), wire.varintField(1, 0));
    expect(encodeLine(wire.join(SESSION, empty), 1, 1_795_255_200_007)).toBe(
      '{"seq":1,"time":"2026-11-21T10:00:00.007Z","session_id":"s"}\n',
    );
    expect(encodeLine(SESSION, 1, 1_795_255_200_000)).toContain('"time":"2026-11-21T10:00:00Z"');
    expect(encodeLine(SESSION, 1, -1)).toContain('"time":"1969-12-31T23:59:59.999Z"');
  });

  it('stands behind what the buffer held', () => {
    const out = new LineBuffer(1);
    const view = new FrameView();
    const encoder = new LineEncoder();
    const sessionIdJson = encodeSessionIdJson('s');
    const lines = [1, 2, 3].map((seq) => {
      const frame = wire.join(SESSION, wire.delimited(7, String(seq).repeat(seq * 1000)));
      view.parse(frame, 0, frame.length);
      expect(encoder.encode(view, sessionIdJson, seq, 0, out)).toBeNull();
      return `{"seq":${seq},"time":"1970-01-01T00:00:00Z","session_id":"s","content":"${String(seq).repeat(seq * 1000)}"}\n`;
    });
    expect(out.bytes.toString('utf8', 0, out.length)).toBe(lines.join(''));
  });

  it('comes from a frame in the middle of a message, short or long', () => {
    const view = new FrameView();
    const encoder = new LineEncoder();
    for (const length of [0, 10, 3000]) {
      const frame = wire.join(
        SESSION,
        wire.delimited(7, 'c'.repeat(length)),
        wire.delimited(8, wire.entry('k', wire.value.number(1.5))),
      );
      const message = wire.join(Buffer.from('"before"'), frame, frame, Buffer.from('\n'));
      const out = new LineBuffer(100);
      for (const start of [8, 8 + frame.length]) {
        expect(view.parse(message, start, start + frame.length)).toBeNull();
        expect(encoder.encode(view, encodeSessionIdJson('s'), 1, 0, out)).toBeNull();
      }
      expect(out.bytes.toString('utf8', 0, out.length)).toBe(encodeLine(frame).repeat(2));
    }
  });

  it('ends at the last byte of a message that is a plain Uint8Array', () => {
    const frame = new Uint8Array(wire.join(SESSION, wire.delimited(7, 'abc')));
    expect(encodeLine(frame)).toContain('"content":"abc"}');
    const long = new Uint8Array(wire.join(SESSION, wire.delimited(7, 'abcde'.repeat(1001))));
    expect(encodeLine(long)).toContain(`"content":"${'abcde'.repeat(1001)}"}`);
  });

  it('holds a session id of any length and letters', () => {
    for (const sessionId of ['s', 'x'.repeat(33), 'é"\u2028'.repeat(100)]) {
      expect(encodeLine(wire.delimited(3, sessionId))).toContain(`,"session_id":${quote(sessionId)}}`);
    }
    expect(Buffer.from(encodeSessionIdJson('a"\ud800\n')).toString()).toBe('"a\\"\ufffd\\n"');
  });

  it.each([
    1, 9, 10, 99, 100, 999, 1000, 1001, 10_000, 99_999, 100_000, 999_999, 1_000_000, 1_000_001, 123_456_789,
    999_999_999, 1_000_000_000, 1_000_000_001, 2_147_483_647, 2_147_483_648, 4_294_967_296, 999_999_999_999,
    1_000_000_000_000, 1_000_000_000_000_000, 9_007_199_254_740_991,
  ])('writes %i in full', (count) => {
    const line = encodeLine(wire.join(SESSION, wire.varintField(10, count)), count);
    expect(line).toBe(`{"seq":${count},"time":"1970-01-01T00:00:00Z","session_id":"s","producer_seq":${count}}\n`);
  });

  it('writes version with its sign', () => {
    for (const version of [-1, -1000, -(2 ** 31), 2 ** 31 - 1]) {
      expect(encodeLine(wire.join(SESSION, wire.varintField(1, version)))).toContain(`"version":${version}}`);
    }
  });
});

describe('time', () => {
  it('has 0, 3, 6 or 9 digits of a second', () => {
    expect(timeOf(0, 0)).toBe('1970-01-01T00:00:00Z');
    expect(timeOf(0, 120_000_000)).toBe('1970-01-01T00:00:00.120Z');
    expect(timeOf(0, 1_000_000)).toBe('1970-01-01T00:00:00.001Z');
    expect(timeOf(0, 120_000)).toBe('1970-01-01T00:00:00.000120Z');
    expect(timeOf(0, 999_999_000)).toBe('1970-01-01T00:00:00.999999Z');
    expect(timeOf(0, 1)).toBe('1970-01-01T00:00:00.000000001Z');
    expect(timeOf(0, 999_999_999)).toBe('1970-01-01T00:00:00.999999999Z');
  });

  it('counts nanos forward also before 1970', () => {
    expect(timeOf(-1, 500_000_000)).toBe('1969-12-31T23:59:59.500Z');
    expect(timeOf(-86_400, 0)).toBe('1969-12-31T00:00:00Z');
    expect(timeOf(-86_401, 1)).toBe('1969-12-30T23:59:59.000000001Z');
  });

  it('goes from year 1 to year 9999', () => {
    expect(timeOf(-62135596800n, 0)).toBe('0001-01-01T00:00:00Z');
    expect(timeOf(253402300799n, 999_999_999)).toBe('9999-12-31T23:59:59.999999999Z');
  });

  it('is the epoch when the Timestamp is there and empty', () => {
    expect(encodeJson(wire.join(SESSION, wire.delimited(2, '')), 1, 5000)['time']).toBe('1970-01-01T00:00:00Z');
  });

  it('does not take the text of another second', () => {
    expect([timeOf(59, 0), timeOf(60, 1), timeOf(59, 2)]).toEqual([
      '1970-01-01T00:00:59Z',
      '1970-01-01T00:01:00.000000001Z',
      '1970-01-01T00:00:59.000000002Z',
    ]);
  });
});

describe('a string', () => {
  it('is escaped as JSON.stringify does, and DEL, C1 controls, U+2028 and U+2029 too', () => {
    expect(contentLine('"\\/\b\f\n\r\t\0\x1b\x1f')).toBe(String.raw`"\"\\/\b\f\n\r\t\u0000\u001b\u001f"`);
    expect(contentLine('\x7f\u0080\u0085\u009f\u00a0\u2027\u2028\u2029\u202a')).toBe(
      '"\\u007f\\u0080\\u0085\\u009f\u00a0\u2027\\u2028\\u2029\u202a"',
    );
  });

  it('holds every character of Unicode, at every place in a word', () => {
    for (let block = 0; block < 0x110000; block += 0x1000) {
      for (let offset = 0; offset < 4; offset++) {
        let text = 'x'.repeat(offset);
        for (let codePoint = block + offset; codePoint < block + 0x1000; codePoint += 4) {
          text += codePoint >= 0xd800 && codePoint < 0xe000 ? '' : String.fromCodePoint(codePoint);
        }
        expect(contentLine(text) === quote(text)).toBe(true);
      }
    }
  });

  it('has a special character found at every place, alone and beside others', () => {
    for (const special of ['"', '\\', '\n', '\x1f', '\x7f', '\u0080', 'é', '漢', '🚀', '\u2028']) {
      for (let before = 0; before < 20; before++) {
        for (let after = 0; after < 12; after++) {
          const text = 'a'.repeat(before) + special + '~'.repeat(after);
          expect(contentLine(text)).toBe(quote(text));
          expect(contentLine(text + special)).toBe(quote(text + special));
        }
      }
    }
  });

  it('replaces bytes that are no UTF-8 as the WHATWG decoder does, for every two bytes and every third', () => {
    const thirds = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe2, 0xff];
    for (let first = 0x80; first < 0x100; first++) {
      for (let second = 0x70; second < 0x100; second++) {
        // An "a" between them ends a sequence; the first piece has its sequences cut by the end of the content.
        const pieces = thirds.map((third) => Buffer.from([0x61, first, second, third, 0x80]));
        const bytes = Buffer.concat([...pieces, Buffer.from([0x61, first, second])]);
        expect(contentLine(bytes) === quote(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))).toBe(true);
      }
    }
  });

  it.each([
    ['an overlong slash', [0xc0, 0xaf], '\ufffd\ufffd'],
    ['a surrogate', [0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
    ['a sequence cut short by the end', [0xf0, 0x9f, 0x9a], '\ufffd'],
    ['a sequence cut short by a quote', [0xe2, 0x80, 0x22], '\ufffd\\"'],
    ['a byte order mark, which is none', [0xef, 0xbb, 0xbf], '\ufeff'],
  ])('replaces %s', (_, bytes, expected) => {
    expect(contentLine(Buffer.from(bytes))).toBe(`"${expected}"`);
  });

  it('is the same when it is long', () => {
    const unit = 'plain text, "quoted"\n漢字\u2028🚀\u0085';
    for (const text of [unit.repeat(30_000), 'x'.repeat(1 << 20), '漢'.repeat(350_000), '\u0001'.repeat(100_000)]) {
      expect(contentLine(text) === quote(text)).toBe(true);
    }
  });

  it('is the same when it is long and ends in bytes that are no UTF-8, in time that follows its length', () => {
    const bytes = Buffer.concat([Buffer.from('漢字"\u2028'.repeat(100_000)), Buffer.of(0xe6, 0xbc)]);
    const started = performance.now();
    expect(contentLine(bytes) === quote(bytes.toString())).toBe(true);
    // Quadratic would be a minute.
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('may break a character at any byte of a chunk', () => {
    for (let before = 4080; before < 4100; before++) {
      const text = `${'x'.repeat(before)}🚀漢\n"${'y'.repeat(50)}`;
      expect(contentLine(text)).toBe(quote(text));
    }
  });

  it('does not reserve room for the worst case of a long content', () => {
    const out = new LineBuffer(1024);
    const view = new FrameView();
    const frame = wire.join(SESSION, wire.delimited(7, 'x'.repeat(1 << 20)));
    view.parse(frame, 0, frame.length);
    new LineEncoder().encode(view, encodeSessionIdJson('s'), 1, 0, out);
    expect(out.bytes.length).toBeLessThan(2.5 * (1 << 20));
  });
});
