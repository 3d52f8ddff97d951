/** Child processes of a test: started, waited for by what they print, ended by their id. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const LOG_LINES = 200;
const END_LIMIT_MS = 5_000;

export class Child {
  #process;
  #log = [];
  #exited;
  /** Whether it has ended. */
  exited = false;

  constructor(name, command, args, options = {}) {
    this.name = name;
    this.#process = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    this.#exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        this.exited = true;
        resolve(code ?? signal);
      });
      this.#process.once("error", (error) => resolve(error.message));
    });
    this.stdout = createInterface({ input: this.#process.stdout });
    this.stderr = createInterface({ input: this.#process.stderr });
    for (const lines of [this.stdout, this.stderr]) lines.on("line", (line) => this.#keep(line));
  }

  get pid() {
    return this.#process.pid;
  }

  /** The first line of `stream` for which `match` gives something, or an error that tells why not. */
  line(stream, match, limitMs) {
    return new Promise((resolve, reject) => {
      const fail = (why) => {
        done();
        reject(new Error(`${this.name} ${why}\n${this.tail()}`));
      };
      const timer = setTimeout(() => fail(`printed nothing expected within ${limitMs} ms`), limitMs);
      const look = (line) => {
        const found = match(line);
        if (found === undefined) return;
        done();
        resolve(found);
      };
      const done = () => {
        clearTimeout(timer);
        stream.off("line", look);
      };
      stream.on("line", look);
      void this.#exited.then((how) => fail(`ended early (${how})`));
    });
  }

  /** The last lines it printed, for the report of a failure. */
  tail() {
    return this.#log.map((line) => `  ${this.name}: ${line}`).join("\n");
  }

  async end() {
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), END_LIMIT_MS);
    const how = await this.#exited;
    clearTimeout(timer);
    return how;
  }

  #keep(line) {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES) this.#log.shift();
  }
}

/** A line of JSON as an object; undefined for anything else. */
export function json(line) {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
