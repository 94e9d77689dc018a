import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FramePlan } from './frame-plan.js';
import type { LoadAnswer, LoadCommand } from './load-protocol.js';
import { NodeChild } from './node-child.js';
import { cpuSeconds } from './process-figures.js';

export interface Replayed {
  readonly wallSeconds: number;
  /** What the generator itself used. */
  readonly cpuSeconds: number;
}

/** The load generator, in a process of its own. */
export class Load {
  readonly #child: NodeChild;

  constructor(core: number | null) {
    const command = [fileURLToPath(new URL('./load-generator.js', import.meta.url))];
    this.#child = new NodeChild({ command, core, messages: true });
  }

  /** Encodes the plan's frames and keeps them. @returns protobuf bytes of all of them */
  async prepare(plan: FramePlan, connections: number): Promise<number> {
    const answer = await this.#ask({ type: 'prepare', plan, connections });
    return answer.type === 'prepared' ? answer.protobufBytes : Number.NaN;
  }

  /** @throws when not every frame was acknowledged */
  async replay(plan: FramePlan, port: number): Promise<Replayed> {
    const before = cpuSeconds(this.#child.pid);
    const answer = await this.#ask({ type: 'replay', sessionPrefix: plan.sessionPrefix, port });
    const after = cpuSeconds(this.#child.pid);
    return { wallSeconds: answer.type === 'replayed' ? answer.wallSeconds : Number.NaN, cpuSeconds: after - before };
  }

  kill(): void {
    this.#child.kill();
  }

  async #ask(command: LoadCommand): Promise<LoadAnswer> {
    const reply = once(this.#child.process, 'message');
    this.#child.process.send(command);
    const answer: LoadAnswer = (await this.#child.while(reply))[0];
    if (answer.type === 'failed') {
      throw new Error(`the load generator: ${answer.message}`);
    }
    return answer;
  }
}
