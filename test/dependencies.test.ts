import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const manifest = JSON.parse(read('../package.json')) as {
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};
const lockText = read('../package-lock.json');
const lock = JSON.parse(lockText) as { readonly packages: Readonly<Record<string, Locked>> };

/** Every copy of a package in the tree, by where it lies. */
function copiesOf(name: string): [string, Locked][] {
  return Object.entries(lock.packages).filter(([path]) => path === name || path.endsWith(`node_modules/${name}`));
}

function isAtLeast(version: string, minimum: string): boolean {
  const [have, want] = [version, minimum].map((text) => text.split('-', 1)[0]?.split('.').map(Number) ?? []);
  for (let part = 0; part < 3; part++) {
    const difference = (have?.[part] ?? 0) - (want?.[part] ?? 0);
    if (difference !== 0) {
      return difference > 0;
    }
  }
  return true;
}

describe('dependencies', () => {
  it.each([
    // RELIABILITY §3: security fixes in 1.14.4; developed on 1.14.7.
    ['@grpc/grpc-js', '1.14.7'],
    // Security fixes in 7.6.1.
    ['protobufjs', '7.6.1'],
    // RESP3, and the options against doubled XADDs.
    ['ioredis', '6.0.0'],
    ['msgpackr', '2.1.3'],
    ['zod', '4.0.0'],
  ])('every copy of %s is at least %s', (name, minimum) => {
    const copies = copiesOf(name);
    expect(copies.length).toBeGreaterThan(0);
    for (const [path, { version }] of copies) {
      expect(isAtLeast(version ?? '0', minimum), `${path} is ${version}`).toBe(true);
    }
  });

  it('compares versions by number', () => {
    expect(isAtLeast('1.14.10', '1.14.7')).toBe(true);
    expect(isAtLeast('1.9.9', '1.14.7')).toBe(false);
    expect(isAtLeast('8.0.0', '7.6.1')).toBe(true);
  });

  it('the lock file names no registry', () => {
    expect(lockText).not.toMatch(/"resolved"/);
    expect(lockText).not.toMatch(/https?:\/\/[^"]*\.tgz/);
  });

  it('nothing comes from git, a URL or a path', () => {
    const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(ranges.filter(([, range]) => !/^\^?\d+(\.\d+){0,2}$/.test(range))).toEqual([]);
    expect(Object.values(lock.packages).filter(({ link }) => link === true)).toEqual([]);
  });

  it('the lock file has every optional dependency, also of other platforms: npm ci refuses it otherwise', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) =>
          (lock.packages[`${path}/node_modules/${name}`] ?? lock.packages[`node_modules/${name}`])?.version ===
          undefined,
      ),
    );
    expect(missing, 'run node scripts/complete-lockfile.mjs').toEqual([]);
  });

  it('of every package with install scripts it is said whether they run', () => {
    const withScripts = Object.entries(lock.packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    expect(withScripts.filter((name) => manifest.allowScripts[name] === undefined)).toEqual([]);
  });

  it('the lock file belongs to package.json', () => {
    const { dependencies, devDependencies, engines } = manifest;
    expect(lock.packages['']).toMatchObject({ dependencies, devDependencies, engines });
  });

  it('runs on Node 20.19 and later', () => {
    expect(manifest.engines.node).toBe('>=20.19');
  });
});
