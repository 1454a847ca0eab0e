/**
 * Which checkpoint to drop when there is no room for all. The farther from where the machine is, the wider checkpoints may be apart: each
 * is worth the replay time that going to the stretch after it would cost more without it, seen from the distance.
 *
 * @param instants of the checkpoints, in order; the first is never dropped, nor the last
 * @param present where the machine is @param takesRoom whether dropping the one at an index makes room
 * @returns the index of the one to drop; −1 when none may be
 */
export function leastWorth(
  instants: readonly number[],
  present: number,
  takesRoom: (index: number) => boolean = () => true,
): number {
  let victim = -1;
  let least = Infinity;
  for (let i = 1; i < instants.length - 1; i++) {
    if (!takesRoom(i)) continue;
    const gap = instants[i + 1] - instants[i - 1];
    const worth = gap / (Math.abs(present - instants[i]) + gap);
    if (worth < least) {
      least = worth;
      victim = i;
    }
  }
  return victim;
}
