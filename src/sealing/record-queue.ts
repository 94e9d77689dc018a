import { compareRecords, type RecordName } from './outbox-record.js';

/**
 * A record's way through the outbox:
 *
 *     awaited → held → ready       a rotation: its segment is being sealed; on disk, its raw file still there; free to go
 *     writing → ready              anything else
 */
export type RecordState = 'awaited' | 'held' | 'writing' | 'ready';

export interface QueuedRecord {
  readonly name: RecordName;
  state: RecordState;
}

/**
 * Names of the records in the outbox, in memory; contents stay on disk.
 *
 * *Ordering.* Within a session records leave in the order of compareRecords(), and none leaves while one before it is
 * not ready: a completion waits for the rotations of the segments still being sealed. Sessions take turns.
 */
export class RecordQueue {
  readonly #byName = new Map<string, QueuedRecord>();
  readonly #sessions = new Map<string, SessionRecords>();

  find(name: RecordName): QueuedRecord | undefined {
    return this.#byName.get(name.fileName);
  }

  insert(name: RecordName, state: RecordState): QueuedRecord {
    const record = { name, state };
    this.#byName.set(name.fileName, record);
    let session = this.#sessions.get(name.session);
    if (session === undefined) {
      session = new SessionRecords();
      this.#sessions.set(name.session, session);
    }
    session.insert(record);
    return record;
  }

  remove(record: QueuedRecord): void {
    const { fileName, session: sessionName } = record.name;
    this.#byName.delete(fileName);
    const session = this.#sessions.get(sessionName);
    session?.remove(record);
    this.#sessions.delete(sessionName);
    if (session?.first() !== undefined) {
      // Its turn is over: a long backlog of one session does not hold up the others.
      this.#sessions.set(sessionName, session);
    }
  }

  /** Up to `max` records that may go now, in the order they must go; they stay in the queue. */
  ready(max: number): RecordName[] {
    const names: RecordName[] = [];
    for (const session of this.#sessions.values()) {
      for (const record of session) {
        if (names.length >= max) {
          return names;
        }
        if (record.state !== 'ready') {
          break;
        }
        names.push(record.name);
      }
    }
    return names;
  }
}

/** A sorted list that is cheap at both ends: 100,000 records of one session leave at the front one by one. */
class SessionRecords {
  #records: QueuedRecord[] = [];
  #head = 0;

  first(): QueuedRecord | undefined {
    return this.#records[this.#head];
  }

  insert(record: QueuedRecord): void {
    let at = this.#records.length;
    for (; at > this.#head; at--) {
      const before = this.#records[at - 1];
      if (before === undefined || compareRecords(before.name, record.name) <= 0) {
        break;
      }
    }
    this.#records.splice(at, 0, record);
  }

  remove(record: QueuedRecord): void {
    const at = this.#records.indexOf(record, this.#head);
    if (at < 0) {
      return;
    }
    if (at > this.#head) {
      this.#records.splice(at, 1);
      return;
    }
    this.#head += 1;
    if (this.#head * 2 > this.#records.length) {
      this.#records.splice(0, this.#head);
      this.#head = 0;
    }
  }

  *[Symbol.iterator](): Iterator<QueuedRecord> {
    for (let at = this.#head; at < this.#records.length; at++) {
      const record = this.#records[at];
      if (record !== undefined) {
        yield record;
      }
    }
  }
}
