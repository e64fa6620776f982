/** A controller that ends with the host's signal too. */
export function lifetime(host: AbortSignal | undefined): AbortController {
  const controller = new AbortController();
  if (host?.aborted) controller.abort();
  host?.addEventListener("abort", () => controller.abort(), {
    once: true,
    signal: controller.signal,
  });
  return controller;
}
