// Computes quotes beside the page, with the same module that the page runs: its first message.
import init, { compute } from "./shop_web.js";

let ready;
onmessage = async ({ data }) => {
  if (ready) {
    await ready;
    postMessage(compute(data));
  } else {
    ready = init({ module_or_path: data });
  }
};
