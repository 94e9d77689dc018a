/**
 * The encoder beside protobufjs + JSON.stringify, alone in this process. The other side does less: its JSON is a string and not yet
 * bytes, with `{"fields":{"level":{"stringValue":…` for metadata and seconds and nanos for the time.
 */
import { FrameView } from '../../src/frame/frame-view.js';
import { LineBuffer } from '../../src/frame/line-buffer.js';
import { LineEncoder } from '../../src/frame/line-encoder.js';
import { encodeSessionIdJson } from '../../src/frame/session-id.js';
import type { Bench } from '../support/bench.js';
import { type FramePlan, plannedFrame } from '../support/frame-plan.js';
import type { FrameText } from '../support/frame-text.js';
import { loadLogService } from '../support/repository.js';

const GROUP = 'micro';
const THEIRS = 'protobufjs + JSON.stringify';
/** Issue 4. */
const RATIO_MIN = 8;
/** The best of several rounds counts: on a shared machine the others measure the neighbours. */
const ROUNDS = 5;
const ROUND_MS = 60;
const SMOKE_ROUND_MS = 1;
/** Distinct frames, so that nothing is measured that only holds for one; a power of two. */
const COPIES = 64;
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
/** A sum keeps the other side from being optimised away. */
let written = 0;

export function measureMicro(bench: Bench): Promise<void> {
  const roundMs = bench.settings.smoke ? SMOKE_ROUND_MS : ROUND_MS;
  for (const shape of SHAPES) {
    const { job } = shape;
    const frames = framesOf(shape, bench.settings.seed);
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0) / frames.length;
    for (let run = 1; run <= bench.settings.runs; run++) {
      for (const [server, work] of [
        ['logweir', encode],
        [THEIRS, stringify],
      ] as const) {
        const nsPerFrame = measure(frames, work, roundMs);
        bench.record({ group: GROUP, job, server }, run, {
          nsPerFrame,
          megabytesPerSecond: (1000 * bytes) / nsPerFrame,
        });
      }
    }
    const ours = { group: GROUP, job, server: 'logweir' };
    bench.ratio(ours, 'megabytesPerSecond', [{ ...ours, server: THEIRS }], THEIRS, { atLeast: RATIO_MIN });
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
  if (out.length > 1 << 20) {
    out.length = 0;
  }
}

function stringify(frame: Buffer): void {
  written += JSON.stringify(requestDeserialize(frame)).length;
}
