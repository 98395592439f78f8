/** What `raft bench` does unless it is told otherwise, and how far it can be told: for what it
 *  checks and for what its help says. */

export const BENCH = {
  /** Entries under way. */
  outstanding: 64,
  outstandingMax: 100_000,
  /** What the client library lets wait, over all clients. */
  outstandingBytesMax: 64 << 20,
  entryBytes: 100,
  seconds: 5,
  secondsMin: 0.1,
  secondsMax: 3_600,
  clientsMax: 10_000,
  /** Entries a second. */
  rateMax: 1_000_000,
  /** How long an entry may take unless --timeout says otherwise: a change of leader is no
   *  failure. */
  entryTimeoutMs: 30_000,
} as const;
