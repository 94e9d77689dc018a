import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firehoseEvents, sessionEvents } from '../../src/http/sse-events.js';
import { websocketMessages } from '../../src/http/websocket-messages.js';
import { LogLines } from '../../src/reading/log-events.js';

function linesOf(sessionId: string, contents: readonly string[], firstSeq = 1): LogLines {
  const lines = contents.map((content, index) => {
    const time = '2026-11-21T10:00:00Z';
    return `${JSON.stringify({ seq: firstSeq + index, time, session_id: sessionId, content })}\n`;
  });
  return new LogLines(sessionId, firstSeq, firstSeq + contents.length - 1, Buffer.from(lines.join('')));
}

/** The payloads of text frames, as RFC 6455 has them without a mask. */
function payloads(frames: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < frames.length; ) {
    expect(frames[at]).toBe(0x81);
    const short = frames[at + 1] ?? 0;
    const [length, header] =
      short < 126
        ? [short, 2]
        : short === 126
          ? [frames.readUInt16BE(at + 2), 4]
          : [Number(frames.readBigUInt64BE(at + 2)), 10];
    texts.push(frames.toString('utf8', at + header, at + header + length));
    at += header + length;
  }
  return texts;
}

describe('lines', () => {
  it.each([
    ['events of a session', sessionEvents],
    ['events of the firehose', firehoseEvents],
    ['WebSocket messages', websocketMessages],
  ])('are made into %s once for all viewers', (_, encoding) => {
    const lines = linesOf('s', ['one', 'two']);
    expect(encoding.lines(lines)).toBe(encoding.lines(lines));
  });

  it('are whole events and messages, whatever stands in them and however long they are', () => {
    const content = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer({ min: 0, max: 140 }).map((length) => 'x'.repeat(length)),
      fc.integer({ min: 65_400, max: 65_560 }).map((length) => 'y'.repeat(length)),
    );
    const firstSeq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 10 });
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.array(content, { minLength: 1, maxLength: 5 }),
        firstSeq,
        (id, contents, seq) => {
          const lines = linesOf(id, contents, seq);
          const stored = lines.bytes.toString().trimEnd().split('\n');
          expect(sessionEvents.lines(lines).toString()).toBe(
            stored.map((line, index) => `id: ${seq + index}\nevent: log\ndata: ${line}\n\n`).join(''),
          );
          expect(firehoseEvents.lines(lines).toString()).toBe(
            stored
              .map((line, index) => `id: ${encodeURIComponent(id)}/${seq + index}\nevent: log\ndata: ${line}\n\n`)
              .join(''),
          );
          expect(payloads(websocketMessages.lines(lines)).map((text) => JSON.parse(text) as unknown)).toEqual(
            stored.map((line) => {
              const {
                content: text,
                seq: number,
                time,
              } = JSON.parse(line) as { content: string; seq: number; time: string };
              return { type: 'log', content: text, isComplete: false, status: 'running', seq: number, time };
            }),
          );
        },
      ),
    );
  });
});
