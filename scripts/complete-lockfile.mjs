// `npm ci` refuses a lock file without an entry for each optional dependency, also of platforms that are not this one;
// `npm install` leaves out those that its registry did not have (npm/cli#4828). Run this after an install: it adds what
// is missing, by the exact version that the depending package asks for. The platform stands in the name; an integrity
// is filled in by the first install that sees the package. test/dependencies.test.ts says when it is needed.
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));

const OS = /android|darwin|freebsd|linux|openharmony|win32/;
const CPU = /arm64|armv7|arm|ia32|loong64|ppc64|riscv64|s390x|x64/;

for (const dependent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(dependent.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const os = OS.exec(name)?.[0];
    const cpu = CPU.exec(name)?.[0].replace('armv7', 'arm');
    if (lock.packages[key] !== undefined) {
      continue;
    }
    if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
      throw new Error(`${name}@${version} names no platform; add it to package-lock.json by hand`);
    }
    lock.packages[key] = {
      version,
      cpu: [cpu],
      ...(dependent.dev ? { dev: true } : {}),
      ...(name.includes('musl') ? { libc: ['musl'] } : name.includes('gnu') ? { libc: ['glibc'] } : {}),
      optional: true,
      os: [os],
    };
    process.stdout.write(`added ${name}@${version}\n`);
  }
}

const byKey = ([a], [b]) => a.localeCompare(b, 'en');
lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(byKey));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
