import { expect, test } from 'vitest';
import { markerKey } from '../../src/sealing/announce-script.js';

/** What a cluster hashes of a key (Redis Cluster specification, "Hash tags"). */
function hashed(key: string): string {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

test.each(['logweir:rotations', '{team}:rotations', 'a{b}c{d}', 'a{b', 'x{{y}}z', 'plain'])(
  'the marker of an event under %s shares the slot of the key',
  (key) => {
    const marker = markerKey(key, 'rotation:{session}/1-2');
    expect(hashed(marker)).toBe(hashed(key));
    expect(marker.endsWith(':announced:rotation:{session}/1-2')).toBe(true);
  },
);

test('keys that share a tag do not share markers', () => {
  expect(markerKey('{t}:a', 'x')).not.toBe(markerKey('{t}:b', 'x'));
});
