import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Agent, source } from './agent.js';
import { measured } from './amounts.js';
import { type Loss, SimulatedDisk } from './power-cut.js';
import { Rig } from './rig.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Bug {
  readonly name: string;
  readonly file: string;
  /** One place in the file, and what stands there instead. */
  readonly place: string;
  readonly planted: string;
  /** What the oracle then says, at least once. */
  readonly objection: RegExp;
  /** What the power cut loses. */
  readonly loss: Loss;
  /** Rules of faults.c that bring the bug out. */
  readonly plan: readonly string[];
}

const BUGS: readonly Bug[] = [
  {
    name: 'ack before sync',
    file: 'session/write-loop.js',
    place: 'await this.#segment.sync();',
    planted: '',
    objection: /was acknowledged and is not stored$/,
    loss: 'names',
    plan: [],
  },
  {
    name: 'sync retried on the same descriptor',
    file: 'segment/active-segment.js',
    place: 'this.#unsynced ? file.datasync() : Promise.resolve()',
    planted: 'this.#unsynced ? file.datasync().catch(() => file.datasync()) : Promise.resolve()',
    objection: /is nothing that was sent|was acknowledged and is not stored|is missing before/,
    loss: 'names',
    plan: ['fdatasync/active@2=lose'],
  },
  {
    name: 'directory fsync skipped',
    file: 'segment/active-segment.js',
    place: 'this.#nameUnsynced ? this.#directories.sync(dirname(this.path)) : Promise.resolve()',
    planted: 'Promise.resolve()',
    objection: /was acknowledged and is not stored$/,
    loss: 'data',
    plan: [],
  },
  {
    name: 'raw file unlinked before the compressed one is synced',
    file: 'sealing/compress-segment.js',
    place: 'target.sync();',
    planted: '',
    objection: /can't be read|is missing before|was acknowledged and is not stored$/,
    loss: 'names',
    plan: [],
  },
];

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(ROOT, 'node_modules/.cache/planted-'));
  for (const name of ['node_modules', 'protos', 'package.json']) {
    symlinkSync(join(ROOT, name), join(directory, name));
  }
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A build of the server with the bug in it. @throws when the place is not found exactly once */
function plant({ name, file, place, planted }: Bug): string {
  const dist = join(directory, `dist-${name.replaceAll(' ', '-')}`);
  cpSync(join(ROOT, 'dist'), dist, { recursive: true });
  const path = join(dist, file);
  const parts = readFileSync(path, 'utf8').split(place);
  if (parts.length !== 2) {
    throw new Error(`dist/${file} holds ${parts.length - 1} times what the bug takes the place of: ${place}`);
  }
  writeFileSync(path, parts.join(planted));
  return join(dist, 'logweir.cjs');
}

/** Three segments, a part of a fourth, a power cut as soon as everything is done; then the next start, and the oracle. */
async function objectionsAfterPowerCut(binary: string | undefined, { plan, loss }: Bug): Promise<string[]> {
  await using rig = new Rig(binary === undefined ? {} : { binary });
  const agent = new Agent([source('numbered', null, 'batches'), source('streamed', 'p1', 'stream')]);
  const disk = new SimulatedDisk(rig.logDir);
  const server = await rig.start({ data: true, plan });
  for (const fresh of [5, 9, 13]) {
    await agent.send(server.grpc, fresh);
    await rig.settled();
  }
  await server.end('SIGKILL');
  disk.follow(rig.calls(true));
  disk.cut(loss, () => 0);
  return await rig.recover(agent, 0);
}

describe('The harness itself: with a planted bug it must fail', () => {
  it.each(BUGS)('$name', async (bug) => {
    const found = await objectionsAfterPowerCut(plant(bug), bug);
    expect(found.filter((sentence) => bug.objection.test(sentence))).not.toEqual([]);
    // It is the bug that the oracle objects to.
    expect(await objectionsAfterPowerCut(undefined, bug)).toEqual([]);
    measured('The harness itself', { [`objections to ${bug.name}`]: found.length });
  });
});
