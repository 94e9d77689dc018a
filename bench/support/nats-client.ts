/** As much of NATS as making a stream and reading it back takes. */
import { connect } from 'node:net';
import { NATS_HELLO } from './peer-replay.js';

const INBOX = '_INBOX.client';
const CRLF_BYTES = 2;

/** @returns the answer @throws when the answer names an error */
export async function natsRequest(port: number, subject: string, body: string): Promise<string> {
  let answer = '';
  await receive(port, [`SUB ${INBOX} 1`, `PUB ${subject} ${INBOX} ${Buffer.byteLength(body)}`, body], (_, payload) => {
    answer = payload.toString();
    return true;
  });
  if (answer.includes('"error"')) {
    throw new Error(`nats-server: ${subject} was answered ${answer}`);
  }
  return answer;
}

/** Every message of the stream in its order: subject and payload. */
export async function readStream(
  port: number,
  stream: string,
  count: number,
  take: (subject: string, payload: Buffer) => void,
): Promise<void> {
  const deliverTo = `${INBOX}.all`;
  const config = { deliver_subject: deliverTo, ack_policy: 'none', deliver_policy: 'all', replay_policy: 'instant' };
  const body = JSON.stringify({ stream_name: stream, config });
  const create = `PUB $JS.API.CONSUMER.CREATE.${stream} ${INBOX} ${body.length}`;
  let taken = 0;
  await receive(port, [`SUB ${deliverTo} 2`, `SUB ${INBOX} 1`, create, body], (subject, payload) => {
    if (subject === INBOX) {
      if (payload.includes('"error"')) {
        throw new Error(`nats-server: ${payload.toString()}`);
      }
      return false;
    }
    take(subject, payload);
    taken++;
    return taken === count;
  });
}

/** Until `take` has had enough. */
function receive(
  port: number,
  lines: readonly string[],
  take: (subject: string, payload: Buffer) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${NATS_HELLO}${lines.join('\r\n')}\r\n`));
    let unparsed: Buffer = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('nats-server closed the connection')));
    socket.on('data', (chunk) => {
      const bytes = unparsed.length === 0 ? chunk : Buffer.concat([unparsed, chunk]);
      let at = 0;
      for (let end = bytes.indexOf('\r\n', at); end >= 0; end = bytes.indexOf('\r\n', at)) {
        const [verb, subject = '', ...rest] = bytes.toString('latin1', at, end).split(' ');
        const begin = end + CRLF_BYTES;
        if (verb !== 'MSG') {
          at = begin;
          if (verb === 'PING') {
            socket.write('PONG\r\n');
          }
          continue;
        }
        const payloadEnd = begin + Number(rest.at(-1));
        if (payloadEnd + CRLF_BYTES > bytes.length) {
          break;
        }
        at = payloadEnd + CRLF_BYTES;
        if (take(subject, bytes.subarray(begin, payloadEnd))) {
          resolve();
          socket.destroy();
          return;
        }
      }
      unparsed = bytes.subarray(at);
    });
  });
}
