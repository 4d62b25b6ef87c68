/** Who runs what is registered when it ends: a `TestContext`, or a `SuiteCleanup`. */
export interface Cleanup {
  after(release: () => Promise<void> | void): void;
}

/** For what `before` starts and all tests of a suite use: `after(() => shared.run())`. */
export class SuiteCleanup implements Cleanup {
  readonly #releases: (() => Promise<void> | void)[] = [];

  after(release: () => Promise<void> | void): void {
    this.#releases.push(release);
  }

  /** Runs all that is registered, the newest first, then throws the first error there was. */
  async run(): Promise<void> {
    const errors: unknown[] = [];
    for (const release of this.#releases.splice(0).reverse()) {
      try {
        await release();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
