/** Numbers that stand for things until the machine moves (Debug Adapter Protocol, "Lifetime of Objects References"). */
export class Handles<T> {
  private readonly things: T[] = [];
  private first = 1;

  add(thing: T): number {
    return this.first + this.things.push(thing) - 1;
  }

  get(handle: number): T | undefined {
    return this.things[handle - this.first];
  }

  /** Numbers given so far mean nothing any more. */
  clear(): void {
    this.first += this.things.length;
    this.things.length = 0;
  }
}
