/**
 * The Lua script that announces a few events in one round trip: a repeated announcement has one effect, in all modes.
 *
 * *Ordering.* Events take effect in the order given; the first that fails ends the script, so that none overtakes it.
 *
 * *At least once.* The marker of an event says `done` only after its effect: an XADD that fails (WRONGTYPE, an ACL)
 * leaves `begun`, which stops nobody. Writing the marker first proves that the server takes writes: a PUBLISH to a
 * read-only replica would be repeated with each try.
 */
import { createHash } from 'node:crypto';

export type RedisMode = 'stream' | 'list' | 'pubsub';

/** KEYS: the stream, list or channel, then a marker per event. ARGV: mode, marker's seconds, then each event's arguments. */
export const ANNOUNCE_SCRIPT = `
local mode, ttl = ARGV[1], ARGV[2]
local width = mode == 'stream' and 5 or 1
for i = 2, #KEYS do
  if redis.call('GET', KEYS[i]) ~= 'done' then
    local at = 3 + (i - 2) * width
    redis.call('SET', KEYS[i], 'begun', 'EX', ttl)
    if mode == 'stream' then
      redis.call('XADD', KEYS[1], '*', 'id', ARGV[at], 'type', ARGV[at + 1], 'encoding', ARGV[at + 2],
        'content', ARGV[at + 3], 'timestamp', ARGV[at + 4])
    elseif mode == 'list' then
      redis.call('RPUSH', KEYS[1], ARGV[at])
    else
      redis.call('PUBLISH', KEYS[1], ARGV[at])
    end
    redis.call('SET', KEYS[i], 'done', 'EX', ttl)
  end
end
return #KEYS - 1
`;

export const ANNOUNCE_SCRIPT_SHA1 = createHash('sha1').update(ANNOUNCE_SCRIPT).digest('hex');

/** How long a repeat is recognised; after that, consumers still can by `event_id`. */
export const MARKER_SECONDS = 7 * 24 * 3600;

/**
 * `{<key>}:announced:<event id>`: the hash tag puts it into the slot of `key` in a cluster. A key with a tag of its own
 * lends that one. (For a key with a `}` but no tag no other key can be made that shares its slot: fine but in a cluster.)
 */
export function markerKey(key: string, eventId: string): string {
  const ownTag = /^[^{]*\{([^}]+)\}/.exec(key)?.[1];
  return ownTag === undefined ? `{${key}}:announced:${eventId}` : `{${ownTag}}:${key}:announced:${eventId}`;
}
