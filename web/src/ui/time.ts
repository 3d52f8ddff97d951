/** Times as people write them. */

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** Today's times of day, earlier days' dates. `seconds` since 1970. */
export function clock(seconds: number): string {
  const date = new Date(seconds * 1000);
  return date.toDateString() === new Date().toDateString() ? CLOCK.format(date) : DAY.format(date);
}

/** `1:05`, or `1:00:05` past an hour. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const tail = String(seconds % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** `seconds` since somebody was last here. */
export function seen(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  if (seconds === 0) return "online";
  if (seconds < 60) return "seen just now";
  if (seconds < 3600) return `seen ${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `seen ${Math.floor(seconds / 3600)} h ago`;
  return `seen ${Math.floor(seconds / 86_400)} d ago`;
}
