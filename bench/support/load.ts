import { fileURLToPath } from 'node:url';
import type { FramePlan } from './frame-plan.js';
import type { LoadAnswer, LoadCommand, Peer, Replay, ReplayResult, Transport } from './load-protocol.js';
import { NodeChild } from './node-child.js';
import { cpuSeconds } from './process-figures.js';

export interface Replayed extends ReplayResult {
  /** What the generator itself used. */
  readonly cpuSeconds: number;
}

/** The load generator, in a process of its own. */
export class Load {
  readonly #child: NodeChild;

  constructor(cores: string | null) {
    const command = [fileURLToPath(new URL('./load-generator.js', import.meta.url))];
    this.#child = new NodeChild({ command, cores, messages: true });
  }

  /** Encodes the plan's frames and keeps them. @returns protobuf bytes of all of them */
  async prepare(plan: FramePlan, transport: Transport | Peer, connections: number): Promise<number> {
    return (await this.#ask({ type: 'prepare', plan, transport, connections }, 'prepared')).protobufBytes;
  }

  async forget(): Promise<void> {
    await this.#ask({ type: 'forget' }, 'forgotten');
  }

  /** @throws when not every frame was acknowledged */
  async replay(replay: Replay): Promise<Replayed> {
    const before = cpuSeconds(this.#child.pid);
    const answer = await this.#ask({ type: 'replay', ...replay }, 'replayed');
    return { ...answer, cpuSeconds: cpuSeconds(this.#child.pid) - before };
  }

  kill(): void {
    this.#child.kill();
  }

  async #ask<Type extends LoadAnswer['type']>(
    command: LoadCommand,
    wanted: Type,
  ): Promise<Extract<LoadAnswer, { type: Type }>> {
    const answer = await this.#child.ask<LoadAnswer>(command);
    if (!isOf(answer, wanted)) {
      throw new Error(`the load generator: ${answer.type === 'failed' ? answer.message : answer.type}`);
    }
    return answer;
  }
}

function isOf<Type extends LoadAnswer['type']>(
  answer: LoadAnswer,
  wanted: Type,
): answer is Extract<LoadAnswer, { type: Type }> {
  return answer.type === wanted;
}
