#!/usr/bin/env node
// The executable. `serve` needs 16 file-system threads (8 slow fsyncs starve the default 4: an unrelated stat then took
// 802 ms), and libuv reads UV_THREADPOOL_SIZE once, when the first task reaches the pool. In main.ts that is too late: Node
// 20 reads the source of an ES module through the pool. Measured by the threads in /proc/self/task after 16 parallel jobs:
// assigned in the first line of an ES module, before any import, 11 on Node 20.20 (the default) and 23 on 24.21; assigned
// here, in CommonJS, 23 on both. Only for `serve`: children of `logweir run` inherit the environment.
//
// V8 collects a small heap for every 8 MB that buffers beside it grow by, and those of sockets come and go by the hundred
// megabytes a second: 15 whole collections a second at 10 sessions, a quarter of all CPU time. Its own largest factor (4)
// ends that. A young generation of 1 MB in place of 16 takes 30 to 50 MB less and costs nothing: what is young here dies at once.
if (process.argv[2] === 'serve') {
  process.env['UV_THREADPOOL_SIZE'] ||= '16';
  const v8 = process.getBuiltinModule('node:v8');
  v8.setFlagsFromString('--heap-growing-percent=300');
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}
void import('./main.js');
