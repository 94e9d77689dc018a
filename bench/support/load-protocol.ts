/** What the load generator is told and what it answers, typed once for both processes. */
import type { FramePlan } from './frame-plan.js';

/** How frames travel: a WriteLogStream message each, or WriteLogBatches of a burst each. */
export const TRANSPORTS = ['single', 'batches'] as const;
export type Transport = (typeof TRANSPORTS)[number];
/** The same frames in the words of what a user might pick instead. */
export const PEERS = ['rsyslog', 'relp', 'redis', 'nats'] as const;
export type Peer = (typeof PEERS)[number];

export interface Replay {
  readonly transport: Transport | Peer;
  readonly sessionPrefix: string;
  readonly port: number;
  /** Messages of a stream that may wait for their acknowledgement. */
  readonly inFlight: number;
}

export type LoadCommand =
  | {
      readonly type: 'prepare';
      readonly plan: FramePlan;
      readonly transport: Transport | Peer;
      readonly connections: number;
    }
  /** Forgets what was prepared. */
  | { readonly type: 'forget' }
  /** Replays the plan prepared under that session prefix against a server on the loopback. */
  | ({ readonly type: 'replay' } & Replay);

export interface ReplayResult {
  /** From the first request byte to the last acknowledgement, which covers every frame. */
  readonly wallSeconds: number;
  /** Whether every acknowledgement said that it means the disk. */
  readonly durable: boolean;
  readonly acknowledgements: number;
  /** From the last byte of a batch to its acknowledgement, milliseconds; null where batches have none of their own. */
  readonly ackMs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
}

export type LoadAnswer =
  | { readonly type: 'prepared'; readonly protobufBytes: number }
  | { readonly type: 'forgotten' }
  | ({ readonly type: 'replayed' } & ReplayResult)
  | { readonly type: 'failed'; readonly message: string };
