import { Agent, get, type IncomingMessage } from 'node:http';
import type { StreamEvents, ViewedStream } from './viewer.js';

const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
const DATA = 'data: {"seq":';
const CONTENT = '"content":"';

/** The lines of a session as Server-Sent Events. */
export function openSseStream(port: number, sessionId: string, afterSeq: number, events: StreamEvents): ViewedStream {
  let paused = false;
  let rest = '';
  const path = `/api/v1/log-streaming/stream/${encodeURIComponent(sessionId)}`;
  const request = get({ agent, host: '127.0.0.1', port, path, headers: { 'Last-Event-ID': String(afterSeq) } });
  let open: IncomingMessage | null = null;
  request.once('response', (response) => {
    open = response;
    response.on('data', (chunk: Buffer) => {
      // The text before the content, and its stamp, are ASCII.
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith(DATA)) {
          const content = line.indexOf(CONTENT);
          events.line(Number.parseInt(line.slice(DATA.length), 10), line.slice(content + CONTENT.length, content + 48));
        }
      }
    });
    response.on('error', () => undefined);
    if (paused) {
      response.pause();
    }
  });
  request.on('error', () => undefined);
  request.once('close', () => events.ended());
  return {
    pause() {
      paused = true;
      open?.pause();
    },
    resume() {
      paused = false;
      open?.resume();
    },
    destroy: () => void request.destroy(),
  };
}
