/**
 * How a script runs: its checks, what it started, and how all of it ends. One script a process.
 */
import { Report } from "./report.mjs";

const report = new Report();
const parts = [];

/** One check of the script, see `Report.check`. */
export const check = report.check.bind(report);

/** Something the script started: it is ended with it, the last first, and its last lines are printed when a check fails. */
export async function keep(part) {
  const started = await part;
  parts.push(started);
  return started;
}

/** Runs the script to its end, prints its report and ends the process: with 0 if every check is good. */
export async function script(run) {
  try {
    await run();
  } catch (error) {
    report.abort("script", error);
  } finally {
    const tails = parts.map((part) => part.tail?.() ?? "");
    for (const part of [...parts].reverse()) await (part.end ?? part.close).call(part);
    report.print(tails.join("\n"));
  }
  process.exit(report.failed ? 1 : 0);
}
