/** Line icons on a 24-pixel grid. Decoration only: every control carries its own name. */

const PATHS = {
  phone:
    "M6.6 3.5h2.7l1.5 4.2-2 1.5a12 12 0 0 0 6 6l1.5-2 4.2 1.5v2.7a2.1 2.1 0 0 1-2.3 2.1A17 17 0 0 1 4.5 5.8a2.1 2.1 0 0 1 2.1-2.3z",
  mic: "M12 3.5a2.8 2.8 0 0 1 2.8 2.8v5a2.8 2.8 0 0 1-5.6 0v-5A2.8 2.8 0 0 1 12 3.5zM5.8 11.3a6.2 6.2 0 0 0 12.4 0M12 17.5v3",
  micOff:
    "M9.2 9.2v2.1a2.8 2.8 0 0 0 4.5 2.2M14.8 10V6.3a2.8 2.8 0 0 0-5.4-1M5.8 11.3a6.2 6.2 0 0 0 9.6 5.2M18.2 11.3a6 6 0 0 1-.6 2.6M12 17.5v3M4 3.5l16 17",
  camera:
    "M4.8 6.8h8.4a1.6 1.6 0 0 1 1.6 1.6v7.2a1.6 1.6 0 0 1-1.6 1.6H4.8a1.6 1.6 0 0 1-1.6-1.6V8.4a1.6 1.6 0 0 1 1.6-1.6zM14.8 10.8l5.6-3v8.4l-5.6-3",
  cameraOff:
    "M9.5 6.8h3.7a1.6 1.6 0 0 1 1.6 1.6v3l5.6-3.4v8.4M14.2 16.8a1.6 1.6 0 0 1-1 .4H4.8a1.6 1.6 0 0 1-1.6-1.6V8.4a1.6 1.6 0 0 1 1.2-1.5M3.5 3.5l17 17",
  key: "M14.8 4a5.2 5.2 0 1 1-2.5 9.8L10.5 15.6H8.3v2.2H6.1V20H3.5v-3l6.7-6.7A5.2 5.2 0 0 1 14.8 4zM16.3 7.7h.01",
  check: "M5 12.8l4.5 4.5L19.5 7.3",
  chat: "M4.5 5h15a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H11l-5 3.5V17H4.5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  back: "M14.5 5.5L8 12l6.5 6.5",
  send: "M4 11.9L20 4.5l-4.6 15.5-4.2-6.3zM11.2 13.7L20 4.5",
  door: "M6.5 20.5v-16h11v16M3.5 20.5h17M14.3 12.5h.01",
  leave: "M10 4.5H5.5v15H10M14.5 8l4 4-4 4M18.5 12H9.5",
  expand: "M5 9.5V5h4.5M19 14.5V19h-4.5M5 5l5.5 5.5M19 19l-5.5-5.5",
  warning: "M12 4.5l8.5 15h-17zM12 10.5v4M12 17h.01",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGSVGElement {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(ns, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Replaces the icon of a control when its meaning changes. */
export function setIcon(host: Element, name: IconName): void {
  if (host.getAttribute("data-icon") === name) return;
  host.setAttribute("data-icon", name);
  const fresh = icon(name);
  const old = host.querySelector("svg");
  if (old) old.replaceWith(fresh);
  else host.prepend(fresh);
}
