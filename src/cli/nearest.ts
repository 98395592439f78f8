/** The word that was probably meant. */

/** How many letters must be inserted, dropped, changed or swapped with a neighbour to turn `a`
 *  into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let distance = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, (beforeLast[column - 2] ?? 0) + 1);
      }
      current.push(distance);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/** The nearest of `known`, or null when none is near: at most a third of the longer word may
 *  differ, and a word that begins like exactly one known word counts as near. */
export function nearestWord(typed: string, known: readonly string[]): string | null {
  let nearest: string | null = null;
  let nearestDistance = Infinity;
  for (const word of known) {
    const distance = editDistance(typed.toLowerCase(), word);
    if (distance < nearestDistance) {
      nearest = word;
      nearestDistance = distance;
    }
  }
  if (
    nearest !== null &&
    nearestDistance <= Math.max(1, Math.floor(Math.max(typed.length, nearest.length) / 3))
  ) {
    return nearest;
  }
  const beginning = known.filter(
    (word) => typed.length >= 2 && word.startsWith(typed.toLowerCase()),
  );
  return beginning.length === 1 ? (beginning[0] ?? null) : null;
}
