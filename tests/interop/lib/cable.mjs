/** A network cable between a browser and the hub that can be pulled out and put back. */
import { connect, createServer } from "node:net";

export async function cable(ready) {
  const hub = new URL(ready.api);
  const lines = new Set();
  let plugged = true;
  const server = createServer((near) => {
    if (!plugged) return near.destroy();
    const far = connect(Number(hub.port), hub.hostname);
    const line = { end: () => [near, far].forEach((socket) => socket.destroy()) };
    lines.add(line);
    for (const socket of [near, far]) {
      socket.on("error", line.end);
      socket.on("close", () => {
        line.end();
        lines.delete(line);
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    /** The hub as seen through the cable. */
    ready: { ...ready, api: origin, chat_url: `ws${origin.slice(4)}/xmpp`, phone: `${origin}/phone` },
    pull() {
      plugged = false;
      for (const line of [...lines]) line.end();
    },
    plug() {
      plugged = true;
    },
    close() {
      this.pull();
      server.close();
    },
  };
}
