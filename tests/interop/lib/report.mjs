/**
 * The checks of one script, printed as one line of JSON for the Rust test to judge:
 * `{"checks":[{"name","ok","detail"}],"logs":"…"}`.
 */
export class Report {
  #checks = [];

  /** Runs one check; a failure is recorded and the script goes on with the next. */
  async check(name, body) {
    const start = performance.now();
    try {
      const detail = await body();
      this.#add(name, true, detail === undefined ? "" : JSON.stringify(detail), start);
    } catch (error) {
      this.#add(name, false, describe(error), start);
    }
  }

  /** Something without which the rest makes no sense went wrong. */
  abort(name, error) {
    this.#add(name, false, describe(error), performance.now());
  }

  get failed() {
    return this.#checks.some((check) => !check.ok);
  }

  /** `logs` says what everybody printed; it is only worth reading after a failure. */
  print(logs) {
    const report = { checks: this.#checks, logs: this.failed ? logs : "" };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }

  #add(name, ok, detail, start) {
    const ms = Math.round(performance.now() - start);
    this.#checks.push({ name, ok, detail, ms });
    process.stderr.write(`${ok ? "ok  " : "FAIL"} ${name} (${ms} ms)${ok ? "" : `: ${detail}`}\n`);
  }
}

/** The SDK rejects with plain objects and strings as often as with errors. */
function describe(error) {
  if (error instanceof Error) return `${error.message}\n${error.stack?.split("\n").slice(1, 5).join("\n")}`;
  return typeof error === "string" ? error : JSON.stringify(error);
}
