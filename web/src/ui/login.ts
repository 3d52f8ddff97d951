/** The sign-in form. */
import type { Credentials } from "../hub";
import { h, setText } from "./dom";

export class LoginView {
  readonly element: HTMLElement;
  #error = h("p", { class: "form-error", role: "alert" });
  #login = h("input", {
    id: "login",
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
  });
  #password = h("input", {
    id: "password",
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  #remember = h("input", { id: "remember", type: "checkbox" });
  #submit = h("button", { class: "primary", type: "submit" }, "Sign in");

  constructor(signIn: (credentials: Credentials, remember: boolean) => Promise<void>) {
    const form = h(
      "form",
      {
        class: "login-card",
        "aria-labelledby": "login-title",
        on: {
          submit: (event) => {
            event.preventDefault();
            const credentials = { login: this.#login.value.trim(), password: this.#password.value };
            void this.#send(() => signIn(credentials, this.#remember.checked));
          },
        },
      },
      h("img", { src: "./icon.svg", alt: "", width: 52, height: 52 }),
      h("h1", { id: "login-title" }, "Who is at the door?"),
      h("p", { class: "lead" }, "Sign in to this house to see, talk and open."),
      h("label", { for: "login" }, "Login"),
      this.#login,
      h("label", { for: "password" }, "Password"),
      this.#password,
      h("label", { class: "check", for: "remember" }, this.#remember, "Stay signed in on this device"),
      this.#error,
      this.#submit,
    );
    this.element = h("main", { class: "login" }, form);
  }

  focus(): void {
    this.#login.focus();
  }

  /** Shows why it did not work, and puts the cursor where it can be mended. */
  fail(message: string): void {
    setText(this.#error, message);
    if (message === "Wrong password.") this.#password.select();
    else this.#login.focus();
  }

  async #send(signIn: () => Promise<void>): Promise<void> {
    setText(this.#error, "");
    this.#submit.disabled = true;
    setText(this.#submit, "Signing in…");
    try {
      await signIn();
      this.#password.value = "";
    } finally {
      this.#submit.disabled = false;
      setText(this.#submit, "Sign in");
    }
  }
}
