/**
 * Opening the door of the station one is talking to.
 *
 * Asked and answered by system messages, so that the hub vouches for who asks and the station
 * decides: `{cubelet: "unlock", session_id, request_id}` →
 * `{cubelet: "unlock_result", request_id, ok: "true"|"false", reason?}`.
 */
import ConnectyCube from "connectycube";
import type { Chat } from "connectycube/types";

export interface DoorAnswer {
  opened: boolean;
  /** Why not, in words. */
  reason?: string;
}

const ANSWER_LIMIT_MS = 5_000;

export class Door {
  #waiting = new Map<string, (answer: DoorAnswer) => void>();

  /** Always settles: an answer that does not come within 5 s is an answer too. */
  open(station: number, sessionId: string): Promise<DoorAnswer> {
    const requestId = crypto.randomUUID();
    return new Promise((resolve) => {
      const settle = (answer: DoorAnswer) => {
        window.clearTimeout(timer);
        this.#waiting.delete(requestId);
        resolve(answer);
      };
      const timer = window.setTimeout(
        () => settle({ opened: false, reason: "The door did not answer." }),
        ANSWER_LIMIT_MS,
      );
      this.#waiting.set(requestId, settle);
      ConnectyCube.chat.sendSystemMessage(station, {
        extension: { cubelet: "unlock", session_id: sessionId, request_id: requestId },
      });
    });
  }

  onSystemMessage(message: Chat.SystemMessage): void {
    const answer = message.extension as Record<string, unknown> | null;
    if (answer?.["cubelet"] !== "unlock_result") return;
    const settle = this.#waiting.get(String(answer["request_id"]));
    if (answer["ok"] === "true") settle?.({ opened: true });
    else {
      settle?.({ opened: false, reason: sentence(String(answer["reason"] || "the door stays closed")) });
    }
  }
}

/** Stations give their reason without capital and full stop. */
function sentence(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("") + (/[.!?]$/.test(text) ? "" : ".");
}
