/**
 * The real compression thread, with a fault at its k-th call into the disk or zlib: it throws, exits, stands still, runs out
 * of memory, or asks to be terminated from outside. What to do comes from the main thread (setEnvironmentData).
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { getEnvironmentData, parentPort } from 'node:worker_threads';
import zlib from 'node:zlib';

const CALLS = {
  fs: ['openSync', 'readSync', 'writeSync', 'fsyncSync', 'closeSync', 'rmSync', 'linkSync'],
  zlib: ['gzipSync', 'gunzipSync'],
};

/** `shared`: deaths left, and 1 when the main thread should terminate this one. */
const { kind, call, shared } = getEnvironmentData('fault');
let calls = Number.NEGATIVE_INFINITY;

function dieOrNot() {
  calls += 1;
  if (calls !== call || Atomics.load(shared, 0) === 0) {
    return;
  }
  Atomics.sub(shared, 0, 1);
  const deaths = {
    throw() {
      throw new Error('planted');
    },
    exit: () => process.exit(7),
    hang() {
      for (;;) {
        // Burns until it is ended.
      }
    },
    terminate() {
      Atomics.store(shared, 1, 1);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    },
    'out of memory'() {
      const hoard = [];
      for (;;) {
        hoard.push(Array.from({ length: 100_000 }, (_, index) => ({ index })));
      }
    },
  };
  deaths[kind]();
}

for (const [module, names] of [
  [fs, CALLS.fs],
  [zlib, CALLS.zlib],
]) {
  for (const name of names) {
    const real = module[name];
    module[name] = (...args) => {
      dieOrNot();
      return real(...args);
    };
  }
}
syncBuiltinESMExports();
await import('../../dist/sealing/gzip-worker.js');
calls = 0;
// After the thread's own listener, which is done with the request by then.
parentPort.on('message', () => {
  calls = 0;
});
