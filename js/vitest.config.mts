import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  cacheDir: "../node_modules/.vite",
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.ts"],
    maxWorkers: 2,
    css: true, // a test reads the style sheet
  },
});
