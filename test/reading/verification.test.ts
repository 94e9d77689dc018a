import { createHash } from 'node:crypto';
import { appendFile, copyFile, mkdir, readFile, rename, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ListedFinding, LogDirCopy, type RealHistory, writeRealHistory } from './real-history.js';

let history: RealHistory;

beforeAll(async () => {
  history = await writeRealHistory();
});

afterAll(() => history[Symbol.asyncDispose]());

type Said = [problem: string, field: string | null, file: string, message: string];

const said = ({ problem, field, file, message }: ListedFinding): Said => [problem, field, file, message];

interface Case {
  readonly copy: LogDirCopy;
  /** Of the session `s`, the first at 0. */
  readonly stems: readonly string[];
  /** `sessions/s/<stem><suffix>`, relative and absolute. */
  file(index: number, suffix: string): string;
  path(index: number, suffix: string): string;
}

async function damagedCase(): Promise<Case & AsyncDisposable> {
  const copy = await LogDirCopy.of(history.path);
  const stems = await copy.stems('s');
  const file = (index: number, suffix: string) => `sessions/s/${stems.at(index)}${suffix}`;
  return {
    copy,
    stems,
    file,
    path: (index, suffix) => copy.at(file(index, suffix)),
    [Symbol.asyncDispose]: () => copy[Symbol.asyncDispose](),
  };
}

/** Both forms say exactly this and nothing else; the exit code fits. */
async function expectVerdict({ copy }: Case, integrity: Said[], completeness: Said[]): Promise<void> {
  const verdict = await copy.verify();
  expect(verdict.json.integrity.listed.map(said)).toEqual(integrity);
  expect(verdict.json.completeness.listed.map(said)).toEqual(completeness);
  const isOk = integrity.length + completeness.length === 0;
  expect([verdict.code, verdict.json.ok, verdict.stderr]).toEqual([isOk ? 0 : 1, isOk, '']);
  const files = (findings: Said[]) => new Set(findings.map(([, , file]) => file)).size;
  const heading = (title: string, findings: Said[], what: string) =>
    findings.length === 0
      ? `${title}: ok`
      : `${title}: ${files(findings)} file${files(findings) === 1 ? '' : 's'} ${what}`;
  const sentences = (findings: Said[]) =>
    findings.map(([, , file, message]) => [file, message]).map(([file, message]) => `${file} ${message}`);
  const lines = verdict.text.split('\n').filter((line) => !/^(checked|note): /.test(line));
  const plain = lines.map((line) => line.replace(/^ {2}session [a-z]+: /, ''));
  expect(plain).toEqual([
    heading('integrity', integrity, 'damaged'),
    ...sentences(integrity),
    heading('completeness', completeness, 'incomplete'),
    ...sentences(completeness),
    '',
  ]);
}

describe('verify, of what a real server wrote', () => {
  it('says that all is well, and counts what it checked', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const { code, text, json } = await copy.verify();
    expect([code, text]).toEqual([0, expect.stringContaining('integrity: ok\ncompleteness: ok\n')]);
    const stems = await copy.stems('s');
    expect(stems.length).toBeGreaterThan(5);
    const manifests = await Promise.all(stems.map((stem) => copy.manifest('s', stem)));
    const within = manifests.reduce((sum, { gaps }) => sum + gaps, 0);
    expect(json).toMatchObject({
      format_version: 1,
      checked: { sessions: 3, segments: stems.length + 3, frames: 100 - 8 + 3 + 2_500 + 1 },
      // 15 and 43 to 49; 103 and 104 in the active file.
      information: { gaps: within + 2, gaps_between_segments: 8 - within, unfinished_bytes: 0 },
    });
    expect((await copy.manifest('big', (await copy.stems('big'))[0] ?? '')).members.length).toBe(3);
    expect((await copy.verify('s')).json.checked.sessions).toBe(1);
  });

  it('a changed byte of a compressed file', async () => {
    await using broken = await damagedCase();
    const bytes = await readFile(broken.path(2, '.log.gz'));
    bytes.writeUInt8((bytes[bytes.length - 5] ?? 0) ^ 1, bytes.length - 5);
    await writeFile(broken.path(2, '.log.gz'), bytes);
    const message = 'the gzip member at byte 0 does not have the CRC-32 and the length that stand at its end';
    await expectVerdict(broken, [['gzip', null, broken.file(2, '.log.gz'), message]], []);
  });

  it('a compressed file cut short, and one with something behind it', async () => {
    await using broken = await damagedCase();
    const { length } = await readFile(broken.path(0, '.log.gz'));
    await truncate(broken.path(0, '.log.gz'), length - 20);
    await appendFile(broken.path(1, '.log.gz'), 'more');
    const other = (await readFile(broken.path(1, '.log.gz'))).length;
    const short = `is not what was sealed: compressed_bytes is ${length - 20}, the manifest says ${length}`;
    const long = `is not what was sealed: compressed_bytes is ${other}, the manifest says ${other - 4}`;
    const early = 'the gzip member at byte 0 cannot be inflated: unexpected end of file';
    await expectVerdict(
      broken,
      [
        ['gzip', null, broken.file(0, '.log.gz'), early],
        ['content', 'compressed_bytes', broken.file(0, '.log.gz'), short],
        ['gzip', null, broken.file(1, '.log.gz'), `no gzip member begins at byte ${other - 4}`],
        ['content', 'compressed_bytes', broken.file(1, '.log.gz'), long],
      ],
      [],
    );
  });

  it('a segment that is gone from the middle', async () => {
    await using broken = await damagedCase();
    const before = await broken.copy.manifest('s', broken.stems[1] ?? '');
    const after = await broken.copy.manifest('s', broken.stems[3] ?? '');
    await unlink(broken.path(2, '.log.gz'));
    await unlink(broken.path(2, '.json'));
    const message = `continues a segment between seq ${before.last_seq} and ${after.first_seq} that is missing`;
    await expectVerdict(broken, [], [['chain', 'prev_sha256', broken.file(3, '.log.gz'), message]]);
  });

  it('the first segment is gone', async () => {
    await using broken = await damagedCase();
    const second = await broken.copy.manifest('s', broken.stems[1] ?? '');
    await unlink(broken.path(0, '.log.gz'));
    await unlink(broken.path(0, '.json'));
    const message = `continues a segment before seq ${second.first_seq} that is missing`;
    await expectVerdict(broken, [], [['chain', 'prev_sha256', broken.file(1, '.log.gz'), message]]);
  });

  it('a manifest without its segment, and a segment without its manifest', async () => {
    await using broken = await damagedCase();
    const { first_seq, last_seq } = await broken.copy.manifest('s', broken.stems[1] ?? '');
    await unlink(broken.path(1, '.log.gz'));
    await unlink(broken.path(3, '.json'));
    const missing = `has no segment beside it: seq ${first_seq} to ${last_seq} is missing`;
    await expectVerdict(
      broken,
      [],
      [
        ['data_missing', null, broken.file(1, '.json'), missing],
        ['manifest_missing', null, broken.file(3, '.log.gz'), 'has no manifest beside it'],
      ],
    );
  });

  it('two files that were swapped', async () => {
    await using broken = await damagedCase();
    await rename(broken.path(1, '.log.gz'), broken.copy.at('aside'));
    await rename(broken.path(4, '.log.gz'), broken.path(1, '.log.gz'));
    await rename(broken.copy.at('aside'), broken.path(4, '.log.gz'));
    const { json } = await broken.copy.verify();
    expect(json.completeness.listed).toEqual([]);
    const [one, other] = await Promise.all([1, 4].map((at) => broken.copy.manifest('s', broken.stems[at] ?? '')));
    for (const [index, is, says] of [
      [1, other, one],
      [4, one, other],
    ] as const) {
      const findings = json.integrity.listed.filter(({ file }) => file === broken.file(index, '.log.gz'));
      expect(findings.map(({ problem }) => problem)).toEqual(findings.map(() => 'content'));
      const [expected, found] =
        (is?.bytes ?? 0) > (says?.bytes ?? 0)
          ? [{ bytes: says?.bytes }, { bytes: `more than ${says?.bytes}` }]
          : [
              { sha256: says?.sha256, first_seq: says?.first_seq, last_seq: says?.last_seq },
              { sha256: is?.sha256, first_seq: is?.first_seq, last_seq: is?.last_seq },
            ];
      for (const [field, value] of Object.entries(expected)) {
        const finding = { field, expected: value, found: (found as Record<string, unknown>)[field] };
        expect(findings).toContainEqual(expect.objectContaining(finding));
      }
    }
    expect(json.integrity.files).toBe(2);
  });

  it.each([
    ['session_id', 'other'],
    ['id', 's/1-2'],
    ['first_seq', 2],
    ['last_seq', 99_999],
    ['frames', 1],
    ['gaps', 77],
    ['first_time', '2020-01-01T00:00:00Z'],
    ['last_time', '2020-01-01T00:00:00Z'],
    ['compressed_bytes', 1],
    ['path', 'sessions/s/other.log.gz'],
    ['sealed_at', '2020-01-01T00:00:00Z'],
    ['compression', 'none'],
    ['producers', { p0: 1 }],
    ['producers', { p0: 1_000_000 }],
    ['producers', { stranger: 1 }],
    ['members', []],
    ['members', [{ first_seq: 1, raw_offset: 7, compressed_offset: 0 }]],
  ])('an edited manifest: %s', async (field, value) => {
    await using broken = await damagedCase();
    await broken.copy.editManifest('s', broken.stems[2] ?? '', { [field]: value });
    const { code, json } = await broken.copy.verify();
    expect([code, json.completeness.listed]).toEqual([1, []]);
    const found = json.integrity.listed.map((finding) => [finding.file, finding.problem, finding.field]);
    expect(found).toContainEqual([broken.file(2, '.json'), 'manifest_field', field === 'compression' ? 'path' : field]);
    expect(new Set(found.map(([file]) => file))).toEqual(new Set([broken.file(2, '.json')]));
  });

  it.each([
    ['sha256', '0'.repeat(64)],
    ['bytes', 12],
  ])('an edited manifest whose %s is not that of the segment', async (field, value) => {
    await using broken = await damagedCase();
    await broken.copy.editManifest('s', broken.stems[2] ?? '', { [field]: value });
    const { json } = await broken.copy.verify();
    const [finding] = json.integrity.listed;
    expect(json.integrity.findings).toBe(1);
    expect(finding).toMatchObject({ problem: 'content', field, file: broken.file(2, '.log.gz'), expected: value });
    expect(json.completeness.listed).toEqual([]);
  });

  it.each([
    [0, "the manifest's format_version is not valid: 0"],
    [2, "the manifest's format_version is 2, this logweir reads 1: run the version that wrote it"],
  ])('a manifest of format_version %s', async (version, says) => {
    await using broken = await damagedCase();
    await broken.copy.editManifest('s', broken.stems[2] ?? '', { format_version: version });
    const invalid: Said = ['manifest_invalid', null, broken.file(2, '.json'), `is no manifest: ${says}`];
    await expectVerdict(broken, [invalid], []);
  });

  it('an edited manifest: prev_sha256 breaks the chain', async () => {
    await using broken = await damagedCase();
    const before = await broken.copy.manifest('s', broken.stems[1] ?? '');
    await broken.copy.editManifest('s', broken.stems[2] ?? '', { prev_sha256: 'f'.repeat(64) });
    const saying = `it says prev_sha256 ${'f'.repeat(64)}, that one has ${before.sha256}`;
    const message = `does not continue ${broken.file(1, '.log.gz')}: ${saying}`;
    await expectVerdict(broken, [], [['chain', 'prev_sha256', broken.file(2, '.log.gz'), message]]);
    await broken.copy.editManifest('s', broken.stems[2] ?? '', { prev_sha256: null });
    const first = `says that it is the session's first segment, but ${broken.file(1, '.log.gz')} comes before it`;
    const { json } = await broken.copy.verify();
    expect(json.completeness.listed.map(said)).toEqual([['chain', 'prev_sha256', broken.file(2, '.log.gz'), first]]);
  });

  it('a manifest that is none, a link, a directory, or huge', async () => {
    await using broken = await damagedCase();
    await writeFile(broken.path(0, '.json'), '{"id":');
    await rename(broken.path(1, '.json'), broken.copy.at('elsewhere.json'));
    await symlink(broken.copy.at('elsewhere.json'), broken.path(1, '.json'));
    await unlink(broken.path(2, '.json'));
    await mkdir(broken.path(2, '.json'));
    await truncate(broken.path(3, '.json'), 1 << 30);
    await expectVerdict(
      broken,
      [
        ['manifest_invalid', null, broken.file(0, '.json'), 'is no manifest: the manifest is not JSON'],
        ['not_a_file', null, broken.file(1, '.json'), 'is no regular file'],
        ['not_a_file', null, broken.file(2, '.json'), 'is no regular file'],
        ['unreadable', null, broken.file(3, '.json'), 'cannot be read: EFBIG'],
      ],
      [],
    );
  });

  it('a segment that is a link is not read', async () => {
    await using broken = await damagedCase();
    await rename(broken.path(1, '.log.gz'), broken.copy.at('elsewhere.gz'));
    await symlink(broken.copy.at('elsewhere.gz'), broken.path(1, '.log.gz'));
    await expectVerdict(broken, [['not_a_file', null, broken.file(1, '.log.gz'), 'is no regular file']], []);
  });

  it('a duplicated segment', async () => {
    await using broken = await damagedCase();
    const twin = (broken.stems[1] ?? '').replace(/_\d{8}/, '_20991231');
    const sealedAt = (await broken.copy.manifest('s', broken.stems[1] ?? '')).sealed_at;
    await copyFile(broken.path(1, '.log.gz'), broken.copy.at('sessions/s', `${twin}.log.gz`));
    await copyFile(broken.path(1, '.json'), broken.copy.at('sessions/s', `${twin}.json`));
    const range = (await broken.copy.manifest('s', twin)).id.slice(2).replace('-', ' to ');
    const file = `sessions/s/${twin}`;
    const wrong = (field: string, is: string, right: string): Said => [
      'manifest_field',
      field,
      `${file}.json`,
      `says ${field} ${JSON.stringify(is)}; its name's is ${JSON.stringify(right)}`,
    ];
    await expectVerdict(
      broken,
      [
        wrong('sealed_at', sealedAt, sealedAt.replace(/^[\d-]+/, '2099-12-31')),
        wrong('path', broken.file(1, '.log.gz'), `${file}.log.gz`),
      ],
      [['overlap', null, `${file}.log.gz`, `holds seq ${range}, but ${broken.file(1, '.log.gz')} holds ${range}`]],
    );
  });

  it('files that logweir did not make are only told', async () => {
    await using broken = await damagedCase();
    const names = ['notes.txt', `${broken.stems[0]}.log.gz.bak`, '1-2_20261121T100000Z.log'];
    for (const name of names) {
      await writeFile(broken.copy.at('sessions/s', name), 'x');
    }
    await writeFile(broken.copy.at('sessions/s', `${broken.stems[0]}.log.gz.tmp`), 'half-made');
    await writeFile(broken.copy.at('sessions/stray'), 'x');
    await writeFile(broken.copy.at('quarantine/s.10-20.00000000'), '0123456789');
    await expectVerdict(broken, [], []);
    const { json, text } = await broken.copy.verify();
    const foreign = [...names.map((name) => `sessions/s/${name}`), 'sessions/stray'];
    expect(json.information.foreign.listed.toSorted()).toEqual(foreign.toSorted());
    expect(json.information.quarantine).toEqual({
      ...{ files: 1, bytes: 10 },
      listed: [{ file: 'quarantine/s.10-20.00000000', bytes: 10 }],
    });
    expect(text).toContain('note: 1 file in quarantine/, 10 B\n');
  });

  it('how a session ended: a sound record says nothing, others are told by what is wrong', async () => {
    await using broken = await damagedCase();
    const record = {
      ...{ session_id: 's', status: 'failed', exit_code: 1, last_seq: 100 },
      ...{ completed_at: '2026-11-21T10:00:00.000Z', format_version: 1 },
    };
    const file = 'sessions/s/completion.json';
    const write = (content: object | string) =>
      writeFile(broken.copy.at(file), typeof content === 'string' ? content : JSON.stringify(content));
    await write(record);
    await expectVerdict(broken, [], []);
    expect((await broken.copy.verify()).json.information.foreign.files).toBe(0);
    for (const [content, why] of [
      ['{"session_id":', 'the completion record is not JSON'],
      [{ ...record, last_seq: 1.5 }, 'the completion record has no valid last_seq'],
      [{ ...record, session_id: 'other' }, 'the completion record is of another session'],
      [
        { ...record, format_version: 2 },
        "the completion record's format_version is 2, this logweir reads 1: run the version that wrote it",
      ],
    ] as const) {
      await write(content);
      await expectVerdict(broken, [['completion_invalid', null, file, `cannot be used: ${why}`]], []);
    }
    await write({ ...record, last_seq: 109 });
    const message = 'says that the session was completed at seq 109, but its lines end at 105';
    await expectVerdict(broken, [], [['data_missing', 'last_seq', file, message]]);
    // What was given up is told of by its name.
    await writeFile(broken.copy.at('quarantine/s_0000000000000106-0000000000000109_20261121T100000Z.log'), 'x');
    await expectVerdict(broken, [], []);
    await unlink(broken.copy.at(file));
    await mkdir(broken.copy.at('sealing/s'), { recursive: true });
    const pending = 'sealing/s/0000000000000099.completion.json';
    await writeFile(broken.copy.at(pending), JSON.stringify(record));
    await expectVerdict(broken, [['completion_invalid', null, pending, 'is a completion at seq 100']], []);
    await unlink(broken.copy.at(pending));
    await symlink('/etc/passwd', broken.copy.at(file));
    await expectVerdict(broken, [['not_a_file', null, file, 'is no regular file']], []);
  });

  it('the active file: an unfinished line is no damage, NUL bytes and other lines are', async () => {
    await using broken = await damagedCase();
    const path = broken.copy.at('active/s.logtmp');
    const lines = await readFile(path);
    await writeFile(path, lines.subarray(0, -9));
    await expectVerdict(broken, [], []);
    const unfinished = lines.length - 9 - (lines.lastIndexOf(0x0a, -2) + 1);
    expect((await broken.copy.verify()).json.information.unfinished_bytes).toBe(unfinished);
    const where = `at byte ${lines.length}, behind seq 105; the next start of the server moves what begins there to quarantine/`;
    for (const [tail, what] of [
      [Buffer.alloc(4_096), 'NUL bytes'],
      [Buffer.concat([Buffer.from('{"seq":106,"ti'), Buffer.alloc(50)]), 'NUL bytes'],
      [Buffer.from('{"seq":106}\n'), 'a line that is not one of this session in order'],
      [lines.subarray(0, lines.indexOf(0x0a) + 1), 'a line that is not one of this session in order'],
    ] as const) {
      await writeFile(path, Buffer.concat([lines, tail]));
      await expectVerdict(broken, [['line', null, 'active/s.logtmp', `holds ${what} ${where}`]], []);
    }
  });

  it('an active file with numbers that are sealed already', async () => {
    await using broken = await damagedCase();
    await writeFile(broken.copy.at('active/s.logtmp'), gunzipSync(await readFile(broken.path(1, '.log.gz'))));
    const { first_seq } = await broken.copy.manifest('s', broken.stems[1] ?? '');
    const message = `begins with seq ${first_seq}, but the session is sealed up to 100`;
    await expectVerdict(broken, [], [['overlap', null, 'active/s.logtmp', message]]);
  });

  it('a segment under sealing/: its lines and its name', async () => {
    await using broken = await damagedCase();
    await mkdir(broken.copy.at('sealing/s'), { recursive: true });
    const stem = broken.stems.at(-1) ?? '';
    const lines = gunzipSync(await readFile(broken.path(-1, '.log.gz')));
    await unlink(broken.path(-1, '.json'));
    const raw = broken.copy.at('sealing/s', `${stem}.log`);
    await writeFile(raw, lines);
    // As a crash leaves it between the rename and the manifest.
    await expectVerdict(broken, [], []);
    const [first, last] = stem.split(/[-_]/).map(Number);
    const cut = lines.subarray(0, lines.lastIndexOf(0x0a, -2) + 1);
    await writeFile(raw, cut);
    const holds = `holds seq ${first}-${(last ?? 0) - 1}, its name says ${first}-${last}`;
    await expectVerdict(broken, [['name', null, `sealing/s/${stem}.log`, holds]], []);
    await writeFile(raw, lines.subarray(0, -1));
    const torn = `ends in the middle of a line, behind seq ${(last ?? 0) - 1}, at byte ${cut.length}`;
    await expectVerdict(broken, [['line', null, `sealing/s/${stem}.log`, torn]], []);
  });

  it('lines that are not in order, under a manifest that agrees with them', async () => {
    await using broken = await damagedCase();
    const [stem = ''] = await broken.copy.stems('one');
    const [line = ''] = gunzipSync(await readFile(broken.copy.at('sessions/one', `${stem}.log.gz`)))
      .toString()
      .split('\n');
    const lines = Buffer.from(`${line}\n${line}\n`);
    const compressed = gzipSync(lines);
    await writeFile(broken.copy.at('sessions/one', `${stem}.log.gz`), compressed);
    await broken.copy.editManifest('one', stem, {
      bytes: lines.length,
      compressed_bytes: compressed.length,
      sha256: createHash('sha256').update(lines).digest('hex'),
    });
    const message = `holds a line that is not one of this session in order behind seq 1, at byte ${line.length + 1}`;
    await expectVerdict(broken, [['line', null, `sessions/one/${stem}.log.gz`, message]], []);
  });

  it('a gzip bomb is told by the first bytes that are too many', async () => {
    await using broken = await damagedCase();
    const member = gzipSync(Buffer.alloc(1 << 28, '{'));
    await writeFile(broken.path(2, '.log.gz'), Buffer.concat([member, member, member, member]));
    const { bytes } = await broken.copy.manifest('s', broken.stems[2] ?? '');
    const before = process.memoryUsage().rss;
    const { json } = await broken.copy.verify();
    expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20);
    expect(json.integrity.listed).toMatchObject([
      { problem: 'content', field: 'bytes', expected: bytes, found: `more than ${bytes}` },
    ]);
    // Without a manifest that says how much there may be, the first line that cannot be one ends it.
    await unlink(broken.path(2, '.json'));
    await writeFile(broken.path(2, '.log.gz'), gzipSync(Buffer.alloc(1 << 28)));
    const without = await broken.copy.verify();
    expect(without.json.integrity.listed.map(({ message }) => message)).toEqual([
      'holds NUL bytes from its first byte on',
    ]);
    expect(without.json.checked.bytes).toBeLessThan(4 << 20);
  });
});
