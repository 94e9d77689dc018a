import * as fc from 'fast-check';

/**
 * The seed of every property test: one for CI, so that a commit is not red for what another one did.
 * `LOGWEIR_SEED=random npm test` draws new ones, which fast-check prints when they fail; `LOGWEIR_SEED=N` repeats one.
 */
const seed = process.env['LOGWEIR_SEED'] ?? '20261121';
if (seed !== 'random') {
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });
}
