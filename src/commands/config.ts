import type { Command } from 'commander';
import { describeConfig, developmentEnvironment, readConfig, unknownVariables } from '../config.js';
import type { CommandIo } from './command-io.js';

const HELP = `
Prints every variable with the value that "logweir serve" would use here, secrets masked. Ends with 78 and names every
problem when the configuration is not valid.

Examples:
  logweir config
  logweir config --json | jq -r .LOG_DIR`;

export function registerConfig(program: Command, io: CommandIo): void {
  program
    .command('config')
    .description('Print the configuration that is in force')
    .option('--json', 'as one JSON object, unset variables as null')
    .addHelpText('after', HELP)
    .action((options: { json?: true }) => {
      const env = developmentEnvironment(io.env);
      const entries = describeConfig(readConfig(env)).map(({ name, value }) => [name, value] as const);
      for (const sentence of unknownVariables(env)) {
        io.stderr.write(`warning: ${sentence}\n`);
      }
      io.stdout.write(
        options.json === true
          ? `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`
          : entries.map(([name, value]) => `${name}=${value ?? ''}\n`).join(''),
      );
    });
}
