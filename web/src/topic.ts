/** A list of listeners: the one way the model tells the page that something has changed. */
export class Topic<T = void> {
  #listeners = new Set<(value: T) => void>();

  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}
