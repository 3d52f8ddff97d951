import { defineConfig } from "vite";

// The hub embeds `dist` and serves it under /phone/, so every URL stays relative.
export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    // The official SDK is most of the bundle; it is served once from the local network.
    chunkSizeWarningLimit: 900,
    // A data: URL would need an exception in the hub's content security policy.
    assetsInlineLimit: 0,
  },
});
