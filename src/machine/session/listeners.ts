/** A listener threw. The machine and its recording are not affected. */
export interface ListenerFailure {
  /** The event it listened to. */
  readonly event: string;
  readonly error: unknown;
}

interface Registration {
  readonly listener: (value: never) => void;
  readonly onError: ((error: unknown) => void) | undefined;
}

/**
 * Listeners by the name of their event. One that throws keeps neither the others from being called nor the caller from going on: what it threw
 * goes to its own `onError`, otherwise to those who listen to `error`, otherwise it becomes an unhandled rejection, as for a callback of the host's.
 */
export class Listeners<Events extends { readonly error: ListenerFailure }> {
  private readonly registered = new Map<keyof Events, Set<Registration>>();

  /** @returns what ends it */
  on<K extends keyof Events>(
    event: K,
    listener: (value: Events[K]) => void,
    onError?: (error: unknown) => void,
  ): () => void {
    let set = this.registered.get(event);
    if (set === undefined) this.registered.set(event, (set = new Set()));
    const registration: Registration = { listener: listener as (value: never) => void, onError };
    set.add(registration);
    return () => void set.delete(registration);
  }

  tell<K extends keyof Events>(event: K, value: Events[K]): void {
    const set = this.registered.get(event);
    if (set === undefined) return;
    for (const registration of [...set]) {
      try {
        (registration.listener as (value: Events[K]) => void)(value);
      } catch (error) {
        this.failed(event, registration, error);
      }
    }
  }

  private failed(event: keyof Events, { onError }: Registration, error: unknown): void {
    const heard = (this.registered.get('error')?.size ?? 0) > 0;
    try {
      if (onError !== undefined) return onError(error);
    } catch (another) {
      return unhandled(another);
    }
    if (heard && event !== 'error') this.tell('error', { event: String(event), error } as Events['error']);
    else unhandled(error);
  }
}

const unhandled = (error: unknown): void => void Promise.reject(error);
