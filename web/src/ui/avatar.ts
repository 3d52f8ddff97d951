/** A round sign for a person, a square one for a station. */
import type { Person } from "../people";
import { h } from "./dom";
import { icon } from "./icons";

/** Distinct on light and dark grounds; the hue follows the id so that it never changes. */
const HUES = [158, 24, 262, 205, 338, 92, 48, 288];

export function avatar(person: Person): HTMLElement {
  const initials = person.name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => [...word][0]?.toUpperCase() ?? "")
    .join("");
  const element = h(
    "span",
    { class: person.station ? "avatar station" : "avatar", "aria-hidden": "true" },
    person.station ? icon("door") : initials,
  );
  element.style.setProperty("--hue", String(HUES[person.id % HUES.length]));
  return element;
}
