import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('./preload/faults.c', import.meta.url));
const RULES = fileURLToPath(new URL('./preload/rules.h', import.meta.url));
const CACHE = new URL('../../node_modules/.cache/fault/', import.meta.url);

/** What faults.c is told; see there. */
export interface Faults {
  /** Only calls on paths under it count. */
  readonly prefix: string;
  /** Rules, `KIND[/PART]@K[+]=ACTION[:MS]`. */
  readonly plan?: readonly string[];
  /** Rules are in force while this file exists; without it, always. */
  readonly gate?: string;
  /** Where the calls are written down. */
  readonly log?: string;
  /** The log holds the bytes of the writes, too. */
  readonly data?: boolean;
}

/** The environment of a process that is to have these faults. */
export function withFaults(faults: Faults): Record<string, string> {
  const { prefix, plan = [], gate, log, data = false } = faults;
  return {
    LD_PRELOAD: preloadLibrary(),
    // Past libc, where the library does not stand.
    UV_USE_IO_URING: '0',
    LOGWEIR_FAULT_PREFIX: prefix,
    LOGWEIR_FAULT_PLAN: plan.join(';'),
    ...(gate === undefined ? {} : { LOGWEIR_FAULT_GATE: gate }),
    ...(log === undefined ? {} : { LOGWEIR_FAULT_LOG: log }),
    ...(data ? { LOGWEIR_FAULT_DATA: '1' } : {}),
  };
}

/**
 * The library, built once for each state of its source: its name says which. Test workers that build it at the same time
 * rename the same bytes into place.
 */
function preloadLibrary(): string {
  const digest = createHash('sha256')
    .update(readFileSync(SOURCE))
    .update(readFileSync(RULES))
    .digest('hex')
    .slice(0, 16);
  const library = fileURLToPath(new URL(`faults-${digest}.so`, CACHE));
  if (!existsSync(library)) {
    const temporary = `${library}.${process.pid}`;
    mkdirSync(dirname(library), { recursive: true });
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
    const { status, stderr } = spawnSync('gcc', [...flags, '-o', temporary, SOURCE, '-ldl', '-lpthread'], {
      encoding: 'utf8',
    });
    if (status !== 0) {
      throw new Error(`gcc could not build ${SOURCE} (packages gcc and libc6-dev):\n${stderr}`);
    }
    renameSync(temporary, library);
  }
  return library;
}
