/** Places in production code that may do something legal but nasty, which in practice happens too
 *  seldom to be tested: one record to a batch, a new segment before its time, "busy". Only a
 *  simulation says yes; everywhere else `nasty` is one comparison with null, and false. */

export type NastyPlace =
  /** The next batch holds one record only. */
  | "small batch"
  /** The next batch begins a new segment. */
  | "early segment"
  /** A segment is read just as far as needed. */
  | "short read"
  /** An append carries one record only. */
  | "small append"
  /** A follower that is behind is sent next to nothing while others commit. */
  | "slow catch-up"
  /** A client's entries are refused as if too many waited. */
  | "busy append"
  /** The same for a read. */
  | "busy read"
  /** A leader hands over without a reason. */
  | "yield";

type Decide = (place: NastyPlace) => boolean;

let decide: Decide | null = null;

/** Whether to be nasty here, this time. */
export function nasty(place: NastyPlace): boolean {
  return decide !== null && decide(place);
}

/** Who decides from now on; null: never. For src/sim alone. */
export function beNasty(by: Decide | null): void {
  decide = by;
}
