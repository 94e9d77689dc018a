import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { registerCat } from '../../src/commands/cat.js';
import { registerLs } from '../../src/commands/ls.js';
import { registerRun } from '../../src/commands/run.js';
import { LogweirServer } from '../client/logweir-server.js';
import { LogDirFixture, stemOf, storedLine } from '../reading/log-dir-fixture.js';
import { seqs } from '../support/seqs.js';
import { CommandRun, type Outcome, withoutColors } from './command-run.js';

function logweir(fixture: LogDirFixture, argv: readonly string[], isTerminal = false): Promise<Outcome> {
  const register = argv[0] === 'ls' ? registerLs : registerCat;
  return new CommandRun({ isTerminal }).run(register, argv, { LOG_DIR: fixture.layout.root });
}

/** A session in three segments and an active file: 1 to 11. */
async function threePlaces(fixture: LogDirFixture, sessionId: string): Promise<void> {
  await fixture.writeSealed(sessionId, seqs(1, 4), 'finished-gzip');
  await fixture.writeSealed(sessionId, seqs(5, 7), 'sealing-and-finished');
  await fixture.writeSealed(sessionId, seqs(8, 9), 'sealing');
  await fixture.writeActive(sessionId, Buffer.concat([10, 11].map((seq) => storedLine(sessionId, seq))));
}

async function writeLines(fixture: LogDirFixture, sessionId: string, lines: readonly object[]): Promise<void> {
  const all = lines.map((line, i) => ({ seq: i + 1, time: '2025-11-15T17:14:50.5Z', session_id: sessionId, ...line }));
  await fixture.writeActive(sessionId, Buffer.from(all.map((line) => `${JSON.stringify(line)}\n`).join('')));
}

describe('logweir cat', () => {
  it('prints the stored lines byte for byte, wherever they are', async () => {
    await using fixture = await LogDirFixture.create();
    await threePlaces(fixture, 's');
    const outcome = await logweir(fixture, ['cat', 's']);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toEqual(Buffer.concat(seqs(1, 11).map((seq) => storedLine('s', seq))));
  });

  it.each([
    [['--after-seq', '8'], '9\n10\n11\n'],
    [['--tail', '6'], '6\n7\n8\n9\n10\n11\n'],
    [['--tail', '0'], ''],
    [
      ['--tail', '100'],
      seqs(1, 11)
        .map((seq) => `${seq}\n`)
        .join(''),
    ],
  ])('prints the contents behind %j', async (options, expected) => {
    await using fixture = await LogDirFixture.create();
    await threePlaces(fixture, 's');
    const outcome = await logweir(fixture, ['cat', 's', '-o', 'raw', ...options]);
    expect([outcome.code, outcome.stdout.toString()]).toEqual([0, expected]);
  });

  it('says which lines are gone', async () => {
    await using fixture = await LogDirFixture.create();
    await threePlaces(fixture, 's');
    await rm(join(fixture.layout.sessions, 's', `${stemOf(seqs(1, 4))}.log.gz`));
    const outcome = await logweir(fixture, ['cat', 's', '-o', 'raw', '--after-seq', '1']);
    expect([outcome.code, outcome.stderr]).toEqual([0, 'logweir: lines 2 to 4 are gone\n']);
    expect(outcome.stdout.toString()).toBe('5\n6\n7\n8\n9\n10\n11\n');
  });

  it('prints text with stamps, further lines of a frame indented', async () => {
    await using fixture = await LogDirFixture.create();
    await writeLines(fixture, 's', [
      { role: 'stdout', content: 'plain\n' },
      { role: 'agent', content: 'first\n[2025-11-15 17:14:50] forged' },
      { content: 'no role\r\n' },
      {},
    ]);
    const outcome = await logweir(fixture, ['cat', 's', '-o', 'text']);
    expect(outcome.stdout.toString().split('\n')).toEqual([
      '[2025-11-15 17:14:50] stdout plain',
      '[2025-11-15 17:14:50] agent first',
      '                      [2025-11-15 17:14:50] forged',
      '[2025-11-15 17:14:50] no role',
      '[2025-11-15 17:14:50] ',
      '',
    ]);
  });

  it('makes control characters visible on a terminal, and leaves them as they are elsewhere', async () => {
    await using fixture = await LogDirFixture.create();
    const content = '\u001b]0;title\u0007 \u009b2J \u202eabc\ttab';
    await writeLines(fixture, 's', [{ role: 'r\u001b[0m', content }]);
    const onTerminal = await logweir(fixture, ['cat', 's', '-o', 'text'], true);
    expect(withoutColors(onTerminal.stdout)).toBe(
      '[2025-11-15 17:14:50] r\\e[0m \\e]0;title\\u{7} \\u{9b}2J \\u{202e}abc\ttab\n',
    );
    const elsewhere = await logweir(fixture, ['cat', 's', '-o', 'text']);
    expect(elsewhere.stdout.toString()).toBe(`[2025-11-15 17:14:50] r\\e[0m ${content}\n`);
  });

  it('says in one sentence that a session, or LOG_DIR, is not there', async () => {
    await using fixture = await LogDirFixture.create();
    await writeLines(fixture, 's', [{}]);
    const unknown = await logweir(fixture, ['cat', 'nope\u001b']);
    expect([unknown.code, unknown.stderr]).toEqual([1, 'logweir: there is no session "nope\\u001b"\n']);
    const elsewhere = await logweir(fixture, ['cat', 's', '--dir', '/nowhere/at/all']);
    expect([elsewhere.code, elsewhere.stderr]).toEqual([
      1,
      'logweir: there is no directory /nowhere/at/all: set LOG_DIR or --dir\n',
    ]);
  });

  it.each([
    [['cat', 's', '--tail', '-1'], 'expected a whole number'],
    [['cat', 's', '--tail', '1', '--after-seq', '1'], 'cannot be used with'],
    [['cat', 's', '-o', 'xml'], 'Allowed choices are json, text, raw'],
    [['cat'], "missing required argument 'id'"],
  ])('is wrong usage: %j', async (argv, said) => {
    await using fixture = await LogDirFixture.create();
    const outcome = await logweir(fixture, argv);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain(said);
  });

  it('prints what logweir run took, byte for byte, while the server goes on', async () => {
    await using server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '20000' });
    const script = "printf 'a\\r\\nb\\tc\\033[1m\\n'; seq 1 2000; printf 'end'";
    const ran = await new CommandRun().run(registerRun, [
      ...['run', '--session', 'r', '--server', server.address, '--tee', '--', 'sh', '-c', script],
    ]);
    const outcome = await new CommandRun().run(registerCat, ['cat', 'r', '-o', 'raw', '--dir', server.logDir]);
    expect(outcome.stdout).toEqual(ran.stdout);
    expect(outcome.stdout.length).toBeGreaterThan(8_900);
  });
});

describe('logweir ls', () => {
  it('prints a row a session, from names and ends of files', async () => {
    await using fixture = await LogDirFixture.create();
    await threePlaces(fixture, 'build-1');
    await fixture.writeSealed('build-2', seqs(5, 1500), 'finished-gzip', 100);
    await fixture.writeActive('agent', storedLine('agent', 7));
    await fixture.writeActive('empty', Buffer.alloc(0));
    const outcome = await logweir(fixture, ['ls', '--json']);
    const rows = outcome.stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((row) => JSON.parse(row));
    const bytes = { stored_bytes: expect.any(Number) };
    expect(rows).toEqual(
      [
        rowOf('agent', 7, 7, 1, '2026-11-21T10:00:00.007Z', 'active'),
        rowOf('build-1', 1, 11, 4, '2026-11-21T10:00:00.011Z', 'active'),
        rowOf('build-2', 5, 1500, 1, '2026-11-21T10:00:01.500Z', 'idle'),
      ].map((one) => ({ ...one, ...bytes })),
    );
    expect(rows[0].stored_bytes).toBe(storedLine('agent', 7).length);
  });

  it('aligns its columns, with figures for people on a terminal', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed('build-2', seqs(5, 1500), 'finished-raw', 1, '.'.repeat(1_000));
    await fixture.writeActive('a', storedLine('a', 7));
    const plain = await logweir(fixture, ['ls']);
    expect(plain.stdout.toString()).toBe(
      [
        'SESSION  FIRST  LAST  SEGMENTS     SIZE  LAST LINE                 STATUS  EXIT',
        'a            7     7         1       77  2026-11-21T10:00:00.007Z  active',
        'build-2      5  1500         1  1626954  2026-11-21T10:00:01.500Z  idle',
        '',
      ].join('\n'),
    );
    const onTerminal = await logweir(fixture, ['ls', 'build'], true);
    expect(withoutColors(onTerminal.stdout)).toBe(
      [
        'SESSION  FIRST   LAST  SEGMENTS     SIZE  LAST LINE            STATUS  EXIT',
        'build-2      5  1,500         1  1.6 MiB  2026-11-21 10:00:01  idle',
        '',
      ].join('\n'),
    );
  });

  it('tells how a session was completed, wherever its record stands, and nothing of it once it goes on', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed('done', [1, 2], 'finished-gzip');
    await fixture.writeCompletion('done', 2, { status: 'failed\u001b[2J', exitCode: -7 });
    await fixture.writeSealed('fresh', [1, 2], 'sealing');
    await fixture.writeCompletion('fresh', 1, { status: 'earlier', exitCode: 9 });
    await fixture.writeCompletion('fresh', 2, { status: 'stopped', exitCode: null }, 'sealing');
    await fixture.writeSealed('reopened', [1, 2], 'finished-gzip');
    await fixture.writeCompletion('reopened', 2, { status: 'completed', exitCode: 0 });
    await fixture.writeActive('reopened', storedLine('reopened', 3));
    await fixture.writeSealed('torn', [1, 2], 'finished-gzip');
    await fixture.writeCompletion('torn', 2, null);
    const table = (await logweir(fixture, ['ls'])).stdout.toString().split('\n');
    expect(table.map((row) => row.replace(/^(\S*).*Z {2}/, '$1  ').trimEnd())).toEqual([
      expect.stringMatching(/STATUS {7}EXIT$/),
      'done  failed\\e[2J    -7',
      'fresh  stopped',
      'reopened  active',
      'torn  idle',
      '',
    ]);
    const json = (await logweir(fixture, ['ls', '--json'])).stdout.toString().trimEnd().split('\n');
    expect(
      json.map((row) => JSON.parse(row)).map(({ state, status, exit_code }) => [state, status, exit_code]),
    ).toEqual([
      ['completed', 'failed\u001b[2J', -7],
      ['completed', 'stopped', null],
      ['active', null, null],
      ['idle', null, null],
    ]);
  });

  it('never prints the control characters of a session id, and finds the id of a name that was too long', async () => {
    await using fixture = await LogDirFixture.create();
    const long = `${'ü'.repeat(100)}\u001b[2J\n`;
    await fixture.writeSealed(long, [1], 'finished-gzip');
    await fixture.writeActive(`${long}2`, storedLine(`${long}2`, 1));
    await fixture.writeActive('x\u001b]0;t\u0007\u009b', storedLine('x', 1));
    const outcome = await logweir(fixture, ['ls'], true);
    expect(outcome.stdout.toString()).toContain(`\n${'ü'.repeat(23)}…  `);
    expect(outcome.stdout.toString()).toContain('x\\e]0;t\\u{7}\\u{9b}');
    const json = await logweir(fixture, ['ls', '--json', 'x']);
    expect(json.stdout.toString()).toContain('"session_id":"x\\u001b]0;t\\u0007\\u009b"');
    const byPrefix = await logweir(fixture, ['ls', '--json', `${'ü'.repeat(100)}\u001b`]);
    expect(byPrefix.stdout.toString().trimEnd().split('\n')).toHaveLength(2);
  });

  it('sorts by id, and cuts an id over 48 columns where --json has all of it', async () => {
    await using fixture = await LogDirFixture.create();
    const ids = ['~', 'a b', 'a-b', 'B', `a${'x'.repeat(60)}`];
    for (const id of ids) {
      await fixture.writeActive(id, storedLine(id, 1));
    }
    const table = await logweir(fixture, ['ls']);
    const rows = table.stdout.toString().split('\n').slice(1, -1);
    expect(rows.map((row) => row.slice(0, 48).trimEnd())).toEqual(['B', 'a b', 'a-b', `a${'x'.repeat(46)}…`, '~']);
    const json = await logweir(fixture, ['ls', '--json']);
    const found = json.stdout.toString().trimEnd().split('\n');
    expect(found.map((row) => JSON.parse(row).session_id)).toEqual(ids.toSorted());
  });

  it.each([['ls'], ['cat']])('%s says that a directory is no LOG_DIR', async (verb) => {
    const outcome = await new CommandRun().run(verb === 'ls' ? registerLs : registerCat, [
      ...[verb, ...(verb === 'cat' ? ['s'] : []), '--dir', import.meta.dirname],
    ]);
    expect([outcome.code, outcome.stderr]).toEqual([
      1,
      `logweir: ${import.meta.dirname} is no LOG_DIR: it has neither active/ nor sealing/ nor sessions/; set LOG_DIR or --dir\n`,
    ]);
  });

  it('lists all other sessions when a link lies in active/', async () => {
    await using fixture = await LogDirFixture.create();
    await threePlaces(fixture, 's');
    await symlink('/etc/passwd', join(fixture.layout.active, 'link.logtmp'));
    const outcome = await logweir(fixture, ['ls', '--json']);
    expect([outcome.code, outcome.stderr]).toEqual([0, '']);
    expect(outcome.stdout.toString().match(/"session_id":"[^"]*"/g)).toEqual(['"session_id":"s"']);
  });

  it('says so when there are no sessions', async () => {
    await using fixture = await LogDirFixture.create();
    const outcome = await logweir(fixture, ['ls']);
    expect([outcome.code, outcome.stdout.toString(), outcome.stderr]).toEqual([0, '', 'no sessions\n']);
  });
});

function rowOf(id: string, first: number, last: number, segments: number, time: string, state: string) {
  const open = { status: null, exit_code: null };
  return { session_id: id, first_seq: first, last_seq: last, segments, last_time: time, state, ...open };
}
