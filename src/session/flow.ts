/** A stream of frames, however many intakes it has: lanes let flows take turns. */
export class Flow {
  /** Frames to take one by one before a run is tried again, and how many that were the last time. */
  skips = 0;
  fruitless = 0;
}
