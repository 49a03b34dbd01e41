// Asks for a token where the server does. It goes into sessionStorage, which is this tab's and this server's alone.
import { el, failed } from "../dom.js";
import { token } from "../wire.js";

/** @param {() => Promise<void>} signedIn @param {boolean} refused whether a token was given that the server does not take */
export function signIn(signedIn, refused) {
  const input = el("input", {
    type: "password",
    id: "token",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
  });
  const submit = async (event) => {
    event.preventDefault();
    const given = input.value.trim();
    if (given === "") return;
    token.set(given);
    input.value = "";
    await signedIn();
  };
  return [
    el("h1", {}, "Sign in"),
    refused && failed("The server does not take this token."),
    el(
      "form",
      { class: "sign-in", submit },
      el(
        "p",
        {},
        "This server asks for a bearer token: the same that a client sends. You see what is kept under its name.",
      ),
      el("p", {}, el("label", { for: "token" }, "Token"), input),
      el("p", {}, "It stays in this tab and ends with it."),
      el("p", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Sign in")),
    ),
  ].filter(Boolean);
}
