/** A hub with people, for one area of the conformance suite. */
import assert from "node:assert/strict";
import { prepareSdk, signUp, startHub } from "./hub.mjs";
import { Member } from "./member.mjs";
import { Report } from "./report.mjs";

export class Site {
  #members = [];
  #hub;

  static async start(settings) {
    const site = new Site();
    site.#hub = await startHub(settings);
    site.ready = site.#hub.ready;
    return site;
  }

  constructor() {
    this.report = new Report();
    this.check = this.report.check.bind(this.report);
    /** What the SDK was asked to do here, and which listeners it told something. */
    this.calls = new Set();
  }

  /** The SDK's own instance, for calls that need no user. */
  get sdk() {
    return prepareSdk(this.ready);
  }

  /** New users of these names, each with a session. */
  async people(...names) {
    const persons = names.map((name) => ({
      login: name,
      password: `${name}-password`,
      full_name: `${name[0].toUpperCase()}${name.slice(1)} of the House`,
    }));
    const users = await signUp(this.ready, persons);
    const members = users.map((user) => this.device(user));
    await Promise.all(members.map((member) => member.login()));
    return members;
  }

  /** The same, connected to the chat. */
  async connected(...names) {
    const members = await this.people(...names);
    await Promise.all(members.map((member) => member.connect()));
    // Presence is out when something sent after it is answered.
    await Promise.all(members.map((member) => member.settled()));
    return members;
  }

  /** A device of a user, through `ready` if it is to reach the hub another way. */
  device(user, ready = this.ready) {
    const member = new Member(ready, user, this.calls);
    this.#members.push(member);
    return member;
  }

  async end() {
    await Promise.all(this.#members.map((member) => member.disconnect().catch(() => undefined)));
    await this.#hub.end();
    this.report.print(this.#hub.tail());
  }
}

/** What the promise was rejected with; fails when it was not. */
export async function refused(promise) {
  return await promise.then(
    (value) => assert.fail(`was not refused: ${JSON.stringify(value)}`),
    (error) => error,
  );
}

/** Rejected with this HTTP status and a body in the vendor's shape (wire reference E.1). */
export async function refusedWith(code, promise) {
  const error = await refused(promise);
  assert.equal(error.code, code, `code ${error.code}: ${JSON.stringify(error.info ?? String(error))}`);
  const { errors } = error.info;
  const lists = Array.isArray(errors) ? [errors] : Object.values(errors);
  assert.ok(lists.length > 0 && lists.flat().every((text) => typeof text === "string"), JSON.stringify(errors));
  return error;
}

/** The same members in any order. */
export function sameSet(actual, expected) {
  const sorted = (items) => [...items].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  assert.deepEqual(sorted(actual), sorted(expected));
}

/** An ISO 8601 time in UTC of about now. */
export function isRecent(time, seconds = 120) {
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  assert.ok(Math.abs(Date.now() - Date.parse(time)) < seconds * 1000, `${time} is not about now`);
}

export const OBJECT_ID = /^[0-9a-f]{24}$/;
