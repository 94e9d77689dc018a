import { expect, test } from 'vitest';
import { Turns } from '../../src/sealing/turns.js';

const NEVER = new AbortController().signal;

/** Work that ends when it is told, in the order in which it began. */
function scripted() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
  };
  return { begun, work, end: (name: string) => ends.get(name)?.() };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

test('one at a time per key, in the order in which they came; keys do not wait for one another', async () => {
  const turns = new Turns();
  const { begun, work, end } = scripted();
  const all = [turns.run('a', NEVER, work('a1')), turns.run('a', NEVER, work('a2')), turns.run('a', NEVER, work('a3'))];
  all.push(turns.run('b', NEVER, work('b1')));
  await soon();
  expect(begun).toEqual(['a1', 'b1']);
  for (const name of ['a1', 'a2', 'a3', 'b1']) {
    end(name);
    await soon();
  }
  expect(begun).toEqual(['a1', 'b1', 'a2', 'a3']);
  expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'b1']);
});

test('who goes away while waiting has nothing done, and holds up nobody; work that fails neither', async () => {
  const turns = new Turns();
  const { begun, work, end } = scripted();
  const gone = new AbortController();
  const first = turns.run('a', NEVER, work('a1'));
  const second = turns.run('a', gone.signal, work('a2'));
  const third = turns.run('a', NEVER, () => Promise.reject(new Error('failed')));
  const fourth = turns.run('a', NEVER, work('a4'));
  const reason = new Error('gone');
  gone.abort(reason);
  await expect(second).rejects.toBe(reason);
  await expect(turns.run('b', gone.signal, work('b'))).rejects.toBe(reason);
  end('a1');
  expect(await first).toBe('a1');
  await expect(third).rejects.toThrow('failed');
  await soon();
  end('a4');
  expect(await fourth).toBe('a4');
  expect(begun).toEqual(['a1', 'a4']);
});
