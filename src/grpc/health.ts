import type { Server, ServerWritableStream } from '@grpc/grpc-js';
import { HealthImplementation, type ServingStatus } from 'grpc-health-check';

/** The service's overall health goes by the empty name. */
const OVERALL = '';

/**
 * `grpc.health.v1.Health`: the server as a whole and each of its services, all of one mind. NOT_SERVING until it is told
 * otherwise; the first thing a drain does is to say so again.
 *
 * *Ordering*: when `setServing` returns, every Check from then on has the new status, and each open Watch has been sent it,
 * once per change. A Watch stays open until its client or the server's shutdown ends it: `Server.tryShutdown` alone waits
 * for it for ever.
 */
export class Health {
  readonly #names: ReadonlySet<string>;
  readonly #implementation: HealthImplementation;
  #serving = false;

  /** @param services full names of the services, `logging.v1.LogService` */
  constructor(services: readonly string[]) {
    this.#names = new Set([OVERALL, ...services]);
    const initial: [string, ServingStatus][] = Array.from(this.#names, (name) => [name, 'NOT_SERVING']);
    this.#implementation = new HealthImplementation(Object.fromEntries(initial));
  }

  /** Adds the health service to a server that has not started. */
  addTo(server: Server): void {
    this.#implementation.addToServer({
      addService: (definition, handlers: Handlers) => {
        server.addService(definition, { ...handlers, watch: this.#boundedWatch(handlers.watch) });
      },
    });
  }

  setServing(serving: boolean): void {
    if (serving === this.#serving) {
      return;
    }
    this.#serving = serving;
    for (const name of this.#names) {
      this.#implementation.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    }
  }

  /**
   * grpc-health-check keeps every name that was ever watched, so that a stranger's Watch calls would fill the memory. A
   * name that is unknown here stays so: it is answered, and remembered only by its open call.
   */
  #boundedWatch(watch: Watch): Watch {
    return (call) => {
      if (this.#names.has(call.request.service)) {
        watch(call);
      } else {
        call.write({ status: 'SERVICE_UNKNOWN' });
      }
    };
  }
}

type HealthServer = Parameters<HealthImplementation['addToServer']>[0];

/** As health.proto has it: Watch streams its answers. */
type Handlers = Parameters<HealthServer['addService']>[1] & { readonly watch: Watch };

type Watch = (call: ServerWritableStream<{ readonly service: string }, { readonly status: string }>) => void;
