// Bundles the phone into `dist`. esbuild alone, because it runs on the Node 18 that Debian 12
// ships; the hub embeds `dist` and serves it under /phone/, so every URL is relative.
import { build } from "esbuild";
import { cp, readFile, rm, writeFile } from "node:fs/promises";

await rm("dist", { recursive: true, force: true });
await cp("public", "dist", { recursive: true });
const { metafile } = await build({
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: "dist/assets",
  // The name changes with the content, so that a browser's cache never serves an older phone.
  entryNames: "phone-[hash]",
  // The SDK's Node-only branches look at these.
  define: { global: "globalThis", "process.env.NODE_ENV": '"production"' },
  metafile: true,
  logLevel: "warning",
});
const built = Object.keys(metafile.outputs).map((file) => file.replace(/^dist\//, "./"));
const named = (ending) => {
  const file = built.find((name) => name.endsWith(ending));
  if (!file) throw new Error(`the bundle has no ${ending}`);
  return file;
};
const page = await readFile("index.html", "utf8");
const head = `<link rel="stylesheet" href="${named(".css")}" />\n  </head>`;
await writeFile(
  "dist/index.html",
  page.replace("</head>", head).replace("./src/main.ts", named(".js")),
);
