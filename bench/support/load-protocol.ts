/** What the load generator is told and what it answers, typed once for both processes. */
import type { FramePlan } from './frame-plan.js';

export type LoadCommand =
  | { readonly type: 'prepare'; readonly plan: FramePlan; readonly connections: number }
  /** Replays the plan prepared under that session prefix against a server on the loopback. */
  | { readonly type: 'replay'; readonly sessionPrefix: string; readonly port: number };

export type LoadAnswer =
  | { readonly type: 'prepared'; readonly protobufBytes: number }
  /** From the first request byte to the last response. Every response counted the frames that were sent. */
  | { readonly type: 'replayed'; readonly wallSeconds: number }
  | { readonly type: 'failed'; readonly message: string };
