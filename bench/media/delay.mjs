/**
 * A long way between two ends: what one end sends to its port here comes out at the other end so much
 * later. Each end is given the other's port as its only candidate; its own address is learned from its
 * first packet. Tells its two ports as one line of JSON.
 * Usage: node bench/media/delay.mjs ADDRESS MILLISECONDS
 */
import { createSocket } from "node:dgram";

const [address, milliseconds] = process.argv.slice(2);
const ends = [0, 1].map(() => ({ socket: createSocket("udp4"), peer: null }));
const ready = ends.map(({ socket }) => new Promise((done) => socket.bind(0, address, done)));
await Promise.all(ready);
for (const [n, end] of ends.entries()) {
  const other = ends[1 - n];
  end.socket.on("message", (packet, from) => {
    end.peer = from;
    setTimeout(() => other.peer && other.socket.send(packet, other.peer.port, other.peer.address), Number(milliseconds));
  });
}
console.log(JSON.stringify(ends.map(({ socket }) => socket.address().port)));
