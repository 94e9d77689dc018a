import type { Manifest } from '../../../src/segment/manifest.js';
import type { Journal } from './journal.js';

interface Announced {
  readonly session_id: string;
  readonly last_seq: number;
  readonly status: string;
  readonly exit_code?: number;
  readonly completed_at: string;
  readonly event_id: string;
}

/**
 * What has to be true of completions when everything is finished. Returns what is not.
 *
 * @param stored path and content of every file under LOG_DIR
 * @param manifests of all sessions
 * @param announced content by event id, in the order of the first effects
 */
export function completionViolations(
  stored: ReadonlyMap<string, Buffer>,
  manifests: readonly Manifest[],
  journal: Journal,
  announced: ReadonlyMap<string, string>,
): string[] {
  const wrong: string[] = [];
  const order = new Map([...announced.keys()].map((id, index) => [id, index]));
  const newest = new Map<string, Announced>();
  for (const [id, text] of announced) {
    if (!id.startsWith('completion:')) {
      continue;
    }
    const event = JSON.parse(text) as Announced;
    const { session_id: session, last_seq: lastSeq } = event;
    if (id !== `completion:${session}/${lastSeq}` || event.event_id !== id) {
      wrong.push(`${id} is announced of ${session}/${lastSeq}`);
    }
    if (!journal.told.some((told) => told.sessionId === session && howOf(told) === howOf(eventEnd(event)))) {
      wrong.push(`${id} is announced as ${howOf(eventEnd(event))}, which nobody told`);
    }
    for (const { id: segment, session_id, first_seq, last_seq } of manifests) {
      if (session_id !== session || first_seq > lastSeq) {
        continue;
      }
      if (last_seq > lastSeq) {
        wrong.push(`${id} is announced in the middle of ${segment}`);
      }
      if ((order.get(`rotation:${segment}`) ?? Number.POSITIVE_INFINITY) > (order.get(id) ?? 0)) {
        wrong.push(`${id} is announced before rotation:${segment}`);
      }
    }
    if ((newest.get(session)?.last_seq ?? 0) < lastSeq) {
      newest.set(session, event);
    }
  }
  return [...wrong, ...brokenAnswers(journal, announced), ...wrongRecords(stored, newest)];
}

/** What was answered is announced, as it was told. */
function brokenAnswers(journal: Journal, announced: ReadonlyMap<string, string>): string[] {
  const wrong: string[] = [];
  for (const { sessionId, outcome, status, exitCode } of journal.told) {
    if (outcome === null || outcome.kind === 'unknown') {
      continue;
    }
    const end = outcome.kind === 'conflict' ? outcome.stored : { ...outcome.completion, status, exitCode };
    const id = `completion:${sessionId}/${end.lastSeq}`;
    const text = announced.get(id);
    const found = text === undefined ? 'not at all' : howOf(eventEnd(JSON.parse(text) as Announced));
    if (found !== howOf(end)) {
      wrong.push(`${id} was answered as ${howOf(end)}, and is announced ${found}`);
    }
  }
  return wrong;
}

/** The last one of each session stands where readers look for it, and nothing else does. */
function wrongRecords(stored: ReadonlyMap<string, Buffer>, newest: ReadonlyMap<string, Announced>): string[] {
  const found = new Map<string, string>();
  for (const [path, content] of stored) {
    if (path.startsWith('/logs/sessions/') && path.endsWith('/completion.json')) {
      const { session_id, last_seq, status, exit_code, completed_at } = JSON.parse(content.toString('utf8'));
      found.set(session_id, `${last_seq} ${howOf({ status, exitCode: exit_code })} ${completed_at}`);
    }
  }
  const wrong: string[] = [];
  for (const session of new Set([...found.keys(), ...newest.keys()])) {
    const event = newest.get(session);
    const due = event === undefined ? 'none' : `${event.last_seq} ${howOf(eventEnd(event))} ${event.completed_at}`;
    if (found.get(session) !== due) {
      wrong.push(`the completion of ${session} is ${found.get(session) ?? 'none'}, not ${due}`);
    }
  }
  return wrong;
}

interface End {
  readonly status: string;
  readonly exitCode: number | null;
}

function eventEnd({ status, exit_code }: Announced): End {
  return { status, exitCode: exit_code ?? null };
}

function howOf({ status, exitCode }: End): string {
  return `${status} ${exitCode}`;
}
