import { appendFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `npm run test:soak` runs the full amounts, `npm run test:fault` those that fit into CI. */
export const soak = process.env['LOGWEIR_SOAK'] === '1';

/** How much of something a fault's test does. */
export function amount(inCi: number, inSoak: number): number {
  return soak ? inSoak : inCi;
}

const MEASURED = fileURLToPath(new URL('../../node_modules/.cache/fault/measured.ndjson', import.meta.url));

/**
 * Keeps what a test really did, for the table of docs/reliability.md.
 * @param fault the row of the table
 * @param done what was done, by name: `{ cycles: 100, 'calls injected': 412 }`
 */
export function measured(fault: string, done: Readonly<Record<string, number>>): void {
  mkdirSync(fileURLToPath(new URL('.', `file://${MEASURED}`)), { recursive: true });
  appendFileSync(MEASURED, `${JSON.stringify({ fault, soak, done })}\n`);
}
