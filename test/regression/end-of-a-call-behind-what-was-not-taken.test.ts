/**
 * The status of a call comes while its last messages wait to be taken: whoever was slow lost them, the `end` among them, and was told that
 * the call had ended without saying why.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LogReader } from '../../src/client/log-reader.js';
import { LogweirServer } from '../client/logweir-server.js';
import { LogClient } from '../support/log-client.js';

const LINES = 12;

describe('a stream that is read slowly', () => {
  it('gives out everything that came before the end of the call', async () => {
    await using server = await LogweirServer.start();
    using writer = new LogClient(server.address);
    const content = 'x'.repeat(40_000);
    await writer.write(Array.from({ length: LINES }, (_, index) => ({ session_id: 's', seq: index + 1, content })));
    const reader = new LogReader(server.address);
    try {
      const kinds: string[] = [];
      let lines = 0;
      for await (const event of reader.stream({ sessionId: 's' }).events()) {
        kinds.push(event.kind);
        lines += event.kind === 'lines' ? event.bytes.toString().split('\n').length - 1 : 0;
        // Until everything there is has come.
        for (let turns = 0; turns < 200; turns++) {
          await turn();
        }
      }
      expect(lines).toBe(LINES);
      expect(kinds.at(-1)).toBe('end');
    } finally {
      reader.close();
    }
  });
});
