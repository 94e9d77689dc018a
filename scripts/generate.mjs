// Makes what is derived from protos/ and committed: the types of the messages (src/grpc/generated) and the
// FileDescriptorSet, imports included, that the server's reflection serves (protos/logging.binpb); and from src/config-variables.ts the
// README's table of variables.
// `node scripts/generate.mjs [directory]` writes below another directory; test/generated.test.ts compares the two.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = resolve(process.argv[2] ?? root);
const bin = (name) => join(root, 'node_modules', '.bin', name);

const generated = join(target, 'src', 'grpc', 'generated');
rmSync(generated, { recursive: true, force: true });
mkdirSync(generated, { recursive: true });
mkdirSync(join(target, 'protos'), { recursive: true });

const services = readdirSync(join(root, 'protos'), { recursive: true })
  .filter((path) => path.startsWith('services') && path.endsWith('.proto'))
  .toSorted();
execFileSync(
  bin('proto-loader-gen-types'),
  [
    '--keepCase',
    '--longs=Number',
    '--defaults',
    '--oneofs',
    '--includeComments',
    '--importFileExtension=.js',
    '--grpcLib=@grpc/grpc-js',
    '--includeDirs=protos',
    `--outDir=${generated}`,
    ...services,
  ],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
);
execFileSync(bin('buf'), ['build', 'protos', '--as-file-descriptor-set', '-o', join(target, 'protos', 'logging.binpb')], {
  cwd: root,
  stdio: 'inherit',
});

// The README's table of variables, between its two marks.
const { variables } = await import(join(root, 'dist', 'config-variables.js'));
const table = [
  '| variable | default | |',
  '|---|---|---|',
  ...variables.map(({ name, defaultText, description }) => `| \`${name}\` | \`${defaultText}\` | ${description} |`),
].join('\n');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const marks = /(<!-- variables -->\n)[^]*?(<!-- \/variables -->)/;
writeFileSync(join(target, 'README.md'), readme.replace(marks, (_all, open, close) => `${open}${table}\n${close}`));
