// Runs before the first paint, so that nothing flashes. Not a module: those come later.
(() => {
  const KEY = "discnt-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // The browser keeps nothing for this page.
  }
  const root = document.documentElement;
  const show = () => {
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    dispatchEvent(new Event("theme"));
  };
  system.addEventListener("change", show);
  show();
  window.toggleTheme = () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // It holds until the page is closed, then.
    }
    show();
  };
})();
