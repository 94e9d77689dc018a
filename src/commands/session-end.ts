/** How `run` ends its session. */
import { completeSession } from '../client/complete-session.js';
import type { LogConnection } from '../client/log-connection.js';
import type { ProducerReport } from '../client/producer-report.js';
import { WriteError } from '../client/write-error.js';
import { EXIT_OK } from './exit-codes.js';
import { printable } from './printable.js';

/** Of somebody who asked for the end and waits for it. */
const INTERRUPTED_PATIENCE_MS = 2_000;

export interface SessionEnd {
  readonly sessionId: string;
  readonly status: string;
  readonly exitCode: number;
}

/** @param wasStopped a signal ended the command, or it ended after it had been asked to */
export function sessionEnd(sessionId: string, exitCode: number, wasStopped: boolean): SessionEnd {
  const ended = exitCode === EXIT_OK ? 'completed' : 'failed';
  return { sessionId, status: wasStopped ? 'stopped' : ended, exitCode };
}

export function isAllStored(report: ProducerReport): boolean {
  return report.unconfirmed === 0 && report.refusedAt === null;
}

/**
 * Completes the session, unless the report says that lines of it are missing. A command that said nothing may have no session.
 * @returns in one sentence why it could not be completed, or null
 */
export async function whyNotCompleted(
  connection: LogConnection,
  end: SessionEnd,
  report: ProducerReport,
  { giveUpMs, signal }: { readonly giveUpMs: number; readonly signal: AbortSignal },
): Promise<string | null> {
  if (!isAllStored(report)) {
    return null;
  }
  const patience = signal.aborted
    ? { patienceMs: Math.min(giveUpMs, INTERRUPTED_PATIENCE_MS), signal: new AbortController().signal }
    : { patienceMs: giveUpMs, signal };
  try {
    await completeSession(connection, end, patience);
    return null;
  } catch (error) {
    if (!(error instanceof WriteError)) {
      throw error;
    }
    const isNone = error.code === 'UNKNOWN_SESSION' && report.stored === 0;
    return isNone
      ? null
      : `the session ${printable(end.sessionId)} could not be completed: ${printable(error.message)}`;
  }
}
