import { connect } from 'node:net';

/** A name that takes longer to look up, or an address that is silent, says nothing more. */
const PROBE_MS = 1_000;
/** The forms that LOGWEIR_SERVER has, but for `unix:PATH`. */
const HOST_PORT = /^(?!unix:)(?:dns:\/\/\/)?\[?(.+?)\]?:(\d+)$/;
const IS_IT_RUNNING = 'is `logweir serve` running?';

/**
 * What to look at when no gRPC connection came about: the most likely of what a plain connection tells now. Behind
 * `cannot reach logweir at HOST:PORT: `. Never throws; takes a second at the longest.
 */
export function whyUnreachable(server: string): Promise<string> {
  const [, host, port] = HOST_PORT.exec(server) ?? [];
  if (host === undefined) {
    return Promise.resolve(IS_IT_RUNNING);
  }
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const tell = (advice: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(advice);
    };
    const timer = setTimeout(() => tell(IS_IT_RUNNING), PROBE_MS);
    socket.once('connect', () => tell("what listens there does not answer gRPC: is it the server's GRPC_PORT?"));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      tell(error.code === 'ENOTFOUND' ? `there is no host of the name ${host}` : IS_IT_RUNNING),
    );
  });
}
