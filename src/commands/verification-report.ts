/** What `logweir verify` found, gathered session by session, as text for people and as one JSON document. */
import {
  type CompletenessProblem,
  type Finding,
  type IntegrityProblem,
  noTotals,
  type SessionVerdict,
  type Totals,
} from '../reading/verification/finding.js';
import type { QuarantinedFile } from '../reading/verification/verification.js';
import { humanBytes, humanCount } from './human-units.js';
import { printable } from './printable.js';

/** Of each kind; all of them are counted. */
const LISTED_MAX = 1_000;

type Listed = Finding<IntegrityProblem | CompletenessProblem> & { readonly sessionId: string };

export class VerificationReport {
  readonly #totals: Totals = noTotals();
  readonly #integrity = new Findings();
  readonly #completeness = new Findings();
  readonly #foreign: string[] = [];
  #foreignCount = 0;
  #sessions = 0;
  #quarantined: readonly QuarantinedFile[] = [];

  add(verdict: SessionVerdict): void {
    this.#sessions++;
    for (const key of Object.keys(this.#totals) as (keyof Totals)[]) {
      this.#totals[key] += verdict.totals[key];
    }
    this.#integrity.add(verdict.sessionId, verdict.integrity);
    this.#completeness.add(verdict.sessionId, verdict.completeness);
    this.#foreignCount += verdict.foreign.length;
    this.#foreign.push(...verdict.foreign.slice(0, LISTED_MAX - this.#foreign.length));
  }

  addQuarantined(files: readonly QuarantinedFile[]): void {
    this.#quarantined = files;
  }

  get isOk(): boolean {
    return this.#integrity.count === 0 && this.#completeness.count === 0;
  }

  /** Documented in docs/verify.md: names are never taken away. */
  json(): object {
    const { segments, frames, bytes, storedBytes, gaps, gapsBetween, unfinishedBytes } = this.#totals;
    return {
      format_version: 1,
      ok: this.isOk,
      checked: { sessions: this.#sessions, segments, frames, bytes, stored_bytes: storedBytes },
      integrity: this.#integrity.json(),
      completeness: this.#completeness.json(),
      information: {
        gaps,
        gaps_between_segments: gapsBetween,
        unfinished_bytes: unfinishedBytes,
        quarantine: {
          files: this.#quarantined.length,
          bytes: this.#quarantinedBytes,
          listed: this.#quarantined.slice(0, LISTED_MAX),
        },
        foreign: { files: this.#foreignCount, listed: this.#foreign },
      },
    };
  }

  text(): string {
    const { segments, frames, bytes, storedBytes } = this.#totals;
    const what = [
      counted(this.#sessions, 'session'),
      counted(segments, 'segment'),
      counted(frames, 'frame'),
      `${humanBytes(bytes)} of lines (${humanBytes(storedBytes)} on the disk)`,
    ];
    const lines = [
      `checked: ${what.join(', ')}`,
      ...this.#integrity.text('integrity', 'damaged'),
      ...this.#completeness.text('completeness', 'incomplete'),
      ...this.#information().map((sentence) => `note: ${sentence}`),
    ];
    return lines.map((line) => `${line}\n`).join('');
  }

  #information(): string[] {
    const { gaps, gapsBetween, unfinishedBytes } = this.#totals;
    const sentences: string[] = [];
    if (gaps + gapsBetween > 0) {
      const numbers = `${humanCount(gaps)} within segments, ${humanCount(gapsBetween)} between them`;
      sentences.push(`numbers that no frame carries: ${numbers}`);
    }
    if (unfinishedBytes > 0) {
      const where = 'of lines at the end of active files that are not finished';
      sentences.push(`${counted(unfinishedBytes, 'byte')} ${where}: being written, or left by a crash`);
    }
    if (this.#quarantined.length > 0) {
      const files = counted(this.#quarantined.length, 'file');
      sentences.push(`${files} in quarantine/, ${humanBytes(this.#quarantinedBytes)}`);
      sentences.push(
        ...this.#quarantined.slice(0, LISTED_MAX).map(({ file, bytes }) => `  ${printable(file)}, ${bytes} bytes`),
      );
    }
    if (this.#foreignCount > 0) {
      sentences.push(`${counted(this.#foreignCount, 'file')} that logweir did not make`);
      sentences.push(...this.#foreign.map((file) => `  ${printable(file)}`));
    }
    return sentences;
  }

  get #quarantinedBytes(): number {
    return this.#quarantined.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

class Findings {
  readonly #listed: Listed[] = [];
  readonly #files = new Set<string>();
  count = 0;

  add(sessionId: string, findings: readonly Finding<IntegrityProblem | CompletenessProblem>[]): void {
    for (const finding of findings) {
      this.count++;
      this.#files.add(finding.file);
      if (this.#listed.length < LISTED_MAX) {
        this.#listed.push({ ...finding, sessionId });
      }
    }
  }

  json(): object {
    return {
      ok: this.count === 0,
      files: this.#files.size,
      findings: this.count,
      listed: this.#listed.map(({ sessionId, file, problem, field, message, expected, found }) => ({
        session_id: sessionId,
        ...{ file, problem, field, message, expected, found },
      })),
    };
  }

  text(title: string, what: string): string[] {
    if (this.count === 0) {
      return [`${title}: ok`];
    }
    const rest = this.count - this.#listed.length;
    return [
      `${title}: ${counted(this.#files.size, 'file')} ${what}`,
      ...this.#listed.map(
        ({ sessionId, file, message }) => `  ${printable(`session ${sessionId}: ${file} ${message}`)}`,
      ),
      ...(rest > 0 ? [`  and ${humanCount(rest)} more`] : []),
    ];
  }
}

function counted(count: number, one: string): string {
  return `${humanCount(count)} ${one}${count === 1 ? '' : 's'}`;
}
