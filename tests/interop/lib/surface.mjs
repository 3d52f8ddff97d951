/**
 * What the official SDK offers, found by walking its objects, and which of it a script called.
 * A method is named by its path: `chat.dialog.create`; a chat listener by its property:
 * `chat.onMessageListener`.
 */
import { ChatEvent } from "connectycube";

/** The XMPP library below the chat, plain data, and one service seen from another. */
const NOT_SERVICES = new Set(["xmppClient", "proxy", "sdkInstance", "chat", "cache"]);

/** Services below `owner`, by the name of the property that holds them. */
function services(owner, depth) {
  const isService = (value) =>
    value !== null &&
    typeof value === "object" &&
    ![Object, Array, Map, Set].includes(value.constructor);
  return Object.entries(owner).filter(
    ([name, value]) => isService(value) && (depth === 0 || !NOT_SERVICES.has(name)) && name !== "proxy",
  );
}

function isClass(value) {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function functionNames(object) {
  const names = new Set();
  for (let level = object; level && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) {
      const { value } = Object.getOwnPropertyDescriptor(level, name);
      if (name !== "constructor" && typeof value === "function") names.add(name);
    }
  }
  return names;
}

/** What events the chat has a listener for. */
export function listenerNames(sdk) {
  return Object.values(ChatEvent).map((event) => sdk.chat.getListenerByName(event));
}

/** Every method and listener of an initialised SDK. */
export function surface(sdk) {
  const names = new Set(["init"]);
  const seen = new Set();
  const walk = (object, path, depth) => {
    if (seen.has(object)) return;
    seen.add(object);
    for (const name of functionNames(object)) names.add(path + name);
    for (const [name, service] of services(object, depth)) walk(service, `${path}${name}.`, depth + 1);
  };
  for (const [name, service] of services(sdk, 0)) walk(service, `${name}.`, 1);
  for (const name of listenerNames(sdk)) names.add(`chat.${name}`);
  return names;
}

/** The same SDK, which notes in `calls` what is called from outside; not what it calls itself. */
export function recorded(sdk, calls) {
  const views = new Map();
  const view = (target, path, depth) => {
    if (!views.has(target)) views.set(target, new Proxy(target, handler(path, depth)));
    return views.get(target);
  };
  const handler = (path, depth) => ({
    get(target, name) {
      const value = target[name];
      if (typeof value === "function" && typeof name === "string" && !isClass(value)) {
        // `sdk.createSession` and its like are the functions of `sdk.auth`.
        const isAuth = depth === 0 && target.auth?.[name] === value;
        return (...args) => {
          calls.add(isAuth ? `auth.${name}` : path + name);
          return value.apply(target, args);
        };
      }
      const isService = services(target, depth).some(([own]) => own === name);
      return isService ? view(value, `${path}${name}.`, depth + 1) : value;
    },
    set(target, name, value) {
      target[name] = value;
      return true;
    },
  });
  return view(sdk, "", 0);
}
