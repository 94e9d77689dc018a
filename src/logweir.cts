#!/usr/bin/env node
// The executable. `serve` needs 16 file-system threads (8 slow fsyncs starve the default 4: an unrelated stat then took
// 802 ms), and libuv reads UV_THREADPOOL_SIZE once, when the first task reaches the pool. In main.ts that is too late: Node
// 20 reads the source of an ES module through the pool. Measured by the threads in /proc/self/task after 16 parallel jobs:
// assigned in the first line of an ES module, before any import, 11 on Node 20.20 (the default) and 23 on 24.21; assigned
// here, in CommonJS, 23 on both. Only for `serve`: children of `logweir run` inherit the environment.
if (process.argv[2] === 'serve') {
  process.env['UV_THREADPOOL_SIZE'] ||= '16';
}
void import('./main.js');
