#!/usr/bin/env node
// The executable. `serve` needs 16 file-system threads (8 slow fsyncs starve the default 4: an unrelated stat then took
// 802 ms), and libuv reads UV_THREADPOOL_SIZE once, when the first task reaches the pool. In main.ts that is too late: Node
// 20 reads the source of an ES module through the pool. Measured by the threads in /proc/self/task after 16 parallel jobs:
// assigned in the first line of an ES module, before any import, 11 on Node 20.20 (the default) and 23 on 24.21; assigned
// here, in CommonJS, 23 on both. Only for `serve`: children of `logweir run` inherit the environment.
//
// What is young in `serve` dies at once: a young generation of 1 MB takes 30 to 50 MB less than one of 16, and no CPU time that could be
// measured. V8 asks for it when the first one grows, which is while the modules load. It costs about 30 ms at the start of
// the process and of each thread: the code that Node brings compiled is for its own flags. `--max-semi-space-size` has no effect beside it.
if (process.argv[2] === 'serve') {
  process.env['UV_THREADPOOL_SIZE'] ||= '16';
  process.getBuiltinModule('node:v8').setFlagsFromString('--semi-space-growth-factor=1');
}
void import('./main.js');
