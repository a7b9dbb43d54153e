// Starts the page's program, gives it its hands on the document, and says so when it cannot run or has stopped.
import init, { on, start } from "./shop_web.js";

const byId = (id) => document.getElementById(id);

// What the program calls. An element that is not there is left alone.
globalThis.dom = {
  // The focus stays where it was, if what had it is still there.
  fill(id, html) {
    const focused = document.activeElement?.id;
    byId(id).innerHTML = html;
    if (focused && document.activeElement?.id !== focused) byId(focused)?.focus();
  },
  append: (id, html) => byId(id).insertAdjacentHTML("beforeend", html),
  text: (id, text) => { const it = byId(id); if (it) it.textContent = text; },
  flag: (id, name, value) => byId(id).toggleAttribute(name, value),
  set: (id, name, value) => byId(id).setAttribute(name, value),
  focus: (id) => byId(id)?.focus(),
  value: (id) => byId(id)?.value ?? "",
  setValue: (id, value) => { byId(id).value = value; },
  isChecked: (id) => byId(id).checked,
  chosen: (name) => document.querySelector(`input[name=${name}]:checked`)?.value ?? "",
  isWide: () => innerWidth >= 900,
};

// The worker that computes quotes, started when it is first asked. Its first message is the module to be.
let running;
globalThis.worker = {
  ask(json, module) {
    if (!running) {
      running = new Worker("worker.js", { type: "module" });
      running.postMessage(module);
    }
    const asked = running;
    return new Promise((resolve, reject) => {
      asked.onmessage = ({ data }) => resolve(data);
      asked.onerror = (error) => {
        if (running === asked) worker.stop();
        reject(error);
      };
      asked.postMessage(json);
    });
  },
  stop() {
    running?.terminate();
    running = undefined;
  },
};

// One listener for each kind of event: what is shown comes and goes.
for (const kind of ["click", "change", "input", "submit"]) {
  addEventListener(kind, (event) => {
    const element = event.target.closest?.("[data-do]");
    if (!element || document.body.dataset.ready !== "yes") return;
    if (kind === "submit") event.preventDefault();
    const told = [kind, element.dataset.do, element.dataset.with ?? "", event.target.value ?? ""];
    // Later, since the program's own changes of the document can be what fires the event.
    queueMicrotask(() => on(...told));
  });
}

// Another tab may have changed what this one shows.
addEventListener("visibilitychange", () => {
  if (!document.hidden && document.body.dataset.ready === "yes") on("show", "", "", "");
});

function stopped(words) {
  const banner = byId("stopped");
  if (!banner.hidden) return;
  byId("stopped-words").textContent = words;
  banner.hidden = false;
  document.body.dataset.ready = "stopped";
}

const isTrap = (error) => error instanceof WebAssembly.RuntimeError;
const PANIC = "The page’s program met a bug and has stopped. Nothing that you ordered is lost. Reload to go on.";
addEventListener("error", (event) => isTrap(event.error) && stopped(PANIC));
addEventListener("unhandledrejection", (event) => isTrap(event.reason) && stopped(PANIC));
byId("reload").addEventListener("click", () => location.reload());

try {
  await init({ module_or_path: new URL("shop_web_bg.wasm", import.meta.url) });
  start();
  document.body.dataset.ready = "yes";
} catch (error) {
  console.error(error);
  stopped(isTrap(error) ? PANIC : `The page’s program did not load: ${error.message}. Reload to try again.`);
}
