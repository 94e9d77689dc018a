import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Files, OpenFile } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { encodeFrame } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

/**
 * A disk that fails calls by a script, and that loses what a failed fdatasync should have kept: those bytes read as NUL
 * afterwards, as pages do that were marked clean and dropped.
 */
function lossyDisk(fails: readonly boolean[]): { files: Files; heal(): void } {
  let call = 0;
  let healed = false;
  const failing = (): boolean => !healed && fails.at(call++ % fails.length) === true;
  const error = (): Error => Object.assign(new Error('EIO'), { code: 'EIO' });
  const lossy = (file: OpenFile): OpenFile => {
    let unsynced: [number, number][] = [];
    return {
      read: (...args) => file.read(...args),
      size: () => file.size(),
      close: () => file.close(),
      truncate: (length) => file.truncate(length),
      async write(buffer, offset, length, position) {
        if (failing()) {
          throw error();
        }
        const taken = await file.write(buffer, offset, Math.ceil(length / 2), position);
        unsynced.push([position, taken]);
        return taken;
      },
      async datasync() {
        if (failing()) {
          for (const [position, length] of unsynced) {
            await file.write(Buffer.alloc(length), 0, length, position);
          }
          unsynced = [];
          throw error();
        }
        unsynced = [];
        await file.datasync();
      },
    };
  };
  const files: Files = {
    ...nodeFiles,
    async open(path, mode) {
      if (failing()) {
        throw error();
      }
      return lossy(await nodeFiles.open(path, mode));
    },
    async rename(from, to) {
      if (failing()) {
        throw error();
      }
      await nodeFiles.rename(from, to);
    },
  };
  return {
    files,
    heal() {
      healed = true;
    },
  };
}

test('on a disk that fails anywhere and loses unsynced bytes, every accepted frame is stored once and in order, and an answer is true', async () => {
  const script = fc
    .array(
      fc.boolean().map((fail) => fail),
      { minLength: 3, maxLength: 40 },
    )
    .filter((fails) => fails.includes(false));
  await fc.assert(
    fc.asyncProperty(
      script,
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 }),
      async (fails, sizes) => {
        await using directory = await temporaryDirectory();
        const disk = lossyDisk(fails);
        const room = await openSessionRoom(directory.path, { files: disk.files, maxBytes: 1500 });
        const intake = room.sessions.newIntake();
        const answers: Promise<unknown>[] = [];
        for (const [index, size] of sizes.entries()) {
          const frame = encodeFrame({ session_id: 's', content: `${index}:${'x'.repeat(size)}` });
          await intake.take(frame, 0, frame.length);
          if (index % 3 === 0) {
            answers.push(intake.settle().catch((error: unknown) => error));
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        await Promise.race([Promise.all(answers), new Promise((resolve) => setTimeout(resolve, 50))]);
        disk.heal();
        await Promise.all(answers);
        await expect
          .poll(
            () =>
              intake.settle().then(
                () => true,
                () => false,
              ),
            { timeout: 10_000 },
          )
          .toBe(true);
        await room.sessions.registry.drain();
        const paths = [...room.sealed.map(({ rawPath }) => rawPath), join(room.layout.active, 's.logtmp')];
        const text = (await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')))).join('');
        const lines = text
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { seq: number; content: string });
        expect(lines.map(({ seq, content }) => [seq, Number(content.split(':')[0])])).toEqual(
          sizes.map((_, index) => [index + 1, index]),
        );
        for (const { summary, rawPath } of room.sealed) {
          const bytes = await readFile(rawPath);
          expect([summary.bytes, summary.frames]).toEqual([
            bytes.length,
            bytes.toString('latin1').split('\n').length - 1,
          ]);
        }
        expect(room.sessions.queueBytes).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});
