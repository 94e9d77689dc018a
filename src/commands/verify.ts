/** `logweir verify`: whether what is stored is what was stored, and all of it. Reads only, beside a server or without one. */
import type { Command } from 'commander';
import {
  namesToVerify,
  quarantinedFiles,
  storedBytesOf,
  verifySessions,
} from '../reading/verification/verification.js';
import type { Layout } from '../segment/layout.js';
import { nodeFiles } from '../segment/node-files.js';
import type { CommandIo } from './command-io.js';
import { EXIT_ERROR } from './exit-codes.js';
import { humanBytes } from './human-units.js';
import { LiveStatus } from './live-status.js';
import { addDirOption, inOneSentence, type LogDirOptions, logDirLayout, writeOut } from './log-dir.js';
import { exitCodeOf } from './server-option.js';
import { VerificationReport } from './verification-report.js';

interface VerifyOptions extends LogDirOptions {
  readonly json?: true;
}

const HELP = `
Integrity: the bytes are what they were. Gzip files are inflated, every line is parsed, and hash, counts, times and offsets
are held against the manifest and the file's name.
Completeness: nothing is missing. Every segment has its manifest, every manifest its segment, and each continues the one
before it (prev_sha256).

Works beside a running server, and changes nothing. docs/verify.md says what each check means and describes --json.

Exit codes: 0 all is well, 1 damaged, incomplete or not there, 2 wrong usage, 130 interrupted.

Examples:
  logweir verify
  logweir verify build chat
  logweir verify --json | jq .integrity.listed`;

export function registerVerify(program: Command, io: CommandIo): void {
  const command = program
    .command('verify')
    .description('Check what is stored for damage and for what is missing')
    .argument('[session...]', 'only these sessions (default: all)')
    .option('--json', 'one JSON document');
  addDirOption(command)
    .addHelpText('after', HELP)
    .action(async (sessionIds: string[], options: VerifyOptions) => {
      const layout = await logDirLayout(options, io);
      try {
        await inOneSentence(verify(layout, sessionIds, options, io));
      } catch (error) {
        if (error !== io.signal.reason || !io.signal.aborted) {
          throw error;
        }
        io.setExitCode(exitCodeOf(io.signal));
      }
    });
}

async function verify(
  layout: Layout,
  sessionIds: readonly string[],
  options: VerifyOptions,
  io: CommandIo,
): Promise<void> {
  const names = await namesToVerify(nodeFiles, layout, sessionIds);
  const progress = await Progress.start(layout, names, io);
  const report = new VerificationReport();
  try {
    const watch = { signal: io.signal, onRead: (bytes: number) => progress.add(bytes) };
    for await (const verdict of verifySessions(nodeFiles, layout, names, watch)) {
      report.add(verdict);
    }
    report.addQuarantined(await quarantinedFiles(nodeFiles, layout, sessionIds.length === 0 ? null : names));
  } finally {
    progress.end();
  }
  io.setExitCode(report.isOk ? 0 : EXIT_ERROR);
  await writeOut(io.stdout, options.json === true ? `${printableJson(report.json())}\n` : report.text());
}

const BAR_COLUMNS = 20;

class Progress {
  readonly #status: LiveStatus;
  readonly #startedMs = performance.now();
  readonly #totalBytes: number;
  #bytes = 0;

  private constructor(totalBytes: number, io: CommandIo) {
    this.#totalBytes = totalBytes;
    this.#status = new LiveStatus(io.stderr, () => ({ name: 'verify', parts: this.#parts() }));
  }

  /** Sizes are looked up only for a terminal that shows them. */
  static async start(layout: Layout, names: readonly string[], io: CommandIo): Promise<Progress> {
    const isShown = io.stderr.isTTY === true;
    return new Progress(isShown ? await storedBytesOf(nodeFiles, layout, names) : 0, io);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  end(): void {
    this.#status.end();
  }

  #parts(): string[] {
    // More than there was when it began: a server goes on writing.
    const share = this.#totalBytes === 0 ? 1 : Math.min(1, this.#bytes / this.#totalBytes);
    const done = Math.floor(share * BAR_COLUMNS);
    const perSecond = (this.#bytes / Math.max(1, performance.now() - this.#startedMs)) * 1000;
    return [
      `${humanBytes(Math.round(perSecond))}/s`,
      `${humanBytes(this.#bytes)} of ${humanBytes(this.#totalBytes)}`,
      `[${'#'.repeat(done)}${'.'.repeat(BAR_COLUMNS - done)}] ${Math.floor(share * 100)}%`,
    ];
  }
}

/** JSON leaves DEL and C1 controls as they are; a terminal does not. */
function printableJson(document: object): string {
  return JSON.stringify(document).replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
