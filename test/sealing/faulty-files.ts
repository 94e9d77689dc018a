import type { Files } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';

export interface FileCall {
  readonly name: string;
  readonly paths: readonly string[];
}

/** The real disk; `before` sees each call, those of open files included, and may throw instead of it. */
export function interceptedFiles(before: (call: FileCall) => void): Files {
  return intercepted(nodeFiles, before, []);
}

/** A process that dies instead of its call number `k` (from 1): that one and all after it fail. */
export class CrashingFiles {
  calls = 0;
  readonly files: Files;
  readonly crashed: Promise<void>;

  constructor(k: number) {
    let crash: () => void = () => undefined;
    this.crashed = new Promise((resolve) => {
      crash = resolve;
    });
    this.files = interceptedFiles(() => {
      this.calls += 1;
      if (this.calls >= k) {
        crash();
        throw new Error(`crash instead of call ${k}`);
      }
    });
  }
}

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

function intercepted<T extends object>(target: T, before: (call: FileCall) => void, owner: readonly string[]): T {
  return new Proxy(target, {
    get(_, property) {
      const method: unknown = Reflect.get(target, property, target);
      if (typeof method !== 'function') {
        return method;
      }
      return async (...args: unknown[]) => {
        const paths = [...owner, ...args.filter(isPath)];
        before({ name: String(property), paths });
        const result: unknown = await Reflect.apply(method, target, args);
        return typeof result === 'object' && result !== null && property === 'open'
          ? intercepted(result, before, paths)
          : result;
      };
    },
  });
}

function isPath(argument: unknown): argument is string {
  return typeof argument === 'string' && argument.startsWith('/');
}
