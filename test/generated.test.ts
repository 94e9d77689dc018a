import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Content by path, of one file or a folder. */
function contents(root: string, path: string): Record<string, string> {
  if (statSync(join(root, path)).isFile()) {
    return { [path]: readFileSync(join(root, path), 'base64') };
  }
  return Object.assign({}, ...readdirSync(join(root, path)).map((name) => contents(root, join(path, name)))) as Record<
    string,
    string
  >;
}

it('what is generated from protos/ is fresh: npm run generate changes nothing', () => {
  const fresh = mkdtempSync(join(tmpdir(), 'logweir-generated-'));
  try {
    execFileSync(process.execPath, [join(ROOT, 'scripts/generate.mjs'), fresh], { stdio: 'inherit' });
    for (const path of ['src/grpc/generated', 'protos/logging.binpb']) {
      expect(contents(ROOT, path), path).toEqual(contents(fresh, path));
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
});
