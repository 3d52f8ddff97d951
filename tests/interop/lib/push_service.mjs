/** A push service on this machine, and browsers that decrypt with `http_ece` and Node's own crypto. */
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import ece from "http_ece";
import { Inbox } from "./member.mjs";

export class PushService {
  #server;
  #answers = [];

  static async start() {
    const service = new PushService();
    service.#server = createServer(async (request, response) => {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      service.requests.put({ path: request.url, headers: request.headers, body: Buffer.concat(pieces) });
      response.writeHead(service.#answers.shift() ?? 201).end();
    });
    service.#server.listen(0, "127.0.0.1");
    await once(service.#server, "listening");
    service.origin = `http://127.0.0.1:${service.#server.address().port}`;
    return service;
  }

  constructor() {
    this.requests = new Inbox("push service");
  }

  /** The next request is answered so; all others are taken. */
  answer(status) {
    this.#answers.push(status);
  }

  next(path) {
    return this.requests.take((request) => request.path === path, `push to ${path}`);
  }

  async end() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

/** What `PushManager.subscribe` gives, and the keys it keeps. */
export class Browser {
  #keys = createECDH("prime256v1");
  #auth = randomBytes(16);

  constructor(service, path) {
    this.#keys.generateKeys();
    this.service = service;
    this.path = path;
  }

  /** The parameters of a subscription, as the vendor's documentation writes them. */
  params(udid, environment = "production") {
    return {
      notification_channel: "web",
      device: { platform: "web", udid },
      push_token: {
        environment,
        web_endpoint: this.service.origin + this.path,
        web_auth: this.#auth.toString("base64url"),
        web_p256dh: this.#keys.getPublicKey().toString("base64url"),
      },
    };
  }

  /** The next notification: what it says and the request it came by. */
  async next() {
    const request = await this.service.next(this.path);
    const text = ece.decrypt(request.body, {
      version: "aes128gcm",
      privateKey: this.#keys,
      authSecret: this.#auth,
    });
    return { ...request, says: JSON.parse(text.toString("utf8")) };
  }
}

/** The claims of a request's token, whose signature is right (RFC 8292). */
export function verified(headers) {
  const [, token, key] = /^vapid t=([^,]+), k=(\S+)$/.exec(headers.authorization);
  const [header, claims, signature] = token.split(".");
  const point = Buffer.from(key, "base64url");
  const jwk = { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
  const isRight = verify(
    "sha256",
    Buffer.from(`${header}.${claims}`),
    { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  if (!isRight) throw new Error("the token's signature is wrong");
  const read = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
  return { key, header: read(header), claims: read(claims) };
}
