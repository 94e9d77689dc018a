/** From a reader to a viewer, the same for every door: only the encoding differs. */
import type { LogEvent, LogLines } from '../reading/log-events.js';
import { ReadingAborted } from '../reading/read-places.js';
import type { Logger } from '../telemetry/logger.js';
import { SHUTTING_DOWN, type StreamError, streamError } from './http-problem.js';
import type { Viewer } from './viewers.js';

export type GapEvent = Extract<LogEvent, { kind: 'gap' }>;
export type EndEvent = Extract<LogEvent, { kind: 'end' }>;

/** What a door sends. Events of the firehose say their session. */
export interface EventEncoding {
  /** Made once for all viewers: through `LogLines.as`. */
  lines(lines: LogLines): Buffer;
  gap(event: GapEvent & { readonly sessionId?: string }): Buffer | string;
  end(event: EndEvent & { readonly sessionId?: string }): Buffer | string;
  error(error: StreamError): Buffer | string;
}

/**
 * Hands every event on, at the viewer's pace.
 * @param opening where the events come from; what it throws is told as what they throw
 * @returns `end`: all was said; `error`: that was said last; `gone`: nobody listens any more
 */
export async function deliver(
  opening: AsyncIterable<LogEvent> | Promise<AsyncIterable<LogEvent>>,
  viewer: Viewer,
  encoding: EventEncoding,
  logger: Logger,
): Promise<'end' | 'error' | 'gone'> {
  try {
    for await (const event of await opening) {
      if (event.kind === 'lines') {
        await viewer.writeLines(event.lines, encoding.lines(event.lines));
      } else {
        await viewer.write(event.kind === 'gap' ? encoding.gap(event) : encoding.end(event));
      }
    }
  } catch (error) {
    if (!(error instanceof ReadingAborted)) {
      return fail(error, viewer, encoding, logger);
    }
  }
  if (viewer.state === 'dismissed') {
    await viewer.write(encoding.error(SHUTTING_DOWN));
    return 'error';
  }
  return viewer.state === 'gone' ? 'gone' : 'end';
}

async function fail(
  error: unknown,
  viewer: Viewer,
  encoding: EventEncoding,
  logger: Logger,
): Promise<'error' | 'gone'> {
  if (viewer.state === 'gone') {
    return 'gone';
  }
  const told = streamError(error);
  if (told.code === 'INTERNAL' || told.code === 'DAMAGED_SEGMENT') {
    logger.error({ err: error }, 'a viewer could not be served to the end');
  }
  await viewer.write(encoding.error(told));
  return 'error';
}
