/**
 * The encoders beside protobufjs + JSON.stringify, in nanoseconds a frame and megabytes (of protobuf) a second: frame by
 * frame (FrameView and LineEncoder), and in runs (RunEncoder, pieces of up to 64 frames or 256 KiB, with both copies). The
 * other side does less: its JSON is a string and not yet bytes, with `{"fields":{"level":{"stringValue":…` for metadata
 * and seconds and nanos for the time.
 *
 *     npx tsc -p tsconfig.bench.json && node node_modules/.cache/bench/bench/encoder.js [the beginning of a row]
 *
 * The best of several rounds counts: on a shared machine the others measure the neighbours.
 */
import { fileURLToPath } from 'node:url';
import { type AnyDefinition, loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { FrameView } from '../src/frame/frame-view.js';
import { LineBuffer } from '../src/frame/line-buffer.js';
import { LineEncoder } from '../src/frame/line-encoder.js';
import { DONE, FULL, GROUP, RunEncoder } from '../src/frame/run-encoder.js';
import { encodeSessionIdJson } from '../src/frame/session-id.js';

const ROUNDS = 7;
const ROUND_MS = 60;
/** Distinct buffers, so that nothing is measured that only holds for one. */
const COPIES = 64;
const PIECE_BYTES = 256 * 1024;

interface Shape {
  readonly name: string;
  readonly frames: readonly Buffer[];
}

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const proto = loadSync('services/logging/v1/logging.proto', {
  includeDirs: [`${repository}protos`],
  longs: Number,
  keepCase: true,
  oneofs: false,
});
const service = proto['logging.v1.LogService'];
if (service === undefined || !isService(service) || service['WriteLogStream'] === undefined) {
  throw new Error('logging.proto has no LogService.WriteLogStream');
}
const { requestSerialize, requestDeserialize } = service['WriteLogStream'];

function isService(definition: AnyDefinition): definition is ServiceDefinition {
  return !('format' in definition);
}

const ALPHABETS = {
  ascii: 'The agent opened src/main.ts and changed three lines of it. ',
  escapes: '{"path":"C:\\\\agent","out":"a\\tb\\n"}\n',
  cjk: '代理打开了文件并更改了三行内容，然后运行了测试。',
  emoji: '🚀🧪✅ done 🎉 ',
} as const;

function content(alphabet: keyof typeof ALPHABETS, bytes: number): string {
  const pattern = ALPHABETS[alphabet];
  return pattern.repeat(Math.ceil(bytes / Buffer.byteLength(pattern))).slice(0, bytes);
}

function shape(name: string, text: string, metadataKeys: number): Shape {
  const frames: Buffer[] = [];
  for (let i = 0; i < COPIES; i++) {
    const fields: Record<string, object> = {};
    for (let key = 0; key < metadataKeys; key++) {
      fields[key === 0 ? 'level' : `attribute_${key}`] = { stringValue: key === 0 ? 'info' : `value ${key}` };
    }
    const frame = {
      version: 1,
      time: { seconds: 1_763_719_200 + (i >> 4), nanos: 123_456_789 + i },
      session_id: 'build-424242',
      user_id: 'agent-7',
      role: 'assistant',
      content: text,
      metadata: metadataKeys === 0 ? undefined : { fields },
    };
    frames.push(requestSerialize(frame));
    if (text.length > 100_000 && i === 3) {
      break;
    }
  }
  return { name, frames };
}

/** @returns nanoseconds a call, the best of the rounds */
function measure(frames: readonly Buffer[], run: (bytes: Buffer) => void): number {
  let calls = 1;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; ) {
    const begun = process.hrtime.bigint();
    for (let call = 0; call < calls; call++) {
      // COPIES and 4 are powers of two.
      const frame = frames[call & (frames.length - 1)];
      if (frame !== undefined) {
        run(frame);
      }
    }
    const ns = Number(process.hrtime.bigint() - begun);
    if (ns < ROUND_MS * 1_000_000) {
      calls *= 2;
      continue;
    }
    best = Math.min(best, ns / calls);
    round++;
  }
  return best;
}

const view = new FrameView();
const encoder = new LineEncoder();
const out = new LineBuffer(1 << 16);
const sessionIdJson = encodeSessionIdJson('build-424242');

function encode(frame: Buffer): void {
  const problem = view.parse(frame, 0, frame.length) ?? encoder.encode(view, sessionIdJson, 1_234_567, 0, out);
  if (problem !== null) {
    throw new Error(`${problem.field} ${problem.reason}`);
  }
  if (out.length > 1 << 20) {
    out.length = 0;
  }
}

/** The frames as gRPC messages, several in a piece. */
function pieces(frames: readonly Buffer[]): Buffer[] {
  const perPiece = Math.max(
    1,
    Math.min(frames.length, 2 ** Math.floor(Math.log2(PIECE_BYTES / (frames[0]?.length ?? 1)))),
  );
  const messages = frames.map((frame) => {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(frame.length, 1);
    return Buffer.concat([header, frame]);
  });
  return Array.from({ length: frames.length / perPiece }, (_, index) =>
    Buffer.concat(messages.slice(index * perPiece, (index + 1) * perPiece)),
  );
}

const runs = new RunEncoder(undefined, `${repository}dist/frame/run-encoder.wasm`);
const session = { idBytes: Buffer.from('build-424242'), idJson: sessionIdJson };

function encodeRuns(piece: Buffer): void {
  runs.load(piece, 0, piece.length);
  for (let position = 0, result: number = FULL; result !== DONE; position = runs.position) {
    result = runs.encodeRun(position, GROUP, session, 1_234_567, 0, 1 << 21, Number.MAX_SAFE_INTEGER, null, 0);
    if (result !== DONE && result !== FULL) {
      throw new Error(`result ${result}`);
    }
    out.reserve(out.length, runs.outputBytes);
    runs.output.copy(out.bytes, out.length, 0, runs.outputBytes);
    out.length += runs.outputBytes;
    if (out.length > 1 << 20) {
      out.length = 0;
    }
  }
}

let written = 0;

function stringify(frame: Buffer): void {
  written += JSON.stringify(requestDeserialize(frame)).length;
}

function parse(frame: Buffer): void {
  if (view.parse(frame, 0, frame.length) !== null) {
    throw new Error('not a frame');
  }
}

const shapes: Shape[] = [shape('typical: 90 B ascii, 2 keys', content('ascii', 90), 2)];
for (const keys of [0, 2, 20]) {
  shapes.push(shape(`100 B ascii, ${keys} keys`, content('ascii', 100), keys));
}
for (const alphabet of ['ascii', 'escapes', 'cjk', 'emoji'] as const) {
  for (const bytes of [100, 1024, 16_384, 1 << 20]) {
    const perCharacter = alphabet === 'cjk' ? 3 : alphabet === 'emoji' ? 2 : 1;
    shapes.push(shape(`${alphabet}, ${bytes} B`, content(alphabet, Math.floor(bytes / perCharacter)), 2));
  }
}

function column(value: number, width: number, digits = 0): string {
  return value.toFixed(digits).padStart(width);
}

console.log(`${'ns a frame'.padEnd(32)}    bytes  protobufjs  line encoder  ratio  in runs  ratio  MB/s  (parse)`);
for (const { name, frames } of shapes.filter((item) => item.name.startsWith(process.argv[2] ?? ''))) {
  const bytes = frames[0]?.length ?? 0;
  const theirs = measure(frames, stringify);
  const ours = measure(frames, encode);
  const inPieces = pieces(frames);
  const inRuns = (measure(inPieces, encodeRuns) * inPieces.length) / frames.length;
  const parsing = measure(frames, parse);
  console.log(
    `${name.padEnd(32)}${column(bytes, 9)}${column(theirs, 12)}${column(ours, 14)}${column(theirs / ours, 7, 1)}` +
      `${column(inRuns, 9)}${column(theirs / inRuns, 7, 1)}${column((bytes * 1000) / inRuns, 6)}  ${parsing.toFixed(0)}`,
  );
}
if (written < 0) {
  console.log('The sum keeps the other side from being optimised away.');
}
