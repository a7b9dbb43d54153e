// Starts the page's program, and says so when it cannot run or has stopped.
import init, { start } from "./shop_web.js";

function stopped(words) {
  const banner = document.getElementById("stopped");
  if (!banner.hidden) return;
  document.getElementById("stopped-words").textContent = words;
  banner.hidden = false;
  document.body.dataset.ready = "stopped";
}

function isTrap(error) {
  return error instanceof WebAssembly.RuntimeError;
}

const PANIC = "The page’s program met a bug and has stopped. Nothing that you ordered is lost. Reload to go on.";
addEventListener("error", (event) => isTrap(event.error) && stopped(PANIC));
addEventListener("unhandledrejection", (event) => isTrap(event.reason) && stopped(PANIC));
document.getElementById("reload").addEventListener("click", () => location.reload());

try {
  await init({ module_or_path: new URL("shop_web_bg.wasm", import.meta.url) });
  start();
  document.body.dataset.ready = "yes";
} catch (error) {
  console.error(error);
  stopped(isTrap(error) ? PANIC : "The page’s program did not load: " + error.message + ". Reload to try again.");
}
