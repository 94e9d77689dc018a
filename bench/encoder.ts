/**
 * The encoder beside protobufjs + JSON.stringify, in nanoseconds a frame and megabytes (of protobuf) a second. The
 * other side does less: its JSON is a string and not yet bytes, with `{"fields":{"level":{"stringValue":…` for metadata
 * and seconds and nanos for the time.
 *
 *     npx tsc -p tsconfig.bench.json && node node_modules/.cache/bench/bench/encoder.js [typical]
 *
 * The best of several rounds counts: on a shared machine the others measure the neighbours.
 */
import { fileURLToPath } from 'node:url';
import { type AnyDefinition, loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { FrameView } from '../src/frame/frame-view.js';
import { LineBuffer } from '../src/frame/line-buffer.js';
import { LineEncoder } from '../src/frame/line-encoder.js';
import { encodeSessionIdJson } from '../src/frame/session-id.js';

const ROUNDS = 7;
const ROUND_MS = 60;
/** Distinct buffers, so that nothing is measured that only holds for one. */
const COPIES = 64;

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
function measure(frames: readonly Buffer[], run: (frame: Buffer) => void): number {
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
if (process.argv[2] !== 'typical') {
  for (const keys of [0, 2, 20]) {
    shapes.push(shape(`100 B ascii, ${keys} keys`, content('ascii', 100), keys));
  }
  for (const alphabet of ['ascii', 'escapes', 'cjk', 'emoji'] as const) {
    for (const bytes of [100, 1024, 16_384, 1 << 20]) {
      const perCharacter = alphabet === 'cjk' ? 3 : alphabet === 'emoji' ? 2 : 1;
      shapes.push(shape(`${alphabet}, ${bytes} B`, content(alphabet, Math.floor(bytes / perCharacter)), 2));
    }
  }
}

console.log(
  `${'shape'.padEnd(32)}${'bytes'.padStart(9)}${'ns/frame'.padStart(11)}${'MB/s'.padStart(8)}${'protobufjs'.padStart(12)}  ratio  (parse)`,
);
for (const { name, frames } of shapes) {
  const bytes = frames[0]?.length ?? 0;
  const ours = measure(frames, encode);
  const theirs = measure(frames, stringify);
  const parsing = measure(frames, parse);
  console.log(
    `${name.padEnd(32)}${String(bytes).padStart(9)}${ours.toFixed(0).padStart(11)}${((bytes * 1000) / ours).toFixed(0).padStart(8)}` +
      `${theirs.toFixed(0).padStart(12)}  ${(theirs / ours).toFixed(1).padStart(5)}  ${parsing.toFixed(0)}`,
  );
}
if (written < 0) {
  console.log('The sum keeps the other side from being optimised away.');
}
