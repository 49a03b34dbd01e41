// Light, dark, or as the system has it. Remembered in this browser.
const KEY = "stateful-mcp-theme";
const NAMES = ["auto", "light", "dark"];

export function setUpTheme() {
  const choice = /** @type {HTMLSelectElement} */ (document.getElementById("theme"));
  const saved = localStorage.getItem(KEY) ?? "";
  choice.value = NAMES.includes(saved) ? saved : "auto";
  document.documentElement.dataset.theme = choice.value;
  choice.addEventListener("change", () => {
    document.documentElement.dataset.theme = choice.value;
    localStorage.setItem(KEY, choice.value);
  });
}
