/** docs/reliability.md says which fault is tested where: held against the files. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const at = (path: string): URL => new URL(`../${path}`, import.meta.url);
const text = readFileSync(at('docs/reliability.md'), 'utf8');
const ROWS = [...text.matchAll(/^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \| (.*?) \| (.*?) \|$/gm)];
const FILES = readdirSync(at('test/fault')).filter((name) => name.endsWith('.test.ts'));

test('every fault has its test, and every test of a fault stands in the table', () => {
  const named = ROWS.flatMap(([, , , files = '']) =>
    [...files.matchAll(/`(.+?)`/g)].map(([, file]) => `${file}.test.ts`),
  );
  expect(named.toSorted()).toEqual(FILES.toSorted());
});

test('what a test reports as done belongs to a fault of the table', () => {
  const faults = new Set(ROWS.map(([, fault]) => fault));
  const sources = readdirSync(at('test/fault'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const reported = sources.flatMap((name) => {
    const source = readFileSync(at(`test/fault/${name}`), 'utf8');
    const constants = [...source.matchAll(/const (?:ROW|FAULT) = '(.+?)'/g)];
    return [...source.matchAll(/\bmeasured\(\s*'(.+?)'/g), ...constants].map(([, fault]) => fault);
  });
  expect(reported.filter((fault) => !faults.has(fault))).toEqual([]);
  expect(faults).toEqual(new Set(reported));
});

test('every fault was measured: the table says what was done', () => {
  expect(ROWS.filter(([, , , , inCi]) => inCi === 'not run').map(([, fault]) => fault)).toEqual([]);
});

test('every command of the document is there', () => {
  const { scripts } = JSON.parse(readFileSync(at('package.json'), 'utf8')) as { scripts: Record<string, string> };
  const commands = [...text.matchAll(/^\| `((?:npm|npx|node) .+?)` \|/gm)].map(([, command = '']) => command);
  expect(commands.length).toBeGreaterThan(5);
  for (const command of commands) {
    const [program, ...words] = command.split(' ');
    if (program === 'npm') {
      expect(scripts).toHaveProperty([words[0] === 'run' ? (words[1] ?? '') : (words[0] ?? '')]);
    } else {
      const file = words.find((word) => /\.m?[jt]s$/.test(word)) ?? '';
      expect(readFileSync(at(file), 'utf8')).not.toBe('');
    }
  }
});
