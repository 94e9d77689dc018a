// tsc writes no file modes; `./dist/logweir.cjs` and the link that npm makes to it need one.
import { chmod } from 'node:fs/promises';

await chmod(new URL('../dist/logweir.cjs', import.meta.url), 0o755);
