import { connect, type IncomingHttpHeaders } from 'node:http2';
import { Duplex } from 'node:stream';
import { Flag, FrameType, frameHeader } from './http2-wire.js';

/**
 * Reads a header block that stands for itself (SETTINGS_HEADER_TABLE_SIZE 0), Huffman coding and all, by handing it to
 * Node's own HTTP/2 client as the answer to a request that goes nowhere.
 */
export function readHeaderBlock(block: Buffer): Promise<IncomingHttpHeaders> {
  const wire = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const session = connect('http://nowhere', { createConnection: () => wire });
  return new Promise((resolve, reject) => {
    const request = session.request({ ':method': 'POST', ':path': '/' });
    request.once('response', (headers) => {
      resolve(headers);
      session.destroy();
    });
    request.once('error', reject);
    session.once('error', reject);
    wire.push(frameHeader(0, FrameType.settings, 0, 0));
    // Not before the request is under way: streams that a server names first are errors.
    setImmediate(() => {
      wire.push(frameHeader(block.length, FrameType.headers, Flag.endHeaders | Flag.endStream, 1));
      wire.push(block);
    });
  });
}
