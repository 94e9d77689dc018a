/**
 * Writes the table of docs/reliability.md: each fault, what is promised, the files of test/fault that test it, and what they
 * did when they ran last. A column keeps what it says where nothing was run since.
 *
 *     npm run test:fault && node scripts/reliability-table.mjs
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const DOCUMENT = at('docs/reliability.md');
const MEASURED = at('node_modules/.cache/fault/measured.ndjson');
const TABLE = /(<!-- faults -->\n)[^]*(<!-- \/faults -->)/;

/** Fault, promise, files. */
const FAULTS = [
  ['kill -9', 'no acknowledged frame lost, none twice, the next start needs no hand; after a power cut neither', ['kill-9']],
  ['crash during recovery', 'recovery is idempotent', ['crash-during-recovery']],
  ['torn tail', 'the longest valid prefix stays, the rest goes to quarantine', ['torn-tail']],
  ['a system call fails', 'typed error, no false acknowledgement, no crash loop', ['failing-system-calls']],
  [
    'fsync fails',
    'never acknowledged, never retried on that descriptor: the segment is sealed as `recovery`, its frames are written again; a second failure: UNAVAILABLE',
    ['fsync-fails'],
  ],
  ['disk full', 'RESOURCE_EXHAUSTED with a retry hint, stored data intact, goes on within 5 s of space', ['full-disk']],
  ['slow or frozen disk', 'bounded memory, probes answer, other sessions go on', ['slow-disk']],
  ['overload', 'every frame that was not stored is reported; RSS within budget', ['overload']],
  [
    'agent frozen or network black hole',
    'its slot is free within keepalive time + timeout + 1 s',
    ['frozen-agent'],
  ],
  [
    'Redis away, reset, or losing replies',
    'ingest does not notice; everything is announced when it is back; one effect per id',
    ['redis-away', 'redis-kill'],
  ],
  ['slow viewer', 'ingest unharmed, viewer complete', ['slow-viewer']],
  [
    'SIGTERM',
    'no new calls, queues written and synced, acks flushed, exit 0 within the deadline; a second one ends at once',
    ['sigterm'],
  ],
  [
    'worker thread dies',
    'the raw file stays until the compressed one is verified; retried, then quarantined',
    ['worker-dies'],
  ],
  ['clock jumps', 'no seq or rotation fault', ['clock-jumps']],
  [
    'more sessions than descriptors',
    'least recently used files are synced and closed; none lost',
    ['few-descriptors'],
  ],
  ['malformed input', 'a status, never an exit', ['malformed-input', 'session-ids']],
  ['hostile peers', 'memory, connections and streams stay bounded; others are served', ['hostile-peers']],
  [
    'all of these in any order',
    'simulated sessions, segments and sealing keep every promise above over a disk that forgets',
    ['simulation'],
  ],
  ['The harness itself', 'planted bugs are caught', ['planted-bugs']],
];

/** By fault, then by what was done, added up over the tests of one run. */
function amounts(soak) {
  const byFault = new Map();
  const lines = existsSync(MEASURED) ? readFileSync(MEASURED, 'utf8').trim().split('\n') : [];
  for (const { fault, done } of lines.map((line) => JSON.parse(line)).filter((one) => one.soak === soak)) {
    const sums = byFault.get(fault) ?? {};
    for (const [name, figure] of Object.entries(done)) {
      sums[name] = (sums[name] ?? 0) + figure;
    }
    byFault.set(fault, sums);
  }
  return byFault;
}

const text = readFileSync(DOCUMENT, 'utf8');
const before = new Map(
  [...text.matchAll(/^\| \*\*(.+?)\*\* \|.*$/gm)].map(([row, fault]) => [fault, row.split(' | ').slice(-2)]),
);
const cell = (done, kept) =>
  done === undefined
    ? kept
    : Object.entries(done)
        .map(([name, figure]) => `${name}: ${figure.toLocaleString('en-US')}`)
        .join('; ');
const [inCi, inSoak] = [amounts(false), amounts(true)];
const rows = FAULTS.map(([fault, promise, files]) => {
  const [keptCi = 'not run', keptSoak = 'not run |'] = before.get(String(fault)) ?? [];
  const tests = [...files].map((file) => `\`${file}\``).join(', ');
  const soak = cell(inSoak.get(fault), keptSoak.replace(/ \|$/, ''));
  return `| **${String(fault)}** | ${String(promise)} | ${tests} | ${cell(inCi.get(fault), keptCi)} | ${soak} |`;
});
const table = ['| fault | promise | test | `test:fault` did | `test:soak` did |', '|---|---|---|---|---|', ...rows].join('\n');
writeFileSync(DOCUMENT, text.replace(TABLE, (_, start, end) => `${start}${table}\n${end}`));
