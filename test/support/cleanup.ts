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

  /** Runs what is registered, the newest first. */
  async run(): Promise<void> {
    for (const release of this.#releases.splice(0).reverse()) await release();
  }
}
