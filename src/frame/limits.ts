/** What a frame may hold at most. A frame outside these can never be stored, so a retry does not help. */

/** Bytes of UTF-8 in `session_id`. */
export const SESSION_ID_BYTES_MAX = 1024;

/** The greatest `seq` and `producer_seq`: the greatest integer that JSON readers and JavaScript hold exactly. */
/** Marks of producers are repeated in every manifest of their session. */
export const PRODUCER_ID_BYTES_MAX = 256;
export const SEQ_MAX = Number.MAX_SAFE_INTEGER;

/** 0001-01-01T00:00:00Z in Unix seconds: the first instant protobuf's Timestamp and RFC 3339 share. */
export const TIME_SECONDS_MIN = -62_135_596_800;

/** 9999-12-31T23:59:59Z in Unix seconds. */
export const TIME_SECONDS_MAX = 253_402_300_799;

export const NANOS_MAX = 999_999_999;

/**
 * Nested messages in `metadata`: the Struct is the first, a Value in it the second, a Struct in that the third, and so
 * on (map entries do not count). The limit protobuf parsers have, protobufjs and C++ among them.
 */
export const METADATA_DEPTH_MAX = 100;

/** Groups within groups in an unknown field. */
export const GROUP_DEPTH_MAX = 100;

/** Empty frames are two bytes each: without a limit one message would keep the process busy for seconds. */
export const BATCH_FRAMES_MAX = 65_536;

/** Of the word that says how a session ended. */
export const COMPLETION_STATUS_BYTES_MAX = 256;
