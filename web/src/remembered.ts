/** What this browser keeps between visits, if the person wishes so. */
import type { Credentials } from "./hub";

const LOGIN = "cubelet.phone.login";
const CAMERA = "cubelet.phone.camera";

export function rememberedLogin(): Credentials | undefined {
  try {
    const value = JSON.parse(localStorage.getItem(LOGIN) ?? "null") as Partial<Credentials> | null;
    if (typeof value?.login === "string" && typeof value.password === "string") {
      return { login: value.login, password: value.password };
    }
  } catch {
    // Storage switched off, or not ours: as if nothing was kept.
  }
  return undefined;
}

export function rememberLogin(credentials: Credentials | undefined): void {
  store(LOGIN, credentials && JSON.stringify(credentials));
}

/** Whether the own camera is on when a call begins. */
export function cameraWished(): boolean {
  try {
    return localStorage.getItem(CAMERA) !== "off";
  } catch {
    return true;
  }
}

export function rememberCamera(on: boolean): void {
  store(CAMERA, on ? "on" : "off");
}

function store(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // A private window may refuse; the phone works without a memory.
  }
}
