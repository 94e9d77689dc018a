import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

export const isBrowserThere = existsSync(CHROMIUM);
if (!isBrowserThere) {
  process.stderr.write(`SKIPPED: ${CHROMIUM} is not installed, so nothing is tested with a real browser\n`);
}

/** Headless; talks to nobody by itself. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
