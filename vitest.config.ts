import { defineConfig } from 'vitest/config';

const faults = 'test/fault/**/*.test.ts';

export default defineConfig({
  test: {
    // Real servers, real disks: generous limits, so that a busy machine is slow and not red.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    pool: 'forks',
    maxWorkers: 2,
    setupFiles: ['test/support/property-seed.ts'],
    projects: [
      { extends: true, test: { name: 'all', include: ['test/**/*.test.ts'], exclude: [faults] } },
      // One file for each fault of docs/reliability.md.
      { extends: true, test: { name: 'fault', include: [faults], testTimeout: 600_000, hookTimeout: 120_000 } },
    ],
  },
});
