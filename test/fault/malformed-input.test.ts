import { isUtf8 } from 'node:buffer';
import { randomInt } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { afterAll, expect, test } from 'vitest';
import { BatchView } from '../../src/frame/batch-view.js';
import { encode } from '../frame/encode.js';
import { reference, referenceSession } from '../frame/reference.js';
import * as wire from '../frame/wire-writer.js';
import { encodeBatch } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines, storedText } from '../support/stored.js';
import { amount, measured, soak } from './amounts.js';
import { JournalAgent } from './journal-agent.js';
import { Mutations } from './mutations.js';

// CI repeats one seed: a commit is not red for what another one did. The full amounts draw new ones.
const seed = Number(process.env['LOGWEIR_FUZZ_SEED'] ?? (soak ? randomInt(2 ** 31) : 1));
console.info(`malformed input: LOGWEIR_FUZZ_SEED=${seed}`);

const MESSAGES = 1_000_000;
const THROUGH_SERVER = soak ? MESSAGES : 100_000;
const FRAMES_PER_BATCH = 50;

const done = { 'messages through the server': 0, 'messages in process': 0, 'frames refused': 0, 'frames stored': 0 };
afterAll(() => {
  measured('malformed input', done);
});

/** A good agent beside it all: it is served to the end, and everything of it is stored. */
async function besides<T>(server: ServerProcess, logDir: string, attack: () => Promise<T>): Promise<T> {
  const agent = new JournalAgent({ sessionId: 'good', producerId: 'p', framesPerBatch: 5 });
  let over = false;
  const serve = async (): Promise<void> => {
    while (!over) {
      expect(await agent.call(server.grpc, agent.sent + 20), agent.endings.at(-1)).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const served = serve();
  const result = await attack().finally(() => {
    over = true;
  });
  await served;
  expect(agent.acknowledged).toBeGreaterThan(0);
  agent.check(await storedLines(logDir, 'good'));
  expect(server.log()).not.toMatch(/"level":"(?:error|fatal)"/);
  return result;
}

/** Every stored line as text, by the name of its session; each is checked to be a line of that session. */
async function allStored(logDir: string): Promise<Map<string, string[]>> {
  const names = new Set<string>();
  for (const name of await readdir(join(logDir, 'active'))) {
    names.add(name.replace(/\.logtmp$/, ''));
  }
  for (const room of ['sealing', 'sessions']) {
    for (const name of await readdir(join(logDir, room))) {
      names.add(name);
    }
  }
  const stored = new Map<string, string[]>();
  for (const name of names) {
    const text = await storedText(logDir, name);
    expect(text.includes('\uFFFD') ? await isUtf8Stored(logDir, name) : true, name).toBe(true);
    // oxlint-disable-next-line no-control-regex -- what a line must not hold
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
    stored.set(name, text.split('\n').slice(0, -1));
  }
  return stored;
}

/** Whether it was U+FFFD that was stored, and not bytes that read as it. */
async function isUtf8Stored(logDir: string, name: string): Promise<boolean> {
  const active = await readFile(join(logDir, 'active', `${name}.logtmp`)).catch(() => Buffer.alloc(0));
  const sealed = join(logDir, 'sessions', name);
  const files = (await readdir(sealed).catch(() => [])).filter((file) => file.endsWith('.log.gz'));
  const segments = await Promise.all(files.map(async (file) => gunzipSync(await readFile(join(sealed, file)))));
  return [active, ...segments].every((bytes) => isUtf8(bytes));
}

/** A stored line without what the server put in: its number, and its time when the frame had none. */
function withoutSeq(line: string): string {
  return line.replace(/^\{"seq":\d+,/, '{"seq":1,');
}

function withoutTime(line: string): string {
  return line.replace(/"time":"[^"]*"/, '"time":"1970-01-01T00:00:00Z"');
}

test('mutated frames are stored as the reference has them or refused by their field, and nothing else is', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  const mutations = new Mutations(seed);
  const { random } = mutations;
  const expectedLines = new Set<string>();
  let refused = 0;
  let duplicates = 0;

  await besides(server, directory.path, async () => {
    using client = new LogClient(server.grpc);
    const stream = client.openBatches();
    const settle = (frames: readonly Buffer[], from: number): void => {
      for (const { rejected, duplicates: more } of stream.acks.slice(from)) {
        duplicates += more;
        refused += rejected.length;
        for (const { index, field, reason } of rejected) {
          const frame = frames[index] ?? Buffer.alloc(0);
          const outcome = reference(frame, 1, 0);
          // A frame in a session of its own may come after the greatest seq there, which is said before the rest is looked at.
          const ours = referenceSession(frame).startsWith('fuzz-');
          const fits = (field === 'seq' && !ours) || ('field' in outcome && outcome.field === field);
          expect(fits, `refused for its ${field}, which ${reason}: ${frame.toString('hex')}`).toBe(true);
        }
      }
    };
    for (let batchId = 1; batchId <= THROUGH_SERVER / FRAMES_PER_BATCH; batchId++) {
      const frames: Buffer[] = [];
      for (let index = 0; index < FRAMES_PER_BATCH; index++) {
        const mutated = mutations.frame();
        // Else one frame with the greatest seq would end its session for all others; one in a hundred stays as it is.
        const frame =
          random(100) > 0
            ? wire.join(
                mutated,
                wire.delimited(3, `fuzz-${random(20)}`),
                wire.varintField(6, 0),
                wire.varintField(10, 0),
              )
            : mutated;
        const outcome = reference(frame, 1, 0);
        if ('line' in outcome) {
          expectedLines.add(withoutSeq(outcome.line.trimEnd()));
        }
        frames.push(frame);
      }
      const acked = stream.acks.length;
      stream.sendRaw(encodeBatch(batchId, frames));
      await stream.acknowledged(batchId);
      settle(frames, acked);
    }
    expect(await stream.finish()).toMatchObject({ code: status.OK });
  });

  const stored = await allStored(directory.path);
  stored.delete('good');
  let lines = 0;
  for (const text of [...stored.values()].flat()) {
    lines++;
    JSON.parse(text);
    const line = withoutSeq(text);
    expect(expectedLines.has(line) || expectedLines.has(withoutTime(line)), text).toBe(true);
  }
  expect(lines).toBe(THROUGH_SERVER - refused - duplicates);
  expect(refused).toBeGreaterThan(THROUGH_SERVER / 100);
  expect(lines).toBeGreaterThan(THROUGH_SERVER / 20);
  done['messages through the server'] += THROUGH_SERVER;
  done['frames refused'] += refused;
  done['frames stored'] += lines;
});

test('mutated batches and frames end a call with a status at most, and the frames before them are stored', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  const mutations = new Mutations(seed + 1);
  const calls = amount(1_500, 20_000);
  const codes = new Map<number, number>();
  const count = (code: number): void => void codes.set(code, (codes.get(code) ?? 0) + 1);
  await besides(server, directory.path, async () => {
    using client = new LogClient(server.grpc);
    for (let call = 0; call < calls; call++) {
      const good = [`${call}:0`, `${call}:1`].map((content) => ({ session_id: 'before', content }));
      if (call % 2 === 0) {
        const answer = await client.write([...good, mutations.frame()]);
        count(answer.ok ? status.OK : answer.code);
        if (!answer.ok) {
          expect(answer.details).toMatch(/^frame 2 \(counted from 0\): /);
          expect(answer.trailers.get('logweir-frames-written')).toEqual(['2']);
        }
      } else {
        const stream = client.openBatches();
        stream.send(1, good);
        stream.sendRaw(mutations.mutated(encodeBatch(2, [mutations.frame(), mutations.frame()])));
        count((await stream.finish()).code);
        expect(stream.acks[0]).toMatchObject({ durable: true, rejected: [] });
      }
    }
  });
  // ALREADY_EXISTS: two frames of the corpus, or one and its mutant, can name one number of one session.
  const expectedCodes: number[] = [status.OK, status.INVALID_ARGUMENT, status.ALREADY_EXISTS];
  expect([...codes.keys()].filter((code) => !expectedCodes.includes(code))).toEqual([]);
  expect(codes.get(status.OK)).toBeGreaterThan(0);
  expect(codes.get(status.INVALID_ARGUMENT)).toBeGreaterThan(0);
  const stored = await allStored(directory.path);
  for (const line of [...stored.values()].flat()) {
    JSON.parse(line);
  }
  const before = (await storedLines(directory.path, 'before')).map(({ content }) => content);
  expect(before).toEqual(Array.from({ length: calls * 2 }, (_, index) => `${index >> 1}:${index & 1}`));
  done['messages through the server'] += calls * 3;
});

const PATHS = [
  '/logging.v1.LogService/WriteLogStream',
  '/logging.v1.LogService/WriteLogBatches',
  '/logging.v1.LogService/CompleteSession',
  '/logging.v1.LogReader/GetSession',
  '/logging.v1.LogReader/ListSessions',
  '/grpc.health.v1.Health/Check',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/nothing.v1.Nothing/At%00All',
];

/** What a call with these bytes as its HTTP/2 body comes to: its grpc-status, or how the stream ended. */
function rawCall(address: string, path: string, body: Buffer, headers: Record<string, string> = {}): Promise<string> {
  const session = connectHttp2(`http://${address}`);
  return new Promise((resolve) => {
    const finish = (outcome: string): void => {
      session.destroy();
      resolve(outcome);
    };
    session.on('error', (error) => finish(error.message));
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let outcome = 'no status';
    const note = (from: IncomingHttpHeaders): void => {
      outcome = from['grpc-status'] === undefined ? outcome : `status ${from['grpc-status'].toString()}`;
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('error', () => undefined);
    stream.on('close', () => finish(stream.rstCode === 0 ? outcome : `${outcome}, reset ${stream.rstCode}`));
    stream.resume();
    stream.end(body);
  });
}

function prefixed(message: Buffer, length = message.length, flag = 0): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt8(flag, 0);
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, message]);
}

test('bodies that are no messages, prefixes that lie, and bytes that are no HTTP/2 get a status or a closed stream', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  const mutations = new Mutations(seed + 2);
  const { random } = mutations;
  const rounds = amount(400, 10_000);
  const outcomes = new Set<string>();
  await besides(server, directory.path, async () => {
    for (let round = 0; round < rounds; round++) {
      const message = random(2) === 0 ? mutations.noise(200) : mutations.frame();
      const lengths = [0, message.length - 1, message.length + 1, 0xffffffff, 0x7fffffff, 5, message.length];
      const length = Math.max(0, lengths[random(lengths.length)] ?? 0);
      const body = random(4) === 0 ? mutations.noise(64) : prefixed(message, length, random(4));
      const headers = random(3) === 0 ? { 'grpc-encoding': ['gzip', 'deflate', 'nonsense'][random(3)] ?? '' } : {};
      outcomes.add(await rawCall(server.grpc, PATHS[round % PATHS.length] ?? '', body, headers));
    }
    const [host = '', port] = server.grpc.split(':');
    for (let round = 0; round < 20; round++) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), host, () => socket.end(mutations.noise(500)));
        socket.on('error', () => undefined).on('close', () => resolve());
        socket.resume();
      });
    }
  });
  expect([...outcomes].filter((outcome) => !/^status \d+/.test(outcome))).toEqual([]);
  done['messages through the server'] += rounds;
});

test('compression bombs are refused, memory stays bounded, and a good agent is served', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  const bomb = prefixed(gzipSync(Buffer.alloc(256 << 20)), undefined, 1);
  await besides(server, directory.path, async () => {
    const calls = Array.from({ length: amount(16, 200) }, (_, index) =>
      rawCall(server.grpc, PATHS[index % 2] ?? '', bomb, { 'grpc-encoding': 'gzip' }),
    );
    for (const outcome of await Promise.all(calls)) {
      expect(outcome).toMatch(new RegExp(`^status (?:${status.INVALID_ARGUMENT}|${status.RESOURCE_EXHAUSTED})`));
    }
  });
  const peakKiB = Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
  expect(peakKiB).toBeLessThan(512 * 1024);
});

test('the rest in process: every frame is encoded as the reference has it, every batch is read or refused', () => {
  const mutations = new Mutations(seed + 3);
  const batch = new BatchView();
  const messages = soak ? 100_000 : MESSAGES - THROUGH_SERVER;
  for (let message = 0; message < messages; message++) {
    const frame = mutations.frame();
    const actual = encode(frame, 7, 1_763_719_200_123);
    if (message % 4 === 0) {
      const expected = reference(frame, 7, 1_763_719_200_123);
      const same =
        'line' in expected
          ? 'line' in actual && actual.line === expected.line
          : !('line' in actual) && actual.field === expected.field;
      expect(same, frame.toString('hex')).toBe(true);
    }
    if (message % 10 === 0) {
      const bytes = mutations.mutated(encodeBatch(1, [frame]));
      const problem = batch.parse(bytes);
      const within = batch.starts.every(
        (start, index) => start <= (batch.ends[index] ?? -1) && (batch.ends[index] ?? -1) <= bytes.length,
      );
      expect(problem !== null || within, bytes.toString('hex')).toBe(true);
    }
  }
  done['messages in process'] += messages;
});
