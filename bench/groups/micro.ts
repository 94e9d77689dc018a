/**
 * The encoders beside protobufjs + JSON.stringify, alone in this process: in runs (RunEncoder, pieces of up to 64 frames or 256 KiB,
 * with both copies) and frame by frame (FrameView and LineEncoder), which takes what runs leave. The other side does less: its JSON is a string and not yet
 * bytes, with `{"fields":{"level":{"stringValue":…` for metadata and seconds and nanos for the time.
 */
import { join } from 'node:path';
import { FrameView } from '../../src/frame/frame-view.js';
import { LineBuffer } from '../../src/frame/line-buffer.js';
import { LineEncoder } from '../../src/frame/line-encoder.js';
import { DONE, GROUP as FRAMES_PER_CALL, FULL, RunEncoder } from '../../src/frame/run-encoder.js';
import { encodeSessionIdJson } from '../../src/frame/session-id.js';
import type { Bench } from '../support/bench.js';
import { type FramePlan, plannedFrame } from '../support/frame-plan.js';
import type { FrameText } from '../support/frame-text.js';
import { loadLogService, REPOSITORY } from '../support/repository.js';

const GROUP = 'micro';
const OURS = 'logweir';
const SINGLY = 'logweir, frame by frame';
const THEIRS = 'protobufjs + JSON.stringify';
/** Issue 4. */
const RATIO_MIN = 8;
/** The best of several rounds counts: on a shared machine the others measure the neighbours. */
const ROUNDS = 5;
const ROUND_MS = 60;
const SMOKE_ROUND_MS = 1;
/** Distinct frames, so that nothing is measured that only holds for one; a power of two. */
const COPIES = 64;
const PIECE_BYTES = 256 * 1024;
const RUN_BYTES_MAX = 1 << 21;
const OUT_BYTES_MAX = 1 << 20;
const LARGE_COPIES = 4;
const LARGE_BYTES = 100_000;

const { requestSerialize, requestDeserialize } = loadLogService<object>({
  longs: Number,
  keepCase: false,
  oneofs: false,
}).WriteLogStream;

interface Shape {
  readonly job: string;
  readonly text: FrameText;
  readonly metadataKeys: number;
}

const SHAPES: readonly Shape[] = [
  { job: 'as in ingest, 2 metadata keys', text: { kind: 'agent' }, metadataKeys: 2 },
  ...[0, 20].map((metadataKeys): Shape => {
    return { job: `100 B of ascii, ${metadataKeys} metadata keys`, text: { kind: 'ascii', bytes: 100 }, metadataKeys };
  }),
  ...(['ascii', 'cjk', 'quotes'] as const).flatMap((kind) =>
    [100, 1024, 16_384, 1 << 20].map((bytes): Shape => {
      return { job: `${bytes.toLocaleString('en')} B of ${kind}`, text: { kind, bytes }, metadataKeys: 2 };
    }),
  ),
];

const view = new FrameView();
const encoder = new LineEncoder();
const out = new LineBuffer(1 << 16);
const sessionIdJson = encodeSessionIdJson('bench-00000');
const session = { idBytes: Buffer.from('bench-00000'), idJson: sessionIdJson };
const runEncoder = new RunEncoder(undefined, join(REPOSITORY, 'dist/frame/run-encoder.wasm'));
/** A sum keeps the other side from being optimised away. */
let written = 0;

export function measureMicro(bench: Bench): Promise<void> {
  const roundMs = bench.settings.smoke ? SMOKE_ROUND_MS : ROUND_MS;
  for (const shape of SHAPES) {
    const { job } = shape;
    const frames = framesOf(shape, bench.settings.seed);
    const pieces = piecesOf(frames);
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0) / frames.length;
    for (let run = 1; run <= bench.settings.runs; run++) {
      for (const [server, inputs, work] of [
        [OURS, pieces, encodeRuns],
        [SINGLY, frames, encode],
        [THEIRS, frames, stringify],
      ] as const) {
        const nsPerFrame = (measure(inputs, work, roundMs) * inputs.length) / frames.length;
        bench.record({ group: GROUP, job, server }, run, {
          nsPerFrame,
          megabytesPerSecond: (1000 * bytes) / nsPerFrame,
        });
      }
    }
    const theirs = [{ group: GROUP, job, server: THEIRS }];
    bench.ratio({ group: GROUP, job, server: OURS }, 'megabytesPerSecond', theirs, THEIRS, { atLeast: RATIO_MIN });
    bench.ratio({ group: GROUP, job, server: SINGLY }, 'megabytesPerSecond', theirs, THEIRS, null);
  }
  if (written <= 0) {
    throw new Error('the other side wrote nothing');
  }
  return Promise.resolve();
}

function framesOf({ text, metadataKeys }: Shape, seed: number): Buffer[] {
  const plan: FramePlan = {
    seed,
    sessionPrefix: 'bench',
    sessions: 1,
    streams: 1,
    frames: COPIES,
    burst: 1,
    own: false,
    text,
    metadataKeys,
  };
  const copies = text.kind !== 'agent' && text.kind !== 'real' && text.bytes > LARGE_BYTES ? LARGE_COPIES : COPIES;
  return Array.from({ length: copies }, (_, index) => requestSerialize(plannedFrame(plan, 0, index)));
}

/** @returns nanoseconds a call, the best of the rounds */
function measure(frames: readonly Buffer[], run: (frame: Buffer) => void, roundMs: number): number {
  let calls = 1;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; ) {
    const begun = process.hrtime.bigint();
    for (let call = 0; call < calls; call++) {
      const frame = frames[call & (frames.length - 1)];
      if (frame !== undefined) {
        run(frame);
      }
    }
    const ns = Number(process.hrtime.bigint() - begun);
    if (ns < roundMs * 1_000_000) {
      calls *= 2;
      continue;
    }
    best = Math.min(best, ns / calls);
    round++;
  }
  return best;
}

function encode(frame: Buffer): void {
  const problem = view.parse(frame, 0, frame.length) ?? encoder.encode(view, sessionIdJson, 1_234_567, 0, out);
  if (problem !== null) {
    throw new Error(`${problem.field} ${problem.reason}`);
  }
  if (out.length > OUT_BYTES_MAX) {
    out.length = 0;
  }
}

/** The frames as gRPC messages, a power of two of them in a piece. */
function piecesOf(frames: readonly Buffer[]): Buffer[] {
  const largest = Math.max(...frames.map((frame) => frame.length));
  const fitting = 2 ** Math.floor(Math.log2(PIECE_BYTES / largest));
  const perPiece = Math.max(1, Math.min(frames.length, fitting));
  const messages = frames.map((frame) => {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(frame.length, 1);
    return Buffer.concat([header, frame]);
  });
  return Array.from({ length: frames.length / perPiece }, (_, at) =>
    Buffer.concat(messages.slice(at * perPiece, (at + 1) * perPiece)),
  );
}

function encodeRuns(piece: Buffer): void {
  runEncoder.load(piece, 0, piece.length);
  for (let position = 0, result: number = FULL; result !== DONE; position = runEncoder.position) {
    result = runEncoder.encodeRun(
      position,
      FRAMES_PER_CALL,
      session,
      1_234_567,
      0,
      RUN_BYTES_MAX,
      Number.MAX_SAFE_INTEGER,
      null,
      0,
    );
    if (result !== DONE && result !== FULL) {
      throw new Error(`a run ended with ${result}`);
    }
    out.reserve(out.length, runEncoder.outputBytes);
    runEncoder.output.copy(out.bytes, out.length, 0, runEncoder.outputBytes);
    out.length += runEncoder.outputBytes;
    if (out.length > OUT_BYTES_MAX) {
      out.length = 0;
    }
  }
}

function stringify(frame: Buffer): void {
  written += JSON.stringify(requestDeserialize(frame)).length;
}
