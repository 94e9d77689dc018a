import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './repository.js';

/** Of what was measured; logweir's is its commit. */
export function versions(): Record<string, string> {
  const manifest = readFileSync(join(REPOSITORY, 'node_modules/@grpc/grpc-js/package.json'), 'utf8');
  const grpcJs: { version: string } = JSON.parse(manifest);
  return { node: process.version, grpcJs: grpcJs.version, logweir: commit() };
}

function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: REPOSITORY, encoding: 'utf8' }).trim();
  try {
    return git('rev-parse', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes');
  } catch {
    // Not a git repository: an archive of the sources.
    return 'unknown';
  }
}
