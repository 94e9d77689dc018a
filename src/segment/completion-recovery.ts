import { join } from 'node:path';
import {
  COMPLETION_FILE,
  CompletionDamaged,
  type CompletionRecord,
  pendingCompletionSeq,
  readCompletion,
} from './completion-record.js';
import type { Files } from './files.js';
import { TEMPORARY_SUFFIX } from './layout.js';
import type { Quarantine } from './quarantine.js';
import type { RepairReport } from './session-history.js';

export interface CompletionRecoveryParts {
  readonly files: Files;
  readonly quarantine: Quarantine;
  readonly report: RepairReport;
}

/**
 * The completions of one session that a crash kept from being announced; what is not one goes to quarantine/.
 * @param directory the session's under sealing/
 * @param name the session's name on disk
 * @param fileNames what is in the directory
 * @throws FormatTooNew, or the error of the disk
 */
export async function recoverCompletions(
  directory: string,
  name: string,
  fileNames: readonly string[],
  { files, quarantine, report }: CompletionRecoveryParts,
): Promise<CompletionRecord[]> {
  const records: CompletionRecord[] = [];
  for (const fileName of fileNames) {
    const path = join(directory, fileName);
    if (fileName.endsWith(COMPLETION_FILE + TEMPORARY_SUFFIX)) {
      await files.remove(path);
    }
    const lastSeq = pendingCompletionSeq(fileName);
    if (lastSeq === null) {
      continue;
    }
    const stat = await files.stat(path);
    if (stat !== null && !stat.isFile) {
      report({ file: fileName, action: 'ignored', reason: 'no regular file', bytes: 0 });
      continue;
    }
    try {
      const record = await readCompletion(files, path, name);
      if (record !== null && record.last_seq !== lastSeq) {
        throw new CompletionDamaged('is of another seq than its name says');
      }
      records.push(...(record === null ? [] : [record]));
    } catch (error) {
      if (!(error instanceof CompletionDamaged)) {
        throw error;
      }
      const file = await quarantine.keepFile(path);
      report({ file, action: 'quarantined', reason: error.message, bytes: stat?.bytes ?? 0 });
    }
  }
  return records;
}
