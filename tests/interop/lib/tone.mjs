/** A tone as a WAV file, for a microphone that is never silent. */
import { writeFile } from "node:fs/promises";

const RATE = 48_000;
const SECONDS = 2;
const HERTZ = 440;

/** Writes it; whole waves, so that it can be repeated without a click. */
export async function writeTone(path) {
  const samples = Buffer.alloc(RATE * SECONDS * 2);
  for (let at = 0; at < RATE * SECONDS; at += 1) {
    samples.writeInt16LE(Math.round(8_000 * Math.sin((2 * Math.PI * HERTZ * at) / RATE)), at * 2);
  }
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  // PCM, one channel, 16 bits.
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.length, 40);
  await writeFile(path, Buffer.concat([header, samples]));
}
